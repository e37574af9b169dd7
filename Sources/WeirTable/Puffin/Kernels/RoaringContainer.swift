// SPDX-License-Identifier: Apache-2.0
// Safe: loads and stores stay within arrays whose size is fixed beside them.

/// Positions 0 ... 65535 in one of three forms, whichever is smallest. Never empty.
///
/// Source: Chambi, Lemire, Kaser, Godin, "Better bitmap performance with Roaring bitmaps", 2016.
enum RoaringContainer: Sendable {
  /// At most `arrayCountMax` positions, ascending.
  case array([UInt16])
  /// `wordCount` words, and how many bits are set.
  case bitmap([UInt64], count: Int)
  /// Runs: first position and number of further ones, alternating; ascending and apart.
  case runs([UInt16])

  static let arrayCountMax = 4_096
  static let wordCount = 1_024

  var count: Int {
    switch self {
    case .array(let values): values.count
    case .bitmap(_, let count): count
    case .runs(let runs):
      stride(from: 1, to: runs.count, by: 2).reduce(0) { $0 + Int(runs[$1]) + 1 }
    }
  }

  func contains(_ value: UInt16) -> Bool {
    switch self {
    case .array(let values):
      let index = Self.lowerBound(values, value)
      return index < values.count && values[index] == value
    case .bitmap(let words, _): return words[Int(value >> 6)] >> UInt64(value & 63) & 1 == 1
    case .runs(let runs):
      // The last run that starts at or before the value.
      var (low, high) = (0, runs.count / 2)
      while low < high {
        let middle = (low + high) / 2
        if runs[2 * middle] <= value { low = middle + 1 } else { high = middle }
      }
      return low > 0 && value - runs[2 * low - 2] <= runs[2 * low - 1]
    }
  }

