// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Which examples without a label are kept, and which items are drawn as negatives: by hashes alone, so that
/// the same come again.
enum NegativeSampling {
  /// A number in 0..<1 of a request and an item: the first 8 bytes of the SHA-256 of
  /// `request ␟ item` (the item as text, U+001F between them), big-endian, over 2^64.
  static func fraction(_ request: String, _ item: Scalar, _ type: DataType) -> Double {
    let text = request + "\u{1f}" + item.text(as: type)
    let digest = SHA256.digest(of: Array(text.utf8))
    let bits = digest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Double(bits >> 11) / Double(UInt64(1) << 53)
  }

  /// The draw of a number below `count` for an impression: SplitMix64 (Steele, Lea, Flood, 2014) over
  /// the seed, the event's place and the number of the draw.
  static func draw(
    _ seed: UInt64, _ shard: Int, _ offset: Int64, _ number: Int, below count: Int
  ) -> Int {
    var state = mixed(seed &+ UInt64(truncatingIfNeeded: shard))
    state = mixed(state ^ UInt64(bitPattern: offset))
    state = mixed(state ^ UInt64(truncatingIfNeeded: number))
    return Int(state.multipliedFullWidth(by: UInt64(count)).high)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
