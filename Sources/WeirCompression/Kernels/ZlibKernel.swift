// SPDX-License-Identifier: Apache-2.0

internal import CZlib

/// How zlib counts: 32 bits, so that longer pieces go through in steps.
private let stepBytesMax = 1 << 30

/// Reads gzip members and zlib streams, told apart by their first bytes.
///
/// Safe: it alone holds and frees the C state, whose address is fixed as zlib wants; one thread at a
/// time.
final class ZlibInflater {
  private let stream: UnsafeMutablePointer<z_stream>

  /// - Parameter isBare: the input is deflate without a header and a checksum.
  init(isBare: Bool = false) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, plus 32: detect a gzip or zlib header; negative: there is none.
    let status = inflateInit2_(
      stream, isBare ? -15 : 15 + 32, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { fatalError("out of memory for a zlib state") }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Makes ready for the next member.
  func reset() {
    let status = inflateReset(stream)
    precondition(status == Z_OK, "a zlib state can always be reset")
  }

  // Safe: zlib reads and writes within the counts that it gets, which never exceed the buffers'.
  /// One step within a member; `ended` when the member is complete and its checksum was right.
  func step(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumed: Int, produced: Int, ended: Bool) {
    let inCount = min(input.count, stepBytesMax)
    let outCount = min(output.count, stepBytesMax)
    // zlib does not write through `next_in`; its type lacks the const.
    stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bytes)
    stream.pointee.avail_in = UInt32(inCount)
    stream.pointee.next_out = output.bytes
    stream.pointee.avail_out = UInt32(outCount)
    let status = inflate(stream, Z_NO_FLUSH)
    switch status {
    case Z_OK, Z_STREAM_END, Z_BUF_ERROR:
      return (
        inCount - Int(stream.pointee.avail_in), outCount - Int(stream.pointee.avail_out),
        status == Z_STREAM_END
      )
    case Z_NEED_DICT:
      throw CompressionError(.unsupported, .gzip, "the stream needs a preset dictionary")
    case Z_MEM_ERROR:
      fatalError("out of memory for a zlib window")
    default:
      let text = stream.pointee.msg.map { String(cString: $0) } ?? "the stream is damaged"
      throw CompressionError(.invalidData, .gzip, text)
    }
  }

  /// Whether a byte more would come out without more input; the state is then of no more use.
  private func hasMoreOutput() -> Bool {
    var byte: UInt8 = 0
    let progress = withUnsafeMutableBytes(of: &byte) {
      try? step(UnsafeRawBufferPointer(start: nil, count: 0), into: $0)
    }
    return (progress?.produced ?? 0) > 0
  }

  func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    reset()
    var read = 0
    var written = 0
    while true {
      let (consumed, produced, ended) = try step(
        UnsafeRawBufferPointer(rebasing: input[read...]),
        into: UnsafeMutableRawBufferPointer(rebasing: output[written...]))
      read += consumed
      written += produced
      if ended {
        if read == input.count { return written }
        reset()
      } else if consumed == 0 && produced == 0 {
        // No progress: zlib lacks input, or space for what it already holds.
        if read == input.count && (written < output.count || !hasMoreOutput()) {
          throw .truncated(.gzip, inputCount: input.count)
        }
        throw .outputTooSmall(.gzip, outputCount: output.count)
      }
    }
  }
}

/// Writes one gzip member per piece.
///
/// Safe: it alone holds and frees the C state, whose address is fixed as zlib wants; one thread at a
/// time.
final class ZlibDeflater {
  private let stream: UnsafeMutablePointer<z_stream>

  /// `level` must lie within 1...9; `isBare`: without a header and a checksum.
  init(level: Int, isBare: Bool = false) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, plus 16: write a gzip header; negative: none. Memory level 8 is zlib's
    // default.
    let status = deflateInit2_(
      stream, CInt(level), Z_DEFLATED, isBare ? -15 : 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      CInt(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { fatalError("out of memory for a zlib state") }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  func maxCompressedSize(_ n: Int) -> Int { Int(deflateBound(stream, UInt(n))) }

  // Safe: zlib reads and writes within the counts that it gets, which never exceed the buffers'.
  func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    // Between calls the state is always fresh: zlib's bound is too low on a finished one.
    defer {
      let status = deflateReset(stream)
      precondition(status == Z_OK, "a zlib state can always be reset")
    }
    var read = 0
    var written = 0
    while true {
      let inCount = min(input.count - read, stepBytesMax)
      let outCount = min(output.count - written, stepBytesMax)
      stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bytes + read)
      stream.pointee.avail_in = UInt32(inCount)
      stream.pointee.next_out = output.bytes + written
      stream.pointee.avail_out = UInt32(outCount)
      let last = read + inCount == input.count
      let status = deflate(stream, last ? Z_FINISH : Z_NO_FLUSH)
      read += inCount - Int(stream.pointee.avail_in)
      written += outCount - Int(stream.pointee.avail_out)
      if status == Z_STREAM_END { return written }
      guard status == Z_OK || status == Z_BUF_ERROR else {
        fatalError("zlib refused valid arguments: \(status)")
      }
      if written == output.count { throw .outputTooSmall(.gzip, outputCount: output.count) }
    }
  }
}
