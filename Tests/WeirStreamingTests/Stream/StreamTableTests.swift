// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

@Suite struct StreamTableTests {
  private func events(shards: Int = 1) -> StreamDefinition {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "events"),
      columns: Schema([Field("id", .int64, nullable: false), Field("name", .utf8)]))
    definition.shardCount = shards
    return definition
  }

  private func profiles(shards: Int = 1, format: DataFormat? = nil) -> StreamDefinition {
    var definition = events(shards: shards)
    definition.format = format
    definition.table.name = "profiles"
    definition.primaryKey = ["id"]
    return definition
  }

  private func row(_ id: Int, _ name: String) -> [Scalar] { [.int(Int64(id)), .string(name)] }

  @Test(arguments: [1, 3]) func rowsAreSeenAtOnceAndComeToTheTable(shards: Int) throws {
    let world = try StreamWorld()
    var definition = events(shards: shards)
    definition.shardKey = ["id"]
    let stream = try world.open(definition)
    let receipt = try stream.put((0..<10).map { row($0, "a") })
    #expect(receipt.offsets.values.reduce(0) { $0 + $1.count } == 10)
    let expected = (0..<10).map { "\(Scalar.int(Int64($0)))" }.sorted()
    #expect(try stream.rows(["id"]) == expected)
    #expect(try stream.rows(["id"], live: false) == [])
    #expect(try stream.flush())
    #expect(try stream.rows(["id"]) == expected)
    #expect(try stream.rows(["id"], live: false) == expected)
    try stream.put([row(99, "b")])
    #expect(try stream.rows(["id"]).count == 11)
    #expect(try stream.rows(["id"], live: false).count == 10)
    #expect(try stream.flush())
    #expect(try !stream.flush())
    #expect(try stream.rows(["id"], live: false).count == 11)
    #expect(stream.status().lagRowCount == 0)
    stream.close()
  }

  @Test func aDeclaredTierIsThatOfTheTable() throws {
    let world = try StreamWorld()
    var definition = events()
    func tier() throws -> TableTier? {
      try TableTier(world.catalog.table(definition.table).metadata.properties)
    }
    try world.open(definition).close()
    #expect(try tier() == nil)
    for age: Int64 in [1_000, 0] {
      definition.maintenance.tier = TableTier(
        location: "memory://cold/weir", ageMilliseconds: age)
      try world.open(definition).close()
      #expect(try tier() == definition.maintenance.tier)
    }
    definition.maintenance.tier = nil
    let stream = try world.open(definition)
    #expect(try tier()?.ageMilliseconds == 0)
    try stream.put([row(1, "a"), row(2, "b")])
    try stream.flush()
    world.clock.advance(1_000_000_000)
    #expect(try stream.compact().sourceCount == 1)
    let files = try ScanPlanner(stream.table.metadata, stores: stream.table.stores)
    #expect(try files.next()?.dataFile.path.hasPrefix("memory://cold/weir/") == true)
    #expect(try stream.rows(["id"]).count == 2)
    stream.close()
    definition.maintenance.tier = TableTier(
      location: "memory://cold/weir", ageMilliseconds: 0, column: "name")
    let error = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(error?.column == "name", "\(String(describing: error))")
  }

  @Test func aStreamGoesOnWhereItWas() throws {
    let world = try StreamWorld()
    var stream = try world.open(events())
    try stream.put([row(1, "a")])
    try stream.flush()
    try stream.put([row(2, "b"), row(3, "c")], producer: ProducerStamp(id: "p", sequence: 1))
    stream.close()
    stream = try world.open(events())
    #expect(try stream.rows(["id"], live: false).count == 1)
    #expect(try stream.rows(["id"]).count == 3)
    let again = try stream.put(
      [row(2, "b"), row(3, "c")], producer: ProducerStamp(id: "p", sequence: 1))
    #expect(again.isRepeat && again.offsets == [0: 1..<3])
    #expect(try stream.rows(["id"]).count == 3)
    try stream.flush()
    stream.close()
    stream = try world.open(events())
    #expect(try stream.rows(["id"], live: false).count == 3)
    #expect(stream.status().lagRowCount == 0)
  }

  /// - Parameter later: the format as it is declared for the second process.
  @Test(arguments: [
    (1, DataFormat.parquet, DataFormat.parquet), (3, .parquet, .weir), (1, .weir, .weir),
    (3, .weir, .parquet),
  ])
  func keyedRowsAreReplacedAndDeleted(
    shards: Int, format: DataFormat, later: DataFormat
  ) throws {
    let world = try StreamWorld()
    var stream = try world.open(profiles(shards: shards, format: format))
    try stream.put((0..<10).map { row($0, "a") })
    try stream.put([row(3, "b")])
    func names() throws -> [String] { try stream.rows(["id", "name"]) }
    func expect(_ rows: [(Int, String)]) throws {
      let texts = rows.map { "\(Scalar.int(Int64($0.0))) \(Scalar.string($0.1))" }.sorted()
      let found = try names()
      #expect(found == texts)
    }
    var state = (0..<10).map { ($0, $0 == 3 ? "b" : "a") }
    try expect(state)
    try stream.flush()
    try expect(state)
    #expect(try stream.rows(["id", "name"], live: false) == names())
    // Over rows of the table, in memory and then in files.
    try stream.put([row(3, "c"), row(11, "n")])
    try stream.put([[.int(4), .null, .int(1)]])
    state = state.filter { $0.0 != 4 }.map { $0.0 == 3 ? (3, "c") : $0 } + [(11, "n")]
    try expect(state)
    let found = try lookup(stream, [3, 4, 11, 12])
    #expect(found.found == [true, false, true, false] && found.rows.rowCount == 2)
    try stream.flush()
    try expect(state)
    #expect(try stream.rows(["id", "name"], live: false) == names())
    #expect(try lookup(stream, [3, 4, 11, 12]).found == [true, false, true, false])
    // The key index is made anew from the files, tombstones too.
    stream.close()
    stream = try world.open(profiles(shards: shards, format: later))
    try expect(state)
    #expect(try lookup(stream, [3, 4, 11, 12]).found == [true, false, true, false])
    try stream.put([row(4, "back")])
    state.append((4, "back"))
    try expect(state)
    try stream.flush()
    try expect(state)
    #expect(try stream.rows(["id", "name"], live: false) == names())
    let planner = try world.catalog.table(profiles().table).plan()
    var formats: Set<FileFormat> = []
    while let task = try planner.next() { formats.insert(task.dataFile.format) }
    let declared = Set([format, later].map { FileFormat(name: $0.rawValue) })
    #expect(formats.isSubset(of: declared) && formats.contains(FileFormat(name: later.rawValue)))
  }

  private func lookup(_ stream: StreamTable, _ ids: [Int]) throws -> StreamLookup {
    let keys = PrimitiveBuilder<Int64>(.int64)
    for id in ids { keys.append(Int64(id)) }
    return try stream.lookup(
      keys: RecordBatch(
        schema: Schema([Field("id", .int64, nullable: false)]), columns: [keys.finish()]),
      columns: ["name"])
  }

  @Test func tailsSeeEveryRowInOrder() throws {
    let world = try StreamWorld()
    let stream = try world.open(events())
    try stream.put((0..<5).map { row($0, "a") })
    let tail = try stream.tail(from: .earliest)
    #expect(try tail.next(rowCountMax: 3)?.rowCount == 3)
    #expect(tail.position == [0: 3])
    #expect(try tail.next(rowCountMax: 3)?.rowCount == 2)
    #expect(try tail.next(rowCountMax: 3) == nil)
    try stream.put([row(9, "z")])
    let batch = try #require(try tail.next(rowCountMax: 10))
    #expect(batch["id"]?.scalar(at: 0) == .int(9) && batch["_offset"]?.scalar(at: 0) == .int(5))
    #expect(throws: StreamError.self) { try stream.tail(from: .offsets([0: 7])) }
  }

  @Test func rowsThatDoNotFitNeverReachTheLog() throws {
    let world = try StreamWorld()
    let stream = try world.open(profiles())
    let error = #expect(throws: StreamError.self) { try stream.put([[.null, .string("x")]]) }
    #expect(error?.code == .invalidArgument && error?.column == "id")
    try stream.put([row(1, "a")])
    #expect(stream.status().shards[0].logOffsets == 0..<1)
  }

  /// Rows are kept for an hour after the table has them, but not when that would keep others out.
  @Test func aLogMakesRoomOfWhatTheTableHas() throws {
    let world = try StreamWorld()
    var definition = events()
    definition.logBytesMax = 100_000
    let stream = try world.open(definition)
    let text = String(repeating: "x", count: 200)
    for round in 0..<60 {
      try stream.put((0..<30).map { row(round * 30 + $0, text) })
      try stream.flush()
      while stream.step() {}
    }
    let shard = stream.status().shards[0]
    #expect(shard.logByteCount <= 100_000)
    #expect(shard.logOffsets.upperBound == 1_800 && shard.logOffsets.lowerBound > 0)
    #expect(shard.logOffsets.count > 30, "what there is room for is kept")
    #expect(try stream.rows(["id"]).count == 1_800)
  }

  @Test func rowsComeToTheTableWhenTheClockIsSetBack() throws {
    let world = try StreamWorld()
    let stream = try world.open(events())
    try stream.put([row(1, "a")])
    #expect(try stream.rows(["id"], live: false).isEmpty)
    world.clock.advance(-3_600_000_000_000)
    stream.step()
    #expect(try stream.rows(["id"], live: false).count == 1)
    try stream.put([row(2, "b")])
    world.clock.advance(7_200_000_000_000)
    stream.step()
    #expect(try stream.rows(["id"], live: false).count == 2)
  }

  @Test func aValueThatIsAggregatedIsSentAsDeclared() throws {
    let world = try StreamWorld()
    var definition = profiles()
    definition.merge = .aggregation(["name": .count])
    let stream = try world.open(definition)
    try stream.put([row(1, "a"), row(1, "b"), row(2, "c")])
    let expected = ["\(Scalar.int(1)) \(Scalar.int(2))", "\(Scalar.int(2)) \(Scalar.int(1))"]
    #expect(try stream.rows(["id", "name"]) == expected)
    try stream.flush()
    #expect(try stream.rows(["id", "name"]) == expected)
  }

  @Test func aSequenceThatIsForgottenIsNotTakenForDone() throws {
    let world = try StreamWorld()
    let stream = try world.open(events())
    for sequence in 100..<150 {
      try stream.put(
        [row(sequence, "a")], producer: ProducerStamp(id: "p", sequence: Int64(sequence)))
    }
    let error = #expect(throws: StreamError.self) {
      try stream.put([row(1, "late")], producer: ProducerStamp(id: "p", sequence: 1))
    }
    #expect(error?.code == .invalidArgument)
    #expect(try stream.rows(["id"]).count == 50)
  }

  /// Rows that the table has taken are given back one by one, thousands of them: when a flush is over, and
  /// without the locks that appends, reads and lists need.
  @Test(arguments: [true, false]) func nobodyWaitsForRowsThatAreLetGo(isKeyed: Bool) throws {
    let world = try StreamWorld()
    let stream = try world.open(isKeyed ? profiles() : events())
    let released = SharedCount()
    func put(_ id: Int) throws {
      var batch = try stream.batch([row(id, "a")])
      let column = batch.columns[0]
      let owned = column.buffers[0]
      // Who takes a lock that it has already is stopped.
      let foreign = owned.withUnsafeBytes { bytes in
        Buffer(foreign: bytes.baseAddress!, count: bytes.count) { [weak stream] in
          _ = stream?.inputSchema
          _ = stream?.shards[0].memory.byteCount
          _ = stream?.status()
          released.add(owned.count)
        }
      }
      var columns = batch.columns
      columns[0] = ArrayData(type: column.type, length: column.length, buffers: [foreign])
      batch = try RecordBatch(schema: batch.schema, columns: columns, rowCount: 1)
      stream.append(StreamAppend(batches: [batch])) { _ in }
      while stream.step() {}
    }
    for id in 0..<20 { try put(id % 7) }
    #expect(released.value == 0)
    try stream.flush()
    #expect(released.value == 20 * 8)
    #expect(try stream.rows(["id"]).count == (isKeyed ? 7 : 20))
    stream.close()
  }
}

private final class SharedCount: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func add(_ more: Int) { count.withLock { $0 += more } }
}
