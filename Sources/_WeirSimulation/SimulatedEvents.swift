// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A stream of events, a profile that is made of it, and the events that producers send. Few entities, kinds
/// and times, so that events meet; late ones, ones from clocks that are wrong, ones without an entity or a
/// time.
struct SimulatedEvents {
  let source: StreamDefinition
  let profile: ProfileDefinition
  let target: StreamDefinition
  /// Different for every event that is ever sent, in the column `value`.
  private var nextValue: Int64 = 0

  static let userCount = 5
  static let kinds = ["view", "click", "buy", "robot"]
  private static let minute: Int64 = 60_000_000
  private static let timeType = DataType.timestamp(.microsecond, timeZone: "UTC")

  init(_ random: inout SeededRandom) throws {
    let names = ["events", "profile"].map { TableIdentifier(Namespace(["n"]), $0) }
    var source = StreamDefinition(
      table: names[0],
      columns: try TableSchema(
        arrow: Schema([
          Field("user", .int64), Field("value", .int64), Field("kind", .utf8),
          Field("price", .float64), Field("at", Self.timeType),
        ])
      ).arrowSchema())
    source.eventTime = "at"
    source.shardCount = random.pick([1, 2, 2, 3])
    source.shardKey = random.pick([[], ["user"], ["kind"]])
    source.logRetentionSeconds = Int64(random.pick([0, 0, 10, 1_000]))
    source.format = random.pick([nil, .parquet, .weir])
    source.flush.intervalMilliseconds = Int64(random.pick([1_000, 5_000, 60_000]))
    self.source = source
    var profile = ProfileDefinition(table: names[1], source: names[0], entity: ["user"])
    profile.features = try Self.features().filter { _ in random.chance(0.6) }
    if profile.features.isEmpty { profile.features = [ProfileFeature("events", .count)] }
    if random.chance(0.5) { profile.filter = try Predicate(parsing: "kind != 'robot'") }
    profile.shardCount = random.pick([1, 1, 2])
    profile.format = random.pick([nil, .parquet, .weir])
    self.profile = profile
    var target = try ProfileOperator.stream(profile, source: source)
    target.flush.intervalMilliseconds = Int64(random.pick([1_000, 5_000, 60_000]))
    target.logRetentionSeconds = source.logRetentionSeconds
    self.target = target
  }

  /// One of each kind, by the names under which `NaiveProfile` knows them.
  private static func features() throws -> [ProfileFeature] {
    let click = try Predicate(parsing: "kind = 'click'")
    let view = try Predicate(parsing: "kind = 'view'")
    let short = ProfileWindow(length: NaiveProfile.shortLength, tile: NaiveProfile.tile)
    let long = ProfileWindow(length: NaiveProfile.longLength, tile: NaiveProfile.tile)
    var kinds = ProfileFeature("kinds", .last(columns: ["kind"], count: 2))
    kinds.distinct = ["kind"]
    return [
      ProfileFeature("events", .count),
      ProfileFeature("clicks", .count, filter: click, window: short),
      ProfileFeature("spent", .sum(column: "price"), window: long),
      ProfileFeature("total", .sum(column: "price")),
      ProfileFeature("mean_price", .mean(column: "price")),
      ProfileFeature(
        "rate",
        .ratio(
          of: click, to: view, prior: NaiveProfile.prior, weight: NaiveProfile.priorWeight),
        window: long),
      ProfileFeature("heat", .decayedCount(halfLifeMicroseconds: 7 * minute)),
      ProfileFeature("recent", .last(columns: ["kind", "value"], count: 3)),
      kinds,
      ProfileFeature("dearest", .topK(columns: ["value"], by: "price", count: 3)),
      ProfileFeature("first", .firstTime), ProfileFeature("latest", .lastTime),
    ]
  }

  /// - Parameter now: microseconds.
  mutating func events(_ random: inout SeededRandom, now: Int64) -> [LoggedRow] {
    (0..<random.int(1..<16)).map { _ in
      nextValue += 1
      var known = now
      var values: [String: Scalar] = [
        "value": .int(nextValue), "kind": .string(random.pick(Self.kinds)),
        "user": random.chance(0.04) ? .null : .int(Int64(random.int(0..<Self.userCount))),
        "price": random.chance(0.25)
          ? .null : .float64(random.pick([0.25, -0.5, 3.75, 1e17, -1e17, 12])),
      ]
      if random.chance(0.6) {
        known -= Int64(random.int(0..<5)) * 1_000_000
        values[StreamColumns.knownAt] = .int(known)
      }
      var time = known - Int64(random.int(0..<20)) * 1_000_000
      if random.chance(0.2) { time -= Int64(random.int(0..<90)) * Self.minute }
      if random.chance(0.02) { time += 2_880 * Self.minute }
      values["at"] = random.chance(0.03) ? .null : .int(time)
      return LoggedRow(values: values, isDelete: false)
    }
  }
}
