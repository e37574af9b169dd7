// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable

@Suite struct TableUpdateTests {
  /// The same updates on the same metadata as PyIceberg's own application of them.
  @Test(arguments: ["v1", "v2", "v3"])
  func updatesOfPyIceberg(_ version: String) throws {
    let all = try MetadataFiles.own("updates.json").asObject()
    let script = try all.object(version)
    var expected = try script.object("start")
    var metadata = try TableMetadata(json: .object(expected))
    for step in try script.array("steps") {
      let updates = try step.asObject().array("updates") { json throws(JSONError) in
        try TableUpdate(json: json)
      }
      for (update, json) in zip(updates, try step.asObject().array("updates")) {
        #expect(json.withoutNothing.differences(from: update.json()) == [])
        #expect(try TableUpdate(json: update.json()) == update)
      }
      expected.merge(try step.asObject().object("changed"))
      metadata = try metadata.applying(updates, now: metadata.lastUpdatedMilliseconds)
      // PyIceberg counts neither row ids nor, for most changes, the time; the log's times differ; and
      // it leaves v1's copies of the current schema and spec as they were.
      let compared = expected.members(besides: [
        "next-row-id", "last-updated-ms", "snapshot-log", "schema", "partition-spec",
      ])
      let differences = JSONValue.object(compared).withoutNothing.differences(from: metadata.json())
      #expect(differences == [], "\(updates.map(\.action))")
      #expect(try TableMetadata(json: metadata.json()) == metadata)
    }
    #expect(metadata.formatVersion == (version == "v3" ? 3 : 2))
    if version == "v3" { #expect(metadata.nextRowID == 15) }
    #expect(metadata.snapshots.map(\.snapshotID) == [1002])
    #expect(metadata.snapshotLog.map(\.snapshotID) == [1002])
  }

  private func table(_ version: Int = 3) throws -> TableMetadata {
    try TableMetadata.new(
      schema: TableSchema([
        TableField(7, "id", .long, required: true), TableField(9, "name", .string),
        TableField(
          11, "place",
          .struct(StructType([TableField(12, "x", .double), TableField(13, "y", .double)]))),
        TableField(20, "ts", .timestamp),
      ]),
      spec: PartitionSpec(
        specID: 0,
        fields: [PartitionField(sourceID: 20, fieldID: 0, name: "day", transform: .day)]),
      sortOrder: SortOrder(orderID: 1, fields: [SortField(sourceID: 9)]),
      location: "s3://b/t", properties: ["a": "1", "format-version": "\(version)"],
      uuid: "f79c3e09-677c-4bbd-a479-3f349cb785e7", now: 1000)
  }

  private func snapshot(
    _ id: Int64, _ sequenceNumber: Int64, parent: Int64? = nil, time: Int64 = 1000,
    firstRowID: Int64? = nil, rows: Int64? = nil
  ) -> Snapshot {
    Snapshot(
      snapshotID: id, parentID: parent, sequenceNumber: sequenceNumber,
      timestampMilliseconds: time, manifestList: "m\(id)", summary: ["operation": "append"],
      firstRowID: firstRowID, addedRows: rows)
  }

  private func main(_ id: Int64) -> TableUpdate {
    .setSnapshotReference("main", SnapshotReference(snapshotID: id, kind: .branch))
  }

  @Test func newTables() throws {
    let metadata = try table()
    #expect(metadata.formatVersion == 3)
    #expect(metadata.currentSchema.allFieldIDs == [1, 2, 3, 5, 6, 4])
    #expect(metadata.lastColumnID == 6)
    #expect(metadata.defaultSpec.fields.map(\.sourceID) == [4])
    #expect(metadata.defaultSpec.fields.map(\.fieldID) == [1000])
    #expect(metadata.lastPartitionID == 1000)
    #expect(metadata.defaultSortOrder.fields.map(\.sourceID) == [2])
    #expect(metadata.defaultSortOrderID == 1)
    #expect(metadata.properties == ["a": "1"])
    #expect(metadata.currentSnapshot == nil)
    #expect(metadata.lastUpdatedMilliseconds == 1000)
    #expect(try TableMetadata(json: metadata.json()) == metadata)
    #expect(try table(1).json().asObject()["current-snapshot-id"] == -1)
    #expect(throws: TableError.self) { try table(4) }
    #expect(throws: TableError.self) {
      try TableMetadata.creating(
        [.addSchema(TableSchema([]))], uuid: "f79c3e09-677c-4bbd-a479-3f349cb785e7", now: 0)
    }
  }

  @Test func nothingChangedIsTheSame() throws {
    let metadata = try table()
    let same = try metadata.applying(
      [.setProperties(["a": "1"]), .setCurrentSchema(0), .removeSnapshots([5])], now: 9999,
      previousLocation: "x")
    #expect(same == metadata)
  }

