// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct TableStatisticsTests {
  @Test func distinctValues() throws {
    let test = try TestCatalog()
    let table = try test.table()
    #expect(try table.computeStatistics() == nil)
    for round in 0..<2 {
      let writer = try TableWriter(table.metadata, stores: table.stores)
      let rows = RecordBatchBuilder(table.schema.arrowSchema())
      for row in 0..<3_000 {
        try rows.append(row: [
          .int(Int64(row + round * 1_000)), row % 10 == 0 ? .null : .string("name \(row % 7)"),
        ])
      }
      try writer.write(try rows.finish())
      let transaction = table.transaction()
      _ = transaction.append().add(contentsOf: try writer.close())
      try transaction.commit()
    }
    let file = try #require(try table.computeStatistics())
    #expect(file.distinctCounts == [1: 4_000, 2: 7])
    let snapshot = try #require(table.currentSnapshot)
    #expect(table.metadata.statistics == [file])
    #expect(file.snapshotID == snapshot.snapshotID)
    // The sketches say the same, and can be united with those of later rows.
    let bytes = try table.stores.get(file.path)
    #expect(Int64(bytes.count) == file.sizeInBytes)
    let store = MemoryObjectStore()
    try store.put("s", bytes)
    let reader = try PuffinReader(try store.open("s"))
    #expect(reader.blobs.map(\.fields) == [[1], [2]])
    let sketch = try ThetaSketch(serialized: try reader.read(reader.blobs[0]))
    #expect(sketch.estimate == 4_000)
    #expect(throws: TableError.self) { try table.computeStatistics(columns: ["nothing"]) }
    #expect(try table.computeStatistics(columns: ["name"])?.distinctCounts == [2: 7])
  }

  @Test func columnsOfAllTypes() throws {
    var random = SeededRandom(seed: 9)
    for field in ManifestWriterTests.schema.fields {
      let rows = RecordBatchBuilder(Schema([field.arrowField]))
      var values: Set<[UInt8]> = []
      for _ in 0..<300 {
        let value = ManifestWriterTests.value(&random, field.type)
        try rows.append(row: [value])
        if !value.isNull {
          let bytes = try SingleValue.encode(value, as: field.type)
          if !bytes.isEmpty { values.insert(bytes) }
        }
      }
      let sketch = ThetaSketch()
      try sketch.add(try rows.finish().columns[0], as: field.type)
      #expect(sketch.estimate == Double(values.count), "\(field)")
    }
    let list = TableType.list(ListType(elementID: 1, element: .int))
    #expect(throws: TableError.self) {
      try ThetaSketch().add(makeBuilder(for: list.arrowType).finish(), as: list)
    }
  }

  /// The first tables of v1 have no manifest lists.
  @Test func manifestsWithoutAList() throws {
    let bytes = try GoldenFiles.buffer("manifests/pyiceberg-v1-deflate.avro")
    let manifest = try ManifestFile(reading: bytes, path: "m", snapshotID: 4)
    #expect(manifest.partitionSpecID == 3 && manifest.content == .data)
    #expect(manifest.addedFilesCount == 1 && manifest.deletedFilesCount == 1)
    #expect(manifest.addedRowsCount == 100 && manifest.existingRowsCount == 101)
    #expect(manifest.sequenceNumber == 0 && manifest.addedSnapshotID == 4)
  }
}

extension ManifestWriterTests {
  /// One of a few values of a type, or null.
  static func value(_ random: inout SeededRandom, _ type: TableType) -> Scalar {
    if random.chance(0.1) { return .null }
    let number = Int64(random.int(0..<50))
    switch type {
    case .boolean: return .bool(number % 2 == 0)
    case .float: return .float32(Float(number) / 3)
    case .double: return .float64(Double(number) / 3)
    case .decimal(_, let scale): return .decimal(Int128(number - 20) * 1_000, scale: scale)
    case .string: return .string(String(repeating: "ä", count: Int(number)))
    case .uuid: return .binary([UInt8](repeating: UInt8(number), count: 16))
    case .fixed(let count): return .binary([UInt8](repeating: UInt8(number), count: count))
    case .binary: return .binary([UInt8](repeating: 1, count: Int(number)))
    default: return .int(number)
    }
  }
}
