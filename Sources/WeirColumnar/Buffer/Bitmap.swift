// SPDX-License-Identifier: Apache-2.0

/// Operations on bits packed least-significant first, as Arrow's validity and boolean buffers are.
///
/// Safe: callers pass memory that holds all bits they name and that stays alive during the call.
package enum Bitmap {
  /// Bytes needed for `bitCount` bits.
  @inlinable
  package static func byteCount(_ bitCount: Int) -> Int { (bitCount + 7) >> 3 }

  @inlinable
  package static func get(_ base: UnsafeRawPointer, _ index: Int) -> Bool {
    base.load(fromByteOffset: index >> 3, as: UInt8.self) & (1 << UInt8(index & 7)) != 0
  }

  @inlinable
  package static func set(_ base: UnsafeMutableRawPointer, _ index: Int) {
    let byte = base.load(fromByteOffset: index >> 3, as: UInt8.self)
    base.storeBytes(of: byte | (1 << UInt8(index & 7)), toByteOffset: index >> 3, as: UInt8.self)
  }

  @inlinable
  package static func clear(_ base: UnsafeMutableRawPointer, _ index: Int) {
    let byte = base.load(fromByteOffset: index >> 3, as: UInt8.self)
    base.storeBytes(of: byte & ~(1 << UInt8(index & 7)), toByteOffset: index >> 3, as: UInt8.self)
  }

  /// How many of the bits `offset ..< offset + count` are 1. Cost: count / 64 popcounts.
  package static func countOnes(_ base: UnsafeRawPointer, offset: Int, count: Int) -> Int {
    var ones = 0
    var index = offset
    let end = offset + count
    while index < end && index & 7 != 0 {
      ones += get(base, index) ? 1 : 0
      index += 1
    }
    var byte = index >> 3
    while end - (byte << 3) >= 64 {
      ones += base.loadUnaligned(fromByteOffset: byte, as: UInt64.self).nonzeroBitCount
      byte += 8
    }
    index = max(index, byte << 3)
    while index < end {
      ones += get(base, index) ? 1 : 0
      index += 1
    }
    return ones
  }

  /// Copies `count` bits from `source` at bit `sourceOffset` to `target` at bit `targetOffset`.
  /// Bits of the target outside the range are kept.
  package static func copy(
    from source: UnsafeRawPointer, offset sourceOffset: Int,
    to target: UnsafeMutableRawPointer, offset targetOffset: Int, count: Int
  ) {
    var done = 0
    while done < count && (targetOffset + done) & 7 != 0 {
      assign(target, targetOffset + done, get(source, sourceOffset + done))
      done += 1
    }
    let shift = UInt64((sourceOffset + done) & 7)
    var sourceByte = (sourceOffset + done) >> 3
    var targetByte = (targetOffset + done) >> 3
    // 56 bits at a time: they lie within the 8 bytes loaded whatever the shift, and the loads stay
    // within the bytes that hold the range as long as 64 bits are left.
    while count - done >= 64 {
      let word = source.loadUnaligned(fromByteOffset: sourceByte, as: UInt64.self) >> shift
      Swift.withUnsafeBytes(of: word.littleEndian) {
        (target + targetByte).copyMemory(from: $0.baseAddress!, byteCount: 7)
      }
      sourceByte += 7
      targetByte += 7
      done += 56
    }
    while done < count {
      assign(target, targetOffset + done, get(source, sourceOffset + done))
      done += 1
    }
  }

  @inlinable
  package static func assign(_ base: UnsafeMutableRawPointer, _ index: Int, _ bit: Bool) {
    if bit { set(base, index) } else { clear(base, index) }
  }

  /// Sets the bits `offset ..< offset + count` to `bit`.
  package static func fill(
    _ base: UnsafeMutableRawPointer, offset: Int, count: Int, _ bit: Bool
  ) {
    var index = offset
    let end = offset + count
    while index < end && index & 7 != 0 {
      assign(base, index, bit)
      index += 1
    }
    let wholeBytes = max(0, (end - index) >> 3)
    if wholeBytes > 0 {
      (base + (index >> 3)).initializeMemory(
        as: UInt8.self, repeating: bit ? 0xff : 0, count: wholeBytes)
      index += wholeBytes << 3
    }
    while index < end {
      assign(base, index, bit)
      index += 1
    }
  }
}
