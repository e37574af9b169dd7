// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Rows go from a stream's table, log and index; all others are as before, whatever came when.
@Suite struct StreamErasureTests {
  private static let table = TableIdentifier(Namespace(["n"]), "users")

  private func definition(_ isKeyed: Bool, shards: Int) -> StreamDefinition {
    var definition = StreamDefinition(
      table: Self.table,
      columns: Schema([
        Field("id", .int64, nullable: false), Field("name", .utf8), Field("at", .int64),
      ]))
    definition.shardCount = shards
    if isKeyed {
      definition.primaryKey = ["id"]
      definition.merge = .lastWrite(sequence: ["at"])
    } else {
      definition.shardKey = ["id"]
    }
    return definition
  }

  private func target(_ id: Int) -> ErasureTarget {
    ErasureTarget(where: .compare(.equal, "id", .integer(Int128(id))))
  }

  /// The ids in what the logs keep.
  private func logged(_ stream: StreamTable) throws -> Set<Int> {
    var ids: Set<Int> = []
    for shard in stream.shards {
      let start = try #require(shard.logStatus).offsets.lowerBound
      let cursor = try shard.cursor(from: start)
      while let entry = try cursor.next() {
        let column = try #require(entry.batch["id"])
        for row in 0..<column.length {
          if case .int(let id) = column.scalar(at: row) { ids.insert(Int(id)) }
        }
      }
    }
    return ids
  }

  /// The ids in the key indexes.
  private func indexed(_ stream: StreamTable) throws -> Int {
    var count = 0
    for shard in stream.shards {
      try shard.index?.forEach(batchRows: 100) { keys, _ throws(StreamError) in
        count += keys.length
        return true
      }
    }
    return count
  }

  @Test(arguments: 0..<16) func onlyTheRowsAreGone(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &* 17 &+ 3)
    let world = try StreamWorld(seed: UInt64(seed))
    let isKeyed = seed % 3 != 2
    let definition = definition(isKeyed, shards: seed % 2 + 1)
    var stream = try world.open(definition)
    // What is expected: of keyed tables the latest version of each id, else all rows.
    var versions: [Int: (at: Int, name: String?)] = [:]
    var all: [String] = []
    func put(_ id: Int, _ at: Int) throws {
      let isDelete = isKeyed && random.chance(0.25)
      let name = "n\(random.int(0..<5))"
      let op: Scalar = isKeyed ? .int(isDelete ? 1 : 0) : .null
      try stream.put([[.int(Int64(id)), .string(name), .int(Int64(at)), op]])
      if isKeyed {
        if at >= versions[id]?.at ?? -1 { versions[id] = (at, isDelete ? nil : name) }
      } else {
        all.append("\(Scalar.int(Int64(id))) \(Scalar.string(name)) \(Scalar.int(Int64(at)))")
      }
    }
    func expected() -> [String] {
      guard isKeyed else { return all.sorted() }
      return versions.compactMap { id, version in
        version.name.map {
          "\(Scalar.int(Int64(id))) \(Scalar.string($0)) \(Scalar.int(Int64(version.at)))"
        }
      }.sorted()
    }
    func forget(_ id: Int) {
      versions[id] = nil
      all.removeAll { $0.hasPrefix("\(Scalar.int(Int64(id))) ") }
    }
    for _ in 0..<4 {
      for _ in 0..<random.int(5...40) { try put(random.int(0..<12), random.int(0..<50)) }
      if random.chance(0.7) { try stream.flush() }
      for _ in 0..<random.int(0...10) { try put(random.int(0..<12), random.int(0..<50)) }
      if random.chance(0.3) {
        try stream.flush()
        var options = CompactionOptions()
        options.isFull = true
        try stream.compact(options)
      }
      let victim = random.int(0..<12)
      let result = try stream.erase(target(victim))
      forget(victim)
      #expect(result.isComplete, "\(result.left)")
      #expect(try stream.rows(["id", "name", "at"]) == expected(), "seed \(seed)")
      #expect(try stream.rows(["id", "name", "at"], live: false) == expected())
      #expect(try !logged(stream).contains(victim))
      if isKeyed { #expect(try indexed(stream) == versions.count) }
      #expect(try stream.erase(target(victim)).rewrites.isEmpty)
      // Older versions of others that come late are told by their tombstones still.
      for _ in 0..<10 { try put(random.int(0..<12), random.int(0..<50)) }
      #expect(try stream.rows(["id", "name", "at"]) == expected(), "seed \(seed)")
      if random.chance(0.5) {
        stream.close()
        stream = try world.open(definition)
        #expect(try stream.rows(["id", "name", "at"]) == expected())
      }
    }
  }

  /// The key index fails at some call, perhaps behind the erasure's commit, whose files must stay.
  @Test(arguments: 0..<12) func anIndexMayFail(_ call: Int) throws {
    let world = try StreamWorld()
    let countdown = Countdown()
    let stream = try world.open(definition(true, shards: 1)) {
      (definition, shard, environment) throws(StreamError) in
      FailingIndex(
        try StreamEnvironment.openMemoryIndex(definition, shard, environment), countdown)
    }
    try stream.put((0..<20).map { [.int(Int64($0)), .string("x"), .int(0)] })
    try stream.flush()
    countdown.left.withLock { $0 = call }
    _ = try? stream.erase(target(3))
    countdown.left.withLock { $0 = nil }
    world.clock.advance(31_000_000_000)
    while stream.step() {}
    #expect(try stream.erase(target(3)).isComplete)
    #expect(try stream.rows(["id"]).count == 19)
    #expect(try stream.rows(["id"], live: false).count == 19)
    #expect(try indexed(stream) == 19)
  }

