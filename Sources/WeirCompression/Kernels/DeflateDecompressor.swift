// SPDX-License-Identifier: Apache-2.0
// Safe: it alone holds and frees the C state; libdeflate stays within the counts that it is given.

internal import CDeflate

/// Decompresses bare deflate (RFC 1951) that is in memory as a whole, by libdeflate: for many small
/// blocks, where zlib's streams cost more than the bytes. Not thread-safe.
package final class DeflateDecompressor {
  /// What a call comes to.
  package enum Result {
    /// So many bytes of the input were the stream, and so many came out of it.
    case done(consumed: Int, produced: Int)
    /// The output has no room; try again with more.
    case full
  }

  private let state: OpaquePointer

  package init() {
    guard let state = libdeflate_alloc_decompressor() else {
      fatalError("out of memory for a deflate state")
    }
    self.state = state
  }

  deinit { libdeflate_free_decompressor(state) }

  /// Decompresses the stream at the start of `input`; other bytes may follow it.
  ///
  /// - Throws: `invalidData` for what is no stream, or one that is cut off.
  package func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Result {
    var consumed = 0
    var produced = 0
    // libdeflate wants addresses even where there is nothing.
    var nothing: UInt8 = 0
    let status = withUnsafeMutablePointer(to: &nothing) { nothing in
      libdeflate_deflate_decompress_ex(
        state, input.baseAddress ?? UnsafeRawPointer(nothing), input.count,
        output.baseAddress ?? UnsafeMutableRawPointer(nothing), output.count, &consumed, &produced)
    }
    switch status {
    case LIBDEFLATE_SUCCESS: return .done(consumed: consumed, produced: produced)
    case LIBDEFLATE_INSUFFICIENT_SPACE: return .full
    default:
      throw CompressionError(
        .invalidData, .gzip, "the bytes are no deflate stream, or the stream is cut off")
    }
  }
}
