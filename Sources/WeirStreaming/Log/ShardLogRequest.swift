// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Which log to open.
public struct ShardLogRequest: Sendable {
  public var definition: StreamDefinition
  public var shard: Int
  /// The table's UUID: the log of another table is refused.
  public var identity: String
  /// Where the log begins when there is none yet.
  public var firstOffset: Int64
  /// Whether the table was last written from logs in this folder, or never.
  public var isTables: Bool
  /// The table holds all rows below it.
  public var coveredOffset: Int64
  /// What the table says of the log that it was written from: `ShardLog.name`, or a folder's id; `nil`
  /// when it was written from none yet.
  public var knownName: String?
  /// The columns of rows that producers send.
  public var inputSchema: Schema
  /// What is wrong with rows in those columns, if anything, by row, in order.
  public var refusals: @Sendable (RecordBatch) -> [RowRefusal]
  /// Small objects beside the table.
  public var state: LogStateStore
}

/// Why a row cannot be one of the stream.
public struct RowRefusal: Sendable {
  public var row: Int
  public var column: String?
  public var reason: String

  public init(row: Int, column: String?, reason: String) {
    self.row = row
    self.column = column
    self.reason = reason
  }
}

/// Where a log that others keep has what it must remember itself. Calls block; what is written is
/// durable when they return.
public struct LogStateStore: Sendable {
  /// `nil` when there is none of that name.
  public var read: @Sendable (String) throws(StreamError) -> Buffer?
  public var write: @Sendable (String, Buffer) throws(StreamError) -> Void
  public var delete: @Sendable (String) throws(StreamError) -> Void

  public init(
    read: @escaping @Sendable (String) throws(StreamError) -> Buffer?,
    write: @escaping @Sendable (String, Buffer) throws(StreamError) -> Void,
    delete: @escaping @Sendable (String) throws(StreamError) -> Void
  ) {
    self.read = read
    self.write = write
    self.delete = delete
  }
}
