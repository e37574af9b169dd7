// SPDX-License-Identifier: Apache-2.0

public import WeirCompression

extension CompressionCodec {
  /// The codec that reads it; `nil` when there is none (LZO, unknown numbers).
  public var codec: Codec? {
    switch self {
    case .uncompressed: Codec.none
    case .snappy: .snappy
    case .gzip: .gzip
    case .brotli: .brotli
    case .lz4Hadoop: .lz4Hadoop
    case .zstd: .zstd
    case .lz4Raw: .lz4Raw
    default: nil
    }
  }
}

extension Codec {
  /// The most bytes that `compressed` bytes can stand for: what a page header may claim. Formats that
  /// encode repetition without a bound (zstd, brotli) have none.
  func uncompressedByteCountMax(compressed: Int) -> Int {
    switch self {
    case .none: compressed
    // A copy of 64 bytes takes 3, a gzip match of 258 bytes at least 2 bits, an LZ4 run 1 byte per 255.
    case .snappy: compressed * 32 + 64
    case .gzip: compressed * 1040 + 64
    case .lz4Raw, .lz4Frame, .lz4Hadoop: compressed * 260 + 64
    case .zstd, .brotli: .max
    }
  }
}
