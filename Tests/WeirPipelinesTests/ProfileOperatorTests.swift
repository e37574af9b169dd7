// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines

/// Rows of a profile's table, in memory.
private final class MemoryStore: ProfileStore {
  var rows: [Int64: RecordBatch] = [:]

  func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?] {
    (0..<entities.rowCount).map { row in
      guard case .int(let user) = entities.columns[0].scalar(at: row),
        case .binary(let bytes)? = rows[user]?[ProfileOperator.stateColumn]?.scalar(at: 0)
      else { return nil }
      return bytes
    }
  }

  func put(_ batch: RecordBatch) {
    for row in 0..<batch.rowCount {
      guard case .int(let user)? = batch["user"]?.scalar(at: row) else { continue }
      rows[user] = batch.slice(offset: row, length: 1)
    }
  }

  var all: RecordBatch? {
    rows.isEmpty
      ? nil : try? RecordBatch.concatenate(rows.sorted { $0.key < $1.key }.map(\.value))
  }
}

struct ProfileOperatorTests {
  private struct Placed {
    var event: Event
    var shard: Int
    var offset: Int64
  }

  private static func table(_ definition: ProfileDefinition) throws -> Schema {
    try ProfileOperator.stream(definition, source: Sample.source(shards: 2)).columns
  }

  private static func batch(_ events: [Placed]) throws -> RecordBatch {
    let source = try Sample.source(shards: 2).columns.fields
    let schema = Schema(
      source + [StreamColumns.knownAtField, StreamColumns.shardField, StreamColumns.offsetField])
    let rows = try Sample.batch(events.map(\.event), Schema(Array(schema.fields.dropLast(2))))
    let shards = makeBuilder(for: .int32)
    let offsets = makeBuilder(for: .int64)
    for event in events {
      try shards.append(.int(Int64(event.shard)))
      try offsets.append(.int(event.offset))
    }
    return try RecordBatch(
      schema: schema, columns: rows.columns + [shards.finish(), offsets.finish()],
      rowCount: events.count)
  }

  /// Folds events in batches of random sizes, with an operator that forgets all at random moments.
  private static func fold(
    _ events: [Placed], _ random: inout SeededRandom
  ) throws -> RecordBatch? {
    let definition = try Sample.profile()
    let schema = try table(definition)
    let store = MemoryStore()
    let source = try Sample.source(shards: 2)
    var fold = try ProfileOperator(
      definition, source: source, store: store, cacheCount: random.int(0...6))
    var start = 0
    while start < events.count {
      let end = min(events.count, start + random.int(1...40))
      let batch = try batch(Array(events[start..<end]))
      let rows = try fold.apply(batch, schema: schema)
      if random.chance(0.1) {
        // The rows were written or not; the events come again.
        if random.chance(0.5), let rows { store.put(rows) }
        fold = try ProfileOperator(definition, source: source, store: store)
        start = max(0, start - random.int(0...100))
        continue
      }
      if let rows { store.put(rows) }
      start = end
    }
    return store.all
  }

  @Test(arguments: 1...40)
  func foldsAreTheOnesOfThePlainestMeans(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var next: [Int64] = [0, 0]
    let events = Sample.events(random.int(1...300), &random).map { event in
      let shard = random.int(0...1)
      defer { next[shard] += 1 }
      return Placed(event: event, shard: shard, offset: next[shard])
    }
    let found = try Self.fold(events, &random)
    let expected = NaiveProfile.rows(events.map { ($0.event, $0.shard, $0.offset) })
    #expect(found.map { NaiveProfile.rows(table: $0) } ?? [] == expected)
    // Each shard in its order, the shards mixed in another way: the same bits.
    var rest = [events.filter { $0.shard == 0 }[...], events.filter { $0.shard == 1 }[...]]
    var mixed: [Placed] = []
    while !rest[0].isEmpty || !rest[1].isEmpty {
      let shard = rest[0].isEmpty ? 1 : rest[1].isEmpty ? 0 : random.int(0...1)
      mixed.append(rest[shard].removeFirst())
    }
    let again = try Self.fold(mixed, &random)
    #expect(again?.rowCount == found?.rowCount)
    for row in 0..<(found?.rowCount ?? 0) {
      for (one, other) in zip(found!.columns, again!.columns) {
        #expect(one.scalar(at: row) == other.scalar(at: row))
      }
    }
  }

