// SPDX-License-Identifier: Apache-2.0

/// The bytes of a partition tuple of at most 16, as a manifest holds them.
struct PartitionBytes: Hashable {
  var low: UInt64 = 0
  var high: UInt64 = 0
  var count: Int = 0
}

/// What was found out about partitions, by their bytes; a newer one takes the place of an older one.
struct PartitionMemo {
  private static let slotCount = 1_024

  private struct Slot {
    var key = PartitionBytes()
    /// -1 when the slot is empty.
    var value: Int8 = -1
  }

  private var slots: [Slot] = []

  private static func index(_ key: PartitionBytes) -> Int {
    let mixed = (key.low ^ (key.high &* 0x9e37_79b9_7f4a_7c15)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed >> 54)
  }

  subscript(key: PartitionBytes) -> Bool? {
    get {
      if slots.isEmpty { return nil }
      let slot = slots[Self.index(key)]
      return slot.value < 0 || slot.key != key ? nil : slot.value == 1
    }
    set {
      if slots.isEmpty { slots = Array(repeating: Slot(), count: Self.slotCount) }
      slots[Self.index(key)] = Slot(key: key, value: newValue.map { $0 ? 1 : 0 } ?? -1)
    }
  }
}
