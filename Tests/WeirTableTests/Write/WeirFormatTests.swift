// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirFile
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Data files in the Weir format. That their rows are those of Parquet files is tested where rows
/// are written and read; here is what differs.
@Suite struct WeirFormatTests {
  private let schema = TableSchema([
    TableField(1, "id", .long, required: true), TableField(2, "text", .string),
    TableField(3, "flag", .boolean), TableField(4, "ratio", .double),
    TableField(5, "small", .float),
    TableField(6, "money", .decimal(precision: 30, scale: 2)), TableField(7, "day", .date),
    TableField(8, "code", .fixed(3)),
    TableField(9, "items", .list(ListType(elementID: 10, element: .long, elementRequired: false))),
    TableField(
      11, "places",
      .list(
        ListType(
          elementID: 12,
          element: .struct(
            StructType([
              TableField(13, "x", .double),
              TableField(14, "tags", .list(ListType(elementID: 15, element: .string))),
            ]))))),
    TableField(
      16, "inner",
      .struct(StructType([TableField(17, "a", .int), TableField(18, "b", .binary)]))),
    TableField(
      19, "map",
      .map(MapType(keyID: 20, key: .string, valueID: 21, value: .int))),
  ])

  private func batch(_ random: inout SeededRandom, rows: Int) throws -> RecordBatch {
    let arrow = schema.arrowSchema()
    let builder = RecordBatchBuilder(arrow)
    func value(_ type: DataType, _ random: inout SeededRandom, nullable: Bool) -> Scalar {
      if nullable, random.chance(0.2) { return .null }
      switch type {
      case .int64, .int32, .date32: return .int(Int64(random.int(-50..<50)))
      case .utf8: return .string(random.pick(["", "a", "ö", String(repeating: "é", count: 30)]))
      case .bool: return .bool(random.chance(0.5))
      case .float64: return .float64(random.pick([.nan, -0.0, 0, 1.5, -.infinity, 7]))
      case .float32: return .float32(random.pick([.nan, -0.0, 0]))
      case .decimal128: return .decimal(Int128(random.int(-9..<9)) << 70, scale: 2)
      case .fixedSizeBinary: return .binary((0..<3).map { _ in UInt8(random.int(0..<256)) })
      case .binary: return .binary([UInt8](repeating: 255, count: random.int(0..<20)))
      case .list(let item):
        return .list(
          (0..<random.int(0..<4)).map { _ in value(item.type, &random, nullable: item.nullable) })
      case .struct(let fields):
        return .struct(
          fields.map { Scalar.Member($0.name, value($0.type, &random, nullable: $0.nullable)) })
      case .map:
        return .map(
          (0..<random.int(0..<3)).map { .init(.string("k\($0)"), .int(Int64(random.int(0..<9)))) })
      default: return .null
      }
    }
    for _ in 0..<rows {
      try builder.append(
        row: arrow.fields.map { value($0.type, &random, nullable: $0.nullable) })
    }
    return try builder.finish()
  }

  /// Manifests say the same of files of both formats.
  @Test(arguments: 0..<6) func metricsAreThoseOfParquet(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var batches: [RecordBatch] = []
    for _ in 0..<3 { batches.append(try batch(&random, rows: random.int(1..<20))) }
    var metrics: [FileMetrics] = []
    var rows: [[RecordBatch]] = []
    let mode = random.pick(["full", "truncate(4)"])
    for format in WrittenTables.formats {
      let table = try WrittenTables(format).table(
        "metrics", schema,
        properties: [
          "write.metadata.metrics.default": mode,
          "write.metadata.metrics.column.ratio": "counts",
          "write.metadata.metrics.column.money": seed == 3 ? "none" : "full",
        ])
      try table.append(batches.map { $0.slice(offset: 1, length: $0.rowCount - 1) })
      guard let entry = try table.currentSnapshot.map({ try liveEntries(table, $0) })?.first else {
        #expect(batches.allSatisfy { $0.rowCount == 1 })
        return
      }
      #expect(entry.0.dataFile.format == format)
      #expect(entry.0.dataFile.path.hasSuffix(".\(format.fileExtension)"))
      metrics.append(entry.0.dataFile.metrics)
      rows.append(try WrittenTables.rows(table))
    }
    let (parquet, weir) = (metrics[0], metrics[1])
    #expect(weir.valueCounts == parquet.valueCounts)
    #expect(weir.nullValueCounts == parquet.nullValueCounts)
    #expect(weir.nanValueCounts == parquet.nanValueCounts)
    #expect(weir.lowerBounds == parquet.lowerBounds)
    #expect(weir.upperBounds == parquet.upperBounds)
    // Pages are a whole column's: one size each.
    #expect(weir.columnSizes?.count == 12 && weir.columnSizes?.values.min() ?? 0 > 0)
    #expect(rows[0].map(ChangeWorld.texts) == rows[1].map(ChangeWorld.texts))
  }

  private let ids = TableSchema([TableField(1, "id", .long)])

  private func ids(_ range: Range<Int64>) throws -> RecordBatch {
    try RecordBatch(
      schema: ids.arrowSchema(),
      columns: [ArrayData(type: .int64, length: range.count, buffers: [Buffer(Array(range))])])
  }

  private func values(_ reader: TableReader, _ column: Int = 0) throws -> [Int64] {
    var result: [Int64] = []
    while let batch = try reader.next() { result += Lineage.values(batch.columns[column]) }
    return result
  }

