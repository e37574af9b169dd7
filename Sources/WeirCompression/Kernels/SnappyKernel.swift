// SPDX-License-Identifier: Apache-2.0

internal import CSnappy

/// Raw snappy blocks, without a frame around them.
enum SnappyKernel {
  /// The largest piece: the format's length is 32 bits wide.
  static let pieceBytesMax = Int(UInt32.max)

  static func maxCompressedSize(_ n: Int) -> Int { snappy_max_compressed_length(n) }

  // Safe: the announced length is compared with the output's before anything is written; the
  // library writes no more than it announces.
  static func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    var announced = 0
    guard
      snappy_uncompressed_length(input.characters, input.count, &announced) == SNAPPY_OK
    else {
      throw CompressionError(.invalidData, .snappy, "the block does not start with its length")
    }
    guard announced <= output.count else {
      throw .outputTooSmall(.snappy, outputCount: output.count)
    }
    var written = announced
    guard
      snappy_uncompress(input.characters, input.count, output.characters, &written) == SNAPPY_OK
    else {
      throw CompressionError(
        .invalidData, .snappy, "the block is damaged, cut off, or followed by other bytes")
    }
    return written
  }

  // Safe: the library wants room for the largest possible result, which is checked.
  static func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard input.count <= pieceBytesMax else {
      throw CompressionError(
        .unsupported, .snappy, "a block holds at most \(pieceBytesMax) bytes")
    }
    var written = output.count
    guard output.count >= maxCompressedSize(input.count),
      snappy_compress(input.characters, input.count, output.characters, &written) == SNAPPY_OK
    else { throw .outputTooSmall(.snappy, outputCount: output.count) }
    return written
  }
}
