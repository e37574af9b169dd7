// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Who sent a batch, and which of theirs it is. A batch that comes again with the same stamp is
/// acknowledged with the offsets that it got at first, and not appended.
public struct ProducerStamp: Hashable, Sendable {
  /// Chosen by the producer, one for each shard it writes to at a time; 1 to 128 bytes of UTF-8.
  public var id: String
  /// Another one for each batch of a producer and shard, growing; gaps are allowed. The log remembers
  /// a producer's 32 highest: that many batches may be under way at once, in any order.
  public var sequence: Int64

  public init(id: String, sequence: Int64) {
    self.id = id
    self.sequence = sequence
  }
}

/// Rows on their way into the log.
public struct LogAppend: Sendable {
  /// At least one row, in the stream's columns (without those that the log itself provides).
  public var batch: RecordBatch
  /// When the rows came in; microseconds since 1970-01-01 UTC.
  public var ingestTime: Int64
  public var producer: ProducerStamp?

  public init(_ batch: RecordBatch, ingestTime: Int64, producer: ProducerStamp? = nil) {
    self.batch = batch
    self.ingestTime = ingestTime
    self.producer = producer
  }
}

/// Where rows are in the log.
public struct LogReceipt: Hashable, Sendable {
  public var offsets: Range<Int64>
  /// Whether the batch had come before: nothing was appended.
  public var isRepeat: Bool
  /// Whether nothing was appended because the stamp lies below those that the log remembers of its
  /// producer, so that it cannot be known whether it had come before; `offsets` is empty. The producer
  /// must be told.
  public var isStale: Bool

  public init(offsets: Range<Int64>, isRepeat: Bool = false, isStale: Bool = false) {
    self.offsets = offsets
    self.isRepeat = isRepeat
    self.isStale = isStale
  }
}

/// Rows as they are in the log: what one append brought.
public struct LogEntry: Sendable {
  /// One for each row. They grow along the log, without gaps within an entry.
  public var offsets: Range<Int64>
  public var ingestTime: Int64
  public var producer: ProducerStamp?
  public var batch: RecordBatch

  public init(
    offsets: Range<Int64>, ingestTime: Int64, producer: ProducerStamp?, batch: RecordBatch
  ) {
    self.offsets = offsets
    self.ingestTime = ingestTime
    self.producer = producer
    self.batch = batch
  }
}

/// The log of one shard of one stream: append-only, durable, read from any offset that it still keeps.
///
/// One thread at a time appends and trims. Any thread may ask for `offsets` and cursors meanwhile; each
/// cursor is used by one thread at a time.
public protocol ShardLog: AnyObject, Sendable {
  /// The first offset that is kept, and the one that the next row will get. All below the end is
  /// durable.
  var offsets: Range<Int64> { get }

  /// Bytes that the log takes.
  var byteCount: Int64 { get }

  /// Appends a group of batches with one sync. All of it is durable when the call returns.
  ///
  /// - Throws: `invalidArgument`, `overloaded` when the log's bound is reached (trim it first), or
  ///   `storage` when the disk is full: then nothing was appended, and the log can go on. After any
  ///   other error what of the group is in the log is not known before it was opened again;
  ///   `isUsable` tells the two apart.
  func append(_ group: [LogAppend]) throws(StreamError) -> [LogReceipt]

  /// Whether it still takes rows: not after a failure, which only opening it again mends.
  var isUsable: Bool { get }

  /// A cursor whose first entry holds `offset`, or begins there once it is written.
  ///
  /// - Throws: `notFound` when the log no longer keeps that offset.
  func cursor(from offset: Int64) throws(StreamError) -> any LogCursor

  /// Lets go of rows below `offset`, which the table holds by now. Some may be kept.
  func trim(before offset: Int64) throws(StreamError)

  /// Ends all use; what was acknowledged stays.
  func close()
}

/// Goes along a log. Any thread may use it, one at a time.
public protocol LogCursor: AnyObject, Sendable {
  /// The next entry, from durable ones alone; `nil` when there is none yet: ask again later.
  ///
  /// - Throws: `notFound` when the log was trimmed beyond it meanwhile, `closed` after its `close()`.
  func next() throws(StreamError) -> LogEntry?
}
