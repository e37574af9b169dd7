// SPDX-License-Identifier: Apache-2.0
// Safe: loads stay within a key's bytes, which its array holds.

internal import WeirColumnar

/// 64-bit hashes of encoded keys; not for files.
enum KeyHash {
  static func hashes(_ keys: ArrayData) -> [UInt64] {
    defer { withExtendedLifetime(keys) {} }
    guard keys.length > 0 else { return [] }
    let offsets = keys.offsets(as: Int32.self)
    let data = keys.buffers[1].base
    return [UInt64](unsafeUninitializedCapacity: keys.length) { target, count in
      for row in 0..<keys.length {
        let start = Int(offsets[row])
        target[row] = hash(data + start, Int(offsets[row + 1]) - start)
      }
      count = keys.length
    }
  }

  @inline(__always)
  private static func hash(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: count) &* 0x9e37_79b9_7f4a_7c15
    var index = 0
    while index + 8 <= count {
      hash = mix(hash ^ base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      index += 8
    }
    if index < count {
      var tail: UInt64 = 0
      while index < count {
        tail = tail << 8 | UInt64(base.load(fromByteOffset: index, as: UInt8.self))
        index += 1
      }
      hash = mix(hash ^ tail)
    }
    return hash
  }

  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    let (high, low) = value.multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
    return high ^ low &+ 0xe703_7ed1_a0b4_28db
  }
}
