// SPDX-License-Identifier: Apache-2.0

/// SplitMix64: a small generator whose whole stream follows from its seed, so that a failing test
/// can be run again.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// `count` bytes that no codec can make smaller.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    var result = [UInt8]()
    result.reserveCapacity(count)
    while result.count < count {
      var word = next()
      for _ in 0..<min(8, count - result.count) {
        result.append(UInt8(truncatingIfNeeded: word))
        word >>= 8
      }
    }
    return result
  }

  /// `count` bytes with repetitions, as text and columns have them.
  public mutating func compressibleBytes(_ count: Int) -> [UInt8] {
    var result = [UInt8]()
    result.reserveCapacity(count)
    while result.count < count {
      let wanted = min(count - result.count, 1 + Int(next() % 200))
      if result.count > 8, next() % 4 != 0 {
        let distance = 1 + Int(next() % UInt64(min(result.count, 4_000)))
        let start = result.count - distance
        for i in 0..<wanted { result.append(result[start + i % distance]) }
      } else {
        for _ in 0..<wanted { result.append(UInt8(97 + next() % 20)) }
      }
    }
    return result
  }
}
