// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// DELTA_BINARY_PACKED in blocks of 128 values, four miniblocks of 32.
///
/// Source: apache/parquet-format, Encodings.md. Differences wrap around, as the specification says:
/// a reader that adds in the same width gets the values back.
///
/// Safe: reads `count` values from the pointer, writes into room that the buffer reserved.
enum EncodeDelta {
  private static let blockSize = 128
  private static let miniblockSize = 32

  /// Appends header and blocks of `count` values.
  static func encode(_ values: UnsafePointer<Int64>, count: Int, into out: MutableBuffer) {
    encode(values, count, out, blocks)
  }

  static func encode(_ values: UnsafePointer<Int32>, count: Int, into out: MutableBuffer) {
    encode(values, count, out, blocks)
  }

  @inline(__always)
  private static func encode<T: SignedInteger & FixedWidthInteger>(
    _ values: UnsafePointer<T>, _ count: Int, _ out: MutableBuffer,
    _ blocks: (UnsafeMutablePointer<T.Magnitude>, Int, MutableBuffer) -> Void
  ) where T.Magnitude: FixedWidthInteger & BitwiseCopyable {
    header(count, first: count > 0 ? Int64(values[0]) : 0, into: out)
    withUnsafeTemporaryAllocation(of: T.Magnitude.self, capacity: blockSize) { deltas in
      var start = 1
      while start < count {
        let size = min(blockSize, count - start)
        var least = T.max
        for index in 0..<size {
          let delta = values[start + index] &- values[start + index - 1]
          deltas[index] = T.Magnitude(truncatingIfNeeded: delta)
          least = min(least, delta)
        }
        let base = T.Magnitude(truncatingIfNeeded: least)
        for index in 0..<size { deltas[index] &-= base }
        for index in size..<blockSize { deltas[index] = 0 }
        EncodePack.zigzag(Int64(least), into: out)
        blocks(deltas.baseAddress!, size, out)
        start += size
      }
    }
  }

  private static func header(_ count: Int, first: Int64, into out: MutableBuffer) {
    EncodePack.varint(UInt64(blockSize), into: out)
    EncodePack.varint(UInt64(blockSize / miniblockSize), into: out)
    EncodePack.varint(UInt64(count), into: out)
    EncodePack.zigzag(first, into: out)
  }

  /// The four widths and the packed miniblocks; miniblocks without values have width 0 and no bytes.
  @inline(__always)
  private static func blocks(
    _ deltas: UnsafeMutablePointer<UInt64>, _ size: Int, _ out: MutableBuffer
  ) {
    let widths = (0..<4).map4 { miniblock -> Int in
      var bits: UInt64 = 0
      for index in 0..<miniblockSize { bits |= deltas[miniblock * miniblockSize + index] }
      return EncodePack.width(bits)
    }
    append(widths, out)
    for miniblock in 0..<4 where miniblock * miniblockSize < size && widths[miniblock] > 0 {
      let source = deltas + miniblock * miniblockSize
      if widths[miniblock] <= 32 {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: miniblockSize) { narrow in
          for index in 0..<miniblockSize {
            narrow[index] = UInt32(truncatingIfNeeded: source[index])
          }
          EncodePack.pack(
            narrow.baseAddress!, count: miniblockSize, width: widths[miniblock], into: out)
        }
      } else {
        EncodePack.pack(source, count: miniblockSize, width: widths[miniblock], into: out)
      }
    }
  }

  @inline(__always)
  private static func blocks(
    _ deltas: UnsafeMutablePointer<UInt32>, _ size: Int, _ out: MutableBuffer
  ) {
    let widths = (0..<4).map4 { miniblock -> Int in
      var bits: UInt32 = 0
      for index in 0..<miniblockSize { bits |= deltas[miniblock * miniblockSize + index] }
      return EncodePack.width(UInt64(bits))
    }
    append(widths, out)
    for miniblock in 0..<4 where miniblock * miniblockSize < size && widths[miniblock] > 0 {
      EncodePack.pack(
        deltas + miniblock * miniblockSize, count: miniblockSize, width: widths[miniblock],
        into: out)
    }
  }

  @inline(__always)
  private static func append(_ widths: SIMD4<Int>, _ out: MutableBuffer) {
    let target = out.reserveTail(4)
    for index in 0..<4 {
      target.storeBytes(of: UInt8(widths[index]), toByteOffset: index, as: UInt8.self)
    }
    out.advance(by: 4)
  }

  /// Bits per value that the encoding of `count` values would take, from up to 16 blocks of them.
  static func estimatedBits(_ values: UnsafePointer<Int64>, count: Int) -> Double {
    estimate(count) { start in
      var least = Int64.max
      var most = Int64.min
      for index in start..<start + blockSize {
        let delta = values[index] &- values[index - 1]
        least = min(least, delta)
        most = max(most, delta)
      }
      return EncodePack.width(UInt64(bitPattern: most &- least))
    }
  }

  static func estimatedBits(_ values: UnsafePointer<Int32>, count: Int) -> Double {
    estimate(count) { start in
      var least = Int32.max
      var most = Int32.min
      for index in start..<start + blockSize {
        let delta = values[index] &- values[index - 1]
        least = min(least, delta)
        most = max(most, delta)
      }
      return EncodePack.width(UInt64(UInt32(bitPattern: most &- least)))
    }
  }

  @inline(__always)
  private static func estimate(_ count: Int, _ widthOfBlock: (Int) -> Int) -> Double {
    let blocks = (count - 1) / blockSize
    if blocks <= 0 { return 64 }
    let sampled = min(blocks, 16)
    var bits = 0
    for sample in 0..<sampled {
      bits += widthOfBlock(1 + (blocks - 1) * sample / max(sampled - 1, 1) * blockSize)
    }
    // About 7 bytes a block go to the least difference and the widths.
    return Double(bits) / Double(sampled) + 56.0 / Double(blockSize)
  }
}

extension Range<Int> {
  @inline(__always)
  fileprivate func map4(_ body: (Int) -> Int) -> SIMD4<Int> {
    SIMD4(body(0), body(1), body(2), body(3))
  }
}
