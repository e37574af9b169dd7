// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable

@Suite struct ViewUpdateTests {
  private func version(_ sql: String, dialect: String = "spark", id: Int = 1) -> ViewVersion {
    ViewVersion(
      versionID: id, schemaID: -1, timestampMilliseconds: Int64(id) * 1000,
      summary: ["engine-name": "weir"],
      representations: [ViewRepresentation(sql: sql, dialect: dialect)], defaultNamespace: ["ns"])
  }

  private func view() throws -> ViewMetadata {
    try ViewMetadata.creating(
      ViewMetadata.creation(
        schema: TableSchema([TableField(1, "a", .long)]), version: version("SELECT 1"),
        location: "s3://b/v", properties: ["comment": "c"]),
      uuid: "f79c3e09-677c-4bbd-a479-3f349cb785e7", now: 5)
  }

  @Test func lifeOfAView() throws {
    var metadata = try view()
    #expect(metadata.currentVersion.schemaID == 0)
    #expect(metadata.versionLog.map(\.timestampMilliseconds) == [1000])
    #expect(try ViewMetadata(json: metadata.json()) == metadata)
    let wider = TableSchema([TableField(1, "a", .long), TableField(2, "b", .string)])
    let updates: [ViewUpdate] = [
      .addSchema(wider), .addVersion(version("SELECT 2")), .setCurrentVersion(-1),
      .setProperties(["x": "y"]), .removeProperties(["comment"]), .setLocation("s3://b/w"),
    ]
    for update in updates { #expect(try ViewUpdate(json: update.json()) == update) }
    metadata = try metadata.applying(updates, now: 10)
    #expect(metadata.currentVersionID == 2 && metadata.currentVersion.schemaID == 1)
    #expect(metadata.currentSchema.fields.count == 2 && metadata.properties == ["x": "y"])
    // Back to the first: the log says when.
    metadata = try metadata.applying([.setCurrentVersion(1)], now: 20)
    #expect(metadata.versionLog.map(\.versionID) == [1, 2, 1])
    #expect(metadata.versionLog.last?.timestampMilliseconds == 20)
    #expect(try metadata.applying([.setCurrentVersion(1)], now: 99) == metadata)
  }

  @Test func oldVersionsGo() throws {
    var metadata = try view().applying(
      [.setProperties(["version.history.num-entries": "3"])], now: 1)
    for number in 2...8 {
      metadata = try metadata.applying(
        [
          .addSchema(metadata.currentSchema), .addVersion(version("SELECT \(number)", id: number)),
          .setCurrentVersion(-1),
        ], now: Int64(number))
    }
    #expect(metadata.versions.map(\.versionID) == [6, 7, 8])
    #expect(metadata.versionLog.map(\.versionID) == [6, 7, 8])
  }

  @Test func refused() throws {
    let metadata = try view()
    var two = version("SELECT 1")
    two.schemaID = 0
    two.representations.append(ViewRepresentation(sql: "x", dialect: "SPARK"))
    var other = version("SELECT 1", dialect: "trino")
    other.schemaID = 0
    let cases: [[ViewUpdate]] = [
      [.addVersion(version("x"))], [.setCurrentVersion(9)], [.setCurrentVersion(-1)],
      [.addVersion(two)], [.setLocation("")], [.upgradeFormatVersion(2)], [.assignUUID("x")],
      [.assignUUID("f79c3e09-677c-4bbd-a479-3f349cb785e8")],
      [.addVersion(other), .setCurrentVersion(-1)],
      [.setProperties(["version.history.num-entries": "0"])],
    ]
    for updates in cases {
      #expect(throws: TableError.self, "\(updates)") { try metadata.applying(updates, now: 1) }
    }
    let allowed: [ViewUpdate] = [
      .setProperties(["replace.drop-dialect.allowed": "true"]), .addVersion(other),
      .setCurrentVersion(-1),
    ]
    #expect(try metadata.applying(allowed, now: 1).currentVersion.representations.count == 1)
    #expect(throws: TableError.self) {
      try ViewMetadata.creating([.setLocation("x")], uuid: "", now: 1)
    }
    #expect(throws: JSONError.self) { try ViewUpdate(json: ["action": "add-snapshot"]) }
    let same = ViewRequirement.assertViewUUID("F79C3E09-677c-4bbd-a479-3f349cb785e7")
    try same.check(metadata)
    #expect(try ViewRequirement(json: same.json()) == same)
    #expect(throws: TableError.self) { try same.check(nil) }
    #expect(throws: TableError.self) { try ViewRequirement.assertCreate.check(metadata) }
  }
}
