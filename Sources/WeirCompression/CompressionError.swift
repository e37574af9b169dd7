// SPDX-License-Identifier: Apache-2.0

/// What can go wrong when bytes are compressed or decompressed.
public struct CompressionError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure; more may come in later versions.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// The arguments are not ones this codec takes (a level outside its range).
    public static let invalidArgument = Code("invalid argument")
    /// Valid, but not supported by this version.
    public static let unsupported = Code("unsupported")
    /// The compressed bytes break the codec's rules or fail its checksum.
    public static let invalidData = Code("invalid data")
    /// The compressed bytes end too early.
    public static let truncated = Code("truncated")
    /// Bytes follow the end of the compressed data.
    public static let trailingBytes = Code("trailing bytes")
    /// The result is larger than the space for it.
    public static let outputTooSmall = Code("output too small")
  }

  public var code: Code
  public var codec: Codec
  /// What happened, and what to do about it.
  public var message: String

  public init(_ code: Code, _ codec: Codec, _ message: String) {
    self.code = code
    self.codec = codec
    self.message = message
  }

  public var description: String { "\(codec): \(code): \(message)" }

  static func truncated(_ codec: Codec, inputCount: Int) -> CompressionError {
    CompressionError(
      .truncated, codec, "the compressed data ends too early, after \(inputCount) bytes")
  }

  static func outputTooSmall(_ codec: Codec, outputCount: Int) -> CompressionError {
    CompressionError(
      .outputTooSmall, codec, "the result is larger than the \(outputCount) bytes for it")
  }

  static func trailingBytes(_ codec: Codec, _ count: Int) -> CompressionError {
    CompressionError(.trailingBytes, codec, "\(count) bytes follow the end of the compressed data")
  }
}
