// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirTable

/// Metadata written by others: read, refused for the right reason, and written back without loss.
@Suite struct TableMetadataFileTests {
  @Test func metadataOfPyIcebergComesBackWhole() throws {
    let tables = try MetadataFiles.own("tables.json").asArray()
    #expect(tables.count == 3)
    for (index, json) in tables.enumerated() {
      let metadata = try TableMetadata(json: json)
      #expect(metadata.formatVersion == index + 1)
      #expect(json.withoutNothing.differences(from: metadata.json()) == [])
      #expect(try TableMetadata(json: metadata.json()) == metadata)
      #expect(try TableMetadata(bytes: metadata.bytes(), location: "x") == metadata)
    }
  }

  @Test(
    MetadataFiles.needsConformance,
    arguments: [
      "table_metadata/TableMetadataV1Compat.json", "table_metadata/TableMetadataV1Valid.json",
      "table_metadata/TableMetadataV1PartitionSpecsWithoutDefaultId.json",
      "table_metadata/TableMetadataV1SchemasWithoutCurrentId.json",
      "table_metadata/TableMetadataV2Valid.json", "table_metadata/TableMetadataV2ValidMinimal.json",
      "table_metadata/TableMetadataV3ValidMinimal.json",
      "table_metadata/TableMetadataV3ValidEncryption.json", "example_table_metadata_v2.json",
      "example_empty_table_metadata_v2.json", "example_table_metadata_v2_partition_evolution.json",
    ])
  func validMetadataOfIcebergRustComesBackWhole(_ name: String) throws {
    let bytes = try #require(MetadataFiles.conformance(name))
    let json = try JSONValue(parsing: bytes)
    let metadata = try TableMetadata(bytes: bytes, location: name)
    let written = metadata.json()
    #expect(json.withoutNothing.differences(from: written) == [])
    if metadata.formatVersion > 1 {
      // References may be missing where there is only the main branch.
      let added = written.withoutNothing.differences(from: json)
      #expect(added.filter { !$0.hasPrefix(".refs: ") } == [])
    }
    #expect(try TableMetadata(json: written) == metadata)
  }

  @Test(
    MetadataFiles.needsConformance,
    arguments: [
      // Written when no version 3 was there; as one it lacks almost everything.
      ("TableMetadataUnsupportedVersion.json", "damaged: file x"),
      ("TableMetadataV1NoValidSchema.json", "has neither 'schema' nor 'schemas'"),
      (
        "TableMetadataV2CurrentSchemaNotFound.json", "the current schema 2 is not among the schemas"
      ),
      ("TableMetadataV2MissingLastPartitionId.json", "has no 'last-partition-id'"),
      ("TableMetadataV2MissingPartitionSpecs.json", "has no 'partition-specs'"),
      ("TableMetadataV2MissingSchemas.json", "has no 'schemas'"),
      ("TableMetadataV2MissingSortOrder.json", "has no 'sort-orders'"),
    ])
  func invalidMetadataIsRefused(_ name: String, _ reason: String) throws {
    let bytes = try #require(MetadataFiles.conformance("table_metadata/" + name))
    let message = failure { _ = try TableMetadata(bytes: bytes, location: "x") }
    #expect(message?.contains(reason) == true, "\(message ?? "accepted")")
  }

  @Test func futureVersionsAreUnsupported() {
    let message = failure {
      _ = try TableMetadata(bytes: [UInt8](#"{"format-version":4}"#.utf8), location: "x")
    }
    #expect(message?.hasPrefix("unsupported: file x: table format version 4") == true)
    let damaged = failure { _ = try TableMetadata(bytes: [0x7b], location: "x") }
    #expect(damaged?.contains("line 1, column 2") == true)
  }

  @Test(MetadataFiles.needsConformance) func viewMetadata() throws {
    let folder = "view_metadata/ViewMetadata"
    let bytes = try #require(MetadataFiles.conformance(folder + "V1Valid.json"))
    let json = try JSONValue(parsing: bytes)
    let view = try ViewMetadata(json: json)
    #expect(view.json() == json)
    #expect(view.currentVersion.representations[0].dialect == "spark")
    let refused = [
      ("UnsupportedVersion", "view format version 2"),
      ("V1CurrentVersionNotFound", "the current version 2 is not among"),
      ("V1MissingCurrentVersion", "has no 'current-version-id'"),
      ("V1MissingSchema", "has no 'current-version-id'"),
      ("V1SchemaNotFound", "is not among the schemas"),
    ]
    for (name, reason) in refused {
      let bytes = try #require(MetadataFiles.conformance(folder + name + ".json"))
      let message = failure { _ = try ViewMetadata(bytes: Buffer(bytes), location: "x") }
      #expect(message?.contains(reason) == true, "\(name): \(message ?? "accepted")")
    }
  }

  @Test func unknownMembersAreKeptEverywhere() throws {
    for json in try MetadataFiles.own("updates.json").asObject().values {
      let start = try json.asObject()["start"] ?? .null
      var metadata = try TableMetadata(json: start)
      // Give it one of everything.
      if metadata.formatVersion == 3 {
        metadata = try metadata.applying(
          [
            .addSnapshot(
              Snapshot(
                snapshotID: 5, sequenceNumber: 1, timestampMilliseconds: 1, manifestList: "l",
                summary: ["operation": "append"], firstRowID: 0, addedRows: 0)),
            .setSnapshotReference("main", SnapshotReference(snapshotID: 5, kind: .branch)),
            .addEncryptionKey(EncryptedKey(keyID: "k", encryptedKeyMetadata: "AA==")),
            .setStatistics(
              StatisticsFile(
                snapshotID: 5, path: "p", sizeInBytes: 1, footerSizeInBytes: 1,
                blobs: [
                  StatisticsBlob(type: "t", snapshotID: 5, sequenceNumber: 1, fieldIDs: [1])
                ])),
            .setPartitionStatistics(
              PartitionStatisticsFile(snapshotID: 5, path: "p", sizeInBytes: 1)),
          ], now: 1, previousLocation: "before")
      }
      let marked = mark(metadata.json(), inMap: false)
      let read = try TableMetadata(json: marked)
      #expect(marked.withoutNothing.differences(from: read.json()) == [])
    }
  }

  /// Every object with a member that nobody knows; not in maps of strings and of references.
  private func mark(_ json: JSONValue, inMap: Bool) -> JSONValue {
    switch json {
    case .array(let items): return .array(items.map { mark($0, inMap: false) })
    case .object(let members):
      let maps: Set<String> = ["properties", "summary", "refs"]
      var result = JSONObject(
        members.map { name, value in
          (
            name,
            name == "refs" || !maps.contains(name) ? mark(value, inMap: name == "refs") : value
          )
        })
      if !inMap { result["x-future"] = ["a": [1, .null]] }
      return .object(result)
    default: return json
    }
  }
}
