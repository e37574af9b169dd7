// SPDX-License-Identifier: Apache-2.0

/// A set of row positions, 0 ... 2^63 - 1, as compressed bitmaps.
///
/// Positions are grouped by all but their lowest 16 bits; each group is an array, a bitmap or runs.
/// Looking up costs two binary searches, adding behind the largest position one step. A value: copies
/// share their memory until one of them changes.
public struct RoaringBitmap64: Sendable {
  /// `position >> 16` of each container, ascending.
  private(set) var keys: [UInt64] = []
  private(set) var containers: [RoaringContainer] = []

  public init() {}

  init(keys: [UInt64], containers: [RoaringContainer]) {
    self.keys = keys
    self.containers = containers
  }

  /// Of positions in any order.
  public init(_ positions: some Sequence<Int64>) {
    insert(contentsOf: positions.sorted())
  }

  public var isEmpty: Bool { keys.isEmpty }

  /// How many positions there are. Cost: the number of containers, or of runs.
  public var count: Int { containers.reduce(0) { $0 + $1.count } }

  /// The index of the first container whose key is not below `key`.
  private func lowerBound(_ key: UInt64) -> Int {
    if let last = keys.last, last < key { return keys.count }
    var (low, high) = (0, keys.count)
    while low < high {
      let middle = (low + high) / 2
      if keys[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }

  public func contains(_ position: Int64) -> Bool {
    guard position >= 0 else { return false }
    let key = UInt64(position) >> 16
    let index = lowerBound(key)
    guard index < keys.count, keys[index] == key else { return false }
    return containers[index].contains(UInt16(truncatingIfNeeded: position))
  }

  /// Adds a position, which must not be negative; false when it was there.
  @discardableResult
  public mutating func insert(_ position: Int64) -> Bool {
    precondition(position >= 0, "a row position is not negative")
    let key = UInt64(position) >> 16
    let index = lowerBound(key)
    guard index < keys.count, keys[index] == key else {
      keys.insert(key, at: index)
      containers.insert(.array([UInt16(truncatingIfNeeded: position)]), at: index)
      return true
    }
    return containers[index].insert(UInt16(truncatingIfNeeded: position))
  }

  /// Adds positions that ascend (repetitions are taken once), which must not be negative. Much faster
  /// than one by one.
  public mutating func insert(contentsOf sorted: some Collection<Int64>) {
    var values: [UInt16] = []
    var key: UInt64?
    var previous: Int64 = -1
    for position in sorted where position != previous {
      precondition(position > previous, "the positions must ascend and not be negative")
      previous = position
      let own = UInt64(position) >> 16
      if own != key {
        if let key { add(values, key) }
        values.removeAll(keepingCapacity: true)
        key = own
      }
      values.append(UInt16(truncatingIfNeeded: position))
    }
    if let key { add(values, key) }
  }

  private mutating func add(_ sorted: [UInt16], _ key: UInt64) {
    let index = lowerBound(key)
    let container = RoaringContainer.fromSorted(sorted)
    if index < keys.count && keys[index] == key {
      containers[index] = containers[index].union(container)
    } else {
      keys.insert(key, at: index)
      containers.insert(container, at: index)
    }
  }

  /// Adds all positions of `other`. Cost: linear in the containers of both.
  public mutating func formUnion(_ other: RoaringBitmap64) {
    if isEmpty {
      self = other
      return
    }
    var mergedKeys: [UInt64] = []
    var merged: [RoaringContainer] = []
    mergedKeys.reserveCapacity(keys.count + other.keys.count)
    merged.reserveCapacity(keys.count + other.keys.count)
    var (i, j) = (0, 0)
    while i < keys.count || j < other.keys.count {
      if j == other.keys.count || (i < keys.count && keys[i] < other.keys[j]) {
        mergedKeys.append(keys[i])
        merged.append(containers[i])
        i += 1
      } else if i == keys.count || other.keys[j] < keys[i] {
        mergedKeys.append(other.keys[j])
        merged.append(other.containers[j])
        j += 1
      } else {
        mergedKeys.append(keys[i])
        merged.append(containers[i].union(other.containers[j]))
        i += 1
        j += 1
      }
    }
    keys = mergedKeys
    containers = merged
  }

  public func union(_ other: RoaringBitmap64) -> RoaringBitmap64 {
    var result = self
    result.formUnion(other)
    return result
  }

  /// Calls `body` with each container that has positions in `range`, its first position and the part
  /// of it that lies in the range.
  @inline(__always)
  private func forEachContainer(
    in range: Range<Int64>, _ body: (RoaringContainer, Int64, ClosedRange<UInt16>) -> Void
  ) {
    guard range.upperBound > 0, !range.isEmpty else { return }
    let first = max(range.lowerBound, 0)
    let last = range.upperBound - 1
    guard first <= last else { return }
    var index = lowerBound(UInt64(first) >> 16)
    while index < keys.count && keys[index] <= UInt64(last) >> 16 {
      let base = Int64(keys[index] << 16)
      let low = UInt16(max(first - base, 0))
      let high = UInt16(min(last - base, 65_535))
      body(containers[index], base, low...high)
      index += 1
    }
  }

  /// Calls `body` with each position in `range`, ascending: the deleted rows of a batch.
  public func forEach(in range: Range<Int64>, _ body: (Int64) -> Void) {
    forEachContainer(in: range) { container, base, part in
      container.forEach(in: part) { body(base + Int64($0)) }
    }
  }

  /// How many positions lie in `range`.
  public func count(in range: Range<Int64>) -> Int {
    var total = 0
    forEachContainer(in: range) { container, _, part in total += container.count(in: part) }
    return total
  }

  /// All positions, ascending.
  public var positions: [Int64] {
    var result: [Int64] = []
    result.reserveCapacity(count)
    for (key, container) in zip(keys, containers) {
      container.forEach(in: 0...UInt16.max) { result.append(Int64(key << 16) + Int64($0)) }
    }
    return result
  }

  /// The largest position.
  public var last: Int64? {
    guard let key = keys.last, let container = containers.last else { return nil }
    switch container {
    case .array(let values): return Int64(key << 16) + Int64(values.last ?? 0)
    case .runs(let runs):
      return Int64(key << 16) + Int64(runs[runs.count - 2] + runs[runs.count - 1])
    case .bitmap(let words, _):
      guard let word = words.lastIndex(where: { $0 != 0 }) else { return nil }
      return Int64(key << 16) + Int64(word * 64 + 63 - words[word].leadingZeroBitCount)
    }
  }
}

/// Equal when they hold the same positions.
extension RoaringBitmap64: Equatable {
  public static func == (a: RoaringBitmap64, b: RoaringBitmap64) -> Bool {
    a.keys == b.keys && a.count == b.count && a.positions == b.positions
  }
}
