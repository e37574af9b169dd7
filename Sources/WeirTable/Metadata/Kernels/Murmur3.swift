// SPDX-License-Identifier: Apache-2.0
// Safe: reads base ..< base + count only; the callers own that range.

/// 32-bit Murmur3 hash, x86 variant, seed 0 (Iceberg, appendix B).
///
/// Source: Austin Appleby, MurmurHash3, 2008.
enum Murmur3 {
  @inline(__always)
  private static func mix(_ hash: UInt32, _ block: UInt32) -> UInt32 {
    var k = block &* 0xcc9e_2d51
    k = k << 15 | k >> 17
    k = k &* 0x1b87_3593
    var h = hash ^ k
    h = h << 13 | h >> 19
    return h &* 5 &+ 0xe654_6b64
  }

  @inline(__always)
  private static func finish(_ hash: UInt32, _ count: Int) -> UInt32 {
    var h = hash ^ UInt32(truncatingIfNeeded: count)
    h ^= h >> 16
    h = h &* 0x85eb_ca6b
    h ^= h >> 13
    h = h &* 0xc2b2_ae35
    h ^= h >> 16
    return h
  }

  /// Of the eight little-endian bytes of `value`.
  @inline(__always)
  static func hash(_ value: Int64) -> UInt32 {
    let bits = UInt64(bitPattern: value)
    let low = mix(0, UInt32(truncatingIfNeeded: bits))
    return finish(mix(low, UInt32(truncatingIfNeeded: bits >> 32)), 8)
  }

  @inline(__always)
  static func hash(_ base: UnsafeRawPointer, _ count: Int) -> UInt32 {
    var hash: UInt32 = 0
    var position = 0
    while count - position >= 4 {
      let block = base.loadUnaligned(fromByteOffset: position, as: UInt32.self)
      hash = mix(hash, UInt32(littleEndian: block))
      position += 4
    }
    if position < count {
      var k: UInt32 = 0
      for index in (position..<count).reversed() {
        k = k << 8 | UInt32(base.load(fromByteOffset: index, as: UInt8.self))
      }
      k = k &* 0xcc9e_2d51
      k = k << 15 | k >> 17
      hash ^= k &* 0x1b87_3593
    }
    return finish(hash, count)
  }

  /// Of the fewest big-endian bytes that hold a decimal's unscaled value.
  @inline(__always)
  static func hash(_ unscaled: Int128) -> UInt32 {
    let redundantBits =
      (unscaled < 0 ? ~unscaled : unscaled).leadingZeroBitCount - 1  // all but one sign bit
    let count = 16 - redundantBits / 8
    return withUnsafeBytes(of: unscaled.bigEndian) { bytes in
      bytes.baseAddress.map { hash($0 + (16 - count), count) } ?? 0
    }
  }

  static func hash(_ text: String) -> UInt32 {
    var text = text
    return text.withUTF8 { bytes in
      bytes.baseAddress.map { hash(UnsafeRawPointer($0), bytes.count) } ?? finish(0, 0)
    }
  }

  static func hash(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { bytes in
      bytes.baseAddress.map { hash($0, bytes.count) } ?? finish(0, 0)
    }
  }
}
