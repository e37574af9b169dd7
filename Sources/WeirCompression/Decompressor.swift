// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, used within their counts and during the call only.

/// Decompresses whole pieces (pages, buffers) whose largest possible result is known.
///
/// Keeps the codec's working memory from call to call: make one per thread and use it for many
/// pieces. Not thread-safe.
public final class Decompressor {
  public let codec: Codec
  private let zstd: ZstdDecoder?
  private let zlib: ZlibInflater?
  private let lz4Frame: LZ4FrameDecoder?

  public init(_ codec: Codec) {
    self.codec = codec
    zstd = codec == .zstd ? ZstdDecoder() : nil
    zlib = codec == .gzip ? ZlibInflater() : nil
    lz4Frame = codec == .lz4Frame || codec == .lz4Hadoop ? LZ4FrameDecoder(codec) : nil
  }

  /// Decompresses all of `input` into the start of `output` and returns how many bytes it wrote.
  ///
  /// Never writes outside `output`; what lies in it behind the result, and all of it after an error,
  /// is undefined. Concatenated gzip members, zstd frames and LZ4 frames give the concatenated
  /// result. Throws when `input` is damaged, ends early or has bytes behind its end, and when the
  /// result does not fit. Empty `input` is valid only when `output` is empty (or the codec `none`).
  public func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    if input.count == 0 {
      if output.count == 0 || codec == .none { return 0 }
      throw .truncated(codec, inputCount: 0)
    }
    switch codec {
    case .none: return try CopyKernel.copy(input, into: output)
    case .snappy: return try SnappyKernel.decompress(input, into: output)
    case .gzip: return try zlib!.decompress(input, into: output)
    case .zstd: return try zstd!.decompress(input, into: output)
    case .lz4Raw: return try LZ4Kernel.decompressBlock(input, into: output)
    case .lz4Frame: return try lz4Frame!.decompress(input, into: output)
    case .lz4Hadoop: return try LZ4Kernel.decompressHadoop(input, into: output, frame: lz4Frame!)
    case .brotli: return try BrotliKernel.decompress(input, into: output)
    }
  }
}
