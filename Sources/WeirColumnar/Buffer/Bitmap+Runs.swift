// SPDX-License-Identifier: Apache-2.0
// Safe: callers pass memory that holds all bits they name and stays alive during the call.

extension Bitmap {
  /// Up to 64 of the bits from `offset` on, the first in the lowest place; the rest is 0. Reads no
  /// byte outside those that hold the bits.
  @inline(__always)
  static func word(_ base: UnsafeRawPointer, _ offset: Int, _ count: Int) -> UInt64 {
    let shift = UInt64(offset & 7)
    let byte = offset >> 3
    if count >= 64 {
      let low = base.loadUnaligned(fromByteOffset: byte, as: UInt64.self)
      if shift == 0 { return low }
      return low >> shift | UInt64(base.load(fromByteOffset: byte + 8, as: UInt8.self))
        << (64 - shift)
    }
    var result: UInt64 = 0
    for index in 0..<byteCount(Int(shift) + count) {
      let bits = UInt64(base.load(fromByteOffset: byte + index, as: UInt8.self))
      result |= index == 0 ? bits >> shift : bits << (UInt64(index * 8) - shift)
    }
    return count <= 0 ? 0 : result & (~0 >> UInt64(64 - count))
  }

  /// The first of `count` positions at which the two bitmaps differ.
  static func firstDifference(
    _ a: UnsafeRawPointer, _ aOffset: Int, _ b: UnsafeRawPointer, _ bOffset: Int, count: Int
  ) -> Int? {
    var done = 0
    while done < count {
      let take = min(64, count - done)
      let difference = word(a, aOffset + done, take) ^ word(b, bOffset + done, take)
      if difference != 0 { return done + difference.trailingZeroBitCount }
      done += take
    }
    return nil
  }

  /// The first position from `from` (below `count`) on whose bit is not `bit`; `count` when there is
  /// none.
  package static func endOfRun(
    _ base: UnsafeRawPointer, offset: Int, from: Int, count: Int, _ bit: Bool
  ) -> Int {
    var position = from
    while position < count {
      let take = min(64, count - position)
      let bits = word(base, offset + position, take)
      let length = (bit ? ~bits : bits).trailingZeroBitCount
      if length < take { return position + length }
      position += take
    }
    return count
  }

  /// Calls `body` with each run of 1 bits among `count` bits from `offset` on, in order, until it
  /// returns a value, and returns that. Without a bitmap everything is one run.
  @inline(__always)
  static func firstInRuns<R>(
    _ base: UnsafeRawPointer?, offset: Int, count: Int, _ body: (Range<Int>) -> R?
  ) -> R? {
    guard let base else { return count > 0 ? body(0..<count) : nil }
    var position = 0
    while true {
      let start = endOfRun(base, offset: offset, from: position, count: count, false)
      if start >= count { return nil }
      let end = endOfRun(base, offset: offset, from: start, count: count, true)
      if let result = body(start..<end) { return result }
      position = end
    }
  }
}
