// SPDX-License-Identifier: Apache-2.0

internal import CBrotli

/// Brotli streams. The library has no way to use a decoder twice, so each call makes one.
enum BrotliKernel {
  static func maxCompressedSize(_ n: Int) -> Int {
    // The library answers 0 where its bound would overflow: no such input fits in memory.
    let bound = BrotliEncoderMaxCompressedSize(n)
    precondition(bound > 0, "the size is beyond what brotli takes")
    return bound
  }

  // Safe: the library reads and writes within the counts that it gets; the decoder lives only here.
  static func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard let decoder = BrotliDecoderCreateInstance(nil, nil, nil) else {
      fatalError("out of memory for a brotli decoder")
    }
    defer { BrotliDecoderDestroyInstance(decoder) }
    var inputLeft = input.count
    var nextIn: UnsafePointer<UInt8>? = input.bytes
    var outputLeft = output.count
    var nextOut: UnsafeMutablePointer<UInt8>? = output.bytes
    let result = BrotliDecoderDecompressStream(
      decoder, &inputLeft, &nextIn, &outputLeft, &nextOut, nil)
    switch result {
    case BROTLI_DECODER_RESULT_SUCCESS:
      if inputLeft > 0 { throw .trailingBytes(.brotli, inputLeft) }
      return output.count - outputLeft
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
      throw .truncated(.brotli, inputCount: input.count)
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
      throw .outputTooSmall(.brotli, outputCount: output.count)
    default:
      let code = BrotliDecoderGetErrorCode(decoder)
      let text = BrotliDecoderErrorString(code).map { String(cString: $0) } ?? "damaged"
      throw CompressionError(.invalidData, .brotli, text)
    }
  }

  // Safe: the library writes at most `written` bytes, which starts as the output's count.
  static func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, quality: Int
  ) throws(CompressionError) -> Int {
    var written = output.count
    let done = BrotliEncoderCompress(
      CInt(quality), BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, input.count, input.bytes,
      &written, output.bytes)
    guard done != 0 else { throw .outputTooSmall(.brotli, outputCount: output.count) }
    return written
  }
}