  /// Nothing that was known before a moment depends on what came after it.
  @Test(arguments: 1...10)
  func theFutureChangesNothing(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let events = Sample.events(200, &random).enumerated().map {
      Placed(event: $0.element, shard: 0, offset: Int64($0.offset))
    }
    let cut = random.int(1...199)
    var changed = events
    for index in cut..<changed.count {
      changed[index].event.price = 1e300
      changed[index].event.kind = "click"
    }
    let definition = try Sample.profile()
    let schema = try Self.table(definition)
    var seen: [[String]] = []
    for list in [events, changed] {
      let store = MemoryStore()
      let fold = try ProfileOperator(
        definition, source: Sample.source(shards: 2), store: store)
      if let rows = try fold.apply(Self.batch(Array(list[..<cut])), schema: schema) {
        store.put(rows)
      }
      let before = store.all
      _ = try fold.apply(Self.batch(Array(list[cut...])), schema: schema)
      seen.append(before.map { NaiveProfile.rows(table: $0) } ?? [])
    }
    #expect(seen[0] == seen[1])
  }

  @Test func statesOfOtherFeaturesAreRefused() throws {
    var random = SeededRandom(seed: 7)
    let events = Sample.events(50, &random).enumerated().map {
      Placed(event: $0.element, shard: 0, offset: Int64($0.offset))
    }
    let definition = try Sample.profile()
    let store = MemoryStore()
    let fold = try ProfileOperator(definition, source: Sample.source(shards: 2), store: store)
    let rows = try #require(
      try fold.apply(Self.batch(events), schema: Self.table(definition)))
    guard case .binary(let state)? = rows[ProfileOperator.stateColumn]?.scalar(at: 0) else {
      Issue.record("no state")
      return
    }
    #expect(try fold.values(of: state).count == definition.features.count)
    var other = definition
    other.features.removeLast()
    let narrow = try ProfileOperator(other, source: Sample.source(shards: 2), store: store)
    #expect(throws: StreamError.self) { try narrow.values(of: state) }
    // Any bytes are a state or an error.
    for _ in 0..<2_000 {
      var bytes = state
      for _ in 0..<random.int(1...4) {
        bytes[random.int(0...bytes.count - 1)] = UInt8(random.int(0...255))
      }
      if random.chance(0.3) { bytes.removeLast(random.int(0...bytes.count)) }
      _ = try? fold.values(of: bytes)
    }
  }

  @Test func definitionsThatDoNotFitAreRefused() throws {
    func message(_ change: (inout ProfileDefinition) throws -> Void) throws -> String {
      var definition = try Sample.profile()
      try change(&definition)
      do {
        _ = try ProfileOperator.stream(definition, source: Sample.source(shards: 1))
        return "taken"
      } catch let error as StreamError { return error.message }
    }
    #expect(
      try message { $0.entity = ["usr"] } == "the source has no column 'usr'; did you mean 'user'?")
    #expect(
      try message { $0.features.append(ProfileFeature("x", .sum(column: "kind"))) }
        == "the feature 'x': the column 'kind' has no numbers")
    #expect(try message { $0.features.append($0.features[0]) } == "the column comes twice")
    #expect(try message { $0.features = [] }.contains("must have 1 to"))
    #expect(ProfileWindow(length: 0) == nil)
    #expect(ProfileWindow(length: 86_400_000_000)?.tile == 3_600_000_000)
    #expect(ProfileWindow(length: 86_400_000_000, tile: 1_000) == nil)
  }
}
