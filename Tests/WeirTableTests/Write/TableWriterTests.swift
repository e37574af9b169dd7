// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

@Suite struct TableWriterTests {
  /// Each golden table's rows, written by Weir with its schema and the given spec, and read back.
  private func rewrite(
    _ name: String, as newName: String, spec: PartitionSpec = .unpartitioned,
    sortOrder: SortOrder = .unsorted, version: Int = 3, _ properties: StringMap = [:],
    format: FileFormat = WrittenTables.standardFormat
  ) throws -> (golden: GoldenTable, table: Table) {
    let golden = try GoldenTable(name)
    let table = try WrittenTables(format).table(
      newName, golden.metadata.currentSchema, spec, sortOrder: sortOrder, version: version,
      properties: properties)
    let planner = try ScanPlanner(golden.metadata, stores: golden.stores)
    let reader = try TableReader(golden.metadata, stores: golden.stores) {
      () throws(TableError) in try planner.next()
    }
    let changes = try table.append(reader)
    #expect(changes.addedRows == golden.expected.count)
    #expect(try WrittenTables.sortedRows(table) == golden.expected)
    try WrittenTables.finish(table)
    return (golden, table)
  }

  private func files(_ table: Table) throws -> [DataFile] {
    try liveEntries(table, table.currentSnapshot!).map(\.0.dataFile)
  }

  private func spec(_ schema: TableSchema, _ fields: [(String, Transform)]) -> PartitionSpec {
    PartitionSpec(
      specID: 0,
      fields: fields.enumerated().map { index, field in
        PartitionField(
          sourceID: schema.field(path: field.0)!.id, fieldID: Int32(1000 + index),
          name: "\(field.0)_\(index)", transform: field.1)
      })
  }

  @Test(arguments: [2, 3], WrittenTables.formats)
  func allTypes(_ version: Int, _ format: FileFormat) throws {
    _ = try rewrite("types", as: "types_v\(version)", version: version, format: format)
    _ = try rewrite("evolved", as: "evolved_v\(version)", version: version, format: format)
  }

  @Test func allTransforms() throws {
    let golden = try GoldenTable("types")
    let schema = golden.metadata.currentSchema
    let cases: [(String, [(String, Transform)])] = [
      (
        "identities", ["bool", "int", "dec9", "date", "time", "ts", "tstz"].map { ($0, .identity) }
      ),
      ("bytes", ["string", "uuid", "fixed", "binary", "dec38"].map { ($0, .identity) }),
      ("buckets", ["id", "dec18", "string", "uuid", "binary", "ts"].map { ($0, .bucket(3)) }),
      ("truncated", ["int", "dec9", "string", "binary"].map { ($0, .truncate(3)) }),
      ("times", [("date", .year), ("ts", .month), ("tstz", .day), ("ts", .hour), ("id", .void)]),
      ("nested", [("struct.b.c", .identity), ("struct.a", .bucket(2))]),
    ]
    for (name, fields) in cases {
      let (_, table) = try rewrite("types", as: "by_\(name)", spec: spec(schema, fields))
      // What the planner makes of the partitions agrees with the rows.
      for path in ["string is null", "int < 20", "date >= date '1990-01-01'", "id = 7"] {
        let filter = try Predicate(parsing: path)
        let rows = try WrittenTables.sortedRows(table, ScanOptions(where: filter))
        #expect(rows == (try golden.read(where: filter)), "\(path) by \(name)")
      }
    }
  }

  @Test func sortedFilesSaySo() throws {
    let golden = try GoldenTable("types")
    let schema = golden.metadata.currentSchema
    let order = SortOrder(
      orderID: 1,
      fields: [
        SortField(sourceID: schema.field(path: "string")!.id, direction: .descending),
        SortField(sourceID: schema.field(path: "id")!.id, transform: .bucket(4)),
      ])
    let (_, table) = try rewrite("types", as: "sorted", sortOrder: order)
    let files = try files(table)
    #expect(files.count == 1 && files[0].sortOrderID == table.metadata.defaultSortOrderID)
    let texts = try WrittenTables.rows(table).flatMap(GoldenTable.rows).map { $0["string"]! }
    let present = texts.filter { !$0.isNull }
    #expect(present == present.sorted { (Scalar.order($0, $1) ?? 0) > 0 })
    let last = texts.suffix(texts.count - present.count)
    #expect(last.filter { !$0.isNull }.isEmpty)
  }