  @Test func partsOfAFileTogetherAreTheFile() throws {
    var random = SeededRandom(seed: 5)
    let table = try WrittenTables(.weir).table("parts", ids)
    try table.append([try ids(0..<3_000)])
    let task = try table.plan().next()!
    let size = Int64(task.dataFile.fileSizeInBytes)
    for count in [1, 2, 7, 50] {
      let cuts = (1..<count).map { _ in Int64(random.int(0...Int(size))) }.sorted()
      var found: [Int64] = []
      for (start, end) in zip([0] + cuts, cuts + [size]) {
        var part = task
        part.range = start..<end
        var options = TableReadOptions()
        options.columns = ["id", "_pos"]
        options.batchRowsMax = 100
        for column in [0, 1] {
          let reader = try TableReader(
            table.metadata, stores: table.stores, options: options, tasks: [part])
          let some = try values(reader, column)
          if column == 0 { found += some } else { #expect(found.suffix(some.count) == some[...]) }
        }
      }
      #expect(found == Array(0..<3_000))
    }
  }

  /// Few rows are looked up, many are read as ranges; positions and lineage are right in both.
  @Test(arguments: [1, 5, 300, 2_900]) func someRows(_ count: Int) throws {
    var random = SeededRandom(seed: UInt64(count))
    let table = try WrittenTables(.weir).table("some", ids)
    try table.append([try ids(10..<20), try ids(20..<3_010)])
    let task = try table.plan().next()!
    var wanted = Set<Int64>()
    while wanted.count < count { wanted.insert(Int64(random.int(0..<3_000))) }
    var choice = RowChoice()
    var rows = DeletedRows()
    for row in wanted { rows.insert(row, rowCountMax: 3_000) }
    choice.wanted = rows
    let gone = try #require(wanted.first)
    choice.excluded.insert(gone, rowCountMax: 3_000)
    var options = TableReadOptions()
    options.columns = ["id", "_pos", "_row_id"]
    options.batchRowsMax = 128
    let context = try ReadContext(
      table.metadata, schema: nil, stores: table.stores, options: options)
    let file = try DataFileReader(task, context, choosing: choice)
    var found: [Int64] = []
    while let batch = try file.next() {
      let positions = Lineage.values(batch.columns[1])
      #expect(Lineage.values(batch.columns[0]) == positions.map { $0 + 10 })
      #expect(Lineage.values(batch.columns[2]) == positions)
      found += positions
    }
    #expect(found == wanted.subtracting([gone]).sorted())
  }

  @Test func aTableOfBothFormats() throws {
    let table = try WrittenTables(.parquet).table("both", ids)
    try table.append([try ids(0..<10)])
    for (format, start) in [("weir", 10), ("WEIR", 20), ("parquet", 30)] as [(String, Int64)] {
      let transaction = table.transaction()
      transaction.setProperties([
        DataFormat.property: format, DataFormat.profileProperty: "compact",
      ])
      try transaction.commit()
      try table.append([try ids(start..<start + 10)])
    }
    #expect(try values(table.scan()).sorted() == Array(0..<40))
    let formats = try liveEntries(table, table.currentSnapshot!).map(\.0.dataFile.format)
    #expect(formats.filter { $0 == .weir }.count == 2 && formats.count == 4)
    try table.delete(where: try Predicate(parsing: "id in (3, 13, 33)"))
    #expect(try values(table.scan()).count == 37)
    let filtered = try table.scan(ScanOptions(where: try Predicate(parsing: "id between 8 and 21")))
    #expect(try values(filtered).sorted() == (8...21).filter { $0 != 13 })
  }

  @Test func whatCannotBeUsedSaysWhy() throws {
    func refusal(_ properties: StringMap) throws -> TableError? {
      let table = try WrittenTables(.parquet).table("wrong", ids, properties: properties)
      do throws(TableError) {
        _ = try table.writer()
        return nil
      } catch { return error }
    }
    let format = try refusal([DataFormat.property: "orc"])
    #expect(format?.code == .unsupported)
    #expect(format?.message.contains("only parquet and weir") == true)
    let profile = try refusal([DataFormat.profileProperty: "tiny"])
    #expect(profile?.code == .invalidArgument)
    #expect(profile?.message.contains("fast or compact") == true)
  }

  /// Whatever bytes a file has, the error names it.
  @Test func damagedFilesAreNamed() throws {
    let store = MemoryObjectStore()
    let stores = try ObjectStores(factories: ["memory": { _ in store }])
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores,
      warehouse: "memory://w/house")
    try catalog.createNamespace(Namespace(["n"]))
    let identifier = TableIdentifier(Namespace(["n"]), "t")
    _ = try catalog.createTable(
      identifier, TableCreation(schema: schema, properties: [DataFormat.property: "weir"]))
    let table = try catalog.table(identifier)
    var random = SeededRandom(seed: 9)
    try table.append([try batch(&random, rows: 200)])
    let path = try StorageLocation(try table.plan().next()!.dataFile.path).path
    let whole = try store.get(path).array(of: UInt8.self)
    var refused = 0
    for round in 0..<60 {
      var bytes = whole
      if round % 3 == 0 {
        bytes.removeLast(random.int(1..<bytes.count))
      } else {
        for _ in 0..<random.int(1...4) { bytes[random.int(0..<bytes.count)] ^= 0xff }
      }
      try store.put(path, Buffer(bytes))
      do {
        let reader = try table.scan()
        while let batch = try reader.next() { try batch.validate(full: true) }
      } catch let error as TableError {
        refused += 1
        #expect(error.file?.hasSuffix(".weir") == true, "\(error)")
        #expect(error.code == .damaged || error.code == .unsupported, "\(error)")
      }
    }
    #expect(refused > 40)
  }
}
