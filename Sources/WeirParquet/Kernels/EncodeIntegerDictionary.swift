// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// When building a dictionary stops paying.
struct DictionaryLimits {
  /// Largest dictionary page.
  var bytesMax: Int
  /// Bits per value that the best other encoding takes, as far as is known.
  var otherBits: Double

  /// Whether a dictionary of `entries` values of `entryBits` after `seen` of `count` values still
  /// looks smaller than the other encoding.
  func pays(entries: Int, entryBits: Double, seen: Int, count: Int) -> Bool {
    if Double(entries) * entryBits > Double(bytesMax) * 8 { return false }
    let expected = Self.expectedEntries(entries, seen: seen, count: count)
    let width = Double(EncodePack.width(UInt64(expected)))
    let cost = expected * entryBits + Double(count) * width
    return cost < Double(count) * otherBits
  }

  /// How many distinct values all `count` will have, if they are drawn evenly: D values of which
  /// k draws show D (1 - exp(-k / D)). Skewed values show more, later: the next check sees them.
  static func expectedEntries(_ entries: Int, seen: Int, count: Int) -> Double {
    if seen >= count { return Double(entries) }
    let share = Double(entries) / Double(seen)
    if share > 0.9999 { return Double(count) }
    // (1 - exp(-x)) / x falls in x = k / D.
    var low = 0.0
    var high = 1 / share + 1
    for _ in 0..<30 {
      let middle = (low + high) / 2
      if (1 - exp(-middle)) / middle > share { low = middle } else { high = middle }
    }
    let distinct = Double(seen) / high
    return distinct * (1 - exp(-Double(count) / distinct))
  }
}

/// Dictionaries of 4- and 8-byte values, compared by their bits.
///
/// 1. Integers in a small range index a table by value: one load a value.
/// 2. Otherwise an open-addressing table of 4-byte slots (0 is empty, else the entry's number + 1),
///    multiplicative hash, linear probing, at most half full.
/// 3. After every 8,192 values the limits decide whether to go on.
///
/// Safe: reads `count` values, writes `count` indices; slots and entries grow before they are used.
struct IntegerDictionary<Key: FixedWidthInteger & UnsignedInteger & BitwiseCopyable> {
  private(set) var entries: [Key] = []
  private static var checkEvery: Int { 8_192 }

  /// Fills `indices` and the entries in order of appearance; false when it does not pay.
  @inline(__always)
  private mutating func build(
    _ keys: UnsafePointer<Key>, count: Int, indices: UnsafeMutablePointer<UInt32>,
    limits: DictionaryLimits
  ) -> Bool {
    entries.reserveCapacity(min(count, 4_096))
    var table = SlotTable(log: 12)
    defer { table.free() }
    var start = 0
    while start < count {
      let end = min(start + Self.checkEvery, count)
      // Room for every value of this stretch to be new.
      if (entries.count + end - start) * 2 > table.capacity {
        table.free()
        table = SlotTable(log: EncodePack.width(UInt64((entries.count + end - start) * 2)) + 1)
        for (number, key) in entries.enumerated() { table.insertNew(key, UInt32(number + 1)) }
      }
      insert(keys, start..<end, indices, table)
      start = end
      let pays = limits.pays(
        entries: entries.count, entryBits: Double(Key.bitWidth), seen: start, count: count)
      if !pays { return false }
    }
    return true
  }

