// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import _WeirTestSupport

@testable internal import WeirServing

/// What the tables of a world hold, by the plainest means.
private struct Oracle {
  var recent: [Int64: [Int64]] = [:]
  var events: [Int64: Int64] = [:]
  var similar: [Int64: [(Int64, Double)]] = [:]
  var trending: [(Int64, Double)] = []
  var colors: [Int64: String] = [:]

  /// The score of each item that may be served.
  func scores(_ user: Int64) -> [Int64: Double] {
    let mine = Array((recent[user] ?? []).reversed().prefix(6))
    var seeds: [Int64] = []
    for item in mine where !seeds.contains(item) { seeds.append(item) }
    var parts: [Int64: Double] = [:]
    var weight = 1.0
    for seed in seeds {
      for (item, score) in similar[seed] ?? [] { parts[item, default: 0] += weight * score }
      weight *= 0.7
    }
    let order = parts.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.map(\.key).prefix(100)
    var result: [Int64: Double] = [:]
    for list in [Array(order), trending.map(\.0)] {
      for (place, item) in list.enumerated() where !mine.contains(item) {
        result[item, default: 0] += 1 / Double(61 + place)
      }
    }
    return result
  }
}

struct SurfaceTests {
  private static func change(
    _ world: ServingWorld, _ oracle: inout Oracle, _ random: inout SeededRandom
  ) throws {
    let item = Int64(random.int(0..<Int(ServingWorld.itemCount)))
    func list(_ count: Int) -> [(Int64, Double)] {
      var seen: Set<Int64> = []
      return (0..<count).compactMap { place in
        let item = Int64(random.int(0..<Int(ServingWorld.itemCount)))
        return seen.insert(item).inserted ? (item, 1 / Double(place + 1)) : nil
      }
    }
    switch random.int(0...4) {
    case 0:
      let found = list(random.int(0...15))
      oracle.similar[item] = found
      try world.put("similar", [["item": .int(item), "items": ServingWorld.list(found)]])
    case 1:
      oracle.trending = list(30)
      try world.put(
        "trending", [["segment": .string(""), "items": ServingWorld.list(oracle.trending)]])
    case 2:
      let color = random.pick(["red", "green", "blue"])
      oracle.colors[item] = color
      try world.put("items", [["item": .int(item), "color": .string(color)]])
    default:
      let user = Int64(random.int(0...4))
      let items = (0..<random.int(1...4)).map { _ in
        Int64(random.int(0..<Int(ServingWorld.itemCount)))
      }
      oracle.recent[user, default: []] += items
      for item in items { oracle.events[item, default: 0] += 1 }
      try world.act(user, items)
    }
  }

  /// Lists are what the plainest means say, while all tables change.
  @Test(arguments: 1...10)
  func listsAreThoseOfTheOracle(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try ServingWorld(seed: UInt64(seed))
    var oracle = Oracle()
    for _ in 0..<60 {
      try Self.change(world, &oracle, &random)
      try world.fold()
      world.serving.refresh()
      let user = Int64(random.int(0...5))
      var request = RecommendRequest(user: .int(user))
      request.count = 40
      request.explain = true
      let answer = try world.home().recommend(request)
      let scores = oracle.scores(user)
      #expect(answer.user == .int(user))
      #expect(answer.fallbacks.contains("user_unknown") == (oracle.recent[user] == nil))
      #expect(answer.fallbacks.contains("no_candidates") == scores.isEmpty)
      var counts: [String: Int] = [:]
      for item in answer.items {
        guard case .int(let id) = item.item else { continue }
        #expect(item.score == scores[id])
        if let color = oracle.colors[id] { counts[color, default: 0] += 1 }
        let features = try #require(answer.itemFeatures)
        #expect(features["item_events"]?.scalar(at: item.row) == .int(oracle.events[id] ?? 0))
      }
      #expect(counts.values.allSatisfy { $0 <= 4 })
      // Caps alone keep items out.
      let served = Set(answer.items.map(\.item))
      for (id, _) in scores where !served.contains(.int(id)) {
        #expect(oracle.colors[id].map { counts[$0] == 4 } ?? false)
      }
    }
    world.serving.close()
  }

