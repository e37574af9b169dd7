// SPDX-License-Identifier: Apache-2.0

/// How often items come together in the sets of entities, and whose list that changes.
///
/// 1. Each entity has a set of items; a new set adds and takes back only the pairs by which it differs.
/// 2. For each item: `n`, the entities that have it, and for each other item `co`, those that have both.
/// 3. A list of an item has those with the greatest scores. With it stays the bar that a pair must
///    reach to be in it. When `co` or `n` of a pair changes, the list has to be made again only when the
///    pair reaches the bar before or afterwards: of the lists that an item is near to, few are touched.
/// 4. Lists are made when somebody takes them, from `n` and `co`: in the end they do not depend on how
///    the counts came about.
struct SimilarIndex: Sendable {
  let items: SimilarItems
  let listCount: Int
  /// By entity: the numbers of its items, ascending.
  private var sets: [[UInt32]] = []
  /// By item.
  private var counts: [UInt32] = []
  private var neighbours: [CountTable] = []
  /// By item: a pair with a weight of at least this times the root of the other's `n` may be in the list.
  private var bars: [Double] = []
  private var isWaiting: [Bool] = []
  /// Items whose lists may have changed, in the order in which they did.
  private var waiting: [UInt32] = []
  private var waitingStart = 0
  /// While sets change: by item the change of `n`, and which items had one.
  private var changes: [Int32] = []
  private var isTouched: [Bool] = []
  private var touched: [UInt32] = []
  /// About what it takes in memory.
  private(set) var byteCount = 0

  /// Roundings of a bar must not keep a pair out.
  private static let slack = 1 - 1e-9

  /// One entry of a list.
  struct Entry: Hashable, Sendable {
    var item: UInt32
    var score: Double
    /// Entities that have both.
    var count: UInt32
  }

  init(_ items: SimilarItems, listCount: Int) {
    self.items = items
    self.listCount = listCount
  }

  /// How many lists may have changed.
  var waitingCount: Int { waiting.count - waitingStart }

  private mutating func reserve(_ itemCount: Int) {
    let missing = itemCount - counts.count
    guard missing > 0 else { return }
    counts += [UInt32](repeating: 0, count: missing)
    neighbours += [CountTable](repeating: CountTable(), count: missing)
    bars += [Double](repeating: 0, count: missing)
    isWaiting += [Bool](repeating: false, count: missing)
    changes += [Int32](repeating: 0, count: missing)
    isTouched += [Bool](repeating: false, count: missing)
    byteCount += 40 * missing
  }

  // MARK: Sets

  /// Gives entities new sets. Call `settle` behind the last of a batch.
  ///
  /// - Parameter set: ascending, each once.
  mutating func replace(_ entity: UInt32, with set: [UInt32], itemCount: Int) {
    reserve(itemCount)
    while sets.count <= Int(entity) {
      sets.append([])
      byteCount += 8
    }
    let old = sets[Int(entity)]
    guard old != set else { return }
    var (added, removed, kept): ([UInt32], [UInt32], [UInt32]) = ([], [], [])
    var (a, b) = (0, 0)
    while a < old.count || b < set.count {
      if b == set.count || (a < old.count && old[a] < set[b]) {
        removed.append(old[a])
        a += 1
      } else if a == old.count || set[b] < old[a] {
        added.append(set[b])
        b += 1
      } else {
        kept.append(old[a])
        (a, b) = (a + 1, b + 1)
      }
    }
    sets[Int(entity)] = set
    byteCount += Self.setByteCount(set) - Self.setByteCount(old)
    for (place, one) in removed.enumerated() {
      touch(one, -1)
      for other in kept { change(one, other, isAdded: false) }
      for other in removed[(place + 1)...] { change(one, other, isAdded: false) }
    }
    for (place, one) in added.enumerated() {
      touch(one, 1)
      for other in kept { change(one, other, isAdded: true) }
      for other in added[(place + 1)...] { change(one, other, isAdded: true) }
    }
  }

  private static func setByteCount(_ set: [UInt32]) -> Int {
    set.isEmpty ? 0 : 32 + 4 * set.count
  }

  private mutating func touch(_ item: UInt32, _ change: Int32) {
    let place = Int(item)
    changes[place] += change
    guard !isTouched[place] else { return }
    isTouched[place] = true
    touched.append(item)
  }

