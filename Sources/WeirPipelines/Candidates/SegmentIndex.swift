// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The place of an item in a ranking: more is better. It does not change with time.
struct Rank: Comparable, Hashable, Sendable {
  var high: Int64
  var low: Double

  static func < (one: Rank, other: Rank) -> Bool {
    one.high != other.high ? one.high < other.high : one.low < other.low
  }

  /// Of a number.
  static func number(_ value: Double) -> Rank? {
    value.isFinite ? Rank(high: 0, low: value == 0 ? 0 : value) : nil
  }

  /// Of a time.
  static func time(_ time: Int64) -> Rank { Rank(high: time, low: 0) }

  /// Of what a value that halves every half-life was at a time: as it would have been in 1970, as a
  /// power of two and a factor of 1 to 2. `nil` for what is not above zero.
  static func decayed(_ value: Double, at time: Int64, halfLife: Int64) -> Rank? {
    guard value > 0, value.isFinite else { return nil }
    let (whole, weight) = split(time, halfLife)
    let product = value * weight
    return Rank(high: Int64(product.exponent) + whole, low: product.significand)
  }

  /// The value at another time.
  func decayed(at time: Int64, halfLife: Int64) -> Double {
    let (whole, weight) = Self.split(time, halfLife)
    return scalbn(low / weight, Int32(max(-4_000, min(4_000, high - whole))))
  }

  private static func split(_ time: Int64, _ halfLife: Int64) -> (whole: Int64, weight: Double) {
    var (whole, rest) = time.quotientAndRemainder(dividingBy: halfLife)
    if rest < 0 { (whole, rest) = (whole - 1, rest + halfLife) }
    return (max(.min / 4, min(.max / 4, whole)), exp2(Double(rest) / Double(halfLife)))
  }
}

/// The best items of each segment, kept up as their ranks change.
///
/// Each segment remembers the ranks of all its rows, and beside them, in order, the best: up to twice as
/// many as a list has, and all that are better than the bar. A row that changes moves within them or
/// stays below the bar; only when too many have left the best are all rows looked at again. Source: Yi, Yu, Yang,
/// Xia, Chen, "Efficient maintenance of materialized top-k views", 2003.
struct SegmentIndex: Sendable {
  /// A row of the followed table as a segment sees it.
  struct Member: Sendable {
    var item: UInt32
    var rank: Rank
    /// The row's time; `.min` without one.
    var time: Int64
  }

  private struct Segment {
    /// By row.
    var members: [UInt32: Member] = [:]
    /// Rows of the best, the best first.
    var best: [UInt32] = []
    /// Whether `best` has all rows that are not below its last one.
    var isSettled = true
    var latest = Int64.min
    var isLatestKnown = true
  }

  let listCount: Int
  private var segments: [Segment] = []
  /// By row: its segment, or `ValueNumbers.none`.
  private var segmentOfRow: [UInt32] = []
  private var isWaiting: [Bool] = []
  private var waiting: [UInt32] = []
  private(set) var byteCount = 0

  init(listCount: Int) { self.listCount = listCount }

  var waitingCount: Int { waiting.count }

  // MARK: Rows

  /// Gives a row its place; `nil` when it counts no more.
  ///
  /// - Parameter precedes: the order of items with equal ranks.
  mutating func replace(
    _ row: UInt32, with member: Member?, in segment: UInt32, segmentCount: Int,
    _ precedes: (UInt32, UInt32) -> Bool
  ) {
    while segments.count < segmentCount {
      segments.append(Segment())
      isWaiting.append(false)
      byteCount += 120
    }
    while segmentOfRow.count <= Int(row) {
      segmentOfRow.append(ValueNumbers.none)
      byteCount += 4
    }
    let old = segmentOfRow[Int(row)]
    if old != ValueNumbers.none, member == nil || old != segment {
      remove(row, from: old)
      segmentOfRow[Int(row)] = ValueNumbers.none
    }
    guard let member else { return }
    segmentOfRow[Int(row)] = segment
    put(row, member, in: Int(segment), precedes)
  }