  @Test func aLogBeginsANewFile() throws {
    let world = try StreamWorld()
    let stream = try world.open(definition(false, shards: 1))
    try stream.put((0..<10).map { [.int(Int64($0)), .string("x"), .int(0)] })
    let cut = try stream.shards[0].cut()
    #expect(cut == 10)
    #expect(try stream.shards[0].cut() == 10)
    try stream.put([[.int(20), .string("y"), .int(0)]])
    try stream.flush()
    // Rows of the first file are kept when the second has such rows alone.
    #expect(try stream.erase(target(77)).isComplete)
    #expect(try #require(stream.shards[0].logStatus).offsets == 0..<11)
    #expect(try stream.erase(target(3)).isComplete)
    #expect(try #require(stream.shards[0].logStatus).offsets == 10..<11)
    #expect(try stream.rows(["id"]).count == 10)
    stream.close()
    let again = try world.open(definition(false, shards: 1))
    #expect(try again.rows(["id"]).count == 10)
    try again.put([[.int(21), .string("y"), .int(0)]])
    #expect(try again.rows(["id"]).count == 11)
  }

  @Test func deadLettersAreChosenByWhatTheySay() throws {
    let columns = Schema([
      Field("id", .int64, nullable: false), Field("name", .utf8), Field("score", .float64),
    ])
    func holds(_ condition: String, _ record: String, markers: [String] = []) throws -> Bool {
      let chooser = DeadLetterChooser(
        filter: try Predicate(parsing: condition), columns: columns,
        markers: markers.map { Array($0.utf8) })
      return chooser.holds(Array(record.utf8))
    }
    #expect(try holds("id = 7", #"{"id": 7, "name": 5}"#))
    #expect(try !holds("id = 7", #"{"id": 77, "name": "x"}"#))
    #expect(try holds("id = 7", #"{"id": "7", "oops": 1}"#))
    #expect(try holds("name = 'ann'", #"{"id": "no", "name": "ann"}"#))
    #expect(try !holds("name = 'ann'", #"{"id": "no", "name": "anna"}"#))
    // No JSON, cut off, or nothing at all.
    #expect(try holds("id = 7", #"{"id" : 7, "name": "x"#))
    #expect(try !holds("id = 7", #"{"id" : 71, "name": "x"#))
    #expect(try !holds("id = 7", #"{"idx" : 7, "name": "x"#))
    #expect(try holds("name in ('bob', 'ann') and id > 3", #"{"name":"ann", oops"#))
    #expect(try !holds("name = 'ann'", ""))
    #expect(try holds("id = 1", "anything with secret-9", markers: ["secret-9"]))
    #expect(try holds("score > 2 and name like 'a%'", #"{"score": 3, "name": "ab"}"#))
    var random = SeededRandom(seed: 5)
    for _ in 0..<2_000 {
      let bytes = (0..<random.int(0...40)).map { _ in
        random.pick(Array(#"{}"id:7, \n0é[]"#.utf8))
      }
      let chooser = DeadLetterChooser(
        filter: try Predicate(parsing: "id = 7"), columns: columns, markers: [])
      _ = chooser.holds(bytes)
    }
  }
}

/// Calls until one fails; none does with `nil`.
private final class Countdown: Sendable {
  let left = Mutex<Int?>(nil)

  func step() throws(StreamError) {
    let fails = left.withLock { (left) -> Bool in
      guard let count = left else { return false }
      left = count == 0 ? nil : count - 1
      return count == 0
    }
    if fails { throw StreamError(.storage, "the index fails for once") }
  }
}

private final class FailingIndex: KeyIndex {
  private let index: any KeyIndex
  private let countdown: Countdown

  init(_ index: any KeyIndex, _ countdown: Countdown) {
    (self.index, self.countdown) = (index, countdown)
  }

  var position: IndexPosition? { index.position }
  func reader() throws(StreamError) -> any KeyIndexReader {
    try countdown.step()
    return try index.reader()
  }
  func layout(for schema: Schema) throws(StreamError) -> UInt16 { try index.layout(for: schema) }
  func stage(_ batch: IndexBatch) throws(StreamError) -> any StagedIndexBatch {
    try countdown.step()
    return try index.stage(batch)
  }
  func publish(_ staged: any StagedIndexBatch) throws(StreamError) {
    try countdown.step()
    try index.publish(staged)
  }
  func move(to position: IndexPosition) throws(StreamError) {
    try countdown.step()
    try index.move(to: position)
  }
  func forEach(
    batchRows: Int, _ body: (ArrayData, IndexedRows) throws(StreamError) -> Bool
  ) throws(StreamError) { try index.forEach(batchRows: batchRows, body) }
  func clear() throws(StreamError) {
    try countdown.step()
    try index.clear()
  }
  func wipe() throws(StreamError) -> Bool { try index.wipe() }
  func close() { index.close() }
}
