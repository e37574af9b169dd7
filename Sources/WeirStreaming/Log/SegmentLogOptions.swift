// SPDX-License-Identifier: Apache-2.0

/// How a `SegmentLog` keeps its rows.
public struct SegmentLogOptions: Sendable {
  /// The shard's number: segments of another one are refused.
  public var shard: Int
  /// What the log is of, the table's UUID for example: a folder with the log of something else is
  /// refused. At most 256 bytes.
  public var identity: String
  /// Who holds the log, for the message to whoever is refused.
  public var owner = ""
  /// The offset of the first row in a folder without a log.
  public var firstOffset: Int64 = 0
  /// A segment is closed before it grows beyond this size; only a larger group makes it larger.
  public var segmentBytes = 64 << 20
  /// All segments together: what would go beyond is refused as `overloaded`.
  public var bytesMax = 8 << 30
  /// Space is reserved on the disk in steps of this size, where the file system can do that.
  public var preallocatedBytes = 8 << 20
  /// One batch, in the log's bytes; at most 2 GiB.
  public var batchBytesMax = 256 << 20
  /// Producers that are remembered, see `ProducerTable`.
  public var producerCountMax = 10_000
  /// Where the segments' salts come from.
  public var random: @Sendable () -> UInt64

  static let identityBytesMax = 256

  public init(
    shard: Int, identity: String,
    random: @escaping @Sendable () -> UInt64 = {
      var generator = SystemRandomNumberGenerator()
      return generator.next()
    }
  ) {
    self.shard = shard
    self.identity = identity
    self.random = random
  }
}
