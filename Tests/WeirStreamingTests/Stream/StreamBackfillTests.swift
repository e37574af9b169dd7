// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Columns that no stream declares are filled in its table.
@Suite struct StreamBackfillTests {
  private static func definition(_ merge: MergeEngine) -> StreamDefinition {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([
        Field("id", .int64, nullable: false), Field("at", .int64), Field("name", .utf8),
      ]))
    definition.primaryKey = ["id"]
    definition.eventTime = "at"
    definition.merge = merge
    return definition
  }

  private func fill(_ world: StreamWorld, _ values: [Int64: Int64]) throws {
    let builder = RecordBatchBuilder(Schema([Field("id", .int64), Field("score", .int64)]))
    for (id, value) in values.sorted(by: { $0.key < $1.key }) {
      try builder.append(row: [.int(id), .int(value)])
    }
    let batch = try builder.finish()
    try world.catalog.table(Self.definition(.lastWrite(sequence: [])).table).backfill(
      from: try MemoryBatchReader(schema: batch.schema, batches: [batch]),
      BackfillOptions(column: "score", keys: ["id"]))
  }

  private func texts(_ batch: RecordBatch, _ columns: [String]) -> [String] {
    (0..<batch.rowCount).map { row in
      columns.map { name in
        switch batch[name]?.scalar(at: row) {
        case .int(let value)?: "\(value)"
        case .string(let text)?: text
        default: "null"
        }
      }.joined(separator: " ")
    }.sorted()
  }

  private func lookup(_ stream: StreamTable, _ columns: [String]) throws -> [String] {
    let keys = PrimitiveBuilder<Int64>(.int64)
    for id in 0..<5 { keys.append(Int64(id)) }
    let batch = try RecordBatch(
      schema: Schema([Field("id", .int64, nullable: false)]), columns: [keys.finish()])
    return texts(try stream.lookup(keys: batch, columns: columns).rows, columns)
  }

  private func scan(_ stream: StreamTable, _ columns: [String], live: Bool) throws -> [String] {
    let reader = try stream.scan(StreamScan(columns: columns, isLive: live))
    var result: [String] = []
    while let batch = try reader.next() { result += texts(batch, columns) }
    return result.sorted()
  }

  /// What becomes of the values with the next versions: of row 1, which is merged, of row 2, which is
  /// deleted and comes again, of row 3, which stays, and of row 4, which has an earlier time than before.
  @Test(arguments: [
    (MergeEngine.lastWrite(sequence: []), ["1 B null", "2 d null", "3 c 30", "4 E null"]),
    (.lastWrite(sequence: ["at"]), ["1 B null", "2 d null", "3 c 30", "4 e 40"]),
    (.firstRow(sequence: []), ["1 a 10", "3 c 30", "4 e 40"]),
    (.partialUpdate([]), ["1 B 10", "2 d null", "3 c 30", "4 E 40"]),
    (.aggregation([:]), ["1 B null", "2 d null", "3 c 30", "4 e 40"]),
  ])
  func versionsGoOnFromFilledValues(_ merge: MergeEngine, _ wanted: [String]) throws {
    let world = try StreamWorld()
    let stream = try world.open(Self.definition(merge))
    defer { stream.close() }
    let delete = try #require(stream.inputSchema.index(of: StreamColumns.operation))
    func row(_ id: Int64, _ at: Int64, _ name: String, isDelete: Bool = false) -> [Scalar] {
      var row: [Scalar] = [.int(id), .int(at), .string(name)]
      row += [Scalar](repeating: .null, count: delete - row.count + 1)
      row[delete] = .int(isDelete ? 1 : 0)
      return row
    }
    try stream.put([row(1, 5, "a"), row(2, 5, "b"), row(3, 5, "c"), row(4, 5, "e")])
    try stream.flush()
    // Rows that are in memory when the column comes are merged with its values, too.
    try stream.put([row(1, 6, "B"), row(2, 6, "", isDelete: true)])
    try fill(world, [1: 10, 2: 20, 3: 30, 4: 40])
    try stream.reload()
    while stream.step() {}
    try stream.put([row(2, 7, "d"), row(4, 4, "E")])
    let columns = ["id", "name", "score"]
    #expect(try lookup(stream, columns) == wanted)
    #expect(try scan(stream, columns, live: true) == wanted)
    try stream.flush()
    #expect(try lookup(stream, columns) == wanted)
    #expect(try scan(stream, columns, live: false) == wanted)
  }

  /// A backfill by itself is no change; what else became of rows is told with its values.
  @Test func changesHaveFilledValues() throws {
    let world = try StreamWorld()
    let stream = try world.open(Self.definition(.partialUpdate([])))
    defer { stream.close() }
    func put(_ id: Int64, _ name: String) throws {
      try stream.put([[.int(id), .int(1), .string(name)]])
    }
    try put(1, "a")
    try put(2, "b")
    try stream.flush()
    let start = StreamPoint.snapshot(try #require(stream.status().snapshotID))
    let columns = [StreamColumns.changeType, "id", "name", "score"]
    func changes() throws -> [String] {
      let reader = try stream.changes(from: start, to: .latest)
      var result: [String] = []
      while let batch = try reader.next() { result += texts(batch, columns) }
      return result.sorted()
    }
    try fill(world, [1: 10, 2: 20])
    try stream.reload()
    #expect(try changes().isEmpty)
    try put(3, "c")
    try stream.flush()
    try fill(world, [3: 30])
    try stream.reload()
    try stream.compact(CompactionOptions())
    try put(1, "A")
    let wanted = ["INSERT 3 c 30", "UPDATE_AFTER 1 A 10", "UPDATE_BEFORE 1 a 10"]
    #expect(try changes() == wanted)
    try stream.flush()
    let flushed = try changes()
    #expect(flushed == ["INSERT 3 c 30", "UPDATE_AFTER 1 A 10", "UPDATE_BEFORE 1 a null"])
  }
}
