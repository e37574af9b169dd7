// SPDX-License-Identifier: Apache-2.0

/// Numbers that depend on a request's name alone: SplitMix64, begun with the FNV-1a hash of its bytes.
///
/// Replays draw the same numbers for as long as this does not change.
struct Draws {
  private var state: UInt64

  init(_ requestID: String) {
    state = 0xcbf2_9ce4_8422_2325
    for byte in requestID.utf8 {
      state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
  }

  private mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// From 0 up to, not including, 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// From 0 up to, not including, `count`.
  mutating func place(_ count: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(count)).high)
  }
}
