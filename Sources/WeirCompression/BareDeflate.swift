// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, used within their counts and during the call only.

/// Reads and writes bare deflate (RFC 1951): no header and no checksum, as Avro's blocks hold it.
///
/// Keeps zlib's working memory from call to call. Not thread-safe.
package final class BareDeflate {
  /// As zlib's default.
  package static let levelDefault = 6

  private let level: Int
  private lazy var inflater = ZlibInflater(isBare: true)
  private lazy var deflater = ZlibDeflater(level: level, isBare: true)

  /// - Parameter level: 1...9, checked by the caller.
  package init(level: Int = levelDefault) {
    precondition((1...9).contains(level), "a deflate level lies within 1...9")
    self.level = level
  }

  /// Begins a new stream to decompress.
  package func start() { inflater.reset() }

  /// One step within the stream; `ended` when it is complete. Nothing consumed and nothing produced
  /// with space left means that the input ends too early.
  package func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumed: Int, produced: Int, ended: Bool) {
    try inflater.step(input, into: output)
  }

  /// The space that is always enough for the result of compressing `n` bytes.
  package func maxCompressedSize(_ n: Int) -> Int { deflater.maxCompressedSize(n) }

  /// Compresses `input` into the start of `output` and returns how many bytes it wrote.
  package func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    try deflater.compress(input, into: output)
  }
}
