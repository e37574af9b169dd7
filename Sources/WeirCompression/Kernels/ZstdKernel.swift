// SPDX-License-Identifier: Apache-2.0

internal import CZstd

/// Facts about the zstd library.
enum ZstdKernel {
  static var levels: ClosedRange<Int> { Int(ZSTD_minCLevel())...Int(ZSTD_maxCLevel()) }

  static func maxCompressedSize(_ n: Int) -> Int { ZSTD_compressBound(n) }

  /// The library's error in our words.
  @inline(never)
  static func error(_ code: Int, inputCount: Int, outputCount: Int) -> CompressionError {
    switch ZSTD_getErrorCode(code) {
    case ZSTD_error_dstSize_tooSmall:
      return .outputTooSmall(.zstd, outputCount: outputCount)
    case ZSTD_error_srcSize_wrong:
      return .truncated(.zstd, inputCount: inputCount)
    case ZSTD_error_memory_allocation:
      return CompressionError(.unsupported, .zstd, "not enough memory for the frame's window")
    case ZSTD_error_frameParameter_windowTooLarge:
      return CompressionError(
        .unsupported, .zstd, "the frame needs a larger window than this reader allows")
    default:
      return CompressionError(.invalidData, .zstd, String(cString: ZSTD_getErrorName(code)))
    }
  }
}

/// A decompression context. Safe: it alone holds and frees the C object; one thread at a time.
final class ZstdDecoder {
  private let context: OpaquePointer

  init() {
    guard let context = ZSTD_createDCtx() else { fatalError("out of memory for a zstd context") }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  // Safe: the library reads and writes within the counts that it gets.
  func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    let written = ZSTD_decompressDCtx(
      context, output.address, output.count, input.address, input.count)
    if ZSTD_isError(written) != 0 {
      throw ZstdKernel.error(written, inputCount: input.count, outputCount: output.count)
    }
    return written
  }

  /// Limits the window, and with it the memory, of streamed frames to `1 << log` bytes.
  func limitWindow(log: Int) {
    let status = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, CInt(log))
    precondition(ZSTD_isError(status) == 0, "the window limit must be one that zstd takes")
  }

  // Safe: as above.
  /// One step of a stream; `ended` when a frame is complete and all of it is in `output`.
  func step(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumed: Int, produced: Int, ended: Bool) {
    var source = ZSTD_inBuffer(src: input.address, size: input.count, pos: 0)
    var target = ZSTD_outBuffer(dst: output.address, size: output.count, pos: 0)
    let hint = ZSTD_decompressStream(context, &target, &source)
    if ZSTD_isError(hint) != 0 {
      throw ZstdKernel.error(hint, inputCount: input.count, outputCount: output.count)
    }
    return (source.pos, target.pos, hint == 0)
  }
}

/// A compression context. Safe: it alone holds and frees the C object; one thread at a time.
final class ZstdEncoder {
  private let context: OpaquePointer

  /// `level` must lie within `ZstdKernel.levels`.
  init(level: Int) {
    guard let context = ZSTD_createCCtx() else { fatalError("out of memory for a zstd context") }
    self.context = context
    let status = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level))
    precondition(ZSTD_isError(status) == 0, "the zstd level was checked before")
  }

  deinit { ZSTD_freeCCtx(context) }

  // Safe: the library reads and writes within the counts that it gets.
  func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    let written = ZSTD_compress2(context, output.address, output.count, input.address, input.count)
    if ZSTD_isError(written) != 0 {
      throw ZstdKernel.error(written, inputCount: input.count, outputCount: output.count)
    }
    return written
  }

  // Safe: as above; pieces end where the input ends.
  /// One frame whose blocks end at every multiple of `pieceCount` bytes, so that pieces of different
  /// kinds get entropy tables of their own.
  func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, pieceCount: Int
  ) throws(CompressionError) -> Int {
    var target = ZSTD_outBuffer(dst: output.address, size: output.count, pos: 0)
    var status = ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
    if ZSTD_isError(status) == 0 {
      status = ZSTD_CCtx_setPledgedSrcSize(context, CUnsignedLongLong(input.count))
    }
    var start = 0
    while ZSTD_isError(status) == 0 && start < input.count {
      let count = min(pieceCount, input.count - start)
      var piece = ZSTD_inBuffer(src: input.address + start, size: count, pos: 0)
      start += count
      status = ZSTD_compressStream2(
        context, &target, &piece, start == input.count ? ZSTD_e_end : ZSTD_e_flush)
      if ZSTD_isError(status) == 0 && status > 0 {
        throw .outputTooSmall(.zstd, outputCount: output.count)
      }
    }
    if ZSTD_isError(status) != 0 {
      throw ZstdKernel.error(status, inputCount: input.count, outputCount: output.count)
    }
    return target.pos
  }
}
