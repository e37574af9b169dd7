// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// What is remembered of one entity's events. It depends on which events came, not on their order.
struct ProfileState: Sendable {
  /// The offset behind the last event that is in it, by shard of the source.
  var positions: [Int: Int64] = [:]
  /// The greatest event time; microseconds.
  var latest = Int64.min
  /// When the last of the events was known; microseconds.
  var knownAt = Int64.min
  var features: [FeatureState]

  init(_ plans: [FeaturePlan]) { features = plans.map(FeatureState.init) }
}

/// What one feature remembers.
enum FeatureState: Sendable {
  case tiles(TileRun)
  case decayed(DecayedSum)
  case last(LastEvents)
  case times(earliest: Int64?, latest: Int64?)

  init(_ plan: FeaturePlan) {
    switch plan.feature.function {
    case .decayedCount(let halfLife): self = .decayed(DecayedSum(halfLife: halfLife))
    case .last(_, let count), .topK(_, _, let count):
      self = .last(
        LastEvents(limit: count, distinct: plan.distinctPlaces, order: plan.orderPlace))
    case .firstTime, .lastTime: self = .times(earliest: nil, latest: nil)
    default: self = .tiles(TileRun(plan.feature.window))
    }
  }
}

/// Counts and sums by tile.
struct TileRun: Sendable {
  struct Tile: Sendable {
    /// The tile begins at this many lengths of a tile since 1970.
    var index: Int64
    var count: Int64 = 0
    /// Events of a ratio's `to`.
    var others: Int64 = 0
    var sum = ExactSum()
  }

  /// `nil` for all time, which is one tile.
  let window: ProfileWindow?
  /// In order of their indices.
  var tiles: [Tile] = []

  init(_ window: ProfileWindow?) { self.window = window }

  /// The tile of a time.
  func index(_ time: Int64) -> Int64 {
    guard let window else { return 0 }
    let (whole, rest) = time.quotientAndRemainder(dividingBy: window.tile)
    return rest < 0 ? whole - 1 : whole
  }

  /// The first tile that the window holds at a time.
  private func first(_ time: Int64) -> Int64 {
    guard let window else { return 0 }
    let (start, isBelow) = time.subtractingReportingOverflow(window.length)
    return isBelow ? .min : index(start)
  }

  mutating func add(time: Int64, _ change: (inout Tile) -> Void) {
    let index = index(time)
    var place = tiles.count
    while place > 0, tiles[place - 1].index >= index { place -= 1 }
    if place == tiles.count || tiles[place].index != index {
      tiles.insert(Tile(index: index), at: place)
    }
    change(&tiles[place])
  }

  /// Forgets what no window holds from `latest` on: late events that go there are forgotten, too.
  mutating func expire(_ latest: Int64) {
    let first = first(latest)
    let count = tiles.firstIndex { $0.index >= first } ?? tiles.count
    if count > 0 { tiles.removeFirst(count) }
  }

  /// The events that the window holds at a time.
  func count(at time: Int64) -> Int64 {
    let first = first(time)
    return tiles.reduce(0) { $1.index >= first ? $0 + $1.count : $0 }
  }

  /// All that the window holds at a time, as one tile.
  func total(at time: Int64) -> Tile {
    var result = Tile(index: 0)
    let first = first(time)
    if tiles.count == 1, tiles[0].index >= first {
      // The exact sum of one tile is its own.
      result = tiles[0]
      result.index = 0
      return result
    }
    for tile in tiles where tile.index >= first {
      result.count += tile.count
      result.others += tile.others
      for part in tile.sum.canonical { result.sum.add(part) }
    }
    return result
  }
}

/// The last events by event time, or those with the greatest values.
///
/// With `distinct` columns each combination of their values is there once, by the event that comes first.
/// What falls out of the list never has to come back: the list's end only rises.
struct LastEvents: Sendable {
  struct Entry: Sendable {
    var time: Int64
    var shard: Int
    var offset: Int64
    var values: [Scalar]
  }

  let limit: Int
  /// Places of values that tell events apart; none for all events.
  var distinct: [Int] = []
  /// The place of the value that orders events; `nil` for the time.
  var order: Int?
  /// In their order.
  var entries: [Entry] = []

  /// Whether an event stands before another: by the greater value, then the later time, then its place in
  /// the stream.
  private func isBefore(_ one: Entry, _ other: Entry) -> Bool {
    if let order {
      let (a, b) = (FeaturePlan.double(one.values[order]), FeaturePlan.double(other.values[order]))
      if let a, let b, a != b { return a > b }
    }
    return (one.time, one.shard, one.offset) > (other.time, other.shard, other.offset)
  }

  private func isSame(_ one: Entry, _ other: Entry) -> Bool {
    distinct.allSatisfy { one.values[$0] == other.values[$0] }
  }

  mutating func add(_ entry: Entry) {
    if let order {
      guard FeaturePlan.double(entry.values[order])?.isFinite ?? false else { return }
    }
    if entries.count == limit, let last = entries.last, !isBefore(entry, last) { return }
    if !distinct.isEmpty, let old = entries.firstIndex(where: { isSame($0, entry) }) {
      guard isBefore(entry, entries[old]) else { return }
      entries.remove(at: old)
    }
    let place = entries.firstIndex { isBefore(entry, $0) } ?? entries.count
    entries.insert(entry, at: place)
    if entries.count > limit { entries.removeLast() }
  }
}

/// How a feature's value is one number, without what else its plan holds: rows are made by the hundred.
enum FeatureNumber: Sendable {
  case count
  case sum
  case mean
  case ratio(prior: Double, weight: Double)
  case decayed
  case firstTime
  case lastTime

  /// `nil` for lists.
  init?(_ function: ProfileFeature.Function) {
    switch function {
    case .count: self = .count
    case .sum: self = .sum
    case .mean: self = .mean
    case .ratio(_, _, let prior, let weight): self = .ratio(prior: prior, weight: weight)
    case .decayedCount: self = .decayed
    case .firstTime: self = .firstTime
    case .lastTime: self = .lastTime
    case .last, .topK: return nil
    }
  }
}

extension FeatureState {
  /// The feature's value at a time.
  func value(_ plan: FeaturePlan, at time: Int64) -> Scalar {
    if let number = plan.number { return self.number(number, at: time) }
    guard case .last(let events) = self else { return .null }
    return .list(
      events.entries.map { entry in
        .struct(
          zip(plan.valueNames, entry.values).map { Scalar.Member($0, $1) }
            + [Scalar.Member(FeaturePlan.timeName, .int(entry.time))])
      })
  }

  /// The value of a feature that is no list.
  func number(_ number: FeatureNumber, at time: Int64) -> Scalar {
    switch self {
    case .decayed(let sum): return .float64(sum.value(at: time))
    case .times(let earliest, let latest):
      let found = if case .firstTime = number { earliest } else { latest }
      return found.map { .int($0) } ?? .null
    case .last: return .null
    case .tiles(let run):
      if case .count = number { return .int(run.count(at: time)) }
      let total = run.total(at: time)
      switch number {
      case .sum: return total.count == 0 ? .null : .float64(total.sum.value)
      case .mean:
        return total.count == 0 ? .null : .float64(total.sum.value / Double(total.count))
      case .ratio(let prior, let weight):
        let below = Double(total.others) + weight
        return below == 0 ? .null : .float64((Double(total.count) + prior * weight) / below)
      default: return .int(total.count)
      }
    }
  }
}
