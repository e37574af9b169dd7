// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

@Suite struct TableReaderTests {
  private func build(_ type: DataType, _ values: [Scalar]) -> ArrayData {
    let builder = makeBuilder(for: type)
    for value in values { try! builder.append(value) }
    return builder.finish()
  }

  private func rows(_ table: Table, _ columns: [String]? = nil) throws -> [[String: Scalar]] {
    try WrittenTables.sortedRows(table, ScanOptions(columns: columns))
  }

  @Test(arguments: WrittenTables.formats)
  func slicesOfEveryTypeAreWrittenAndRead(_ format: FileFormat) throws {
    let golden = try GoldenTable("types")
    let table = try WrittenTables(format).table("slices", golden.metadata.currentSchema)
    let planner = try ScanPlanner(golden.metadata, stores: golden.stores)
    let reader = try TableReader(golden.metadata, stores: golden.stores) {
      () throws(TableError) in try planner.next()
    }
    var batches: [RecordBatch] = []
    while let batch = try reader.next() { batches.append(batch) }
    let all = try RecordBatch.concatenate(batches)
    try table.append([
      all.slice(offset: 11, length: 5), all.slice(offset: 3, length: 8),
      all.slice(offset: 0, length: 3),
    ])
    #expect(try rows(table) == golden.expected)
  }

  @Test(arguments: WrittenTables.formats)
  func otherFormsOfTheSameValues(_ format: FileFormat) throws {
    let schema = TableSchema([
      TableField(1, "id", .long), TableField(2, "s", .string), TableField(3, "b", .binary),
      TableField(4, "l", .list(ListType(elementID: 5, element: .int))),
      TableField(6, "m", .list(ListType(elementID: 7, element: .string))),
      TableField(8, "f", .double), TableField(9, "ts", .timestamp), TableField(10, "t", .time),
      TableField(11, "d", .decimal(precision: 20, scale: 2)), TableField(12, "e", .string),
    ])
    let table = try WrittenTables(format).table("forms", schema)
    let types: [(String, DataType, [Scalar])] = [
      ("id", .uint8, [.int(0), .int(1), .int(200), .int(3)]),
      ("s", .largeUtf8, [.string("a"), .null, .string(""), .string("ö")]),
      ("b", .largeBinary, [.binary([1]), .binary([]), .null, .binary([2, 3])]),
      (
        "l", .fixedSizeList(Field("x", .int16), size: 2),
        [
          .list([.int(1), .null]), .null, .list([.int(5), .int(6)]), .list([.int(7), .int(8)]),
        ]
      ),
      (
        "m", .largeList(Field("y", .largeUtf8)),
        [
          .list([.string("p")]), .list([]), .list([.null, .string("q")]), .null,
        ]
      ),
      ("f", .float16, [.float16(1.5), .float16(.nan), .null, .float16(-2)]),
      ("ts", .timestamp(.second, timeZone: nil), [.int(-1), .int(0), .null, .int(9)]),
      ("t", .time32(.millisecond), [.int(1), .null, .int(86_399_999), .int(0)]),
      (
        "d", .decimal128(precision: 9, scale: 2),
        [
          .decimal(-1, scale: 2), .decimal(5, scale: 2), .null, .decimal(7, scale: 2),
        ]
      ),
      (
        "e", .dictionary(index: .int8, value: .utf8, ordered: false),
        [
          .string("x"), .string("y"), .null, .string("x"),
        ]
      ),
    ]
    let batch = try RecordBatch(
      schema: Schema(types.map { Field($0.0, $0.1) }),
      columns: types.map { build($0.1, $0.2) })
    try table.append([batch.slice(offset: 2, length: 2), batch.slice(offset: 0, length: 2)])
    let found = try rows(table)
    let wanted = [0, 1, 3, 2].map { row in
      Dictionary(uniqueKeysWithValues: types.map { ($0.0, $0.2[row]) })
    }
    for (row, expected) in zip(found, wanted) {
      for name in ["id", "s", "b", "l", "m", "d", "e"] { #expect(row[name] == expected[name]) }
    }
    #expect(found.map { $0["f"]! } == [.float64(1.5), .float64(.nan), .float64(-2), .null])
    #expect(found.map { $0["ts"]! } == [.int(-1_000_000), .int(0), .int(9_000_000), .null])
    #expect(found.map { $0["t"]! } == [.int(1_000), .null, .int(0), .int(86_399_999_000)])
  }

  /// A file that holds only some columns of a table, committed as part of it.
  private func appendFile(
    _ table: Table, _ name: String, fields: [TableField], _ batch: RecordBatch,
    partition: [Scalar] = []
  ) throws {
    let metadata = table.metadata
    let properties = try WriteProperties(
      metadata.properties, schema: metadata.currentSchema, sortOrder: .unsorted)
    let file = try OpenDataFile(
      "\(metadata.location)/data/\(name).\(properties.format.fileExtension)", fields: fields,
      properties: properties,
      stores: table.stores)
    try file.write(batch)
    let written = try file.close(
      spec: metadata.defaultSpec, partition: partition, sortOrderID: nil)
    let transaction = table.transaction()
    transaction.append().add(written)
    try transaction.commit()
  }

  @Test(arguments: WrittenTables.formats)
  func missingColumnsAreThePartitionsValueOrTheDefault(_ format: FileFormat) throws {
    let inner = StructType([
      TableField(6, "x", .int), TableField(7, "y", .string, initialDefault: .string("dy")),
    ])
    let schema = TableSchema([
      TableField(1, "id", .long), TableField(2, "k", .int),
      TableField(3, "d", .date, required: true, initialDefault: .int(19_000)),
      TableField(4, "s", .struct(inner)), TableField(5, "n", .timestamp),
    ])
    let spec = PartitionSpec(
      specID: 0,
      fields: [PartitionField(sourceID: 2, fieldID: 1000, name: "k", transform: .identity)])
    let table = try WrittenTables(format).table("defaults", schema, spec)
    let stored = [
      TableField(1, "renamed", .int),
      TableField(4, "other", .struct(StructType([TableField(6, "z", .int)]))),
      TableField(5, "was_date", .date),
    ]
    let arrow = Schema(stored.map(\.arrowField))
    for (name, value) in [("a", Scalar.int(7)), ("b", .null)] {
      let base: Int64 = name == "a" ? 0 : 2
      let batch = try RecordBatch(
        schema: arrow,
        columns: [
          build(.int32, [.int(base), .int(base + 1)]),
          build(arrow.fields[1].type, [.struct([.init("z", .int(3))]), .null]),
          build(.date32, [.int(-1), .null]),
        ])
      try appendFile(table, name, fields: stored, batch, partition: [value])
    }
    let found = try rows(table)
    #expect(found.map { $0["id"]! } == (0..<4).map { .int($0) })
    #expect(found.map { $0["k"]! } == [.int(7), .int(7), .null, .null])
    #expect(found.allSatisfy { $0["d"] == .int(19_000) })
    #expect(found[0]["s"] == .struct([.init("x", .int(3)), .init("y", .string("dy"))]))
    #expect(found[1]["s"] == .null)
    #expect(found[0]["n"] == .int(-86_400_000_000) && found[1]["n"] == .null)
    #expect(
      try rows(table, ["id", "s.y"]).map { $0["s"]! }.first == .struct([.init("y", .string("dy"))]))
    let filtered = try WrittenTables.sortedRows(
      table,
      ScanOptions(where: try Predicate(parsing: "k = 7 and d = date '2022-01-08' and s.x = 3")))
    #expect(filtered.map { $0["id"]! } == [.int(0)])
  }

