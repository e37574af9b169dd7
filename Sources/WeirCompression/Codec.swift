// SPDX-License-Identifier: Apache-2.0

/// A way to compress bytes, as Parquet pages, Arrow IPC buffers and whole files name them.
///
/// `gzip` reads gzip members and zlib streams and writes one gzip member; `lz4Raw` is one bare LZ4
/// block (Parquet's `LZ4_RAW`), `lz4Frame` the self-describing frame (Arrow IPC), `lz4Hadoop` what
/// Parquet's old `LZ4` codec holds, which is read only.
public enum Codec: String, CaseIterable, Sendable, CustomStringConvertible {
  case none
  case snappy
  case gzip
  case zstd
  case lz4Raw = "lz4_raw"
  case lz4Frame = "lz4"
  case lz4Hadoop = "lz4_hadoop"
  case brotli

  /// The name that people write on a command line and that messages show, such as `zstd`.
  public var name: String { rawValue }

  public var description: String { rawValue }

  /// The codec called `name` in any mix of cases, or `nil`. `uncompressed` and `lz4_frame` are also
  /// understood.
  public init?(name: String) {
    switch name.lowercased() {
    case "uncompressed": self = .none
    case "lz4_frame": self = .lz4Frame
    case let lowered:
      guard let codec = Codec(rawValue: lowered) else { return nil }
      self = codec
    }
  }

  /// Whether this version writes the codec, too.
  public var canCompress: Bool { self != .lz4Hadoop }

  /// The levels that `Compressor` takes, from fast to small; `nil` where a codec has none.
  ///
  /// Negative zstd levels trade more size for more speed. LZ4 levels from 3 use the slower LZ4HC.
  public var levels: ClosedRange<Int>? {
    switch self {
    case .none, .snappy, .lz4Hadoop: nil
    case .gzip: 1...9
    case .zstd: ZstdKernel.levels
    case .lz4Raw, .lz4Frame: 1...12
    case .brotli: 0...11
    }
  }

  /// The level used when none is given: zstd 1, gzip 6, brotli 1, LZ4 1 (its fast mode).
  public var defaultLevel: Int? {
    switch self {
    case .none, .snappy, .lz4Hadoop: nil
    case .gzip: 6
    case .zstd, .lz4Raw, .lz4Frame, .brotli: 1
    }
  }
}
