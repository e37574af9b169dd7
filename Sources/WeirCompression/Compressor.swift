// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, used within their counts and during the call only.

/// Compresses whole pieces (pages, buffers).
///
/// Keeps the codec's working memory from call to call: make one per thread and use it for many
/// pieces. Not thread-safe.
public final class Compressor {
  public let codec: Codec
  /// The level in use; `nil` where the codec has none.
  public let level: Int?
  private let zstd: ZstdEncoder?
  private let zlib: ZlibDeflater?
  private let lz4: LZ4Encoder?

  /// - Parameter level: within `codec.levels`; `codec.defaultLevel` when `nil`.
  /// - Throws: `unsupported` for a codec that is only read, `invalidArgument` for a level outside
  ///   the codec's range.
  public init(_ codec: Codec, level: Int? = nil) throws(CompressionError) {
    guard codec.canCompress else {
      throw CompressionError(
        .unsupported, codec, "this codec can only be read; write lz4_raw or zstd instead")
    }
    if let level {
      guard let range = codec.levels else {
        throw CompressionError(.invalidArgument, codec, "this codec has no levels; leave it out")
      }
      guard range.contains(level) else {
        throw CompressionError(
          .invalidArgument, codec,
          "level \(level) is outside \(range.lowerBound)...\(range.upperBound)")
      }
    }
    let chosen = level ?? codec.defaultLevel
    self.codec = codec
    self.level = chosen
    zstd = codec == .zstd ? ZstdEncoder(level: chosen!) : nil
    zlib = codec == .gzip ? ZlibDeflater(level: chosen!) : nil
    lz4 = codec == .lz4Raw || codec == .lz4Frame ? LZ4Encoder(level: chosen!) : nil
  }

  /// The space that is always enough for the result of compressing `n` bytes.
  public func maxCompressedSize(_ n: Int) -> Int {
    precondition(n >= 0, "a size is not negative")
    switch codec {
    case .none, .lz4Hadoop: return n
    case .snappy: return SnappyKernel.maxCompressedSize(n)
    case .gzip: return zlib!.maxCompressedSize(n)
    case .zstd: return ZstdKernel.maxCompressedSize(n)
    case .lz4Raw: return LZ4Kernel.maxBlockSize(n)
    case .lz4Frame: return lz4!.maxFrameSize(n)
    case .brotli: return BrotliKernel.maxCompressedSize(n)
    }
  }

  /// Compresses `input` into the start of `output` and returns how many bytes it wrote.
  ///
  /// Never writes outside `output`. `maxCompressedSize(input.count)` bytes are always enough; with
  /// less it throws `outputTooSmall`, for some codecs even though the result might have fitted.
  public func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    switch codec {
    case .none, .lz4Hadoop: return try CopyKernel.copy(input, into: output)
    case .snappy: return try SnappyKernel.compress(input, into: output)
    case .gzip: return try zlib!.compress(input, into: output)
    case .zstd: return try zstd!.compress(input, into: output)
    case .lz4Raw: return try lz4!.compressBlock(input, into: output)
    case .lz4Frame: return try lz4!.compressFrame(input, into: output)
    case .brotli: return try BrotliKernel.compress(input, into: output, quality: level!)
    }
  }

  /// As `compress(_:into:)`, for an input made of pieces of `pieceCount` bytes that differ in kind
  /// (the streams of BYTE_STREAM_SPLIT): zstd then codes each on its own, within one frame. Give it
  /// 64 bytes a piece beyond `maxCompressedSize`. Other codecs take no notice of the pieces.
  public func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, pieceCount: Int
  ) throws(CompressionError) -> Int {
    guard codec == .zstd, pieceCount > 0, input.count > pieceCount else {
      return try compress(input, into: output)
    }
    return try zstd!.compress(input, into: output, pieceCount: pieceCount)
  }
}