  @Test(arguments: WrittenTables.formats)
  func filesThatDoNotFitAreRefusedByName(_ format: FileFormat) throws {
    let schema = TableSchema([
      TableField(1, "id", .long), TableField(2, "need", .int, required: true),
    ])
    let table = try WrittenTables(format).table("unfit", schema)
    let stored = [TableField(1, "id", .string)]
    let batch = try RecordBatch(
      schema: Schema(stored.map(\.arrowField)), columns: [build(.utf8, [.string("x")])])
    try appendFile(table, "text", fields: stored, batch)
    func failure(_ columns: [String]) -> TableError? {
      do {
        _ = try rows(table, columns)
        return nil
      } catch { return error as? TableError }
    }
    let wrong = failure(["id"])
    #expect(
      wrong?.code == .damaged && wrong?.column == "id"
        && wrong?.file?.hasSuffix("text.\(format.fileExtension)") == true)
    #expect(failure(["need"])?.column == "need")
    #expect(failure(["nothing"])?.code == .notFound)
    #expect(try rows(table, ["_pos"]).count == 1)
  }

  @Test func partsOfAFileTogetherAreTheFile() throws {
    let schema = TableSchema([TableField(1, "id", .long)])
    let table = try WrittenTables(.parquet).table(
      "parts", schema, properties: ["write.parquet.row-group-limit": "100"])
    let ids = (0..<1_000).map { Scalar.int($0) }
    try table.append([
      try RecordBatch(schema: schema.arrowSchema(), columns: [build(.int64, ids)])
    ])
    let planner = try table.plan()
    let task = try planner.next()!
    let offsets = task.dataFile.splitOffsets!
    #expect(offsets.count == 10)
    var found: [Scalar] = []
    for (start, end) in zip(offsets, offsets.dropFirst() + [Int64(task.dataFile.fileSizeInBytes)]) {
      var part = task
      part.range = start..<end
      var options = TableReadOptions()
      options.columns = ["id", "_pos"]
      let reader = try TableReader(
        table.metadata, stores: table.stores, options: options, tasks: [part])
      while let batch = try reader.next() {
        #expect(batch.rowCount == 100)
        for row in 0..<batch.rowCount {
          let id = batch.columns[0].scalar(at: row)
          #expect(id == batch.columns[1].scalar(at: row))
          found.append(id)
        }
      }
    }
    #expect(found == ids)
    let limited = try table.scan(ScanOptions(limit: 150))
    #expect(try limited.next()!.rowCount == 100)
    #expect(try limited.next()!.rowCount == 50)
    #expect(try limited.next() == nil)
    let late = try Predicate(parsing: "id >= 950")
    let batches = try WrittenTables.rows(table, ScanOptions(columns: ["_pos"], where: late))
    #expect(batches.flatMap(GoldenTable.rows).map { $0["_pos"]! } == (950..<1_000).map { .int($0) })
  }
}
