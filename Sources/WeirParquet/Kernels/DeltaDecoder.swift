// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Decodes DELTA_BINARY_PACKED a miniblock at a time.
///
/// 1. Header: values a block, miniblocks a block, values in all, the first value.
/// 2. Each block: its smallest delta, a bit width for each miniblock, the packed deltas above it.
/// 3. A value is the one before plus smallest delta plus packed delta, wrapping at 64 bits.
///
/// Source: apache/parquet-format, Encodings.md, "Delta Encoding".
struct DeltaDecoder {
  private var cursor: ByteCursor
  private let miniblockCount: Int
  private let miniblockValues: Int
  /// Values not yet delivered.
  private(set) var left: Int
  /// Values not yet taken out of a miniblock (the first value is in no block).
  private var packedLeft: Int

  private var value: Int64
  private var isFirst = true
  private var minimumDelta: UInt64 = 0
  /// Safe: points to `miniblockCount` bytes that `cursor.take` checked, in the buffer it holds.
  private var widths: UnsafePointer<UInt8>
  private var miniblock: Int
  private var deltas: [UInt64]
  private var deltaIndex = 0
  private var deltaCount = 0

  /// Values a block may hold; writers use 128 or 256.
  private static let blockValuesMax: UInt64 = 1 << 16

  init(_ bytes: Buffer) throws(ParquetError) {
    cursor = ByteCursor(bytes)
    let blockValues = try cursor.varint("a delta header")
    let miniblocks = try cursor.varint("a delta header")
    let total = try cursor.varint("a delta header")
    value = try cursor.zigzag("a delta header")
    guard blockValues > 0, blockValues <= Self.blockValuesMax, blockValues % 128 == 0,
      miniblocks > 0, blockValues % miniblocks == 0, (blockValues / miniblocks) % 32 == 0
    else {
      throw ParquetError(
        .damaged, "delta blocks of \(blockValues) values in \(miniblocks) miniblocks are impossible"
      )
    }
    guard total <= UInt64(Int32.max) else {
      throw ParquetError(.damaged, "a delta page of \(total) values is impossible")
    }
    left = Int(total)
    packedLeft = max(0, Int(total) - 1)
    miniblockCount = Int(miniblocks)
    miniblockValues = Int(blockValues / miniblocks)
    miniblock = miniblockCount
    widths = cursor.next
    deltas = [UInt64](repeating: 0, count: miniblockValues)
  }

  /// Moves to the next miniblock and returns its bytes' width and start.
  private mutating func nextMiniblock() throws(ParquetError) -> (Int, UnsafePointer<UInt8>, Int) {
    if miniblock == miniblockCount {
      minimumDelta = UInt64(bitPattern: try cursor.zigzag("a delta block"))
      widths = try cursor.take(miniblockCount, "a delta block's bit widths")
      miniblock = 0
    }
    let width = Int(widths[miniblock])
    guard width <= 64 else {
      throw ParquetError(.damaged, "a delta bit width of \(width) is impossible")
    }
    miniblock += 1
    // The last miniblock may be cut after the values that exist.
    let full = width * miniblockValues / 8
    let byteCount = min(full, cursor.left)
    let values = min(miniblockValues, packedLeft)
    guard byteCount * 8 >= values * width else { throw ByteCursor.truncated("packed deltas") }
    return (width, try cursor.take(byteCount, "packed deltas"), byteCount)
  }

  /// Decodes `count` values.
  mutating func decode(_ out: UnsafeMutablePointer<Int64>, count: Int) throws(ParquetError) {
    guard count <= left else {
      throw ParquetError(.damaged, "the page holds fewer values than its levels say")
    }
    left -= count
    var done = 0
    if isFirst && count > 0 {
      out[0] = value
      done = 1
      isFirst = false
    }
    while done < count {
      if deltaIndex == deltaCount {
        let (width, start, byteCount) = try nextMiniblock()
        deltaCount = min(miniblockValues, packedLeft)
        packedLeft -= deltaCount
        deltaIndex = 0
        deltas.withUnsafeMutableBufferPointer {
          weir_unpack_u64(start, byteCount, Int32(width), $0.baseAddress!, deltaCount)
        }
      }
      let step = min(deltaCount - deltaIndex, count - done)
      var current = UInt64(bitPattern: value)
      let base = minimumDelta
      deltas.withUnsafeBufferPointer { deltas in
        let source = deltas.baseAddress! + deltaIndex
        for index in 0..<step {
          current = current &+ base &+ source[index]
          out[done + index] = Int64(bitPattern: current)
        }
      }
      value = Int64(bitPattern: current)
      deltaIndex += step
      done += step
    }
  }

  /// The bytes behind the last block, found by the block headers alone. To be called before the
  /// first `decode`.
  func rest() throws(ParquetError) -> Buffer {
    var scout = self
    while scout.packedLeft > 0 {
      _ = try scout.nextMiniblock()
      scout.packedLeft -= min(scout.miniblockValues, scout.packedLeft)
    }
    // The block's other miniblocks hold no values; writers differ in whether they write their bytes.
    // Their bit widths are 0 in files that follow the specification.
    return scout.cursor.rest()
  }
}
