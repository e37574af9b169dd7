// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

@testable internal import _WeirSimulation

/// What others do in the middle of a stream's commit: behind its look at the table, before its change.
@Suite struct CommitRaceTests {
  private static let definition: StreamDefinition = {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([Field("id", .int64, nullable: false), Field("count", .int32)]))
    definition.primaryKey = ["id"]
    return definition
  }()

  private func put(_ id: Int64, _ stream: StreamTable) throws {
    let builder = RecordBatchBuilder(stream.inputSchema)
    try builder.append(
      row: stream.inputSchema.fields.map {
        switch $0.name {
        case "id": .int(id)
        case "count": .int(7)
        default: .null
        }
      })
    stream.append(StreamAppend(batches: [try builder.finish()])) { _ in }
    while stream.step() {}
  }

  private func rows(_ stream: StreamTable) throws -> Int {
    let reader = try stream.scan(StreamScan(columns: ["id", "count"], isLive: true))
    var count = 0
    while let batch = try reader.next() { count += batch.rowCount }
    return count
  }

  @Test(arguments: [false, true]) func aColumnBecomesWider(compacts: Bool) throws {
    let world = SimulatedWorld(seed: 1, planted: nil)
    let process = try world.start(Self.definition, Fate(seed: 0), on: world.machine())
    for id: Int64 in 0..<2 {
      try put(id, process.stream)
      try process.stream.flush()
    }
    let others = try world.observer().table(Self.definition.table)
    world.doMeanwhile {
      let transaction = others.transaction()
      transaction.updateSchema().changeType("count", to: .long)
      _ = try? transaction.commit()
    }
    try put(2, process.stream)
    if compacts {
      var options = CompactionOptions()
      options.isFull = true
      #expect(try process.stream.compact(options).sourceCount == 2)
    } else {
      try process.stream.flush()
    }
    try others.refresh()
    #expect(others.schema.field(path: "count")?.type == .long)
    #expect(try rows(process.stream) == 3)
    try put(3, process.stream)
    #expect(try rows(process.stream) == 4)
    try process.stream.flush()
    #expect(try rows(process.stream) == 4)
  }
}
