// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirServing

/// The rerank by the plainest means: what is eligible is asked anew for each place.
private enum NaiveRerank {
  static func choose(
    _ items: [Int64], _ scores: [Double], _ groups: [String?], cap: Int?, explore: Double,
    count: Int, _ requestID: String
  ) -> [(item: Int64, propensity: Double)] {
    var draws = Draws(requestID)
    var chosen: [Int] = []
    var result: [(item: Int64, propensity: Double)] = []
    while result.count < count {
      let eligible = items.indices.filter { candidate in
        guard !chosen.contains(candidate) else { return false }
        guard let cap, let group = groups[candidate] else { return true }
        return chosen.count { groups[$0] == group } < cap
      }.sorted { (-scores[$0], items[$0]) < (-scores[$1], items[$1]) }
      guard !eligible.isEmpty else { break }
      let (unit, drawn) = (draws.unit(), draws.place(eligible.count))
      let place = unit < explore ? drawn : 0
      chosen.append(eligible[place])
      var propensity = explore / Double(eligible.count)
      if place == 0 { propensity += 1 - explore }
      result.append((items[eligible[place]], propensity))
    }
    return result
  }
}

struct RankingTests {
  private static func reranker(_ cap: Int?, _ explore: Double, _ count: Int) -> Reranker {
    var rerank = SurfaceRerank()
    if let cap { rerank.caps = [.init("group", cap)] }
    rerank.explore = explore
    return Reranker(rerank: rerank, count: count)
  }

  @Test(arguments: 1...200)
  func choicesAreThoseOfTheOracle(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    let count = random.int(0...60)
    let items = (0..<count).map { Int64($0 * 7 % 61) }
    let scores = items.map { _ in Double(random.int(0...20)) / 4 }
    let groups = items.map { _ in random.chance(0.2) ? nil : random.pick(["a", "b", "c", "d"]) }
    let cap = random.chance(0.5) ? random.int(1...6) : nil
    let (explore, wanted) = (random.pick([0, 0.05, 0.5, 1]), random.int(1...30))
    let found = Self.reranker(cap, explore, wanted).choose(
      items.map { .int($0) }, scores: scores, groups: cap == nil ? [] : [groups],
      requestID: "request-\(seed)")
    let expected = NaiveRerank.choose(
      items, scores, groups, cap: cap, explore: explore, count: wanted, "request-\(seed)")
    #expect(found.map { items[$0.candidate] } == expected.map(\.item))
    for (one, other) in zip(found, expected) {
      #expect((one.propensity - other.propensity).magnitude < 1e-12)
    }
  }

  /// How often an item comes first over many requests is its propensity there.
  @Test func propensitiesAreShares() {
    let items = (0..<10).map { EntityID.int(Int64($0)) }
    let scores = items.indices.map { Double(-$0) }
    var counts = [Int](repeating: 0, count: 10)
    var said = [Double](repeating: 0, count: 10)
    let requests = 20_000
    for request in 0..<requests {
      let first = Self.reranker(nil, 0.3, 3).choose(
        items, scores: scores, groups: [], requestID: "r\(request)")[0]
      counts[first.candidate] += 1
      said[first.candidate] = first.propensity
    }
    #expect((said.reduce(0, +) - 1).magnitude < 1e-9)
    for item in items.indices {
      let share = Double(counts[item]) / Double(requests)
      let error = 4 * (said[item] * (1 - said[item]) / Double(requests)).squareRoot()
      #expect((share - said[item]).magnitude < error, "\(item): \(share), \(said[item])")
    }
  }

  @Test func aRequestDrawsTheSameAgain() {
    var one = Draws("5f1e")
    var other = Draws("5f1e")
    for _ in 0..<100 {
      #expect(one.unit() == other.unit())
      #expect(one.place(7) == other.place(7))
    }
    // These numbers are in the logs of those who replay.
    var fixed = Draws("request")
    #expect(fixed.place(1_000_000) == Self.firstPlace)
  }

  private static let firstPlace = 311_141

