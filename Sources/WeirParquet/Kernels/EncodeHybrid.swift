// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The RLE / bit-packed hybrid of levels, dictionary indices and booleans.
///
/// 1. Look at 8 values at a time. A group of unequal values joins the pending bit-packed run.
/// 2. A group of equal values is followed to the end of its run. A run long enough to pay for its
///    own header closes the pending bit-packed run and becomes an RLE run; a shorter one's group
///    joins the bit-packed run.
/// 3. The last group is padded with zeros; the count of values outside says where they end.
///
/// Safe: every function reads `count` values and writes into room that it reserved.
enum EncodeHybrid {
  /// Shortest run that becomes an RLE run: about 4 bytes of bit-packed values.
  @inline(__always)
  private static func shortestRun(_ width: Int) -> Int { max(8, 32 / max(width, 1)) }

  /// Levels of `width` (0...8) bits, one byte each.
  static func levels(
    _ source: UnsafePointer<UInt8>, count: Int, width: Int, into out: MutableBuffer
  ) {
    if width == 0 || count == 0 { return }
    let shortest = shortestRun(width)
    let raw = UnsafeRawPointer(source)
    var literal = 0
    var index = 0
    while count - index >= 8 {
      let group = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      if group == UInt64(source[index]) &* 0x0101_0101_0101_0101 {
        var end = index + 8
        while count - end >= 8
          && raw.loadUnaligned(fromByteOffset: end, as: UInt64.self) == group
        { end += 8 }
        while end < count && source[end] == source[index] { end += 1 }
        if end - index >= shortest || (end == count && literal == index) {
          packLevels(source + literal, index - literal, width, out)
          run(UInt32(source[index]), count: end - index, width: width, into: out)
          index = end
          literal = end
          continue
        }
      }
      index += 8
    }
    packLevels(source + literal, count - literal, width, out)
  }

  /// `count` times the same level.
  static func run(_ value: UInt32, count: Int, width: Int, into out: MutableBuffer) {
    if width == 0 || count == 0 { return }
    EncodePack.varint(UInt64(count) << 1, into: out)
    let byteCount = (width + 7) >> 3
    withUnsafeBytes(of: value.littleEndian) {
      out.append(UnsafeRawBufferPointer(rebasing: $0[0..<byteCount]))
    }
  }

  private static func packLevels(
    _ source: UnsafePointer<UInt8>, _ count: Int, _ width: Int, _ out: MutableBuffer
  ) {
    if count == 0 { return }
    let groups = (count + 7) >> 3
    EncodePack.varint(UInt64(groups) << 1 | 1, into: out)
    let target = out.reserveTail(groups * width + 8)
    let raw = UnsafeRawPointer(source)
    let whole = count >> 3
    for group in 0..<whole {
      let bytes = raw.loadUnaligned(fromByteOffset: group << 3, as: UInt64.self)
      target.storeBytes(
        of: squeeze(bytes, width), toByteOffset: group * width, as: UInt64.self)
    }
    if whole < groups {
      var bytes: UInt64 = 0
      for index in (whole << 3)..<count {
        bytes |= UInt64(source[index]) << UInt64((index & 7) << 3)
      }
      target.storeBytes(of: squeeze(bytes, width), toByteOffset: whole * width, as: UInt64.self)
    }
    out.advance(by: groups * width)
  }

  /// Moves the low `width` bits of 8 bytes together.
  @inline(__always)
  private static func squeeze(_ bytes: UInt64, _ width: Int) -> UInt64 {
    if width == 1 {
      // Each byte is 0 or 1: the product gathers them in its top byte.
      return (bytes &* 0x0102_0408_1020_4080) &>> 56
    }
    let w = UInt64(width)
    // Pairs of bytes, then of pairs, then of quads.
    let pairs =
      (bytes & 0x00ff_00ff_00ff_00ff) | ((bytes & 0xff00_ff00_ff00_ff00) &>> (8 &- w))
    let quads =
      (pairs & 0x0000_ffff_0000_ffff) | ((pairs & 0xffff_0000_ffff_0000) &>> (16 &- 2 &* w))
    return (quads & 0x0000_0000_ffff_ffff) | ((quads &>> 32) &<< (4 &* w))
  }

  /// Dictionary indices of `width` (0...32) bits, without the width byte in front.
  static func indices(
    _ source: UnsafePointer<UInt32>, count: Int, width: Int, into out: MutableBuffer
  ) {
    if count == 0 { return }
    if width == 0 {
      // Only zeros; a run of the width 0 has no value bytes.
      EncodePack.varint(UInt64(count) << 1, into: out)
      return
    }
    let shortest = shortestRun(width)
    var literal = 0
    var index = 0
    while count - index >= 8 {
      let s = source + index
      let v = s[0]
      let low = (s[1] ^ v) | (s[2] ^ v) | (s[3] ^ v)
      let high = (s[4] ^ v) | (s[5] ^ v) | (s[6] ^ v) | (s[7] ^ v)
      if low | high == 0 {
        var end = index + 8
        while end < count && source[end] == v { end += 1 }
        if end - index >= shortest {
          packIndices(source + literal, index - literal, width, out)
          run(v, count: end - index, width: width, into: out)
          index = end
          literal = end
          continue
        }
      }
      index += 8
    }
    packIndices(source + literal, count - literal, width, out)
  }

  private static func packIndices(
    _ source: UnsafePointer<UInt32>, _ count: Int, _ width: Int, _ out: MutableBuffer
  ) {
    if count == 0 { return }
    let whole = count & ~7
    EncodePack.varint(UInt64((count + 7) >> 3) << 1 | 1, into: out)
    if whole > 0 { EncodePack.pack(source, count: whole, width: width, into: out) }
    if whole < count {
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 8) { group in
        for index in 0..<8 { group[index] = whole + index < count ? source[whole + index] : 0 }
        EncodePack.pack(group.baseAddress!, count: 8, width: width, into: out)
      }
    }
  }
}