  /// Counts a pair, of which `one` is touched.
  private mutating func change(_ one: UInt32, _ other: UInt32, isAdded: Bool) {
    let before = count(one, other, isAdded)
    _ = count(other, one, isAdded)
    // What it was may have been in the list of an item that is not touched otherwise.
    if before > 0, !isWaiting[Int(other)] {
      mark(other, ifReached: weight(before), counts[Int(one)])
    }
  }

  private mutating func count(_ one: UInt32, _ other: UInt32, _ isAdded: Bool) -> UInt32 {
    let bytes = neighbours[Int(one)].byteCount
    let before =
      isAdded
      ? neighbours[Int(one)].increment(other) : neighbours[Int(one)].decrement(other)
    byteCount += neighbours[Int(one)].byteCount - bytes
    return before
  }

  /// Has lists made again that the changes since the last time may have changed.
  ///
  /// Cost: a look at each neighbour of the items that came or went.
  mutating func settle() {
    for item in touched {
      if !isWaiting[Int(item)] { wait(item) }
    }
    for item in touched {
      let place = Int(item)
      let before = counts[place]
      let after = UInt32(Int64(before) + Int64(changes[place]))
      counts[place] = after
      (changes[place], isTouched[place]) = (0, false)
      // Without entities before or behind, the other number is the one that pairs have.
      let least = before == 0 ? after : after == 0 ? before : min(before, after)
      let table = neighbours[place]
      for slot in table.slots where slot != 0 {
        let other = CountTable.key(slot)
        guard !isWaiting[Int(other)] else { continue }
        mark(other, ifReached: weight(CountTable.count(slot)), least)
      }
    }
    touched.removeAll(keepingCapacity: true)
  }

  /// What a pair's count is worth before it is divided by the roots.
  @inline(__always)
  private func weight(_ count: UInt32) -> Double {
    let co = Double(count)
    return co * co / (co + items.shrinkage)
  }

  private mutating func mark(_ item: UInt32, ifReached weight: Double, _ otherCount: UInt32) {
    guard weight >= bars[Int(item)] * Double(otherCount).squareRoot() * Self.slack else { return }
    wait(item)
  }

  private mutating func wait(_ item: UInt32) {
    isWaiting[Int(item)] = true
    waiting.append(item)
  }

  // MARK: Lists

  /// Has a list taken again: it could not be written.
  mutating func putBack(_ item: UInt32) {
    if !isWaiting[Int(item)] { wait(item) }
  }

  /// The next item whose list may have changed.
  mutating func next() -> UInt32? {
    guard waitingStart < waiting.count else { return nil }
    let item = waiting[waitingStart]
    waitingStart += 1
    if waitingStart == waiting.count {
      waiting.removeAll(keepingCapacity: true)
      waitingStart = 0
    } else if waitingStart >= 4_096, waitingStart * 2 > waiting.count {
      waiting.removeFirst(waitingStart)
      waitingStart = 0
    }
    isWaiting[Int(item)] = false
    return item
  }

  /// The list of an item, the best first.
  ///
  /// - Parameter precedes: the order of items with equal scores.
  mutating func list(_ item: UInt32, _ precedes: (UInt32, UInt32) -> Bool) -> [Entry] {
    let place = Int(item)
    let own = Double(counts[place])
    let least = UInt32(clamping: items.entityCountMin)
    var found: [Entry] = []
    var floor = 0.0
    func isBefore(_ one: Entry, _ other: Entry) -> Bool {
      one.score == other.score ? precedes(one.item, other.item) : one.score > other.score
    }
    for slot in neighbours[place].slots where slot != 0 {
      let count = CountTable.count(slot)
      guard count >= least else { continue }
      let other = CountTable.key(slot)
      let co = Double(count)
      let score =
        co / (own * Double(counts[Int(other)])).squareRoot() * (co / (co + items.shrinkage))
      guard score >= floor else { continue }
      found.append(Entry(item: other, score: score, count: count))
      if found.count >= 2 * listCount + 64 {
        found.sort(by: isBefore)
        found.removeSubrange(listCount...)
        floor = found[listCount - 1].score
      }
    }
    found.sort(by: isBefore)
    if found.count > listCount { found.removeSubrange(listCount...) }
    bars[place] = found.count < listCount ? 0 : found[listCount - 1].score * own.squareRoot()
    return found
  }
}
