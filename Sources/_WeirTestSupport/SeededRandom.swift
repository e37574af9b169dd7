// SPDX-License-Identifier: Apache-2.0

/// xoshiro256** seeded through SplitMix64: the same seed gives the same numbers on every platform.
///
/// Source: David Blackman and Sebastiano Vigna, https://prng.di.unimi.it/.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  public init(seed: UInt64) {
    var mix = seed
    func next() -> UInt64 {
      mix &+= 0x9e37_79b9_7f4a_7c15
      var z = mix
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
    state = (next(), next(), next(), next())
  }

  public mutating func next() -> UInt64 {
    let rotated = state.1 &* 5
    let result = ((rotated << 7) | (rotated >> 57)) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = (state.3 << 45) | (state.3 >> 19)
    return result
  }

  /// True with probability `probability`.
  public mutating func chance(_ probability: Double) -> Bool {
    Double(next() >> 11) * 0x1p-53 < probability
  }

  /// A number in `range`.
  public mutating func int(_ range: Range<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.count))
  }

  /// A number in `range`.
  public mutating func int(_ range: ClosedRange<Int>) -> Int {
    int(range.lowerBound..<range.upperBound + 1)
  }

  /// One of `choices`, which are not empty.
  public mutating func pick<T>(_ choices: [T]) -> T { choices[int(0..<choices.count)] }

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
