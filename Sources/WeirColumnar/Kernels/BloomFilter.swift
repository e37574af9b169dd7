// SPDX-License-Identifier: Apache-2.0

/// XXH64 with seed 0. Source: Yann Collet, xxHash's doc/xxhash_spec.md.
package enum XXHash64 {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  @inline(__always)
  private static func rotate(_ x: UInt64, _ bits: UInt64) -> UInt64 { x << bits | x >> (64 - bits) }

  @inline(__always)
  private static func round(_ accumulator: UInt64, _ input: UInt64) -> UInt64 {
    rotate(accumulator &+ input &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func merge(_ hash: UInt64, _ value: UInt64) -> UInt64 {
    (hash ^ round(0, value)) &* prime1 &+ prime4
  }

  package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    // Safe: every load lies within `bytes`, by the comparisons with what is left.
    var next = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
    var left = bytes.count
    var hash: UInt64
    if left >= 32 {
      var v1 = prime1 &+ prime2
      var v2 = prime2
      var v3: UInt64 = 0
      var v4 = 0 &- prime1
      while left >= 32 {
        v1 = round(v1, next.loadUnaligned(as: UInt64.self))
        v2 = round(v2, next.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        v3 = round(v3, next.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        v4 = round(v4, next.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
        next += 32
        left -= 32
      }
      hash = rotate(v1, 1) &+ rotate(v2, 7) &+ rotate(v3, 12) &+ rotate(v4, 18)
      for value in [v1, v2, v3, v4] { hash = merge(hash, value) }
    } else {
      hash = prime5
    }
    hash = hash &+ UInt64(bytes.count)
    while left >= 8 {
      hash = rotate(hash ^ round(0, next.loadUnaligned(as: UInt64.self)), 27) &* prime1 &+ prime4
      next += 8
      left -= 8
    }
    if left >= 4 {
      hash ^= UInt64(next.loadUnaligned(as: UInt32.self)) &* prime1
      hash = rotate(hash, 23) &* prime2 &+ prime3
      next += 4
      left -= 4
    }
    while left > 0 {
      hash = rotate(hash ^ UInt64(next.load(as: UInt8.self)) &* prime5, 11) &* prime1
      next += 1
      left -= 1
    }
    hash = (hash ^ hash >> 33) &* prime2
    hash = (hash ^ hash >> 29) &* prime3
    return hash ^ hash >> 32
  }

  package static func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { hash($0) } }
}

/// A split-block bloom filter: each value sets one bit in each of the eight words of one block.
/// Source: apache/parquet-format, BloomFilter.md.
package enum SplitBlockBloomFilter {
  package static let blockByteCount = 32

  private static let salts: [UInt32] = [
    0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947,
    0x5c6b_fb31,
  ]

  /// Bytes of a filter for `distinctCount` values with a false positive rate of `rate`, a power of
  /// two between 32 bytes and 128 MiB.
  package static func byteCount(distinctCount: Int, falsePositiveRate rate: Double) -> Int {
    precondition(rate > 0 && rate < 1, "a false positive rate lies between 0 and 1")
    // bits = -8 n / ln(1 - rate^(1/8)), the specification's formula, by the series of its logarithm.
    var root = rate
    for _ in 0..<3 { root = root.squareRoot() }
    var logarithm = 0.0
    var power = root
    for term in 1...200 {
      logarithm -= power / Double(term)
      power *= root
    }
    let bits = -8 * Double(max(distinctCount, 1)) / logarithm
    var bytes = blockByteCount
    while Double(bytes * 8) < bits && bytes < 128 << 20 { bytes *= 2 }
    return bytes
  }

  private static func block(_ hash: UInt64, byteCount: Int) -> Int {
    let blocks = UInt64(byteCount / blockByteCount)
    return Int(((hash >> 32) &* blocks) >> 32) * blockByteCount
  }

  /// Adds a value to the filter of `byteCount` bytes. Safe: the block lies within them.
  package static func insert(_ hash: UInt64, into filter: MutableBuffer) {
    let start = block(hash, byteCount: filter.count)
    let key = UInt32(truncatingIfNeeded: hash)
    for (word, salt) in salts.enumerated() {
      let bit = UInt32(1) << ((key &* salt) >> 27)
      let position = start + word * 4
      let old = filter.base.load(fromByteOffset: position, as: UInt32.self)
      filter.base.storeBytes(of: old | bit, toByteOffset: position, as: UInt32.self)
    }
  }

  /// As `insert`; false when all of its bits were there.
  package static func insertIfNew(_ hash: UInt64, into filter: MutableBuffer) -> Bool {
    let start = block(hash, byteCount: filter.count)
    let key = UInt32(truncatingIfNeeded: hash)
    var isNew = false
    for (word, salt) in salts.enumerated() {
      let bit = UInt32(1) << ((key &* salt) >> 27)
      let position = start + word * 4
      // Safe: the block lies within the filter.
      let old = filter.base.load(fromByteOffset: position, as: UInt32.self)
      if old & bit == 0 {
        isNew = true
        filter.base.storeBytes(of: old | bit, toByteOffset: position, as: UInt32.self)
      }
    }
    return isNew
  }

  /// Joins neighbouring blocks: the filter of half the bytes that holds the same values. (The upper
  /// bits of hashes choose the block.) Its size is a power of two, at least two blocks.
  package static func halve(_ filter: MutableBuffer) {
    for block in 0..<filter.count / blockByteCount / 2 {
      for word in stride(from: 0, to: blockByteCount, by: 4) {
        // Safe: both blocks lie within the filter; they are read before what is written next.
        let from = filter.base + block * 2 * blockByteCount + word
        let joined =
          from.load(as: UInt32.self)
          | from.load(fromByteOffset: blockByteCount, as: UInt32.self)
        filter.base.storeBytes(
          of: joined, toByteOffset: block * blockByteCount + word, as: UInt32.self)
      }
    }
    filter.truncate(to: filter.count / 2)
  }

  /// False when the value is certainly not in the filter, whose size is a multiple of 32 bytes.
  package static func mayContain(_ hash: UInt64, in filter: Buffer) -> Bool {
    guard filter.count >= blockByteCount else { return true }
    let start = block(hash, byteCount: filter.count)
    let key = UInt32(truncatingIfNeeded: hash)
    for (word, salt) in salts.enumerated() {
      let bit = UInt32(1) << ((key &* salt) >> 27)
      // Safe: the block lies within the filter.
      let bits = filter.base.loadUnaligned(fromByteOffset: start + word * 4, as: UInt32.self)
      if bits & bit == 0 { return false }
    }
    return true
  }
}
