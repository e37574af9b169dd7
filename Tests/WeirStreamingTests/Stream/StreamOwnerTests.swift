// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Who may write a stream. The simulation plays the same with faults.
@Suite struct StreamOwnerTests {
  private static let definition: StreamDefinition = {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([Field("id", .int64, nullable: false), Field("name", .utf8)]))
    definition.primaryKey = ["id"]
    return definition
  }()

  @Test func anotherMachineWaitsAndThenTakesOver() throws {
    let world = try StreamWorld()
    let first = try world.open(Self.definition)
    try first.put([[.int(1), .string("a")]])
    try first.flush()
    try first.put([[.int(2), .string("given up")]])
    let disk = SimulatedDisk(random: { 0 })
    let error = #expect(throws: StreamError.self) {
      try world.open(Self.definition, on: disk, startsNewLogs: true)
    }
    #expect(error?.code == .conflict)
    world.clock.advance(31_000_000_000)
    // Without being told to, nobody gives up what the other log has.
    #expect(throws: StreamError.self) { try world.open(Self.definition, on: disk) }
    let second = try world.open(Self.definition, on: disk, startsNewLogs: true)
    #expect(second.status().shards[0].logOffsets == 1..<1)
    try second.put([[.int(3), .string("b")]])
    // The one before writes nothing any more, and cannot go on.
    #expect(throws: StreamError.self) { try first.flush() }
    #expect(try second.flush())
    #expect(throws: StreamError.self) { try first.flush() }
    first.close()
    world.clock.advance(31_000_000_000)
    let late = #expect(throws: StreamError.self) { try world.open(Self.definition) }
    #expect(late?.code == .damaged)
    // Who was refused does not keep the lease.
    try second.put([[.int(4), .string("c")]])
    #expect(try second.flush())
    #expect(try second.rows(["id"], live: false).count == 3)
  }

  /// A service that ends brings all rows into the table, also when somebody else has changed it meanwhile.
  @Test func rowsAreDrainedThoughOthersChangedTheTable() throws {
    let world = try StreamWorld()
    let stream = try world.open(Self.definition)
    try stream.put([[.int(1), .string("a")]])
    try stream.flush()
    try stream.put([[.int(2), .string("b")]])
    let table = try world.catalog.loadTable(Self.definition.table)
    let other = Table(table, catalog: world.catalog, environment: stream.table.environment)
    let transaction = other.transaction()
    transaction.updateSchema().addColumn("theirs", .string)
    try transaction.commit()
    stream.closeLogs()
    #expect(try stream.flush())
    #expect(try stream.rows(["id"], live: false).count == 2)
    stream.close()
  }

  @Test func aggregatedColumnsAreSentAsDeclared() throws {
    let world = try StreamWorld()
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "agg"),
      columns: Schema([
        Field("id", .int64, nullable: false),
        Field("at", .timestamp(.microsecond, timeZone: "UTC")),
        Field("last", .utf8), Field("count", .utf8),
      ]))
    definition.primaryKey = ["id"]
    definition.eventTime = "at"
    definition.merge = .aggregation(["last": .lastK(count: 2), "count": .count])
    let stream = try world.open(definition)
    #expect(stream.inputSchema["last"]?.type == .utf8)
    try stream.put([[.int(1), .int(5), .string("x"), .string("p")]])
    try stream.flush()
    try stream.put([[.int(1), .int(6), .string("y"), .null]])
    let reader = try stream.scan(StreamScan(columns: ["last", "count"]))
    let batch = try #require(try reader.next())
    #expect(batch.columns[1].scalar(at: 0) == .int(1))
    guard case .list(let items) = batch.columns[0].scalar(at: 0) else {
      Issue.record("no list")
      return
    }
    #expect(items.count == 2)
  }
}
