// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A state of a stream's table: a snapshot, and rows of the log that it does not have.
public struct StreamPosition: Hashable, Sendable, CustomStringConvertible {
  /// `nil` for the empty table before the first snapshot.
  public var snapshotID: Int64?
  /// Rows below these offsets are in it, by shard.
  public var offsets: [Int64]

  public init(snapshotID: Int64?, offsets: [Int64]) {
    self.snapshotID = snapshotID
    self.offsets = offsets
  }

  /// `0:1204,1:993@8123`: the next row of each shard, and behind `@` the snapshot, 0 for none.
  public var description: String {
    offsets.enumerated().map { "\($0.offset):\($0.element)" }.joined(separator: ",")
      + "@\(snapshotID ?? 0)"
  }
}

/// How somebody says which state of a stream's table they mean.
public enum StreamPoint: Hashable, Sendable {
  /// The empty table.
  case earliest
  /// All that is acknowledged now.
  case latest
  /// A snapshot of the table.
  case snapshot(Int64)
  /// These offsets of all shards, on the last snapshot that has no rows beyond them.
  case offsets([Int: Int64])
  case position(StreamPosition)
}

/// The rows by which two states of a stream's table differ, each once: the columns of the table and
/// `StreamColumns.changeType`.
public protocol StreamChangeReader: RecordBatchReader {
  /// The state before the changes.
  var from: StreamPosition { get }
  /// The state behind them: where the next changes begin.
  var to: StreamPosition { get }
}
