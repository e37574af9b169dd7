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

  init(_ plan: FeaturePlan) {
    switch plan.feature.function {
    case .decayedCount(let halfLife): self = .decayed(DecayedSum(halfLife: halfLife))
    case .last(_, let count): self = .last(LastEvents(limit: count))
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

  /// All that the window holds at a time, as one tile.
  func total(at time: Int64) -> Tile {
    var result = Tile(index: 0)
    let first = first(time)
    for tile in tiles where tile.index >= first {
      result.count += tile.count
      result.others += tile.others
      for part in tile.sum.canonical { result.sum.add(part) }
    }
    return result
  }
}

/// The last events by event time.
struct LastEvents: Sendable {
  struct Entry: Sendable {
    var time: Int64
    var shard: Int
    var offset: Int64
    var values: [Scalar]

    /// Whether the event is later than another: by event time, then by its place in the stream.
    func isLater(than other: Entry) -> Bool {
      (time, shard, offset) > (other.time, other.shard, other.offset)
    }
  }

  let limit: Int
  /// The latest first.
  var entries: [Entry] = []

  init(limit: Int) { self.limit = limit }

  mutating func add(_ entry: Entry) {
    let place = entries.firstIndex { entry.isLater(than: $0) } ?? entries.count
    guard place < limit else { return }
    entries.insert(entry, at: place)
    if entries.count > limit { entries.removeLast() }
  }
}

extension FeatureState {
  /// The feature's value at a time.
  func value(_ plan: FeaturePlan, at time: Int64) -> Scalar {
    switch self {
    case .decayed(let sum): return .float64(sum.value(at: time))
    case .last(let events):
      return .list(
        events.entries.map { entry in
          .struct(
            zip(plan.valueNames, entry.values).map { Scalar.Member($0, $1) }
              + [Scalar.Member(FeaturePlan.timeName, .int(entry.time))])
        })
    case .tiles(let run):
      let total = run.total(at: time)
      switch plan.feature.function {
      case .sum: return total.count == 0 ? .null : .float64(total.sum.value)
      case .mean:
        return total.count == 0 ? .null : .float64(total.sum.value / Double(total.count))
      case .ratio(_, _, let prior, let weight):
        let below = Double(total.others) + weight
        return below == 0 ? .null : .float64((Double(total.count) + prior * weight) / below)
      default: return .int(total.count)
      }
    }
  }
}
