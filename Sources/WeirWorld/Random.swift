// SPDX-License-Identifier: Apache-2.0

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return SplitMix64.mix(state)
  }

  /// The finaliser: a bijection that spreads every input bit over all output bits.
  package static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// xoshiro256** (Blackman, Vigna: "Scrambled linear pseudorandom number generators", 2018).
///
/// The drawing helpers use only IEEE additions, multiplications and divisions, so that a seed gives
/// the same numbers on every machine.
package struct Xoshiro256: RandomNumberGenerator, Sendable {
  private var s0, s1, s2, s3: UInt64

  package init(seed: UInt64) {
    var mixer = SplitMix64(seed: seed)
    s0 = mixer.next()
    s1 = mixer.next()
    s2 = mixer.next()
    s3 = mixer.next()
  }

  /// A generator of its own for part `index` of stream `stream`: any part can be drawn alone.
  package init(seed: UInt64, stream: UInt64, index: UInt64) {
    let key = SplitMix64.mix(seed &+ SplitMix64.mix(stream &+ 0x632b_e59b_d9b4_e019))
    self.init(seed: SplitMix64.mix(key &+ index &* 0x9e37_79b9_7f4a_7c15))
  }

  package mutating func next() -> UInt64 {
    let result = Xoshiro256.rotate(s1 &* 5, 7) &* 9
    let t = s1 << 17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = Xoshiro256.rotate(s3, 45)
    return result
  }

  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    (value << count) | (value >> (64 - count))
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in 0 ..< bound (Lemire's multiplication; the bias is below bound / 2^64).
  package mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "a draw needs at least one outcome")
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// True with `probability`.
  package mutating func chance(_ probability: Double) -> Bool { unit() < probability }

  /// Close to a standard normal variate: twelve uniforms less six (Irwin-Hall), within (-6, 6).
  package mutating func normal() -> Double {
    var sum = -6.0
    for _ in 0..<12 { sum += unit() }
    return sum
  }
}

/// Draws from a fixed discrete distribution by binary search in its cumulative weights.
package struct CumulativeTable: Sendable {
  private let cumulative: [Double]

  /// - Parameter weights: not empty, none negative, some positive.
  package init(_ weights: [Double]) {
    precondition(!weights.isEmpty, "a distribution needs at least one outcome")
    var sum = 0.0
    cumulative = weights.map {
      sum += $0
      return sum
    }
    precondition(sum > 0, "a distribution needs a positive weight")
  }

  /// Zipf-Mandelbrot with exponent 1: outcome `i` has weight 1 / (i + shift).
  package static func zipf(count: Int, shift: Double) -> CumulativeTable {
    CumulativeTable((0..<count).map { 1 / (Double($0) + shift) })
  }

  package func draw(_ random: inout Xoshiro256) -> Int {
    let target = random.unit() * cumulative[cumulative.count - 1]
    var low = 0
    var high = cumulative.count - 1
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] <= target { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
