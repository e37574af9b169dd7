// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// A profile by the plainest means: for each feature of `SimulatedEvents` a pass over all events of the
/// entity. Sums are exact, for prices are quarters: the results are those of the pipeline to the last bit.
///
/// There is nothing for `heat`, whose terms are not numbers that doubles hold.
struct NaiveProfile {
  static let tile: Int64 = 60_000_000
  static let shortLength: Int64 = 10 * tile
  static let longLength: Int64 = 60 * tile
  static let prior = 0.05
  static let priorWeight = 20.0
  private static let dayMicroseconds: Int64 = 86_400_000_000

  private struct Event {
    var value: Scalar
    var kind: String
    /// Of a price of 1/4.
    var quarters: Int128?
    var price: Scalar
    var time: Int64
    var shard: Int
    var offset: Int64

    /// The later one by time, shard and offset.
    static func isLater(_ a: Event, _ b: Event) -> Bool {
      (a.time, a.shard, a.offset) > (b.time, b.shard, b.offset)
    }
  }

  /// The latest event first.
  private var events: [Event] = []
  /// The time that windows end at; microseconds.
  private let now: Int64
  private let knownAt: Int64

  /// - Parameter rows: the entity's events, which have a time; at least one.
  init(_ rows: [(shard: Int, offset: Int64, row: LoggedRow)]) {
    func int(_ row: LoggedRow, _ name: String) -> Int64 {
      if case .int(let value)? = row.values[name] { value } else { 0 }
    }
    knownAt = rows.map { int($0.row, StreamColumns.knownAt) }.max() ?? 0
    for (shard, offset, row) in rows {
      let time = int(row, "at")
      guard time <= int(row, StreamColumns.knownAt) + Self.dayMicroseconds,
        case .string(let kind)? = row.values["kind"]
      else { continue }
      var quarters: Int128?
      if case .float64(let price)? = row.values["price"] { quarters = Int128(price * 4) }
      events.append(
        Event(
          value: row.values["value"] ?? .null, kind: kind, quarters: quarters,
          price: row.values["price"] ?? .null, time: time, shard: shard, offset: offset))
    }
    events.sort(by: Event.isLater)
    now = events.first?.time ?? knownAt
  }

  private func floored(_ time: Int64) -> Int64 {
    time >= 0 ? time / Self.tile : -((-time + Self.tile - 1) / Self.tile)
  }

  private func within(_ length: Int64) -> [Event] {
    events.filter { floored($0.time) >= floored(now - length) }
  }

  private func sum(_ events: [Event]) -> Double? {
    let quarters = events.compactMap(\.quarters)
    return quarters.isEmpty ? nil : Double(quarters.reduce(0, +)) / 4
  }

  private func list(_ events: some Sequence<Event>, _ members: (Event) -> [Scalar.Member]) -> Scalar
  {
    .list(events.map { .struct(members($0) + [Scalar.Member("event_time", .int($0.time))]) })
  }

  /// The value of a column of the profile's table; `nil` where there is nothing to compare it with.
  func value(_ name: String) -> Scalar? {
    switch name {
    case "events": return .int(Int64(events.count))
    case "clicks": return .int(Int64(within(Self.shortLength).count { $0.kind == "click" }))
    case "spent": return sum(within(Self.longLength)).map { .float64($0) } ?? .null
    case "total": return sum(events).map { .float64($0) } ?? .null
    case "mean_price":
      let count = events.count { $0.quarters != nil }
      return sum(events).map { .float64($0 / Double(count)) } ?? .null
    case "rate":
      let clicks = Double(within(Self.longLength).count { $0.kind == "click" })
      let views = Double(within(Self.longLength).count { $0.kind == "view" })
      return .float64((clicks + Self.prior * Self.priorWeight) / (views + Self.priorWeight))
    case "recent":
      return list(events.prefix(3)) {
        [Scalar.Member("kind", .string($0.kind)), Scalar.Member("value", $0.value)]
      }
    case "kinds":
      var seen: Set<String> = []
      return list(events.filter { seen.insert($0.kind).inserted }.prefix(2)) {
        [Scalar.Member("kind", .string($0.kind))]
      }
    case "dearest":
      let priced = events.filter { $0.quarters != nil }.sorted { a, b in
        a.quarters == b.quarters ? Event.isLater(a, b) : (a.quarters ?? 0) > (b.quarters ?? 0)
      }
      return list(priced.prefix(3)) {
        [Scalar.Member("value", $0.value), Scalar.Member("price", $0.price)]
      }
    case "first": return events.last.map { .int($0.time) } ?? .null
    case "latest": return events.first.map { .int($0.time) } ?? .null
    case "latest_event_time": return .int(now)
    case StreamColumns.knownAt: return .int(knownAt)
    default: return nil
    }
  }
}
