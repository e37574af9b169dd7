// SPDX-License-Identifier: Apache-2.0
// Safe: bitmaps that are read hold the bits named, see Bitmap; they live while the call runs.

/// One bit a row in words of 64, the first row lowest; the bits behind the last row are 0.
struct RowBits: Equatable, Sendable {
  let count: Int
  private(set) var words: [UInt64]

  init(count: Int, words: [UInt64]) {
    self.count = count
    self.words = words
  }

  init(repeating bit: Bool, count: Int) {
    self.count = count
    words = [UInt64](repeating: bit ? .max : 0, count: (count + 63) / 64)
    clearTail()
  }

  /// `count` bits of an Arrow bitmap from bit `offset` on.
  init(_ bitmap: Buffer, offset: Int, count: Int) {
    self.count = count
    let wordCount = (count + 63) / 64
    words = [UInt64](unsafeUninitializedCapacity: wordCount) { target, initialized in
      for word in 0..<wordCount {
        target[word] = Bitmap.word(bitmap.base, offset + 64 * word, min(64, count - 64 * word))
      }
      initialized = wordCount
    }
  }

  /// The bits for which `body` is true, asked only for rows of `among`.
  @inline(__always)
  init(count: Int, among: RowBits? = nil, where body: (Int) -> Bool) {
    self.count = count
    let wordCount = (count + 63) / 64
    words = [UInt64](unsafeUninitializedCapacity: wordCount) { target, initialized in
      for word in 0..<wordCount {
        let first = 64 * word
        var bits: UInt64 = 0
        var asked = among?.words[word] ?? .max
        if asked == .max {
          let last = min(64, count - first)
          for row in 0..<last {
            bits |= (body(first &+ row) ? 1 : 0) &<< UInt64(truncatingIfNeeded: row)
          }
        } else {
          while asked != 0 {
            let row = asked.trailingZeroBitCount
            bits |= (body(first &+ row) ? 1 : 0) &<< UInt64(truncatingIfNeeded: row)
            asked &= asked - 1
          }
        }
        target[word] = bits
      }
      initialized = wordCount
    }
  }

  private mutating func clearTail() {
    if count & 63 != 0 { words[words.count - 1] &= .max >> UInt64(64 - count & 63) }
  }

  subscript(row: Int) -> Bool { words[row >> 6] >> UInt64(row & 63) & 1 == 1 }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
  var ones: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  mutating func formAnd(_ other: RowBits) {
    for word in words.indices { words[word] &= other.words[word] }
  }

  mutating func formOr(_ other: RowBits) {
    for word in words.indices { words[word] |= other.words[word] }
  }

  /// Takes away the bits of `other`.
  mutating func subtract(_ other: RowBits) {
    for word in words.indices { words[word] &= ~other.words[word] }
  }

  mutating func invert() {
    for word in words.indices { words[word] = ~words[word] }
    if count > 0 { clearTail() }
  }

  var inverted: RowBits {
    var copy = self
    copy.invert()
    return copy
  }

  /// As an Arrow bitmap from bit 0 on.
  var buffer: Buffer { words.withUnsafeBytes { Buffer(copying: $0) } }

  /// The places of the 1 bits, ascending.
  var indices: [Int] {
    let total = ones
    return [Int](unsafeUninitializedCapacity: total) { target, initialized in
      var next = 0
      for (word, value) in words.enumerated() {
        var bits = value
        while bits != 0 {
          target[next] = 64 * word + bits.trailingZeroBitCount
          next += 1
          bits &= bits - 1
        }
      }
      initialized = total
    }
  }
}