  /// The first index whose value is not below `value`.
  private static func lowerBound(_ values: [UInt16], _ value: UInt16) -> Int {
    var (low, high) = (0, values.count)
    while low < high {
      let middle = (low + high) / 2
      if values[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Calls `body` with each position within `range`, ascending.
  @inline(__always)
  func forEach(in range: ClosedRange<UInt16>, _ body: (UInt16) -> Void) {
    switch self {
    case .array(let values):
      var index = Self.lowerBound(values, range.lowerBound)
      while index < values.count && values[index] <= range.upperBound {
        body(values[index])
        index += 1
      }
    case .bitmap(let words, _):
      let last = Int(range.upperBound >> 6)
      var index = Int(range.lowerBound >> 6)
      var word = words[index] & (~0 << UInt64(range.lowerBound & 63))
      while true {
        if index == last { word &= ~0 >> UInt64(63 - range.upperBound & 63) }
        while word != 0 {
          body(UInt16(truncatingIfNeeded: index << 6 | word.trailingZeroBitCount))
          word &= word &- 1
        }
        if index == last { return }
        index += 1
        word = words[index]
      }
    case .runs(let runs):
      for index in stride(from: 0, to: runs.count, by: 2) {
        let first = max(runs[index], range.lowerBound)
        let last = min(runs[index] + runs[index + 1], range.upperBound)
        if runs[index] > range.upperBound { return }
        if first <= last { for value in first...last { body(value) } }
      }
    }
  }

  /// How many positions lie in `range`.
  func count(in range: ClosedRange<UInt16>) -> Int {
    if range == 0...UInt16.max { return count }
    switch self {
    case .array(let values):
      let start = Self.lowerBound(values, range.lowerBound)
      let end =
        range.upperBound == .max ? values.count : Self.lowerBound(values, range.upperBound + 1)
      return end - start
    case .bitmap, .runs:
      var total = 0
      forEach(in: range) { _ in total += 1 }
      return total
    }
  }

  /// Sets the bits of all positions.
  private func set(in words: inout [UInt64]) {
    switch self {
    case .array(let values):
      for value in values { words[Int(value >> 6)] |= 1 << UInt64(value & 63) }
    case .bitmap(let own, _): for index in 0..<Self.wordCount { words[index] |= own[index] }
    case .runs(let runs):
      for index in stride(from: 0, to: runs.count, by: 2) {
        let first = Int(runs[index])
        let last = first + Int(runs[index + 1])
        let (firstWord, lastWord) = (first >> 6, last >> 6)
        let head: UInt64 = ~0 << UInt64(first & 63)
        let tail: UInt64 = ~0 >> UInt64(63 - last & 63)
        if firstWord == lastWord {
          words[firstWord] |= head & tail
        } else {
          words[firstWord] |= head
          for word in firstWord + 1..<lastWord { words[word] = ~0 }
          words[lastWord] |= tail
        }
      }
    }
  }

  /// The smaller of array and bitmap for what `words` say.
  static func fromWords(_ words: [UInt64]) -> RoaringContainer {
    let count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    guard count <= arrayCountMax else { return .bitmap(words, count: count) }
    var values: [UInt16] = []
    values.reserveCapacity(count)
    RoaringContainer.bitmap(words, count: count).forEach(in: 0...UInt16.max) { values.append($0) }
    return .array(values)
  }

  /// Of ascending values without repetitions; not empty.
  static func fromSorted(_ values: [UInt16]) -> RoaringContainer {
    guard values.count > arrayCountMax else { return .array(values) }
    var words = [UInt64](repeating: 0, count: wordCount)
    for value in values { words[Int(value >> 6)] |= 1 << UInt64(value & 63) }
    return .bitmap(words, count: values.count)
  }

  func union(_ other: RoaringContainer) -> RoaringContainer {
    if case .array(let a) = self, case .array(let b) = other,
      a.count + b.count <= Self.arrayCountMax
    {
      return .array(Self.merge(a, b))
    }
    var words: [UInt64]
    if case .bitmap(let own, _) = self {
      words = own
    } else {
      words = [UInt64](repeating: 0, count: Self.wordCount)
      set(in: &words)
    }
    other.set(in: &words)
    return Self.fromWords(words)
  }

  private static func merge(_ a: [UInt16], _ b: [UInt16]) -> [UInt16] {
    if let last = a.last, let first = b.first, last < first { return a + b }
    var result: [UInt16] = []
    result.reserveCapacity(a.count + b.count)
    var (i, j) = (0, 0)
    while i < a.count && j < b.count {
      if a[i] < b[j] {
        result.append(a[i])
        i += 1
      } else {
        if a[i] == b[j] { i += 1 }
        result.append(b[j])
        j += 1
      }
    }
    result += a[i...]
    result += b[j...]
    return result
  }

  /// Adds one position; false when it was there.
  mutating func insert(_ value: UInt16) -> Bool {
    switch self {
    case .array(var values):
      let index =
        values.last.map { $0 < value } ?? true ? values.count : Self.lowerBound(values, value)
      if index < values.count && values[index] == value { return false }
      guard values.count < Self.arrayCountMax else {
        self = Self.fromSorted(values).union(.array([value]))
        return true
      }
      // The only reference while it changes.
      self = .array([])
      values.insert(value, at: index)
      self = .array(values)
      return true
    case .bitmap(var words, let count):
      let mask: UInt64 = 1 << UInt64(value & 63)
      if words[Int(value >> 6)] & mask != 0 { return false }
      self = .array([])
      words[Int(value >> 6)] |= mask
      self = .bitmap(words, count: count + 1)
      return true
    case .runs:
      if contains(value) { return false }
      self = union(.array([value]))
      return true
    }
  }

  /// How many runs the positions make.
  private var runCount: Int {
    switch self {
    case .array(let values):
      var count = 0
      var next = -1
      for value in values {
        if Int(value) != next { count += 1 }
        next = Int(value) + 1
      }
      return count
    case .bitmap(let words, _):
      var count = 0
      var carry: UInt64 = 0
      for word in words {
        // Bits that are set where the one before is not.
        count += (word & ~(word << 1 | carry)).nonzeroBitCount
        carry = word >> 63
      }
      return count
    case .runs(let runs): return runs.count / 2
    }
  }

  /// The smallest of the three forms.
  func optimized() -> RoaringContainer {
    let count = self.count
    // Other implementations count two bytes too many for an array; the same choice makes the same
    // bytes.
    let plainByteCount = count <= Self.arrayCountMax ? 2 * count + 2 : 8 * Self.wordCount
    if 2 + 4 * runCount < plainByteCount { return asRuns() }
    guard case .runs = self else { return self }
    var words = [UInt64](repeating: 0, count: Self.wordCount)
    set(in: &words)
    return Self.fromWords(words)
  }

  private func asRuns() -> RoaringContainer {
    if case .runs = self { return self }
    var runs: [UInt16] = []
    var first: UInt16?
    var last: UInt16 = 0
    forEach(in: 0...UInt16.max) { value in
      if let start = first {
        if value == last + 1 {
          last = value
          return
        }
        runs.append(start)
        runs.append(last - start)
      }
      first = value
      last = value
    }
    if let first {
      runs.append(first)
      runs.append(last - first)
    }
    return .runs(runs)
  }
}
