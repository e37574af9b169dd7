// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// A 64-bit hash of byte strings: 8 bytes at a time by multiplying to 128 bits and folding, as
/// wyhash does. Not for files: it may change between versions.
///
/// Safe: reads only the `count` bytes.
@inline(__always)
func bytesHash(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
  let k0: UInt64 = 0xa076_1d64_78bd_642f
  let k1: UInt64 = 0xe703_7ed1_a0b4_28db
  var state = k0 ^ UInt64(truncatingIfNeeded: count)
  var position = 0
  while count - position > 16 {
    let a = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
    let b = base.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self)
    state = fold(a ^ k1, b ^ state)
    position += 16
  }
  let rest = count - position
  var a: UInt64 = 0
  var b: UInt64 = 0
  if rest >= 8 {
    a = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
    b = base.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
  } else if rest >= 4 {
    a = UInt64(base.loadUnaligned(fromByteOffset: position, as: UInt32.self))
    b = UInt64(base.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
  } else if rest > 0 {
    a =
      UInt64(base.load(fromByteOffset: position, as: UInt8.self)) << 16
      | UInt64(base.load(fromByteOffset: position + (rest >> 1), as: UInt8.self)) << 8
      | UInt64(base.load(fromByteOffset: count - 1, as: UInt8.self))
  }
  return fold(k1 ^ state, fold(a ^ k1, b ^ state))
}

@inline(__always)
private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
  let product = a.multipliedFullWidth(by: b)
  return product.high ^ product.low
}

/// Dictionary of byte arrays.
///
/// Slots of 8 bytes hold the entry's number + 1 (low half) and 32 bits of the hash (high half), so
/// that bytes are compared only when the hashes agree.
///
/// Safe: reads `count` views, writes `count` indices; slots and entries grow before they are used.
struct BytesDictionary {
  private(set) var entries: [ByteView] = []
  /// Bytes of the entries, without lengths.
  private(set) var entryBytes = 0
  private static let checkEvery = 8_192

  /// Fills `indices` and the entries in order of appearance; false when it does not pay.
  ///
  /// - Parameter prefixBytes: bytes in front of each entry in the dictionary page (4, or 0 for
  ///   fixed-length ones).
  mutating func fill(
    _ views: UnsafePointer<ByteView>, count: Int, indices: UnsafeMutablePointer<UInt32>,
    prefixBytes: Int, limits: DictionaryLimits
  ) -> Bool {
    var log = 12
    var slots = [UInt64](repeating: 0, count: 1 << log)
    var start = 0
    while start < count {
      let end = min(start + Self.checkEvery, count)
      if (entries.count + end - start) * 2 > slots.count {
        log = EncodePack.width(UInt64((entries.count + end - start) * 2)) + 1
        slots = rehashed(log: log)
      }
      slots.withUnsafeMutableBufferPointer {
        insert(views, start..<end, indices, $0.baseAddress!, log)
      }
      start = end
      let bits = Double(entryBytes + prefixBytes * entries.count) * 8 / Double(entries.count)
      let pays = limits.pays(
        entries: entries.count, entryBits: bits, seen: start, count: count)
      if !pays { return false }
    }
    return true
  }

  private func rehashed(log: Int) -> [UInt64] {
    var slots = [UInt64](repeating: 0, count: 1 << log)
    let mask = slots.count - 1
    for (number, view) in entries.enumerated() {
      let hash = bytesHash(view.base, view.count)
      var place = Int(truncatingIfNeeded: hash) & mask
      while slots[place] != 0 { place = (place + 1) & mask }
      slots[place] = (hash & 0xffff_ffff_0000_0000) | UInt64(number + 1)
    }
    return slots
  }

  private mutating func insert(
    _ views: UnsafePointer<ByteView>, _ range: Range<Int>, _ indices: UnsafeMutablePointer<UInt32>,
    _ slots: UnsafeMutablePointer<UInt64>, _ log: Int
  ) {
    let mask = (1 << log) - 1
    let tagMask: UInt64 = 0xffff_ffff_0000_0000
    for position in range {
      let view = views[position]
      let hash = bytesHash(view.base, view.count)
      var place = Int(truncatingIfNeeded: hash) & mask
      while true {
        let slot = slots[place]
        if slot == 0 {
          entries.append(view)
          entryBytes += view.count
          slots[place] = (hash & tagMask) | UInt64(entries.count)
          indices[position] = UInt32(truncatingIfNeeded: entries.count - 1)
          break
        }
        let number = UInt32(truncatingIfNeeded: slot)
        if (slot ^ hash) & tagMask == 0 && entries[Int(number) - 1].isEqual(to: view) {
          indices[position] = number - 1
          break
        }
        place = (place + 1) & mask
      }
    }
  }
}
