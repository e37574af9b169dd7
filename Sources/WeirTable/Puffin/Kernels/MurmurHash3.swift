// SPDX-License-Identifier: Apache-2.0
// Safe: loads stay within the view that the caller passes.

/// MurmurHash3, 128 bits for 64-bit machines, by Austin Appleby (public domain):
/// https://github.com/aappleby/smhasher, `MurmurHash3_x64_128`.
package enum MurmurHash3 {
  private static let c1: UInt64 = 0x87c3_7b91_1142_53d5
  private static let c2: UInt64 = 0x4cf5_ad43_2745_937f

  @inline(__always)
  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    value << count | value >> (64 - count)
  }

  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    var value = value
    value ^= value >> 33
    value &*= 0xff51_afd7_ed55_8ccd
    value ^= value >> 33
    value &*= 0xc4ce_b9fe_1a85_ec53
    value ^= value >> 33
    return value
  }

  /// The two halves of the hash.
  package static func x64(bytes: UnsafeRawBufferPointer, seed: UInt64) -> (UInt64, UInt64) {
    var (h1, h2) = (seed, seed)
    let blockCount = bytes.count / 16
    for block in 0..<blockCount {
      var k1 = UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: block * 16, as: UInt64.self))
      var k2 = UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: block * 16 + 8, as: UInt64.self))
      k1 = rotate(k1 &* c1, 31) &* c2
      h1 = (rotate(h1 ^ k1, 27) &+ h2) &* 5 &+ 0x52dc_e729
      k2 = rotate(k2 &* c2, 33) &* c1
      h2 = (rotate(h2 ^ k2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
    }
    var (k1, k2): (UInt64, UInt64) = (0, 0)
    let tail = blockCount * 16
    for index in 0..<bytes.count - tail {
      let byte = UInt64(bytes[tail + index])
      if index < 8 { k1 |= byte << UInt64(index * 8) } else { k2 |= byte << UInt64(index * 8 - 64) }
    }
    h2 ^= rotate(k2 &* c2, 33) &* c1
    h1 ^= rotate(k1 &* c1, 31) &* c2
    h1 ^= UInt64(bytes.count)
    h2 ^= UInt64(bytes.count)
    h1 &+= h2
    h2 &+= h1
    h1 = mix(h1)
    h2 = mix(h2)
    h1 &+= h2
    h2 &+= h1
    return (h1, h2)
  }
}