  @Test func sequenceNumbersAndRowIDs() throws {
    var metadata = try table()
    metadata = try metadata.applying(
      [.addSnapshot(snapshot(1, 1, firstRowID: 0, rows: 10)), main(1)], now: 2000)
    #expect(metadata.nextRowID == 10 && metadata.lastSequenceNumber == 1)
    let tried: [(Snapshot, String)] = [
      (snapshot(2, 1, parent: 1, firstRowID: 10, rows: 1), "retryable conflict: "),
      (snapshot(2, 2, parent: 1, firstRowID: 9, rows: 1), "retryable conflict: "),
      (snapshot(2, 2, parent: 1), "first-row-id"),
      (snapshot(1, 2, parent: 1, firstRowID: 10, rows: 1), "already"),
      (snapshot(2, 2, parent: 1, firstRowID: .max, rows: 1), "adds 1 rows"),
      (snapshot(2, 2, parent: 1, firstRowID: 10, rows: -1), "adds -1 rows"),
    ]
    for (snapshot, reason) in tried {
      let message = failure { _ = try metadata.applying([.addSnapshot(snapshot)], now: 3000) }
      #expect(message?.contains(reason) == true, "\(message ?? "accepted")")
    }
    // Gaps in row ids are never given again.
    let gap = try metadata.applying(
      [.addSnapshot(snapshot(3, 5, parent: 1, firstRowID: 100, rows: 7))], now: 3000)
    #expect(gap.nextRowID == 107 && gap.lastSequenceNumber == 5)
    #expect(gap.currentSnapshotID == 1)
  }

  @Test func snapshotLogAndTimes() throws {
    var metadata = try table(2)
    // Two snapshots in one commit: the first was never to be seen.
    metadata = try metadata.applying(
      [
        .addSnapshot(snapshot(1, 1, time: 5000)), main(1),
        .addSnapshot(snapshot(2, 2, parent: 1, time: 6000)), main(2),
      ], now: 5500)
    #expect(metadata.snapshotLog.map(\.snapshotID) == [2])
    #expect(metadata.lastUpdatedMilliseconds == 6000)
    metadata = try metadata.applying(
      [.addSnapshot(snapshot(3, 3, parent: 2, time: 10)), main(3)], now: 7000)
    metadata = try metadata.applying([main(2)], now: 8000)
    #expect(metadata.snapshotLog.map(\.snapshotID) == [2, 3, 2])
    #expect(metadata.snapshotLog.map(\.timestampMilliseconds) == [6000, 6000, 8000])
    #expect(metadata.snapshot(asOfMilliseconds: 7999)?.snapshotID == 3)
    #expect(metadata.snapshot(asOfMilliseconds: 8000)?.snapshotID == 2)
    #expect(metadata.snapshot(asOfMilliseconds: 5999) == nil)
    #expect(metadata.ancestors(of: 3).map(\.snapshotID) == [3, 2, 1])
    // A gap ends the log before it.
    let trimmed = try metadata.applying([.removeSnapshots([3])], now: 9000)
    #expect(trimmed.snapshotLog.map(\.snapshotID) == [2])
    let none = try metadata.applying([.removeSnapshots([1, 2, 3])], now: 9000)
    #expect(none.currentSnapshotID == nil && none.references.isEmpty && none.snapshotLog.isEmpty)
    #expect(try TableMetadata(json: none.json()) == none)
  }

  @Test func metadataLogIsTrimmed() throws {
    var metadata = try table().applying(
      [.setProperties(["write.metadata.previous-versions-max": "3"])], now: 1)
    for step in 0..<10 {
      metadata = try metadata.applying(
        [.setProperties(["n": "\(step)"])], now: 2000 + Int64(step), previousLocation: "v\(step)")
    }
    #expect(metadata.metadataLog.map(\.location) == ["v7", "v8", "v9"])
    #expect(metadata.metadataLog.map(\.timestampMilliseconds) == [2006, 2007, 2008])
  }