  @Test func textsAreToldApartByTheirBytes() {
    let composed = EntityID.text("caf\u{e9}")
    let decomposed = EntityID.text("cafe\u{301}")
    #expect(composed != decomposed)
    #expect(decomposed < composed)
    #expect(Set([composed, decomposed]).count == 2)
  }
}

struct RetrievalTests {
  static func rows(_ lists: [[(item: Int64, score: Double)]?]) throws -> RecordBatch {
    let type = DataType.list(
      Field(
        "element",
        .struct([
          Field("item", .int64), Field("score", .float64), Field("reason", .utf8),
        ])))
    let builder = RecordBatchBuilder(Schema([Field("items", type)]))
    for list in lists {
      try builder.append(row: [
        list.map { list in
          .list(
            list.map { entry in
              .struct([
                Scalar.Member("item", .int(entry.item)),
                Scalar.Member("score", .float64(entry.score)),
                Scalar.Member("reason", .string("why \(entry.item)")),
              ])
            })
        } ?? .null
      ])
    }
    return try builder.finish()
  }

  private static func lists(_ random: inout SeededRandom, _ count: Int) -> [[(Int64, Double)]] {
    (0..<count).map { _ in
      (0..<random.int(0...30)).map { _ in
        (Int64(random.int(0...40)), Double(random.int(0...100)) / 8)
      }
    }
  }

  @Test func listsAreWhatTheRowsHold() throws {
    var random = SeededRandom(seed: 1)
    let all = Self.lists(&random, 20)
    let batch = try Self.rows(all + [nil])
    // Also in the middle of a larger batch.
    let part = batch.slice(offset: 5, length: 16)
    let found = try CandidateList.lists(part)
    for (list, expected) in zip(found, all[5...]) {
      #expect(list.items == expected.map { .int($0.0) })
      #expect(list.scores == expected.map(\.1))
      for (place, entry) in expected.enumerated() {
        #expect(list.reason(place) == "why \(entry.0)")
      }
    }
    #expect(found[15].items.isEmpty)
  }

  @Test(arguments: 1...50)
  func seedsAreBroughtTogether(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let all = Self.lists(&random, random.int(1...8)).map { list in
      var seen: Set<Int64> = []
      return list.filter { seen.insert($0.0).inserted }
    }
    let lists = try CandidateList.lists(Self.rows(all))
    let seeds = all.indices.map { EntityID.int(Int64(100 + $0)) }
    let count = random.int(1...50)
    let found = SourceItems(seeds: seeds, lists: lists, decay: 0.5, count: count)
    var sums: [Int64: Double] = [:]
    var weight = 1.0
    for list in all {
      for (item, score) in list { sums[item, default: 0] += weight * score }
      weight /= 2
    }
    let expected = sums.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.prefix(count)
    #expect(found.items == expected.map { .int($0.key) })
    #expect(found.scores == expected.map(\.value))
  }

  @Test(arguments: 1...50)
  func candidatesAreTheBestByTheRule(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    let weights = [1.0, 0.5, 2]
    let parts = weights.map { _ in
      var part = SourceItems()
      var seen: Set<Int64> = []
      for _ in 0..<random.int(0...40) {
        let item = Int64(random.int(0...50))
        guard seen.insert(item).inserted else { continue }
        part.items.append(.int(item))
        part.scores.append(Double(-part.items.count))
        part.origins.append(.init())
      }
      return part
    }
    let seen = Set((0..<random.int(0...10)).map { _ in EntityID.int(Int64(random.int(0...50))) })
    let count = random.int(1...60)
    let found = Candidates(parts, weights: weights, without: seen, count: count)
    var sums: [EntityID: Double] = [:]
    for (part, weight) in zip(parts, weights) {
      for (place, item) in part.items.enumerated() where !seen.contains(item) {
        sums[item, default: 0] += weight / Double(61 + place)
      }
    }
    let expected = sums.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.prefix(count)
    #expect(found.items == expected.map(\.key))
    #expect(found.scores == expected.map(\.value))
    for (item, source) in zip(found.items, found.sources) {
      let parts = zip(parts, weights).map { part, weight in
        part.items.firstIndex(of: item).map { weight / Double(61 + $0) } ?? 0
      }
      #expect(parts[source] == parts.max())
    }
  }
}
