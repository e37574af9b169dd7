// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Decodes the RLE / bit-packing hybrid: levels, dictionary indices, booleans.
///
/// 1. A run starts with a varint: its lowest bit says packed or repeated.
/// 2. A repeated run has a count and one value in whole bytes.
/// 3. A packed run has groups of 8 values of `bitWidth` bits, least significant first.
///
/// Source: apache/parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
struct HybridDecoder {
  private var cursor: ByteCursor
  private let bitWidth: Int

  /// Values left in the current run.
  private var runLeft = 0
  private var isPacked = false
  private var repeated: UInt32 = 0
  private var packed: UnsafePointer<UInt8>
  private var packedByteCount = 0
  private var packedIndex = 0

  /// - Parameter bitWidth: 0...32, checked by the caller.
  init(_ bytes: Buffer, bitWidth: Int) {
    precondition(bitWidth >= 0 && bitWidth <= 32, "a hybrid run's bit width is 0...32")
    cursor = ByteCursor(bytes)
    self.bitWidth = bitWidth
    packed = cursor.next
  }

  /// The deprecated plain bit packing (most significant bit first) of the oldest files is turned into
  /// this form by the caller; see `LegacyBitPacked`.
  private mutating func nextRun() throws(ParquetError) {
    while runLeft == 0 {
      let header = try cursor.varint("a run of levels or dictionary indices")
      guard header <= UInt64(UInt32.max) else {
        throw ParquetError(.damaged, "a run's length of \(header >> 1) is impossible")
      }
      let length = Int(header >> 1)
      if header & 1 == 0 {
        isPacked = false
        let byteCount = (bitWidth + 7) / 8
        let start = try cursor.take(byteCount, "a repeated run")
        var value: UInt32 = 0
        for index in 0..<byteCount { value |= UInt32(start[index]) << UInt32(8 * index) }
        if bitWidth < 32 && value >> UInt32(bitWidth) != 0 {
          throw ParquetError(.damaged, "a run's value \(value) needs more than \(bitWidth) bits")
        }
        repeated = value
        runLeft = length
      } else {
        isPacked = true
        // Some writers cut the last group short: what is there counts.
        let byteCount = min(length * bitWidth, cursor.left)
        packed = try cursor.take(byteCount, "a packed run")
        packedByteCount = byteCount
        packedIndex = 0
        runLeft = bitWidth == 0 ? length * 8 : min(length * 8, byteCount * 8 / bitWidth)
        if runLeft == 0 && length > 0 { throw ByteCursor.truncated("a packed run") }
      }
    }
  }

  /// When the next values are all equal: that value and for how many, at most `countMax`, of them.
  mutating func uniformRun(countMax: Int) throws(ParquetError) -> (value: UInt32, count: Int)? {
    if runLeft == 0 { try nextRun() }
    if isPacked { return nil }
    let count = min(runLeft, countMax)
    runLeft -= count
    return (repeated, count)
  }

  /// Decodes `count` levels.
  mutating func decodeLevels(
    _ out: UnsafeMutablePointer<UInt8>, count: Int
  ) throws(ParquetError) {
    var done = 0
    while done < count {
      if runLeft == 0 { try nextRun() }
      let step = min(runLeft, count - done)
      if isPacked {
        let skew = packedIndex & 7
        if skew != 0 {
          var group = UInt64(0)
          let head = min(step, 8 - skew)
          withUnsafeMutableBytes(of: &group) { bytes in
            let target = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            unpackBytes(packedIndex - skew, min(8, skew + runLeft), target)
            (out + done).update(from: target + skew, count: head)
          }
          advance(head)
          done += head
          continue
        }
        unpackBytes(packedIndex, step, out + done)
        packedIndex += step
      } else {
        (out + done).update(repeating: UInt8(truncatingIfNeeded: repeated), count: step)
      }
      runLeft -= step
      done += step
    }
  }

  private mutating func advance(_ count: Int) {
    packedIndex += count
    runLeft -= count
  }

  private func unpackBytes(_ index: Int, _ count: Int, _ out: UnsafeMutablePointer<UInt8>) {
    let byte = index * bitWidth / 8
    weir_unpack_u8(packed + byte, packedByteCount - byte, Int32(bitWidth), out, count)
  }

  /// Decodes `count` values.
  mutating func decode(_ out: UnsafeMutablePointer<UInt32>, count: Int) throws(ParquetError) {
    var done = 0
    while done < count {
      if runLeft == 0 { try nextRun() }
      var step = min(runLeft, count - done)
      if isPacked {
        let skew = packedIndex & 7
        if skew != 0 {
          step = min(step, 8 - skew)
          withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 8) { group in
            unpack(packedIndex - skew, min(8, skew + runLeft), group.baseAddress!)
            (out + done).update(from: group.baseAddress! + skew, count: step)
          }
        } else {
          unpack(packedIndex, step, out + done)
        }
        packedIndex += step
      } else {
        (out + done).update(repeating: repeated, count: step)
      }
      runLeft -= step
      done += step
    }
  }

  private func unpack(_ index: Int, _ count: Int, _ out: UnsafeMutablePointer<UInt32>) {
    let byte = index * bitWidth / 8
    weir_unpack_u32(packed + byte, packedByteCount - byte, Int32(bitWidth), out, count)
  }
}

/// The deprecated BIT_PACKED encoding of levels in the oldest files: most significant bit first.
enum LegacyBitPacked {
  /// Rewrites `count` levels as one packed run of the hybrid encoding.
  static func asHybrid(
    _ bytes: Buffer, bitWidth: Int, count: Int
  ) throws(ParquetError) -> (levels: Buffer, byteCount: Int) {
    let byteCount = (count * bitWidth + 7) / 8
    guard byteCount <= bytes.count else { throw ByteCursor.truncated("bit-packed levels") }
    let groups = (count + 7) / 8
    let target = MutableBuffer(capacity: groups * bitWidth + 10)
    var header = UInt64(groups) << 1 | 1
    while header >= 0x80 {
      target.append(UInt8(truncatingIfNeeded: header) | 0x80)
      header >>= 7
    }
    target.append(UInt8(header))
    let start = target.count
    target.appendZeros(groups * bitWidth)
    // Safe: bit indices stay below count * bitWidth, which both sides hold.
    for index in 0..<count {
      for bit in 0..<bitWidth {
        let from = index * bitWidth + bit
        let byte = bytes.base.load(fromByteOffset: from >> 3, as: UInt8.self)
        if byte >> UInt8(7 - from & 7) & 1 != 0 {
          Bitmap.set(target.base + start, index * bitWidth + (bitWidth - 1 - bit))
        }
      }
    }
    return (target.finish(), byteCount)
  }
}
