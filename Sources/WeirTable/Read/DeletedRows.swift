// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Rows of one data file, most often the deleted ones: a bit for each row up to the last of them.
struct DeletedRows: Sendable {
  private var words: [UInt64] = []
  private(set) var count = 0

  init() {}

  var isEmpty: Bool { count == 0 }
  var byteCount: Int { words.count * 8 }

  /// Marks a row; positions that no data file can have are ignored. Bounded by `rowCountMax`, so that
  /// a damaged delete file cannot ask for any amount of memory.
  mutating func insert(_ position: Int64, rowCountMax: Int) {
    guard position >= 0, position < Int64(rowCountMax) else { return }
    let word = Int(position >> 6)
    if word >= words.count {
      words.append(contentsOf: repeatElement(0, count: word + 1 - words.count))
    }
    let bit: UInt64 = 1 << UInt64(position & 63)
    if words[word] & bit == 0 {
      words[word] |= bit
      count += 1
    }
  }

  func contains(_ position: Int) -> Bool {
    position >> 6 < words.count && words[position >> 6] >> UInt64(position & 63) & 1 == 1
  }

  /// Whether any of the rows is among them.
  func intersects(_ rows: Range<Int>) -> Bool {
    var start = rows.lowerBound
    while start < min(rows.upperBound, words.count * 64) {
      var word = word(start)
      if rows.upperBound - start < 64 { word &= (1 << UInt64(rows.upperBound - start)) - 1 }
      if word != 0 { return true }
      start += 64
    }
    return false
  }

  /// These and the others.
  mutating func formUnion(_ other: DeletedRows) {
    if other.words.count > words.count {
      words += repeatElement(0, count: other.words.count - words.count)
    }
    for index in other.words.indices { words[index] |= other.words[index] }
    recount()
  }

  /// These without the others.
  mutating func subtract(_ other: DeletedRows) {
    for index in 0..<min(words.count, other.words.count) { words[index] &= ~other.words[index] }
    recount()
  }

  /// Those of these that are among the others.
  func intersection(_ other: DeletedRows) -> DeletedRows {
    var result = DeletedRows()
    result.words = zip(words, other.words).map { $0 & $1 }
    result.recount()
    return result
  }

  /// Rows `0 ..< count`.
  init(first count: Int) {
    words = [UInt64](repeating: .max, count: count / 64)
    if count % 64 > 0 { words.append((1 << UInt64(count % 64)) - 1) }
    self.count = count
  }

  private mutating func recount() { count = words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// 64 rows from `position` on, in the order of the bits.
  private func word(_ position: Int) -> UInt64 {
    let index = position >> 6
    let shift = UInt64(position & 63)
    let low = index < words.count ? words[index] >> shift : 0
    let high = shift > 0 && index + 1 < words.count ? words[index + 1] << (64 - shift) : 0
    return low | high
  }

  /// For rows `first ..< first + count`: true where the row is deleted (or, `negated`, where it is
  /// not). `nil` when none of them is deleted.
  func mask(first: Int, count rows: Int, negated: Bool) -> ArrayData? {
    var bits: [UInt64] = []
    bits.reserveCapacity((rows + 63) / 64)
    var any = false
    for start in stride(from: 0, to: rows, by: 64) {
      var word = word(first + start)
      if rows - start < 64 { word &= (1 << UInt64(rows - start)) - 1 }
      any = any || word != 0
      bits.append((negated ? ~word : word).littleEndian)
    }
    guard any else { return nil }
    return ArrayData(type: .bool, length: rows, buffers: [Buffer(bits)])
  }
  /// As above, for these rows.
  func mask(rows: [Int], negated: Bool) -> ArrayData? {
    var bits = [UInt64](repeating: 0, count: (rows.count + 63) / 64)
    var any = false
    for (index, row) in rows.enumerated() {
      let isOne = contains(row)
      any = any || isOne
      if isOne != negated { bits[index >> 6] |= 1 << UInt64(index & 63) }
    }
    guard any else { return nil }
    return ArrayData(
      type: .bool, length: rows.count, buffers: [Buffer(bits.map(\.littleEndian))])
  }

  /// Those of them that lie in the range, ascending.
  func positions(in rows: Range<Int>) -> [Int] {
    var result: [Int] = []
    var start = rows.lowerBound
    while start < min(rows.upperBound, words.count * 64) {
      var word = word(start)
      if rows.upperBound - start < 64 { word &= (1 << UInt64(rows.upperBound - start)) - 1 }
      while word != 0 {
        result.append(start + word.trailingZeroBitCount)
        word &= word - 1
      }
      start += 64
    }
    return result
  }
}