  private mutating func remove(_ row: UInt32, from segment: UInt32) {
    let place = Int(segment)
    guard let member = segments[place].members.removeValue(forKey: row) else { return }
    byteCount -= Self.memberByteCount
    if let index = segments[place].best.firstIndex(of: row) {
      segments[place].best.remove(at: index)
    }
    if member.time == segments[place].latest { segments[place].isLatestKnown = false }
    checkBest(place)
    wait(segment)
  }

  private mutating func put(
    _ row: UInt32, _ member: Member, in place: Int, _ precedes: (UInt32, UInt32) -> Bool
  ) {
    let old = segments[place].members.updateValue(member, forKey: row)
    if let old {
      if old.item == member.item, old.rank == member.rank, old.time == member.time { return }
      if old.time == segments[place].latest, member.time < old.time {
        segments[place].isLatestKnown = false
      }
    } else {
      byteCount += Self.memberByteCount
    }
    segments[place].latest = max(segments[place].latest, member.time)
    rank(row, member, old, in: place, precedes)
    checkBest(place)
    wait(UInt32(place))
  }

  private static let memberByteCount = 64

  /// Brings a row to its place among the best, or out of them.
  private mutating func rank(
    _ row: UInt32, _ member: Member, _ old: Member?, in place: Int,
    _ precedes: (UInt32, UInt32) -> Bool
  ) {
    guard segments[place].isSettled else { return }
    let count = segments[place].best.count
    let isComplete = count == segments[place].members.count - (old == nil ? 1 : 0)
    // Where the row was; the others are in order.
    if old != nil, let index = segments[place].best.firstIndex(of: row) {
      segments[place].best.remove(at: index)
    }
    var (low, high) = (0, segments[place].best.count)
    while low < high {
      let middle = (low + high) / 2
      if let other = segments[place].members[segments[place].best[middle]],
        Self.isBefore(other, member, precedes)
      {
        low = middle + 1
      } else {
        high = middle
      }
    }
    // Behind the last of the best there may be others that are better.
    guard low < segments[place].best.count || isComplete else { return }
    segments[place].best.insert(row, at: low)
    if segments[place].best.count > 2 * listCount { segments[place].best.removeLast() }
  }

  private static func isBefore(
    _ one: Member, _ other: Member, _ precedes: (UInt32, UInt32) -> Bool
  ) -> Bool {
    one.rank == other.rank ? precedes(one.item, other.item) : one.rank > other.rank
  }

  private mutating func checkBest(_ place: Int) {
    let (best, all) = (segments[place].best.count, segments[place].members.count)
    if best < min(listCount, all) { segments[place].isSettled = false }
  }

  private mutating func wait(_ segment: UInt32) {
    guard !isWaiting[Int(segment)] else { return }
    isWaiting[Int(segment)] = true
    waiting.append(segment)
  }

  // MARK: Lists

  mutating func putBack(_ segment: UInt32) { wait(segment) }

  /// Segments whose lists may have changed since they were taken the last time.
  mutating func takeWaiting(_ countMax: Int) -> [UInt32] {
    let result = Array(waiting.prefix(countMax))
    waiting.removeFirst(result.count)
    for segment in result { isWaiting[Int(segment)] = false }
    return result
  }

  /// The list of a segment, the best first, and its latest time.
  mutating func list(
    _ segment: UInt32, _ precedes: (UInt32, UInt32) -> Bool
  ) -> (members: [Member], latest: Int64) {
    let place = Int(segment)
    if !segments[place].isSettled {
      let order = segments[place].members.sorted { Self.isBefore($0.value, $1.value, precedes) }
      segments[place].best = order.prefix(2 * listCount).map(\.key)
      segments[place].isSettled = true
    }
    if !segments[place].isLatestKnown {
      segments[place].latest = segments[place].members.values.map(\.time).max() ?? .min
      segments[place].isLatestKnown = true
    }
    let found = segments[place].best.prefix(listCount).compactMap { segments[place].members[$0] }
    return (found, segments[place].latest)
  }
}
