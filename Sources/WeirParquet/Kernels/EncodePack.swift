// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Bit packing, least significant bit first, as Parquet's hybrid and delta encodings want it.
///
/// Safe: every function reads `count` values from its source, and writes into room that it reserved.
enum EncodePack {
  /// Bits that the largest of the values needs.
  @inline(__always)
  static func width(_ largest: UInt64) -> Int { 64 - largest.leadingZeroBitCount }

  /// Appends `count` values (a multiple of 8) of `width` (1...32) bits; bits above the width must
  /// be 0. Writes `count / 8 * width` bytes.
  static func pack(
    _ source: UnsafePointer<UInt32>, count: Int, width: Int, into out: MutableBuffer
  ) {
    precondition(count & 7 == 0 && width >= 1 && width <= 32, "only whole groups are packed")
    let byteCount = (count >> 3) * width
    // 8 bytes of slack: the last store of a group may reach past its end.
    let target = out.reserveTail(byteCount + 8)
    if width <= 8 {
      packNarrow(source, count, UInt32(width), target)
    } else if width <= 16 {
      packMedium(source, count, UInt64(width), target)
    } else {
      packWide(source, count, UInt64(width), target)
    }
    out.advance(by: byteCount)
  }

  /// 8 values make one word.
  @inline(__always)
  private static func packNarrow(
    _ source: UnsafePointer<UInt32>, _ count: Int, _ width: UInt32,
    _ target: UnsafeMutableRawPointer
  ) {
    var index = 0
    var position = 0
    let half = UInt64(width &* 4)
    while index < count {
      let s = source + index
      // Four values of at most 8 bits fit 32 bits.
      let low =
        s[0] | (s[1] &<< width) | (s[2] &<< (2 &* width)) | (s[3] &<< (3 &* width))
      let high =
        s[4] | (s[5] &<< width) | (s[6] &<< (2 &* width)) | (s[7] &<< (3 &* width))
      let word = UInt64(low) | (UInt64(high) &<< half)
      target.storeBytes(of: word, toByteOffset: position, as: UInt64.self)
      position += Int(width)
      index += 8
    }
  }

  /// 4 values make one word, two words make a group.
  @inline(__always)
  private static func packMedium(
    _ source: UnsafePointer<UInt32>, _ count: Int, _ width: UInt64,
    _ target: UnsafeMutableRawPointer
  ) {
    var index = 0
    var position = 0
    let half = width &* 4
    while index < count {
      let s = source + index
      let low =
        UInt64(s[0]) | (UInt64(s[1]) &<< width) | (UInt64(s[2]) &<< (2 &* width))
        | (UInt64(s[3]) &<< (3 &* width))
      let high =
        UInt64(s[4]) | (UInt64(s[5]) &<< width) | (UInt64(s[6]) &<< (2 &* width))
        | (UInt64(s[7]) &<< (3 &* width))
      // half is 36...64: the first word takes 64 - half bits of the second.
      let first = half == 64 ? low : low | (high &<< half)
      let second = half == 64 ? high : high &>> (64 &- half)
      target.storeBytes(of: first, toByteOffset: position, as: UInt64.self)
      target.storeBytes(of: second, toByteOffset: position + 8, as: UInt64.self)
      position += Int(width)
      index += 8
    }
  }

  @inline(__always)
  private static func packWide(
    _ source: UnsafePointer<UInt32>, _ count: Int, _ width: UInt64,
    _ target: UnsafeMutableRawPointer
  ) {
    var word: UInt64 = 0
    var used: UInt64 = 0
    var position = 0
    var index = 0
    while index < count {
      let pair = UInt64(source[index]) | (UInt64(source[index + 1]) &<< width)
      word |= pair &<< used
      used &+= width &* 2
      if used >= 64 {
        target.storeBytes(of: word, toByteOffset: position, as: UInt64.self)
        position += 8
        used &-= 64
        word = used == 0 ? 0 : pair &>> (width &* 2 &- used)
      }
      index += 2
    }
    if used > 0 { target.storeBytes(of: word, toByteOffset: position, as: UInt64.self) }
  }

  /// The same for 64-bit values of `width` 1...64 bits.
  static func pack(
    _ source: UnsafePointer<UInt64>, count: Int, width: Int, into out: MutableBuffer
  ) {
    precondition(count & 7 == 0 && width >= 1 && width <= 64, "only whole groups are packed")
    let byteCount = (count >> 3) * width
    let target = out.reserveTail(byteCount + 8)
    let bits = UInt64(width)
    var word: UInt64 = 0
    var used: UInt64 = 0
    var position = 0
    for index in 0..<count {
      let value = source[index]
      word |= value &<< used
      used &+= bits
      if used >= 64 {
        target.storeBytes(of: word, toByteOffset: position, as: UInt64.self)
        position += 8
        used &-= 64
        word = used == 0 ? 0 : value &>> (bits &- used)
      }
    }
    if used > 0 { target.storeBytes(of: word, toByteOffset: position, as: UInt64.self) }
    out.advance(by: byteCount)
  }

  /// Appends `count` bytes of one value.
  static func fill(_ out: MutableBuffer, _ byte: UInt8, _ count: Int) {
    memset(out.reserveTail(count), CInt(byte), count)
    out.advance(by: count)
  }

  /// Appends a ULEB-128 number.
  static func varint(_ value: UInt64, into out: MutableBuffer) {
    let target = out.reserveTail(10)
    var rest = value
    var length = 0
    while rest >= 0x80 {
      target.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: length, as: UInt8.self)
      rest >>= 7
      length += 1
    }
    target.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: length, as: UInt8.self)
    out.advance(by: length + 1)
  }

  static func zigzag(_ value: Int64, into out: MutableBuffer) {
    varint(UInt64(bitPattern: (value &<< 1) ^ (value >> 63)), into: out)
  }
}
