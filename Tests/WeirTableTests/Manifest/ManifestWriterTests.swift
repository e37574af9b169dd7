// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

/// What is written is read again as it was. `testdata/iceberg/manifests/check_written.py` lets
/// PyIceberg and fastavro read the same files.
@Suite struct ManifestWriterTests {
  static let schema = TableSchema(
    [
      TableField(1, "flag", .boolean), TableField(2, "count", .int), TableField(3, "id", .long),
      TableField(4, "ratio", .float), TableField(5, "score", .double),
      TableField(6, "price", .decimal(precision: 9, scale: 2)), TableField(7, "day", .date),
      TableField(8, "at", .time), TableField(9, "ts", .timestamp),
      TableField(10, "tstz", .timestamptz), TableField(11, "name of it", .string),
      TableField(12, "key", .uuid), TableField(13, "code", .fixed(4)),
      TableField(14, "1raw", .binary), TableField(15, "other", .uuid),
      TableField(16, "wide", .decimal(precision: 38, scale: 4)),
    ], schemaID: 5)

  static let spec = PartitionSpec(
    specID: 2,
    fields: schema.fields.map {
      PartitionField(
        sourceID: $0.id, fieldID: 999 + $0.id, name: $0.name, transform: .identity)
    })

  static func entry(
    _ random: inout SeededRandom, _ index: Int, _ status: ManifestEntry.Status
  ) -> ManifestEntry {
    var metrics = FileMetrics()
    if !random.chance(0.2) {
      metrics = FileMetrics(
        columnSizes: [1: 1 << 40, 2: Int64(index)],
        valueCounts: random.chance(0.3) ? nil : [1: 5, 300: 6], nullValueCounts: [:],
        nanValueCounts: [4: 1],
        lowerBounds: [2: [1, 0, 0, 0], 11: random.bytes(random.int(0...20))],
        upperBounds: [2: [9, 0, 0, 0]])
    }
    let file = DataFile(
      path: "s3://bucket/t/data/file-\(index).parquet", format: index % 3 == 0 ? .orc : .parquet,
      specID: 2, partition: partition(&random), recordCount: random.int(0...1_000_000),
      fileSizeInBytes: random.int(0...(1 << 40)), metrics: metrics,
      keyMetadata: random.chance(0.5) ? nil : [1, 2],
      splitOffsets: random.chance(0.5) ? nil : [4, 1 << 33],
      sortOrderID: random.chance(0.5) ? nil : 1, firstRowID: Int64(index) * 1_000)
    return ManifestEntry(
      status: status, snapshotID: 77, sequenceNumber: 3, fileSequenceNumber: 4, dataFile: file)
  }

  private static func partition(_ random: inout SeededRandom) -> [Scalar] {
    let values: [Scalar] = [
      .bool(random.chance(0.5)), .int(Int64(Int32.min)), .int(.max), .float32(-0.0), .float64(.nan),
      .decimal(-12_345, scale: 2), .int(-719_162), .int(86_399_999_999), .int(-1), .int(1),
      .string(random.unicodeString(random.int(0...30))), .binary(random.bytes(16)),
      .binary(random.bytes(4)), .binary(random.bytes(random.int(0...20))),
      .binary(random.bytes(16)), .decimal(Int128(1) << 120, scale: 4),
    ]
    return values.map { random.chance(0.3) ? .null : $0 }
  }

