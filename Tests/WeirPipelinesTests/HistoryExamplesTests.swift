// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines

struct HistoryExamplesTests {
  private static func events(_ count: Int, _ random: inout SeededRandom) -> [Shop.Event] {
    var clock = Shop.start
    var next: [Int64] = [0, 0]
    return (0..<count).map { _ in
      // Some are known at one time, some are late, some come from clocks that are ahead.
      clock += Int64(random.int(0...3)) * Shop.minute
      let shard = random.int(0...1)
      defer { next[shard] += Int64(random.int(1...3)) }
      let delay = random.chance(0.3) ? Int64(random.int(-5...300)) * Shop.minute : 0
      return Shop.Event(
        user: random.chance(0.03) ? nil : Int64(random.int(0...4)),
        item: random.chance(0.03) ? nil : Int64(random.int(0...9)), time: clock - delay,
        knownAt: clock, kind: random.pick(["click", "view", "rating", "rating"]),
        value: random.chance(0.2) ? nil : Double(random.int(0...5)),
        request: random.chance(0.1) ? "r" : nil, shard: shard, offset: next[shard])
    }
  }

  /// Items 0 to 5, known from various times on.
  private static let rows: [(item: Int64, knownAt: Int64)] = (0..<6).map {
    ($0, Shop.start + $0 * 40 * Shop.minute)
  }

  private static func shape() throws -> ExampleShape {
    try ExampleShape(Shop.examples(), view: Shop.view(), feedback: Shop.events())
  }

  private static func schema(_ definition: StreamDefinition) -> Schema {
    Schema(
      definition.columns.fields + [
        StreamColumns.knownAtField, StreamColumns.shardField, StreamColumns.offsetField,
      ])
  }

  private static func history(
    _ events: [Shop.Event], _ shape: ExampleShape
  ) throws -> [(values: [Scalar], knownAt: Int64)] {
    let items = RecordBatchBuilder(schema(try Shop.items()))
    for (item, knownAt) in rows {
      try items.append(row: [.int(item), .string("c\(item)"), .int(knownAt), .int(0), .int(0)])
    }
    let history = try HistoryExamples(
      shape, events: [Shop.table("events"): Shop.batch(events, schema(Shop.events()))],
      rows: [Shop.table("items"): items.finish()])
    var result: [(values: [Scalar], knownAt: Int64)] = []
    while true {
      let rows = history.next(impressions: 7)
      if rows.isEmpty { return result }
      result += rows
    }
  }

  // MARK: The plainest means

  /// Features out of the events known before a time, by the profiles' own history.
  private static func features(
    _ profile: Int, _ key: Int64, _ events: [Shop.Event], _ time: Int64, _ names: [String]
  ) throws -> [Scalar] {
    let definition = try Shop.profiles()[profile]
    let source = try Shop.events()
    let mine = events.filter {
      $0.knownAt < time && (profile == 0 ? $0.user : $0.item) == key
    }
    let found = try ProfileHistory.profile(
      definition, source: source, events: Shop.batch(mine, schema(source)), at: time)
    return names.map { name in
      guard let found else {
        return name == "recent"
          ? .list([])
          : name == "heat"
            ? .float64(0)
            : name == "mean_value" ? .null : .int(0)
      }
      let value = found[name]?.scalar(at: 0) ?? .null
      guard name == "recent", case .list(let items) = value else { return value }
      return .list(
        items.map { item in
          guard case .struct(let members) = item else { return .null }
          return members[0].value
        })
    }
  }