  /// Whatever changes afterwards: the same events, scores and draws give the same lists.
  @Test(arguments: 1...6)
  func replaysDifferInNothing(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try ServingWorld(seed: UInt64(seed))
    var oracle = Oracle()
    var names: [String] = []
    for _ in 0..<80 {
      try Self.change(world, &oracle, &random)
      // Profiles lie behind the events, each as far as it pleases.
      if random.chance(0.7) { try world.fold(isWhole: random.chance(0.3)) }
      world.serving.refresh()
      world.time.add(Int64(random.int(0...3_000)) * 1_000_000)
      let answer = try world.home().recommend(
        RecommendRequest(user: .int(Int64(random.int(0...5)))))
      try world.log(answer)
      names.append(answer.requestID)
    }
    try world.fold()
    let reports = try world.serving.replay(names)
    #expect(reports.map(\.requestID) == names)
    for report in reports {
      #expect(report.mismatchCount == 0, "\(report.firstDifference ?? "")")
      #expect(report.valueCount >= 4)
    }
    #expect(reports.contains { $0.valueCount > 60 })
    #expect(throws: StreamError.self) { try world.serving.replay(["none"]) }
    world.serving.close()
  }

  /// Each part that fails is left out, and said.
  @Test func failuresAreSaid() throws {
    let world = try ServingWorld(seed: 1)
    try world.put(
      "trending",
      [["segment": .string(""), "items": ServingWorld.list((0..<20).map { ($0, 1) })]])
    try world.act(1, [3, 4])
    try world.fold()
    func fallbacks(_ broken: Set<String>) throws -> ([String], Int) {
      // Nothing of it is in memory.
      let other = try ServingWorld(seed: 2)
      defer { other.serving.close() }
      try other.put(
        "trending",
        [["segment": .string(""), "items": ServingWorld.list((0..<20).map { ($0, 1) })]])
      try other.act(1, [3, 4])
      try other.fold()
      other.failing.broken.withLock { $0 = broken }
      let answer = try other.home().recommend(RecommendRequest(user: .int(1)))
      return (answer.fallbacks, answer.items.count)
    }
    #expect(try fallbacks([]) == ([], 10))
    #expect(try fallbacks(["similar"]) == (["source_failed:similar"], 10))
    #expect(try fallbacks(["trending"]) == (["source_failed:trending", "no_candidates"], 0))
    #expect(try fallbacks(["user_profile"]) == (["user_failed"], 10))
    #expect(try fallbacks(["item_profile"]) == (["hydrate_failed"], 0))
    #expect(try fallbacks(["items"]) == (["hydrate_failed"], 0))
    world.serving.close()
  }