  @Test(arguments: [2, 3], AvroCodec.allCases)
  func roundTrip(formatVersion: Int, codec: AvroCodec) throws {
    var random = SeededRandom(seed: UInt64(formatVersion))
    let writer = try ManifestWriter(
      formatVersion: formatVersion, content: .data, spec: Self.spec, schema: Self.schema,
      snapshotID: 99, codec: codec)
    var entries: [ManifestEntry] = []
    for index in 0..<400 {
      var entry = Self.entry(&random, index, random.pick([.existing, .deleted]))
      if formatVersion == 2 { entry.dataFile.firstRowID = nil }
      entries.append(entry)
      try writer.append(entry)
    }
    let (bytes, manifest) = try writer.finish(path: "memory://m.avro")
    var listEntry = manifest
    listEntry.sequenceNumber = 9
    listEntry.firstRowID = formatVersion == 3 ? 0 : nil
    #expect(manifest.length == bytes.count)
    #expect(manifest.minSequenceNumber == 3)
    #expect(manifest.existingFilesCount! + manifest.deletedFilesCount! == 400)
    #expect(manifest.partitions?.count == 16)
    let summary = try #require(manifest.partitions?[4])
    #expect(summary.containsNaN == true && summary.lowerBound == nil)
    let type = Self.spec.partitionType(Self.schema)
    let reader = try ManifestReader(
      bytes, of: listEntry, spec: Self.spec, partitionType: type)
    #expect(reader.formatVersion == formatVersion)
    for entry in entries { #expect(try reader.next() == entry) }
    #expect(try reader.next() == nil)
    // A second generation copies encoded metrics without decoding them.
    let again = try ManifestWriter(
      formatVersion: formatVersion, content: .data, spec: Self.spec, schema: Self.schema,
      snapshotID: 99, codec: codec)
    let second = try ManifestReader(bytes, of: listEntry, spec: Self.spec)
    while let entry = try second.next() { try again.append(entry) }
    let copied = try ManifestReader(
      try again.finish(path: "memory://n.avro").bytes, of: listEntry, spec: Self.spec)
    for entry in entries { #expect(try copied.next() == entry) }
  }

  @Test func deletesAndVectors() throws {
    let vector = ManifestEntry(
      status: .added,
      dataFile: DataFile(
        content: .positionDeletes, path: "/t/dv.puffin", format: .puffin, recordCount: 12,
        fileSizeInBytes: 100, referencedDataFile: "/t/a.parquet", contentOffset: 4,
        contentSizeInBytes: 60))
    let equality = ManifestEntry(
      status: .added, sequenceNumber: 1,
      dataFile: DataFile(
        content: .equalityDeletes, path: "/t/eq.parquet", recordCount: 1, fileSizeInBytes: 9,
        equalityIDs: [1, 5]))
    let writer = try ManifestWriter(
      formatVersion: 3, content: .deletes, spec: .unpartitioned, schema: Self.schema,
      snapshotID: 9)
    try writer.append(vector)
    try writer.append(equality)
    var (bytes, manifest) = try writer.finish(path: "/t/m.avro")
    #expect(manifest.minSequenceNumber == 1)
    manifest.sequenceNumber = 4
    let reader = try ManifestReader(bytes, of: manifest, spec: .unpartitioned)
    let first = try #require(try reader.next())
    #expect(first.dataFile == vector.dataFile && first.dataFile.isDeletionVector)
    #expect(first.sequenceNumber == 4 && first.fileSequenceNumber == 4 && first.snapshotID == 9)
    let second = try #require(try reader.next())
    #expect(second.dataFile == equality.dataFile)
    #expect(second.sequenceNumber == 1 && second.fileSequenceNumber == 4)

    let old = try ManifestWriter(
      formatVersion: 2, content: .deletes, spec: .unpartitioned, schema: Self.schema,
      snapshotID: 9)
    #expect(throws: TableError.self) { try old.append(vector) }
    #expect(throws: TableError.self) {
      try old.append(
        ManifestEntry(
          status: .added, dataFile: DataFile(path: "x", recordCount: 1, fileSizeInBytes: 1)))
    }
    #expect(old.entryCount == 0)
  }

  @Test func wrongValuesLeaveNoTrace() throws {
    let spec = PartitionSpec(
      specID: 0,
      fields: [PartitionField(sourceID: 2, fieldID: 1_000, name: "c", transform: .identity)])
    let writer = try ManifestWriter(
      formatVersion: 3, content: .data, spec: spec, schema: Self.schema, snapshotID: 1)
    var file = DataFile(
      path: "a", partition: [.string("x")], recordCount: 1, fileSizeInBytes: 1)
    let error = #expect(throws: TableError.self) { try writer.add(file) }
    #expect(error?.file == "a" && error?.column == "c")
    file.partition = [.int(1 << 40)]
    #expect(throws: TableError.self) { try writer.add(file) }
    file.partition = [.int(7)]
    try writer.add(file)
    let (bytes, manifest) = try writer.finish(path: "m")
    let reader = try ManifestReader(bytes, of: manifest, spec: spec)
    #expect(try reader.next()?.dataFile == file)
    #expect(try reader.next() == nil)
    #expect(
      manifest.partitions == [
        FieldSummary(
          containsNull: false, containsNaN: false, lowerBound: [7, 0, 0, 0],
          upperBound: [7, 0, 0, 0])
      ])
  }

