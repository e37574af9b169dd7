// SPDX-License-Identifier: Apache-2.0

/// Counts by number: open addressing with linear probing; who goes leaves no gap, those behind shift
/// back. 8 bytes for a place, of which at most three quarters are taken.
struct CountTable: Sendable {
  /// The key plus one in the upper half, its count in the lower; 0 is free. A power of two of them.
  private(set) var slots: [UInt64] = []
  private(set) var count = 0

  /// Bytes of memory.
  var byteCount: Int { slots.count * 8 }

  @inline(__always)
  static func key(_ slot: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: slot >> 32) &- 1 }
  @inline(__always)
  static func count(_ slot: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: slot) }

  private static func home(_ key: UInt32, _ mask: Int) -> Int {
    Int(truncatingIfNeeded: (UInt64(key) &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
  }

  /// The place of a key, or the free one where it would go.
  private func place(_ key: UInt32) -> Int {
    let mask = slots.count - 1
    var place = Self.home(key, mask)
    while slots[place] != 0, Self.key(slots[place]) != key { place = (place + 1) & mask }
    return place
  }

  func count(of key: UInt32) -> UInt32 {
    slots.isEmpty ? 0 : Self.count(slots[place(key)])
  }

  /// Adds one to the count of a key.
  ///
  /// - Returns: the count before.
  mutating func increment(_ key: UInt32) -> UInt32 {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    let place = place(key)
    if slots[place] == 0 {
      slots[place] = UInt64(key &+ 1) << 32
      count += 1
    }
    slots[place] += 1
    return Self.count(slots[place]) - 1
  }

  /// Takes one from the count of a key, which has one.
  ///
  /// - Returns: the count before.
  mutating func decrement(_ key: UInt32) -> UInt32 {
    let place = place(key)
    let before = Self.count(slots[place])
    precondition(before > 0, "pairs that were counted are taken back")
    if before > 1 { slots[place] -= 1 } else { remove(at: place) }
    return before
  }

  private mutating func remove(at place: Int) {
    let mask = slots.count - 1
    var free = place
    var next = (place + 1) & mask
    while slots[next] != 0 {
      let home = Self.home(Self.key(slots[next]), mask)
      // It may move when its home does not lie behind the free place.
      if (next - home) & mask >= (next - free) & mask {
        slots[free] = slots[next]
        free = next
      }
      next = (next + 1) & mask
    }
    slots[free] = 0
    count -= 1
    if count == 0 { slots = [] }
  }

  @inline(never)
  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: max(4, old.count * 2))
    for slot in old where slot != 0 { slots[place(Self.key(slot))] = slot }
  }
}