  // MARK: Files

  private let numbers = TableSchema([
    TableField(1, "id", .long, required: true), TableField(2, "k", .int),
    TableField(3, "text", .string),
  ])

  private func batch(_ ids: Range<Int64>, _ key: (Int64) -> Int32) throws -> RecordBatch {
    try RecordBatch(
      schema: Schema([
        Field("k", .int32), Field("text", .largeUtf8), Field("id", .int32, nullable: false),
      ]),
      columns: [
        build(.int32, ids.map { .int(Int64(key($0))) }),
        build(.largeUtf8, ids.map { .string("text \($0)") }), build(.int32, ids.map { .int($0) }),
      ])
  }

  private func build(_ type: DataType, _ values: [Scalar]) -> ArrayData {
    let builder = makeBuilder(for: type)
    for value in values { try! builder.append(value) }
    return builder.finish()
  }

  @Test func filesEndAtTheirTargetSize() throws {
    let table = try WrittenTables(.parquet).table(
      "sizes", numbers,
      properties: [
        "write.target-file-size-bytes": "60000", "write.parquet.compression-codec": "none",
      ])
    try table.append([try batch(0..<50_000) { Int32($0 % 100) }])
    let files = try files(table)
    #expect(files.count > 2)
    for file in files.dropLast() { #expect((30_000...130_000).contains(file.fileSizeInBytes)) }
    #expect(files.reduce(0) { $0 + $1.recordCount } == 50_000)
    #expect(try WrittenTables.rows(table).reduce(0) { $0 + $1.rowCount } == 50_000)
  }

  @Test func openFilesAndMemoryAreBounded() throws {
    let spec = PartitionSpec(
      specID: 0,
      fields: [PartitionField(sourceID: 2, fieldID: 1000, name: "k", transform: .identity)])
    let table = try WrittenTables().table("fanout", numbers, spec)
    var options = TableWriteOptions()
    options.openFilesMax = 4
    options.bufferedBytesMax = 40_000
    let parts = try (0..<5).map { part in
      try batch(Int64(part * 1_000)..<Int64(part * 1_000 + 1_000)) { Int32($0 % 10) }
    }
    let reader = BatchList(parts)
    let changes = try table.append(reader, options: options)
    #expect(changes.addedRows == 5_000 && changes.addedFiles > 10)
    let rows = try WrittenTables.sortedRows(table, ScanOptions(where: .compare(.equal, "k", 3)))
    #expect(rows.count == 500)
    #expect(rows[7]["id"] == .int(73))
  }

  @Test func anAbandonedWriterLeavesNothing() throws {
    let store = MemoryObjectStore()
    let stores = try ObjectStores(factories: ["memory": { _ in store }])
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores,
      warehouse: "memory://w/house")
    try catalog.createNamespace(Namespace(["n"]))
    let identifier = TableIdentifier(Namespace(["n"]), "t")
    _ = try catalog.createTable(
      identifier,
      TableCreation(schema: numbers, properties: ["write.target-file-size-bytes": "10000"]))
    let table = try catalog.table(identifier)
    let before = try store.list(prefix: "").objects.count
    do {
      let writer = try table.writer()
      try writer.write(try batch(0..<20_000) { Int32($0) })
      #expect(try store.list(prefix: "").objects.count > before)
    }
    #expect(try store.list(prefix: "").objects.count == before)
    let writer = try table.writer()
    try writer.write(try batch(0..<20_000) { Int32($0) })
    let wrong = try batch(0..<1) { _ in 1 }.renamed("id", "x")
    #expect(tableErrorCode { try writer.write(wrong) } == .invalidArgument)
    #expect(try store.list(prefix: "").objects.count == before)
    #expect(tableErrorCode { _ = try writer.close() } == .invalidArgument)
  }