  private static func naive(
    _ events: [Shop.Event], _ shape: ExampleShape
  ) throws -> [(values: [Scalar], knownAt: Int64)] {
    let order = events.sorted {
      ($0.knownAt, $0.shard, $0.offset) < ($1.knownAt, $1.shard, $1.offset)
    }
    let impressions = order.filter {
      $0.kind == "rating" && $0.request == nil && $0.user != nil && $0.item != nil
    }.map { (time: min($0.time, $0.knownAt), event: $0) }.sorted {
      ($0.time, $0.event.shard, $0.event.offset) < ($1.time, $1.event.shard, $1.event.offset)
    }
    var result: [(values: [Scalar], knownAt: Int64)] = []
    for (time, event) in impressions {
      var known: [Int64] = []
      for other in order where other.knownAt < time {
        if let item = other.item, !known.contains(item) { known.append(item) }
      }
      let others = known.filter { $0 != event.item }
      var drawn: [Int64] = []
      var number = 0
      while drawn.count < min(3, others.count) {
        let place = NegativeSampling.draw(
          7, event.shard, event.offset, number, below: known.count)
        number += 1
        if known[place] != event.item, !drawn.contains(known[place]) { drawn.append(known[place]) }
      }
      for item in [event.item!] + drawn {
        var labels: [Scalar] = []
        var knownAt = event.knownAt
        for (minutes, isLabel) in [
          (Int64(30), { (event: Shop.Event) in event.kind == "click" }),
          (120, { $0.value ?? 0 >= 4 }),
        ] {
          let hits = events.filter {
            $0.user == event.user && $0.item == item && isLabel($0) && $0.time >= time
              && $0.time <= time + minutes * Shop.minute
          }
          let first = hits.min { ($0.time, $0.knownAt) < ($1.time, $1.knownAt) }
          labels += [.bool(first != nil), first.map { .int($0.time) } ?? .null]
          knownAt = max(knownAt, first?.knownAt ?? knownAt)
        }
        let category = rows.first { $0.item == item && $0.knownAt < time }
        let rate = item == event.item ? 1 : Double(drawn.count) / Double(others.count)
        var values: [Scalar] = [
          .string("history:\(event.shard):\(event.offset)"), .int(item), .int(event.user!), .null,
          .int(time), .null, .null,
        ]
        values += try features(0, event.user!, events, time, ["events", "heat", "recent"])
        values += try features(1, item, events, time, ["events", "mean_value", "recently"])
        values.append(category.map { .string("c\($0.item)") } ?? .null)
        values += labels
        values += [.float32(Float(rate)), .null, .bool(false), .string("history")]
        result.append((values, knownAt))
      }
    }
    return result
  }

  @Test(arguments: 1...10)
  func historyIsThatOfThePlainestMeans(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let events = Self.events(random.int(0...150), &random)
    let shape = try Self.shape()
    let found = try Self.history(events.shuffled(using: &random), shape)
    let expected = try Self.naive(events, shape)
    #expect(found.count == expected.count)
    for (one, other) in zip(found, expected) {
      #expect(one.values == other.values)
      #expect(one.knownAt == other.knownAt)
    }
  }

  /// Whatever happens to the events that were known at some time or later: no example that was known
  /// before changes by a bit, and no feature of anything that was shown before does.
  @Test(arguments: 1...20)
  func theFutureChangesNothing(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let events = Self.events(random.int(20...150), &random)
    let cut = random.pick(events).knownAt
    var other: [Shop.Event] = []
    for event in events {
      guard event.knownAt >= cut else {
        other.append(event)
        continue
      }
      if random.chance(0.2) { continue }
      var changed = event
      changed.knownAt += Int64(random.int(0...100)) * Shop.minute
      // Also to times long before.
      changed.time += Int64(random.int(-400...400)) * Shop.minute
      changed.user = Int64(random.int(0...6))
      changed.item = Int64(random.int(0...20))
      changed.value = random.chance(0.3) ? .infinity : Double(random.int(0...1_000_000))
      changed.kind = random.pick(["rating", "click"])
      changed.request = nil
      other.append(changed)
    }
    let shape = try Self.shape()
    let one = try Self.history(events, shape)
    let two = try Self.history(other, shape)
    let known = Dictionary(
      uniqueKeysWithValues: events.map { ("history:\($0.shard):\($0.offset)", $0.knownAt) })
    func part(
      _ rows: [(values: [Scalar], knownAt: Int64)], labels: Bool
    ) -> [[Scalar]: [Scalar]] {
      var result: [[Scalar]: [Scalar]] = [:]
      for (values, knownAt) in rows {
        guard case .string(let id) = values[0] else { continue }
        if labels {
          if knownAt < cut { result[Array(values.prefix(2))] = values + [.int(knownAt)] }
        } else if let time = known[id], time < cut {
          result[Array(values.prefix(2))] =
            Array(values[..<shape.labelValues]) + [values[shape.samplingRate]]
        }
      }
      return result
    }
    #expect(part(one, labels: false) == part(two, labels: false))
    // Labels: where both runs know nothing later than the cut.
    let (first, second) = (part(one, labels: true), part(two, labels: true))
    for (key, values) in first where second[key] != nil { #expect(second[key] == values) }
    // Nothing that was known before is missing, unless it is known anew since.
    let early = try part(Self.history(events.filter { $0.knownAt < cut }, shape), labels: true)
    for (key, values) in first { #expect(early[key] == values) }
    for (key, values) in second { #expect(early[key] == values) }
  }

  @Test func drawsAreEven() {
    var counts = [Int](repeating: 0, count: 10)
    for offset in 0..<10_000 {
      counts[NegativeSampling.draw(3, 0, Int64(offset), 1, below: 10)] += 1
    }
    #expect(counts.allSatisfy { (900...1_100).contains($0) })
    // By hashlib: int.from_bytes(sha256(b"r1\x1f42").digest()[:8]) >> 11, over 2**53.
    #expect(NegativeSampling.fraction("r1", .int(42), .int64) == 0.4804970490553394)
  }
}