  /// A clock that runs at each look: what is late is left out.
  @Test func budgetsAreKept() throws {
    var definition = try ServingWorld.surface()
    definition.budget.retrieve = -1
    let world = try ServingWorld(seed: 1, definition)
    try world.put(
      "trending",
      [["segment": .string(""), "items": ServingWorld.list((0..<20).map { ($0, 1) })]])
    world.serving.refresh()
    let answer = try world.home().recommend(RecommendRequest(user: .int(1)))
    #expect(
      answer.fallbacks == [
        "user_unknown", "source_skipped:similar", "source_skipped:trending", "no_candidates",
      ])
    #expect(
      answer.timing.map(\.stage) == ["user", "retrieve", "hydrate", "score", "rerank", "log"])
    world.serving.close()
  }

  /// A list that is asked for right after events knows of them, or says that it does not.
  @Test func listsKnowWhatTheirUsersDid() throws {
    let world = try ServingWorld(seed: 4)
    func act(_ user: Int64, _ item: Int64) throws {
      let batch = try world.events(user, [item])
      let receipt = try world.append("events", batch)
      try world.home().note([batch], receipt)
    }
    // Profiles come on while the list waits.
    world.onPause.body = { try? world.fold(isWhole: false) }
    try act(1, 7)
    var answer = try world.home().recommend(RecommendRequest(user: .int(1)))
    #expect(answer.userFeatures?["user_recent_item"]?.scalar(at: 0) == .list([.int(7)]))
    #expect(!answer.fallbacks.contains("user_behind"))
    // They do not: the time of the waiting ends.
    world.onPause.body = { world.steady.add(30_000_000) }
    try act(1, 8)
    answer = try world.home().recommend(RecommendRequest(user: .int(1)))
    #expect(answer.userFeatures?["user_recent_item"]?.scalar(at: 0) == .list([.int(7)]))
    #expect(answer.fallbacks.contains("user_behind"))
    // It is waited for once.
    answer = try world.home().recommend(RecommendRequest(user: .int(1)))
    #expect(!answer.fallbacks.contains("user_behind"))
    world.serving.close()
  }

  /// - Parameter isWhole: whether a version in the log is the row, as far as the cache knows.
  @Test(arguments: [true, false])
  func whatIsInMemoryIsTheTables(isWhole: Bool) throws {
    let world = try ServingWorld(seed: 3)
    var random = SeededRandom(seed: 3)
    let items = try world.failing.stream(ServingWorld.table("items"))
    let stream: any ServedStream = isWhole ? items : SequencedStream(items)
    let cache = try RowCache(stream, columns: ["color"], countMax: 10) { rows in
      (0..<rows.rowCount).map { rows["color"]?.scalar(at: $0) ?? .null }
    }
    cache.refresh()
    var colors: [Int64: String] = [:]
    for _ in 0..<300 {
      let item = Int64(random.int(0...20))
      if random.chance(0.3) {
        var rows: [[String: Scalar]] = []
        // The last version of a key counts.
        for _ in 0..<random.int(1...3) {
          if random.chance(0.3) {
            colors[item] = nil
            rows.append(["item": .int(item), "_op": .int(1)])
          } else {
            let color = "\(random.next())"
            colors[item] = color
            rows.append(["item": .int(item), "color": .string(color), "_op": .int(0)])
          }
        }
        try world.put("items", rows)
        cache.refresh()
      }
      let ids = (0..<random.int(1...6)).map { _ in Int64(random.int(0...25)) }
      let found = try cache.values(of: ids.map { .int($0) } + [.text("x")])
      #expect(found == ids.map { colors[$0].map { .string($0) } } + [nil])
    }
    // What is in memory follows the table without lookups, where a version in the log is the row.
    _ = try cache.values(of: [.int(1)])
    let before = world.failing.lookupCount.value
    _ = try cache.values(of: [.int(1)])
    #expect(world.failing.lookupCount.value == before)
    try world.put("items", [["item": .int(1), "color": .string("new")]])
    cache.refresh()
    #expect(try cache.values(of: [.int(1)]) == [.string("new")])
    #expect(world.failing.lookupCount.value == before + (isWhole ? 0 : 1))
    world.serving.close()
  }
}

/// A stream that says that sequences decide which version of a row counts.
private final class SequencedStream: ServedStream {
  private let stream: any ServedStream

  init(_ stream: any ServedStream) { self.stream = stream }

  var definition: StreamDefinition {
    var result = stream.definition
    result.merge = .lastWrite(sequence: ["color"])
    return result
  }
  var inputSchema: Schema { stream.inputSchema }

  func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) { stream.append(request, completion: completion) }

  func tail(from position: StreamStart) throws(StreamError) -> any StreamTail {
    try stream.tail(from: position)
  }

  func lookup(keys: RecordBatch, columns: [String]?) throws(StreamError) -> StreamLookup {
    try stream.lookup(keys: keys, columns: columns)
  }

  func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader {
    try stream.scan(request)
  }

  func status() -> StreamStatus { stream.status() }
}
