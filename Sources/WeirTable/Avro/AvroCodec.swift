// SPDX-License-Identifier: Apache-2.0

/// How the blocks of an Avro file are compressed.
/// Source: Apache Avro specification, "Object Container Files", required and optional codecs.
public enum AvroCodec: String, Sendable, CaseIterable {
  case null
  case deflate
  /// A raw snappy block and the CRC-32 of the uncompressed bytes, big-endian.
  case snappy
  case zstandard

  /// The codec of the table property `write.avro.compression-codec` or of `avro.codec`; any mix of
  /// cases.
  public init?(name: String) {
    switch name.lowercased() {
    case "null", "uncompressed", "none": self = .null
    case "deflate", "gzip", "zlib": self = .deflate
    case "snappy": self = .snappy
    case "zstandard", "zstd": self = .zstandard
    default: return nil
    }
  }
}
