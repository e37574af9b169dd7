// SPDX-License-Identifier: Apache-2.0
// Safe: the state is allocated in the initialiser and freed in `deinit`; the kernel stays within the
// counts that it is given.

internal import CWeirKernels
internal import WeirColumnar
internal import WeirCompression

/// Decompresses the deflate blocks of Avro files, which may be many and small. Not thread-safe.
final class AvroInflater {
  /// Room behind the output with which the kernel needs not check every step.
  private static let slack = 288
  private let state = UnsafeMutablePointer<weir_inflate>.allocate(capacity: 1)

  deinit { state.deallocate() }

  /// Appends what the bytes `range` of `file` hold to `output`.
  ///
  /// - Parameters:
  ///   - readable: the end of the bytes of `file` that may be looked at, though they are no part of
  ///     the block: it goes faster with 16 or more.
  ///   - byteCountMax: the most that is taken.
  func append(
    _ file: Buffer, _ range: Range<Int>, readable: Int, to output: MutableBuffer, byteCountMax: Int
  ) throws(CompressionError) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= readable && readable <= file.count,
      "a block beyond its file")
    defer { withExtendedLifetime(file) {} }
    weir_inflate_start(state)
    let start = output.count
    var used = 0
    var produced = 0
    output.reserve(start + min(byteCountMax, max(512, range.count * 4)) + Self.slack)
    while true {
      let result = weir_inflate_run(
        state, (file.base + range.lowerBound).assumingMemoryBound(to: UInt8.self),
        readable - range.lowerBound, &used,
        (output.base + start).assumingMemoryBound(to: UInt8.self), output.capacity - start,
        &produced)
      output.setCount(start + produced)
      guard used <= range.count, Int(result) != WEIR_INFLATE_CUT else {
        throw CompressionError(
          .truncated, .gzip, "the compressed data ends too early, after \(range.count) bytes")
      }
      guard produced <= byteCountMax else {
        throw CompressionError(
          .outputTooSmall, .gzip, "the block becomes larger than \(byteCountMax) bytes")
      }
      switch Int(result) {
      case WEIR_INFLATE_DONE:
        // Python's writers cut the checksum of a zlib stream off by one byte of four.
        guard range.count - used <= 4 else {
          throw CompressionError(
            .trailingBytes, .gzip,
            "\(range.count - used) bytes follow the end of the compressed data")
        }
        return
      case WEIR_INFLATE_FULL: output.reserve(output.capacity + 1)
      default: throw CompressionError(.invalidData, .gzip, "the bytes are no deflate stream")
      }
    }
  }
}
