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

/// The log of one shard of one stream: append-only, durable, read from any offset that it still keeps.
/// Offsets grow along the log; there may be some that no row has.
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

  /// What a table that is written from the log says of it, so that no other log is taken for it; `nil`
  /// for a log that knows its table.
  var name: String? { get }

  /// Whether others write the log, too. Its rows, also those that `append` brought, are then read
  /// through a cursor; receipts say from where on they are all there.
  var isShared: Bool { get }

  /// Has `action` called, on any thread, after there may be more for cursors than they have returned.
  func onMore(_ action: (@Sendable () -> Void)?)

  /// Told before the table says that it holds all rows below `offset`: what the log needs to go on from
  /// there, and would not find in itself, is durable when the call returns.
  func prepare(for offset: Int64) throws(StreamError)

  /// About how many rows lie between `offset` and the end.
  func rowCount(from offset: Int64) -> Int64

  /// Begins new files: rows from then on lie in others than those before, of which the log can let go.
  ///
  /// - Returns: the first offset in them; `nil` for a log that has no files of its own.
  func cut() throws(StreamError) -> Int64?

  /// The first offset of the file behind the one that `offset` is in; `nil` when there is none.
  func boundary(behind offset: Int64) -> Int64?

  /// Ends all use; what was acknowledged stays.
  func close()
}

/// Goes along a log. Any thread may use it, one at a time.
public protocol LogCursor: AnyObject, Sendable {
  /// The next entry, from durable ones alone; `nil` when there is none yet: ask again later.
  ///
  /// - Throws: `notFound` when the log was trimmed beyond it meanwhile, `closed` after its `close()`.
  func next() throws(StreamError) -> LogEntry?

  /// As `next()`, but waits for so long while nothing has come that is known to be there.
  func next(waitMilliseconds: Int) throws(StreamError) -> LogEntry?
}

// A log that one process has for itself.
extension ShardLog {
  public var name: String? { nil }
  public var isShared: Bool { false }
  public func onMore(_ action: (@Sendable () -> Void)?) {}
  public func prepare(for offset: Int64) throws(StreamError) {}
  public func rowCount(from offset: Int64) -> Int64 { max(0, offsets.upperBound - offset) }
  public func cut() throws(StreamError) -> Int64? { nil }
  public func boundary(behind offset: Int64) -> Int64? { nil }
}

extension LogCursor {
  public func next(waitMilliseconds: Int) throws(StreamError) -> LogEntry? { try next() }
}