  @Test func whatDoesNotFitIsRefusedByName() throws {
    let table = try WrittenTables().table("refusals", numbers)
    func refusal(_ fields: [(Field, [Scalar])]) -> TableError? {
      do throws(TableError) {
        let batch = RecordBatch(
          trusted: Schema(fields.map(\.0)), columns: fields.map { build($0.0.type, $0.1) },
          rowCount: 1)
        try table.append([batch])
        return nil
      } catch { return error }
    }
    let id = (Field("id", .int64), [Scalar.int(1)])
    #expect(refusal([(Field("k", .int32), [.int(1)])])?.column == "id")
    #expect(refusal([(Field("id", .int64), [.null])])?.column == "id")
    #expect(refusal([id, (Field("k", .float64), [.float64(1)])])?.column == "k")
    #expect(refusal([id, (Field("k", .int64), [.int(1 << 40)])])?.column == "k")
    #expect(refusal([id, (Field("other", .int64), [.int(1)])])?.column == "other")
    #expect(refusal([id, (Field("text", .binary), [.binary([1])])])?.column == "text")
    #expect(refusal([id, (Field("k", .int64), [.int(7)])]) == nil)
    #expect(refusal([id, (Field("text", .null), [.null])]) == nil)
    #expect(table.currentSnapshot?.summary?["total-records"] == "2")
  }

  @Test(arguments: WrittenTables.formats) func metricsAndModes(_ format: FileFormat) throws {
    let schema = TableSchema([
      TableField(1, "a", .string), TableField(2, "b", .double), TableField(3, "c", .string),
      TableField(4, "d", .long), TableField(5, "e", .long),
    ])
    let table = try WrittenTables(format).table(
      "modes", schema,
      properties: [
        "write.metadata.metrics.column.c": "full", "write.metadata.metrics.column.d": "counts",
        "write.metadata.metrics.column.e": "none",
      ])
    let long = String(repeating: "é", count: 30)
    let batch = try RecordBatch(
      schema: schema.arrowSchema(),
      columns: [
        build(.utf8, [.string(long), .null, .string(long)]),
        build(.float64, [.float64(.nan), .float64(-1), .null]),
        build(.utf8, [.string(long), .string("a"), .null]), build(.int64, [.int(1), .null, .null]),
        build(.int64, [.int(1), .int(2), .int(3)]),
      ])
    try table.append([batch])
    let file = try files(table)[0]
    let metrics = file.metrics
    #expect(metrics.valueCounts == [1: 3, 2: 3, 3: 3, 4: 3])
    #expect(metrics.nullValueCounts == [1: 1, 2: 1, 3: 1, 4: 2])
    #expect(metrics.nanValueCounts == [2: 1])
    #expect(metrics.columnSizes?.count == 5)
    #expect(metrics.lowerBounds?[1] == Array(String(repeating: "é", count: 16).utf8))
    #expect(metrics.upperBounds?[1] == Array((String(repeating: "é", count: 15) + "ê").utf8))
    #expect(metrics.lowerBounds?[3] == Array("a".utf8))
    #expect(metrics.upperBounds?[3] == Array(long.utf8))
    #expect(metrics.lowerBounds?[2] == metrics.upperBounds?[2] && metrics.lowerBounds?[4] == nil)
    #expect(file.format == format && file.splitOffsets == (format == .parquet ? [4] : nil))
  }

  @Test func objectStorageLayout() throws {
    let table = try WrittenTables().table(
      "hashed", numbers, properties: ["write.object-storage.enabled": "true"])
    try table.append([try batch(0..<10) { _ in 1 }])
    let path = try files(table)[0].path
    let parts = path.dropFirst(table.metadata.location.count).split(separator: "/")
    #expect(parts.count == 6 && parts[0] == "data")
    #expect(parts[1...4].map(\.count) == [4, 4, 4, 8])
    #expect(try WrittenTables.rows(table).count == 1)
  }
}

extension RecordBatch {
  func renamed(_ old: String, _ new: String) -> RecordBatch {
    var schema = schema
    for index in schema.fields.indices where schema.fields[index].name == old {
      schema.fields[index].name = new
    }
    return RecordBatch(trusted: schema, columns: columns, rowCount: rowCount)
  }
}
