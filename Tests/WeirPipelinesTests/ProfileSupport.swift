// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirPipelines
internal import WeirStorage
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// One event of the tests.
struct Event {
  var user: Int64?
  var kind: String
  var price: Double?
  /// Microseconds.
  var time: Int64?
  var knownAt: Int64
}

enum Sample {
  static let hour: Int64 = 3_600 * 1_000_000
  /// A Tuesday in 2023.
  static let start: Int64 = 1_700_000_000 * 1_000_000

  static func source(shards: Int) throws -> StreamDefinition {
    let schema = try TableSchema(
      arrow: Schema([
        Field("user", .int64), Field("kind", .utf8), Field("price", .float64),
        Field("at", .timestamp(.microsecond, timeZone: "UTC")),
      ]))
    var definition = StreamDefinition(
      table: try TableIdentifier(parsing: "shop.events"), columns: schema.arrowSchema())
    definition.eventTime = "at"
    definition.shardCount = shards
    return definition
  }

  static func profile() throws -> ProfileDefinition {
    let click = try Predicate(parsing: "kind = 'click'")
    let view = try Predicate(parsing: "kind = 'view'")
    return ProfileDefinition(
      table: try TableIdentifier(parsing: "shop.user_profile"),
      source: try TableIdentifier(parsing: "shop.events"), entity: ["user"],
      features: [
        ProfileFeature("events", .count),
        ProfileFeature(
          "clicks", .count, filter: click, window: ProfileWindow(length: 24 * hour, tile: hour)),
        ProfileFeature(
          "spent", .sum(column: "price"), window: ProfileWindow(length: 48 * hour, tile: hour)),
        ProfileFeature("mean_price", .mean(column: "price")),
        ProfileFeature(
          "rate", .ratio(of: click, to: view, prior: 0.05, weight: 20),
          window: ProfileWindow(length: 48 * hour)),
        ProfileFeature("heat", .decayedCount(halfLifeMicroseconds: 6 * hour)),
        ProfileFeature("recent", .last(columns: ["kind", "price"], count: 5)),
      ])
  }

  static func events(_ count: Int, _ random: inout SeededRandom) -> [Event] {
    var clock = start
    return (0..<count).map { _ in
      clock += Int64(random.int(0...1_200)) * 1_000_000
      // Some are late, by up to days; some come from clocks that are wrong.
      let late = random.chance(0.2) ? Int64(random.int(0...80)) * hour : 0
      let future = random.chance(0.02) ? 48 * hour : 0
      return Event(
        user: random.chance(0.03) ? nil : Int64(random.int(0...4)),
        kind: random.pick(["view", "click", "buy"]),
        price: random.chance(0.3) ? nil : Double(random.int(-1_000...100_000)) / 7,
        time: random.chance(0.03) ? nil : clock - late + future, knownAt: clock)
    }
  }

  static func batch(_ events: [Event], _ schema: Schema) throws -> RecordBatch {
    let builder = RecordBatchBuilder(schema)
    for event in events {
      let values: [String: Scalar] = [
        "user": event.user.map { .int($0) } ?? .null, "kind": .string(event.kind),
        "price": event.price.map { .float64($0) } ?? .null,
        "at": event.time.map { .int($0) } ?? .null, "_known_at": .int(event.knownAt),
      ]
      try builder.append(row: schema.fields.map { values[$0.name] ?? .null })
    }
    return try builder.finish()
  }
}

/// The profile of each user, by the plainest means. `places` say in which order events are told apart
/// that have one time.
enum NaiveProfile {
  static func rows(_ events: [(event: Event, shard: Int, offset: Int64)]) -> [String] {
    let known = events.filter { $0.event.user != nil && $0.event.time != nil }
    return Set(known.compactMap(\.event.user)).sorted().map { user in
      let all = known.filter { $0.event.user == user }
      let mine = all.filter { $0.event.time! <= $0.event.knownAt + 24 * Sample.hour }
      let now = mine.map { $0.event.time! }.max() ?? all.map(\.event.knownAt).max()!
      func within(_ length: Int64, _ tile: Int64) -> [Event] {
        let first = floored(now - length, tile)
        return mine.map(\.event).filter { floored($0.time!, tile) >= first }
      }
      let prices = mine.compactMap(\.event.price)
      let window = within(48 * Sample.hour, Sample.hour)
      let spent = window.compactMap(\.price)
      let clicks = window.count { $0.kind == "click" }
      let views = window.count { $0.kind == "view" }
      let heat = mine.reduce(0.0) { sum, next in
        sum + pow2(Double(next.event.time! - now) / Double(6 * Sample.hour))
      }
      let recent = mine.sorted {
        ($0.event.time!, $0.shard, $0.offset) > ($1.event.time!, $1.shard, $1.offset)
      }.prefix(5)
      return [
        "\(user)", "\(mine.count)",
        "\(within(24 * Sample.hour, Sample.hour).count { $0.kind == "click" })",
        spent.isEmpty ? "null" : text(spent.reduce(0, +)),
        prices.isEmpty ? "null" : text(prices.reduce(0, +) / Double(prices.count)),
        text((Double(clicks) + 0.05 * 20) / (Double(views) + 20)), text(heat),
        recent.map { "\($0.event.kind) \($0.event.price.map(text) ?? "null") \($0.event.time!)" }
          .joined(separator: ", "),
      ].joined(separator: "|")
    }
  }

  private static func floored(_ time: Int64, _ tile: Int64) -> Int64 {
    Int64((Double(time) / Double(tile)).rounded(.down))
  }

  private static func pow2(_ exponent: Double) -> Double {
    var result = 1.0
    // By the definition of a half-life: halves, and what is left by the series of e^(x ln 2).
    let whole = exponent.rounded(.down)
    let rest = (exponent - whole) * 0.693_147_180_559_945_309_4
    var term = 1.0
    for step in 1...20 {
      term *= rest / Double(step)
      result += term
    }
    return result * Double(sign: .plus, exponent: Int(whole), significand: 1)
  }

  /// To nine digits: sums of the oracle are rounded at each step.
  static func text(_ value: Double) -> String {
    if value == 0 { return "0" }
    var exponent = 0
    var rest = value
    while rest.magnitude >= 10 { (rest, exponent) = (rest / 10, exponent + 1) }
    while rest.magnitude < 1 { (rest, exponent) = (rest * 10, exponent - 1) }
    return "\((rest * 1e8).rounded() / 1e8)e\(exponent)"
  }

  /// The rows of a profile's table as the oracle says them.
  static func rows(table batch: RecordBatch) -> [String] {
    let names = ["user", "events", "clicks", "spent", "mean_price", "rate", "heat", "recent"]
    return (0..<batch.rowCount).map { row in
      names.map { text(batch[$0]?.scalar(at: row) ?? .null) }.joined(separator: "|")
    }.sorted()
  }

  private static func text(_ value: Scalar) -> String {
    switch value {
    case .int(let value): "\(value)"
    case .float64(let value): text(value)
    case .string(let value): value
    case .list(let items): items.map { text($0) }.joined(separator: ", ")
    case .struct(let members): members.map { text($0.value) }.joined(separator: " ")
    default: "null"
    }
  }
}
