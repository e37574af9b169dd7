// SPDX-License-Identifier: Apache-2.0

/// What an Arrow IPC reader accepts. The bounds keep a hostile sender from making the process
/// allocate; a service sets them to what its clients may send.
public struct ArrowReadOptions: Sendable {
  /// The columns to read, in this order; all of them when `nil`.
  public var columns: [String]?
  /// Bytes of one message's metadata, at most.
  public var metadataBytesMax = 256 << 20
  /// Bytes of one message's body, at most, as it is sent and, on its own, after decompression.
  public var bodyBytesMax = 4 << 30
  /// Bytes of all dictionaries together, at most.
  public var dictionaryBytesMax = 4 << 30
  /// Whether values are checked, too (offsets, UTF-8, dictionary indices): needed for bytes from
  /// outside, and only to be turned off for bytes that this process has written itself.
  public var validates = true

  public init(columns: [String]? = nil) { self.columns = columns }
}

/// How an Arrow IPC writer writes.
public struct ArrowWriteOptions: Sendable {
  /// How the buffers of batches are compressed.
  public enum Compression: Sendable, CaseIterable {
    case none
    case lz4Frame
    case zstd
  }

  public var compression: Compression
  /// The codec's level; its default when `nil`.
  public var level: Int?
  /// Buffers start at a multiple of this many bytes: 8, 16, 32 or 64.
  public var alignment = 64
  /// Whether a dictionary that only grew is sent as the part that is new. Not all readers can do it.
  public var deltaDictionaries = false

  public init(compression: Compression = .none, level: Int? = nil) {
    self.compression = compression
    self.level = level
  }
}