  @Test func schemasSpecsAndOrders() throws {
    var metadata = try table()
    let wider = TableSchema(
      metadata.currentSchema.fields + [TableField(7, "more", .long)], schemaID: 55)
    metadata = try metadata.applying([.addSchema(wider), .setCurrentSchema(-1)], now: 1)
    #expect(metadata.currentSchemaID == 1 && metadata.lastColumnID == 7)
    // The same again is the same schema.
    metadata = try metadata.applying([.addSchema(wider), .setCurrentSchema(-1)], now: 1)
    #expect(metadata.schemas.count == 2)
    let day = PartitionField(sourceID: 4, fieldID: 0, name: "day", transform: .day)
    let bucket = PartitionField(sourceID: 1, fieldID: 0, name: "b", transform: .bucket(8))
    metadata = try metadata.applying(
      [.addPartitionSpec(PartitionSpec(specID: 9, fields: [bucket, day])), .setDefaultSpec(-1)],
      now: 1)
    #expect(metadata.defaultSpec.fields.map(\.fieldID) == [1001, 1000])
    #expect(metadata.defaultSpecID == 1 && metadata.lastPartitionID == 1001)
    var clash = bucket
    clash.fieldID = 1000
    let refused: [[TableUpdate]] = [
      [.addPartitionSpec(PartitionSpec(specID: 0, fields: [clash]))],
      [.addPartitionSpec(PartitionSpec(specID: 0, fields: [day, day]))],
      [.setDefaultSpec(7)], [.setDefaultSpec(-1)], [.setCurrentSchema(9)], [.setCurrentSchema(-1)],
      [.setDefaultSortOrder(3)], [.removeSchemas([1])], [.removePartitionSpecs([1])],
      [.setLocation("")], [.upgradeFormatVersion(2)], [.upgradeFormatVersion(4)],
      [.assignUUID("f79c3e09-677c-4bbd-a479-3f349cb785e8")], [.assignUUID("x")],
      [main(4)],
      [.addSnapshot(Snapshot(snapshotID: 1, timestampMilliseconds: 0, manifestList: nil))],
      [.addSchema(TableSchema([TableField(1, "a", .long), TableField(1, "b", .long)]))],
      // A current schema without the columns that the spec and the order need.
      [
        .addSchema(TableSchema([TableField(1, "id", .long, required: true)])),
        .setCurrentSchema(-1),
      ],
    ]
    for updates in refused {
      #expect(throws: TableError.self, "\(updates)") { try metadata.applying(updates, now: 1) }
    }
    metadata = try metadata.applying([.removeSchemas([0]), .removePartitionSpecs([0])], now: 1)
    #expect(metadata.schemas.map(\.schemaID) == [1] && metadata.specs.map(\.specID) == [1])
  }

  @Test func foreignTransformsStandInNobodysWay() throws {
    var json = try table().json().asObject()
    json["partition-specs"] = [
      [
        "spec-id": 0,
        "fields": [
          ["source-ids": [1, 2], "field-id": 1000, "name": "z", "transform": "zorder[2]"]
        ],
      ]
    ]
    let metadata = try TableMetadata(json: .object(json))
    #expect(metadata.defaultSpec.fields[0].transform == .unknown("zorder[2]"))
    let changed = try metadata.applying([.setProperties(["x": "y"])], now: 1)
    #expect(try changed.json().asObject()["partition-specs"] == json["partition-specs"])
    let wider = TableSchema(metadata.currentSchema.fields + [TableField(7, "more", .long)])
    let evolved = try metadata.applying([.addSchema(wider), .setCurrentSchema(-1)], now: 1)
    #expect(evolved.currentSchemaID == 1)
    // But it is not written anew.
    var renamed = metadata.defaultSpec
    renamed.fields[0].name = "other"
    #expect(throws: TableError.self) { try metadata.applying([.addPartitionSpec(renamed)], now: 1) }
  }

  @Test func requirements() throws {
    var metadata = try table(2)
    metadata = try metadata.applying([.addSnapshot(snapshot(1, 1)), main(1)], now: 1)
    let kept: [TableRequirement] = [
      .assertTableUUID("F79C3E09-677c-4bbd-a479-3f349cb785e7"),
      .assertReferenceSnapshotID(reference: "main", snapshotID: 1),
      .assertReferenceSnapshotID(reference: "dev", snapshotID: nil), .assertLastAssignedFieldID(6),
      .assertCurrentSchemaID(0), .assertLastAssignedPartitionID(1000), .assertDefaultSpecID(0),
      .assertDefaultSortOrderID(1),
    ]
    for requirement in kept {
      #expect(throws: Never.self) { try requirement.check(metadata) }
      #expect(try TableRequirement(json: requirement.json()) == requirement)
      #expect(throws: TableError.self) { try requirement.check(nil) }
    }
    let broken: [(TableRequirement, TableError.Code)] = [
      (.assertCreate, .alreadyExists),
      (.assertTableUUID("f79c3e09-677c-4bbd-a479-3f349cb785e8"), .conflict),
      (.assertReferenceSnapshotID(reference: "main", snapshotID: 2), .retryableConflict),
      (.assertReferenceSnapshotID(reference: "main", snapshotID: nil), .retryableConflict),
      (.assertReferenceSnapshotID(reference: "dev", snapshotID: 1), .retryableConflict),
      (.assertLastAssignedFieldID(5), .retryableConflict),
      (.assertCurrentSchemaID(1), .retryableConflict),
      (.assertDefaultSpecID(1), .retryableConflict),
      (.assertLastAssignedPartitionID(1), .retryableConflict),
      (.assertDefaultSortOrderID(0), .retryableConflict),
    ]
    for (requirement, code) in broken {
      do {
        try requirement.check(metadata)
        Issue.record("\(requirement) was met")
      } catch {
        #expect(error.code == code)
      }
    }
    try TableRequirement.assertCreate.check(nil)
    #expect(throws: JSONError.self) { try TableRequirement(json: ["type": "assert-moon"]) }
    #expect(throws: JSONError.self) { try TableUpdate(json: ["action": "fly"]) }
  }
}
