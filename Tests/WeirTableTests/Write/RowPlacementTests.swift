// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

/// Writers that must know where each row is: those of stream tables.
@Suite struct RowPlacementTests {
  private let schema = TableSchema([
    TableField(1, "id", .long, required: true), TableField(2, "part", .int),
  ])

  private func batch(_ ids: Range<Int>) throws -> RecordBatch {
    let id = PrimitiveBuilder<Int64>(.int64)
    let part = PrimitiveBuilder<Int32>(.int32)
    for value in ids {
      id.append(Int64(value))
      part.append(Int32(value / 3 % 4))
    }
    return try RecordBatch(
      schema: Schema([Field("id", .int64, nullable: false), Field("part", .int32)]),
      columns: [id.finish(), part.finish()])
  }

  /// The id at each place, by the files themselves.
  private func places(_ table: Table) throws -> [String: Int] {
    var result: [String: Int] = [:]
    for batch in try WrittenTables.rows(table, ScanOptions(columns: ["id", "_file", "_pos"])) {
      for row in 0..<batch.rowCount {
        guard case .int(let id) = batch.columns[0].scalar(at: row),
          case .string(let file) = batch.columns[1].scalar(at: row),
          case .int(let position) = batch.columns[2].scalar(at: row)
        else { continue }
        result["\(file) \(position)"] = Int(id)
      }
    }
    return result
  }

  @Test(arguments: [true, false]) func rowsAreWhereTheWriterSays(_ partitioned: Bool) throws {
    let spec =
      partitioned
      ? PartitionSpec(
        specID: 0,
        fields: [PartitionField(sourceID: 2, fieldID: 1000, name: "part", transform: .identity)])
      : .unpartitioned
    let table = try WrittenTables().table(
      "placed_\(partitioned)", schema, spec,
      properties: ["write.target-file-size-bytes": "2000"])
    let writer = try TableWriter(table.metadata, stores: table.stores)
    var expected: [String: Int] = [:]
    for start in stride(from: 0, to: 3_000, by: 700) {
      let placements = try writer.writePlacing(try batch(start..<start + 700))
      for place in placements {
        for index in 0..<place.count {
          let row = place.rows.map { $0[index] } ?? place.firstRow + index
          expected["\(place.path) \(place.position + index)"] = start + row
        }
      }
    }
    let files = try writer.close()
    #expect(files.count > 4)
    let transaction = table.transaction()
    transaction.append().add(contentsOf: files)
    try transaction.commit()
    #expect(try places(table) == expected)
  }

  /// Rows that nobody sees: the record of deletions.
  @Test func aFileMayBeAddedWithAllItsRowsDeleted() throws {
    let table = try WrittenTables().table("tombstones", schema)
    let writer = try TableWriter(table.metadata, stores: table.stores)
    try writer.write(try batch(0..<5))
    let file = try writer.close()[0]
    let transaction = table.transaction()
    let delta = transaction.rowDelta().add(file)
    delta.deleteRows(of: file, at: RoaringBitmap64(Array(0..<5)))
    try transaction.commit()
    #expect(try WrittenTables.rows(table).isEmpty)
    #expect(try liveEntries(table, table.currentSnapshot!).count == 2)
    try WrittenTables.finish(table)
  }

  @Test func rowsMayBeHiddenFromAScan() throws {
    let table = try WrittenTables().table("hidden", schema)
    try table.append([try batch(0..<10)])
    let planner = try table.plan()
    var task = try #require(try planner.next())
    task.deletes.otherPositions = RoaringBitmap64([2, 3, 9, 99])
    let reader = try TableReader(table.metadata, stores: table.stores, tasks: [task])
    let rows = try #require(try reader.next())
    #expect(
      (0..<7).map { rows.columns[0].scalar(at: $0) } == [0, 1, 4, 5, 6, 7, 8].map { .int($0) })
  }

  @Test func commitsMayBeRefusedByTheirBase() throws {
    let table = try WrittenTables().table("checked", schema)
    let other = try table.catalog.table(table.identifier)
    let transaction = table.transaction()
    transaction.check { (metadata: TableMetadata) throws(TableError) in
      if metadata.properties["owner"] == "other" {
        throw TableError(.conflict, "the table has another owner")
      }
    }
    let writer = try TableWriter(table.metadata, stores: table.stores)
    try writer.write(try batch(0..<5))
    transaction.append().add(contentsOf: try writer.close())
    let change = other.transaction()
    change.setProperties(["owner": "other"])
    try change.commit()
    let error = #expect(throws: TableError.self) { try transaction.commit() }
    #expect(error?.code == .conflict && error?.message == "the table has another owner")
    #expect(try table.refresh().currentSnapshot == nil)
  }
}