  @Test func valuesOfDroppedColumnsAreKept() throws {
    let spec = PartitionSpec(
      specID: 1,
      fields: [PartitionField(sourceID: 3, fieldID: 1_000, name: "b", transform: .bucket(4))])
    let now = TableSchema([TableField(1, "flag", .boolean)], schemaID: 6)
    let file = DataFile(
      path: "a", specID: 1, partition: [.int(2)], recordCount: 1, fileSizeInBytes: 1)
    let writer = try ManifestWriter(
      formatVersion: 3, content: .data, spec: spec, schema: now,
      formerSchemas: [Self.schema, now], snapshotID: 1)
    try writer.add(file)
    let (bytes, manifest) = try writer.finish(path: "m")
    let reader = try ManifestReader(
      bytes, of: manifest, spec: spec, partitionType: spec.partitionType(now))
    #expect(try reader.next()?.dataFile == file)
  }

  @Test func listAssignsNumbersAndRowIDs() throws {
    let writer = try ManifestListWriter(
      formatVersion: 3, snapshotID: 5, parentSnapshotID: nil, sequenceNumber: 8, firstRowID: 100)
    var old = ManifestFile(
      path: "old", length: 1, partitionSpecID: 0, sequenceNumber: 2, minSequenceNumber: 1,
      addedSnapshotID: 4, addedFilesCount: 1, existingFilesCount: 0, deletedFilesCount: 0,
      addedRowsCount: 10, existingRowsCount: 5, deletedRowsCount: 0, partitions: [], firstRowID: 7)
    let kept = try writer.append(old)
    #expect(kept == old)
    old.firstRowID = nil
    #expect(try writer.append(old).firstRowID == 100)
    var new = old
    new.path = "new"
    new.sequenceNumber = ManifestFile.unassignedSequenceNumber
    new.minSequenceNumber = ManifestFile.unassignedSequenceNumber
    #expect(throws: TableError.self) { try writer.append(new) }
    new.addedSnapshotID = 5
    new.partitions = [
      FieldSummary(containsNull: true, containsNaN: nil, lowerBound: [1], upperBound: nil)
    ]
    new.keyMetadata = [3]
    let assigned = try writer.append(new)
    #expect(assigned.firstRowID == 115 && writer.nextRowID == 130)
    #expect(assigned.sequenceNumber == 8 && assigned.minSequenceNumber == 8)
    var deletes = new
    deletes.content = .deletes
    #expect(try writer.append(deletes).firstRowID == nil)
    let read = try ManifestListReader.read(try writer.finish(), name: "list")
    #expect(read.count == 4 && read[0] == kept && read[2] == assigned)
  }

  /// For `check_written.py`: `WEIR_WRITE_MANIFESTS=folder`.
  @Test(
    .enabled(if: ProcessInfo.processInfo.environment["WEIR_WRITE_MANIFESTS"] != nil))
  func writeForOthers() throws {
    let folder = ProcessInfo.processInfo.environment["WEIR_WRITE_MANIFESTS"] ?? ""
    for formatVersion in 2...3 {
      for codec in AvroCodec.allCases {
        var random = SeededRandom(seed: 5)
        let writer = try ManifestWriter(
          formatVersion: formatVersion, content: .data, spec: Self.spec, schema: Self.schema,
          snapshotID: 99, codec: codec)
        for index in 0..<300 {
          try writer.append(Self.entry(&random, index, random.pick([.existing, .deleted, .added])))
        }
        let name = "\(folder)/m-v\(formatVersion)-\(codec.rawValue).avro"
        let (bytes, manifest) = try writer.finish(path: name)
        try save(bytes, name)
        let list = try ManifestListWriter(
          formatVersion: formatVersion, snapshotID: 99, parentSnapshotID: 98, sequenceNumber: 10,
          firstRowID: 5, codec: codec)
        try list.append(manifest)
        try save(try list.finish(), "\(folder)/l-v\(formatVersion)-\(codec.rawValue).avro")
      }
    }
  }

  private func save(_ bytes: Buffer, _ path: String) throws {
    try Data(bytes.array(of: UInt8.self)).write(to: URL(fileURLWithPath: path))
  }
}
