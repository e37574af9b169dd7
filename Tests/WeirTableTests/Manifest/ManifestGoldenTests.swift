// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

/// Manifests and manifest lists that PyIceberg and fastavro wrote, see `testdata/iceberg/manifests`.
@Suite struct ManifestGoldenTests {
  static let snapshot: Int64 = 3_051_729_675_574_597_004

  private func listEntry(_ name: String, sequenceNumber: Int64) -> ManifestFile {
    ManifestFile(
      path: name, length: 0, partitionSpecID: 3, sequenceNumber: sequenceNumber,
      minSequenceNumber: 0, addedSnapshotID: Self.snapshot)
  }

  /// The spec that the manifest itself names, and its partition type.
  private func spec(_ reader: ManifestReader) throws -> (PartitionSpec, StructType) {
    let schema = try TableSchema(
      json: try JSONValue(parsing: try #require(reader.metadata["schema"])))
    let fields = try JSONValue(parsing: try #require(reader.metadata["partition-spec"]))
    let spec = try PartitionSpec(json: ["spec-id": 3, "fields": fields])
    return (spec, spec.partitionType(schema))
  }

  @Test(arguments: [
    ("pyiceberg-v1", "deflate"), ("pyiceberg-v2", "deflate"), ("pyiceberg-v2", "null"),
    ("pyiceberg-v2", "zstandard"),
  ])
  func pyicebergManifest(name: String, codec: String) throws {
    let bytes = try GoldenFiles.buffer("manifests/\(name)-\(codec).avro")
    let list = listEntry(name, sequenceNumber: name == "pyiceberg-v1" ? 0 : 9)
    let (spec, type) = try spec(try ManifestReader(bytes, of: list))
    let reader = try ManifestReader(bytes, of: list, spec: spec, partitionType: type)
    try check(reader, type, try GoldenFiles.json("manifests/\(name).json"))
  }

  @Test(arguments: ["null", "deflate", "snappy", "zstandard"])
  func fieldsGoByTheirIDs(codec: String) throws {
    let bytes = try GoldenFiles.buffer("manifests/fastavro-v3-\(codec).avro")
    var list = listEntry(codec, sequenceNumber: 9)
    list.firstRowID = 1_000
    let spec = PartitionSpec(
      specID: 3,
      fields: [
        PartitionField(sourceID: 1, fieldID: 1_000, name: "first", transform: .day),
        PartitionField(sourceID: 2, fieldID: 1_001, name: "second", transform: .identity),
      ])
    let type = StructType([TableField(1_000, "first", .date), TableField(1_001, "second", .string)])
    let reader = try ManifestReader(bytes, of: list, spec: spec, partitionType: type)
    try check(reader, type, try GoldenFiles.json("manifests/fastavro-v3.json"))
  }

  private func check(
    _ reader: ManifestReader, _ partition: StructType, _ expected: JSONValue
  ) throws {
    for (index, item) in try expected.asArray().enumerated() {
      let entry = try #require(try reader.next(), "entry \(index)")
      let file = entry.dataFile
      let want = try item.asObject()
      #expect(Int64(entry.status.rawValue) == (try want.int64("status")))
      #expect(entry.snapshotID == (try want.optionalInt64("snapshot-id")))
      #expect(entry.sequenceNumber == (try want.optionalInt64("sequence-number")))
      #expect(entry.fileSequenceNumber == (try want.optionalInt64("file-sequence-number")))
      #expect(file.path == (try want.string("path")))
      #expect(file.recordCount == (try want.int("record-count")))
      #expect(file.fileSizeInBytes == (try want.int("file-size-in-bytes")))
      #expect(file.format.description == (try want.optionalString("format") ?? "PARQUET"))
      #expect(file.specID == 3)
      let values = try zip(try want.array("partition"), partition.fields).map {
        try Scalar(json: $0, $1.type)
      }
      #expect(file.partition == values, "entry \(index)")
      let metrics = file.metrics
      #expect(counts(metrics.columnSizes) == want["column-sizes"] ?? .null)
      #expect(counts(metrics.valueCounts) == want["value-counts"] ?? .null)
      #expect(counts(metrics.nullValueCounts) == want["null-value-counts"] ?? .null)
      #expect(counts(metrics.nanValueCounts) == want["nan-value-counts"] ?? .null)
      #expect(bounds(metrics.lowerBounds) == want["lower-bounds"] ?? .null)
      #expect(bounds(metrics.upperBounds) == want["upper-bounds"] ?? .null)
      #expect(JSONValue.optional(file.keyMetadata.map { hex($0) }) == want["key-metadata"] ?? .null)
      let offsets = file.splitOffsets.map { JSONValue.array($0.map { .int($0) }) } ?? .null
      #expect(offsets == want["split-offsets"] ?? .null)
      #expect(JSONValue.optional(file.sortOrderID) == want["sort-order-id"] ?? .null)
      #expect(JSONValue.optional(file.firstRowID) == want["first-row-id"] ?? .null)
      // One column alone, and on memory of its own.
      for (id, value) in metrics.valueCounts ?? [:] {
        #expect(metrics.valueCount(of: id) == value)
        #expect(metrics.detached().valueCount(of: id) == value)
      }
      for (id, value) in metrics.lowerBounds ?? [:] { #expect(metrics.lowerBound(of: id) == value) }
      #expect(metrics.lowerBound(of: 4_711) == nil)
      #expect(metrics.detached() == metrics)
    }
    #expect(try reader.next() == nil)
  }

  private func counts(_ map: [Int32: Int64]?) -> JSONValue {
    guard let map else { return .null }
    return .object(JSONObject(map.map { ("\($0.key)", .int($0.value)) }))
  }

  private func bounds(_ map: [Int32: [UInt8]]?) -> JSONValue {
    guard let map else { return .null }
    return .object(JSONObject(map.map { ("\($0.key)", .string(hex($0.value))) }))
  }

  @Test(arguments: [("pyiceberg-list-v1", "deflate"), ("pyiceberg-list-v2", "null")])
  func pyicebergList(name: String, codec: String) throws {
    let manifests = try ManifestListReader.read(
      try GoldenFiles.buffer("manifests/\(name)-\(codec).avro"), name: name)
    let expected = try GoldenFiles.json("manifests/\(name).json").asArray()
    #expect(manifests.count == expected.count)
    for (manifest, item) in zip(manifests, expected) {
      let want = try item.asObject()
      #expect(manifest.path == (try want.string("path")))
      #expect(manifest.length == (try want.int("length")))
      #expect(manifest.partitionSpecID == 3)
      #expect(manifest.content == .data)
      #expect(manifest.sequenceNumber == (try want.int64("sequence-number")))
      #expect(manifest.minSequenceNumber == (try want.int64("min-sequence-number")))
      #expect(manifest.addedSnapshotID == Self.snapshot)
      let counts = [
        manifest.addedFilesCount, manifest.existingFilesCount, manifest.deletedFilesCount,
        manifest.addedRowsCount, manifest.existingRowsCount, manifest.deletedRowsCount,
      ]
      #expect(counts == (try want.array("counts").map { try $0.asInt() }))
      let summaries = (manifest.partitions ?? []).map { summary -> JSONValue in
        [
          .bool(summary.containsNull), summary.containsNaN.map { .bool($0) } ?? .null,
          .optional(summary.lowerBound.map { hex($0) }),
          .optional(summary.upperBound.map { hex($0) }),
        ]
      }
      #expect(summaries == (try want.array("partitions")))
    }
  }

  /// A list of Apache Iceberg's Java implementation, from the time when counts had other names.
  @Test func javaList() throws {
    let manifests = try ManifestListReader.read(
      try GoldenFiles.buffer("manifests/java-list-v2.avro"), name: "list")
    let manifest = try #require(manifests.first)
    #expect(manifests.count == 1)
    #expect(
      manifest.path
        == "iceberg-warehouse/people/metadata/794bd2ee-052c-449c-9a6f-3a88857c747f-m0.avro")
    #expect(manifest.length == 6_658 && manifest.addedSnapshotID == 6_653_143_792_592_159_268)
    #expect(manifest.addedFilesCount == 1 && manifest.existingFilesCount == 0)
    #expect(manifest.addedRowsCount == 1 && manifest.partitions == [])
  }

  @Test func encryptedListIsNamed() throws {
    let bytes = try GoldenFiles.buffer("manifests/encrypted.avro")
    let error = #expect(throws: TableError.self) {
      try ManifestListReader.read(bytes, name: "list")
    }
    #expect(error?.code == .unsupported && error?.file == "list")
  }
}