  @inline(__always)
  private mutating func insert(
    _ keys: UnsafePointer<Key>, _ range: Range<Int>, _ indices: UnsafeMutablePointer<UInt32>,
    _ table: SlotTable
  ) {
    var used = entries.count
    let room = used + range.count
    entries.reserveCapacity(max(room, min(entries.capacity * 2, room * 2)))
    // The entries are written through one pointer, and counted at the end.
    var known = entries
    entries = []
    known.append(contentsOf: repeatElement(0, count: range.count))
    known.withUnsafeMutableBufferPointer { known in
      let values = known.baseAddress!
      for position in range {
        let key = keys[position]
        var slot = table.slot(of: key)
        while true {
          let number = table.slots[slot]
          if number == 0 {
            values[used] = key
            used += 1
            table.slots[slot] = UInt32(truncatingIfNeeded: used)
            indices[position] = UInt32(truncatingIfNeeded: used - 1)
            break
          }
          if values[Int(number - 1)] == key {
            indices[position] = number - 1
            break
          }
          slot = (slot + 1) & table.mask
        }
      }
    }
    known.removeLast(known.count - used)
    entries = known
  }

  /// As `build`, for values `base ... base + span` (compared as unsigned differences).
  @inline(__always)
  private mutating func buildDirect(
    _ keys: UnsafePointer<Key>, count: Int, base: Key, span: Int,
    indices: UnsafeMutablePointer<UInt32>, limits: DictionaryLimits
  ) -> Bool {
    let table = UnsafeMutablePointer<UInt32>.allocate(capacity: span + 1)
    defer { table.deallocate() }
    table.initialize(repeating: 0, count: span + 1)
    var start = 0
    while start < count {
      let end = min(start + Self.checkEvery, count)
      for position in start..<end {
        let key = keys[position]
        let place = Int(truncatingIfNeeded: key &- base)
        let number = table[place]
        if number == 0 {
          entries.append(key)
          table[place] = UInt32(truncatingIfNeeded: entries.count)
          indices[position] = UInt32(truncatingIfNeeded: entries.count - 1)
        } else {
          indices[position] = number &- 1
        }
      }
      start = end
      let pays = limits.pays(
        entries: entries.count, entryBits: Double(Key.bitWidth), seen: start, count: count)
      if !pays { return false }
    }
    return true
  }
}

/// The slots of an open-addressing table. Safe: freed by its one user.
private struct SlotTable {
  let slots: UnsafeMutablePointer<UInt32>
  let capacity: Int
  let shift: UInt64
  var mask: Int { capacity - 1 }

  init(log: Int) {
    capacity = 1 << log
    shift = UInt64(64 - log)
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: 0, count: capacity)
  }

  func free() { slots.deallocate() }

  /// Fibonacci hashing, with the high half mixed in first.
  @inline(__always)
  func slot<Key: FixedWidthInteger>(of key: Key) -> Int {
    var mixed = UInt64(truncatingIfNeeded: key)
    mixed ^= mixed >> 32
    return Int(truncatingIfNeeded: (mixed &* 0x9e37_79b9_7f4a_7c15) &>> shift)
  }

  @inline(__always)
  func insertNew<Key: FixedWidthInteger>(_ key: Key, _ number: UInt32) {
    var place = slot(of: key)
    while slots[place] != 0 { place = (place + 1) & mask }
    slots[place] = number
  }
}

// Concrete entry points, so that the generic bodies are specialised here.
extension IntegerDictionary where Key == UInt32 {
  mutating func fill(
    _ keys: UnsafePointer<UInt32>, count: Int, indices: UnsafeMutablePointer<UInt32>,
    limits: DictionaryLimits, direct: (base: UInt32, span: Int)?
  ) -> Bool {
    if let direct {
      return buildDirect(
        keys, count: count, base: direct.base, span: direct.span, indices: indices, limits: limits)
    }
    return build(keys, count: count, indices: indices, limits: limits)
  }
}

extension IntegerDictionary where Key == UInt64 {
  mutating func fill(
    _ keys: UnsafePointer<UInt64>, count: Int, indices: UnsafeMutablePointer<UInt32>,
    limits: DictionaryLimits, direct: (base: UInt64, span: Int)?
  ) -> Bool {
    if let direct {
      return buildDirect(
        keys, count: count, base: direct.base, span: direct.span, indices: indices, limits: limits)
    }
    return build(keys, count: count, indices: indices, limits: limits)
  }
}
