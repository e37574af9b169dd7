// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A place in Avro's binary encoding that only moves forward and never beyond the end.
///
/// The bytes come from somebody else: every length and count is checked against what is left before
/// it is used. Errors carry the position within the bytes.
///
/// Safe: the pointer is valid as long as the caller holds the buffer that it came from.
struct AvroCursor {
  let base: UnsafeRawPointer
  let end: Int
  var position: Int

  init(_ base: UnsafeRawPointer, position: Int = 0, end: Int) {
    self.base = base
    self.position = position
    self.end = end
  }

  /// Over the whole buffer, which the caller keeps alive.
  init(_ buffer: Buffer) { self.init(buffer.base, end: buffer.count) }

  var left: Int { end - position }

  @inline(never)
  func damaged(_ message: String) -> TableError {
    TableError(.damaged, "\(message), at byte \(position)")
  }

  @inline(never)
  private func cut() -> TableError {
    TableError(.damaged, "the data ends in the middle of a value, at byte \(position)")
  }

  /// A zig-zag number of at most 64 bits, in at most 10 bytes.
  @inline(__always)
  mutating func long() throws(TableError) -> Int64 {
    if position < end {
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      if byte < 0x80 {
        position &+= 1
        return Int64(byte >> 1) ^ -Int64(byte & 1)
      }
    }
    return try longSlow()
  }

  @inline(never)
  private mutating func longSlow() throws(TableError) -> Int64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard position < end else { throw cut() }
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      guard shift < 63 || byte <= 1 else { throw damaged("a number is longer than 64 bits") }
      position &+= 1
      result |= UInt64(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return Int64(bitPattern: result >> 1) ^ -Int64(result & 1) }
      shift &+= 7
    }
  }

  mutating func int() throws(TableError) -> Int32 {
    let value = try long()
    guard let result = Int32(exactly: value) else {
      throw damaged("\(value) does not fit a 32-bit number")
    }
    return result
  }

  /// Passes over a number.
  @inline(__always)
  mutating func skipLong() throws(TableError) {
    let start = position
    while position < end {
      let byte = base.load(fromByteOffset: position, as: UInt8.self)
      position &+= 1
      if byte < 0x80 {
        if position &- start > 9 { try checkLong(from: start) }
        return
      }
      if position &- start > 9 { break }
    }
    try checkLong(from: start)
  }

  /// Passes over `count` numbers.
  @inline(__always)
  mutating func skipLongs(_ count: Int) throws(TableError) {
    let lastBytes: UInt64 = 0x8080_8080_8080_8080
    var left = count
    while left > 0 {
      guard end &- position >= 8 else {
        try skipLong()
        left &-= 1
        continue
      }
      let word = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      // A number ends with a byte below 128. Eight bytes are looked at from the start of a number on,
      // so that those which are too long are seen.
      var ends = ~UInt64(littleEndian: word) & lastBytes
      let found = Int(truncatingIfNeeded: ((ends >> 7) &* 0x0101_0101_0101_0101) >> 56)
      if found == 0 {
        try skipLong()
        left &-= 1
      } else if found < left {
        left &-= found
        position &+= 8 &- ends.leadingZeroBitCount >> 3
      } else {
        for _ in 1..<left { ends &= ends &- 1 }
        position &+= ends.trailingZeroBitCount >> 3 &+ 1
        return
      }
    }
  }

  /// Reads a number that is too long or cut off, for the error it gives.
  @inline(never)
  private mutating func checkLong(from start: Int) throws(TableError) {
    position = start
    _ = try longSlow()
  }

  mutating func boolean() throws(TableError) -> Bool {
    guard position < end else { throw cut() }
    let byte = base.load(fromByteOffset: position, as: UInt8.self)
    guard byte <= 1 else { throw damaged("a boolean is \(byte), expected 0 or 1") }
    position &+= 1
    return byte == 1
  }

  mutating func float() throws(TableError) -> Float {
    let start = try take(4)
    return Float(
      bitPattern: UInt32(littleEndian: base.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
  }

  mutating func double() throws(TableError) -> Double {
    let start = try take(8)
    return Double(
      bitPattern: UInt64(littleEndian: base.loadUnaligned(fromByteOffset: start, as: UInt64.self)))
  }

  /// Passes over `count` bytes and returns where they start.
  @inline(__always)
  mutating func take(_ count: Int) throws(TableError) -> Int {
    guard count <= left else { throw cut() }
    let start = position
    position &+= count
    return start
  }

  /// The range of the bytes of a `bytes` or `string` value.
  @inline(__always)
  mutating func bytesRange() throws(TableError) -> Range<Int> {
    let count = try long()
    guard count >= 0, count <= Int64(left) else { throw lengthError(count) }
    let start = position
    position &+= Int(truncatingIfNeeded: count)
    return Range(uncheckedBounds: (start, position))
  }

  @inline(never)
  private func lengthError(_ count: Int64) -> TableError {
    count < 0
      ? damaged("a length is negative (\(count))")
      : damaged("\(count) bytes are announced where \(left) are left")
  }

  /// The bytes of a range that this cursor gave.
  func view(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= end, "a range beyond the bytes")
    return UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// The 16 bytes from `start` on, which this cursor gave.
  func load16(_ start: Int) -> SIMD16<UInt8> {
    view(start..<start + 16).loadUnaligned(as: SIMD16<UInt8>.self)
  }

  mutating func bytes() throws(TableError) -> [UInt8] { [UInt8](view(try bytesRange())) }

  /// Text; what is no UTF-8 is an error.
  mutating func string() throws(TableError) -> String {
    let range = try bytesRange()
    guard let text = String(validating: view(range), as: UTF8.self) else {
      throw TableError(.damaged, "a text is not UTF-8, at byte \(range.lowerBound)")
    }
    return text
  }

  /// Opens the next block of an array or a map: how many items follow, 0 at the end, and the bytes
  /// they take when the writer said so. `itemBytesMin` is the least an item takes; counts that could
  /// not fit what is left are refused.
  @inline(__always)
  mutating func blockCount(
    itemBytesMin: Int = 1
  ) throws(TableError) -> (count: Int, byteCount: Int?) {
    let count = try long()
    if count >= 0 {
      guard count <= Int64(left / max(itemBytesMin, 1)) else { throw countError(count) }
      return (Int(truncatingIfNeeded: count), nil)
    }
    guard count != Int64.min else { throw countError(count) }
    let byteCount = try long()
    guard byteCount >= 0, byteCount <= Int64(left) else { throw lengthError(byteCount) }
    guard -count <= byteCount / Int64(max(itemBytesMin, 1)) else { throw countError(-count) }
    return (Int(truncatingIfNeeded: -count), Int(truncatingIfNeeded: byteCount))
  }

  @inline(never)
  private func countError(_ count: Int64) -> TableError {
    damaged("\(count) items are announced where \(left) bytes are left")
  }
}
