// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// The streams of one process by their tables' names: what servers of streams speak to.
///
/// Threads may share it and its streams. Calls block, but for `append`.
public protocol StreamService: AnyObject, Sendable {
  /// The tables of all streams, in order of their names.
  var tables: [TableIdentifier] { get }

  /// - Throws: `notFound` when no stream of that name was declared.
  func stream(_ table: TableIdentifier) throws(StreamError) -> any ServedStream

  /// Why the streams do not take rows now (recovery, lost lease, shutting down), or `nil` when they do.
  var unreadyReason: String? { get }

  /// How the pipelines are that keep its streams up with each other.
  var pipelines: [PipelineStatus] { get }

  /// How the maintenance of its tables is.
  var care: [TableCareStatus] { get }

  /// Says who knows how the maintenance is.
  func report(care: @escaping @Sendable () -> [TableCareStatus])

  /// Says who knows how the pipelines are.
  func report(pipelines: @escaping @Sendable () -> [PipelineStatus])

  /// Takes rows out of everything that a stream has; see `StreamTable.erase`.
  func erase(_ request: StreamErasureRequest) throws(StreamError) -> StreamErasureReport
}

extension StreamService {
  public func erase(
    _ request: StreamErasureRequest
  ) throws(StreamError) -> StreamErasureReport {
    throw StreamError(.unsupported, "rows are not erased here", stream: "\(request.table)")
  }

  public var pipelines: [PipelineStatus] { [] }
  public func report(pipelines: @escaping @Sendable () -> [PipelineStatus]) {}
  public var care: [TableCareStatus] { [] }
  public func report(care: @escaping @Sendable () -> [TableCareStatus]) {}
}

/// One stream of a service.
public protocol ServedStream: AnyObject, Sendable {
  var definition: StreamDefinition { get }

  /// The columns of batches that `append` takes: the declared ones, and behind them those that a
  /// producer may leave out (`StreamColumns.operation` of keyed streams, `StreamColumns.knownAt`).
  /// It changes with the table's schema.
  var inputSchema: Schema { get }

  /// Takes rows in and returns at once. `completion` is called exactly once, on any thread and perhaps
  /// before the call returns: with the receipt when all rows are durable and `lookup` and live scans
  /// see them, or with an error. `overloaded` then promises that nothing was taken; after other
  /// errors some shards may have the rows: the producer sends the same request again.
  ///
  /// A request with a stamp that came before gets the receipt of the first time. To that end rows go to
  /// shards by a rule that depends on the request alone.
  func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void)

  /// A cursor over durable rows from `position` on.
  ///
  /// - Throws: `notFound` when the log no longer keeps a position, with the first that it keeps.
  func tail(from position: StreamStart) throws(StreamError) -> any StreamTail

  /// The rows of keys, as all acknowledged writes left them.
  ///
  /// - Parameters:
  ///   - keys: the primary key's columns, one row for each key asked for.
  ///   - columns: the columns to return; all declared ones when `nil`.
  /// - Returns: one entry for each key, in order.
  /// - Throws: `unsupported` for streams without a primary key.
  func lookup(keys: RecordBatch, columns: [String]?) throws(StreamError) -> StreamLookup

  /// The table's rows at its snapshot and, when `live`, with all acknowledged rows of the log at one
  /// exact cut.
  func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader

  /// The rows by which two states of the table differ: what happened between them in sum, also in rows
  /// of the log that the table does not hold yet. The state at `start` with the changes is the state at
  /// `end`. Each change has the columns of the table, and `StreamColumns.changeType`.
  ///
  /// Cost: reads what changed between the snapshots concerned, and the log between them and the
  /// positions; a `start` that is no snapshot's position costs a scan of that snapshot.
  ///
  /// - Throws: `notFound` for a position that is not there yet, or whose snapshot or rows of the log are
  ///   not kept any more; `invalidArgument` when `end` does not lie behind `start`.
  func changes(
    from start: StreamPoint, to end: StreamPoint
  ) throws(StreamError) -> any StreamChangeReader

  /// Counts and positions for people and for metrics. Cheap: nothing is read from disk.
  func status() -> StreamStatus

  /// How often rows were erased since the stream was opened: who keeps some in memory, or what it made of
  /// them, forgets it when the number has changed.
  var erasureCount: Int64 { get }
}

extension ServedStream {
  public var erasureCount: Int64 { 0 }

  public func changes(
    from start: StreamPoint, to end: StreamPoint
  ) throws(StreamError) -> any StreamChangeReader {
    throw StreamError(
      .unsupported, "changes of this stream cannot be told", stream: "\(definition.table)")
  }
}

/// Names of columns that Weir adds to those declared.
public enum StreamColumns {
  /// Text, in changes alone: what became of the row, a `ChangeType`.
  public static let changeType = "_change_type"
  static let changeTypeField = Field(
    changeType, .utf8, nullable: false, id: ChangeColumn.type.fieldID)
  /// Int32, in requests and the log of keyed streams alone: 0 upsert (as null), 1 delete.
  public static let operation = "_op"
  /// Timestamp in microseconds, UTC: when the row was known. The ingest time where the producer does not say.
  public static let knownAt = "_known_at"
  /// Timestamp in microseconds, UTC.
  public static let ingestTime = "_ingest_time"
  /// Int32.
  public static let shard = Compaction.shardColumn
  /// Int64: the position in the shard.
  public static let offset = "_offset"

  /// `operation` as producers send it.
  public static let operationField = Field(operation, .int32)
  public static let knownAtField = Field(knownAt, .timestamp(.microsecond, timeZone: "UTC"))
  public static let ingestTimeField = Field(
    ingestTime, .timestamp(.microsecond, timeZone: "UTC"), nullable: false)
  public static let shardField = Field(shard, .int32, nullable: false)
  public static let offsetField = Field(offset, .int64, nullable: false)
}

/// Rows that one request brings, all of them or none.
public struct StreamAppend: Sendable {
  /// In the stream's `inputSchema`, each with at least one row.
  public var batches: [RecordBatch]
  /// Records of the same request that are no rows of the stream, for its dead-letter table.
  public var rejected: [DeadLetter]
  public var producer: ProducerStamp?
  /// See `StreamShard.Pending`.
  var isInOrder = false

  public init(
    batches: [RecordBatch], rejected: [DeadLetter] = [], producer: ProducerStamp? = nil
  ) {
    self.batches = batches
    self.rejected = rejected
    self.producer = producer
  }

  public var rowCount: Int { batches.reduce(0) { $0 + $1.rowCount } }
}

/// A record that could not become a row.
public struct DeadLetter: Hashable, Sendable {
  /// Which record of its request, from 1.
  public var record: Int
  /// The column at fault, where it is one.
  public var column: String?
  public var reason: String
  /// The record as it came; its first bytes when `isCut`.
  public var bytes: [UInt8]
  public var isCut: Bool

  public init(record: Int, column: String?, reason: String, bytes: [UInt8], isCut: Bool = false) {
    self.record = record
    self.column = column
    self.reason = reason
    self.bytes = bytes
    self.isCut = isCut
  }
}

/// Where a request's rows are.
public struct StreamReceipt: Hashable, Sendable {
  /// The rows' offsets by shard; shards that got none are not in it.
  public var offsets: [Int: Range<Int64>]
  /// Whether all of the request had come before.
  public var isRepeat: Bool
  /// Records that went to the dead-letter table.
  public var deadLetterCount: Int

  public init(offsets: [Int: Range<Int64>], isRepeat: Bool = false, deadLetterCount: Int = 0) {
    self.offsets = offsets
    self.isRepeat = isRepeat
    self.deadLetterCount = deadLetterCount
  }
}

/// Where a tail begins.
public enum StreamStart: Hashable, Sendable {
  /// The first rows that the log keeps.
  case earliest
  /// Rows that come from now on.
  case latest
  /// These offsets by shard; shards that are not named begin at the first row that the log keeps.
  case offsets([Int: Int64])
}

/// Goes along all shards of a stream. One thread at a time may use it.
public protocol StreamTail: AnyObject {
  /// The columns of its batches: the declared ones, then `ingestTime`, `knownAt`, `shard`, `offset`,
  /// and for keyed streams `operation`.
  var schema: Schema { get }

  /// The next rows, at most about `rowCountMax`, or `nil` when there are none yet: ask again later.
  /// Each shard's rows come in order and without a gap.
  func next(rowCountMax: Int) throws(StreamError) -> RecordBatch?

  /// The offset of the next row by shard: a tail from here goes on where this one is.
  var position: [Int: Int64] { get }

  /// Has `action` called once, soon after there are more rows than `next` has returned (at once when
  /// there are already) or the stream was closed, on any thread. A second call replaces the first.
  func onMore(_ action: @escaping @Sendable () -> Void)
}

/// Answers to a lookup.
public struct StreamLookup: Sendable {
  /// Whether each key has a row.
  public var found: [Bool]
  /// The rows of the keys that have one, in order.
  public var rows: RecordBatch

  public init(found: [Bool], rows: RecordBatch) {
    self.found = found
    self.rows = rows
  }
}

/// What to scan.
public struct StreamScan: Sendable {
  /// The columns to return; all of the table's when `nil`.
  public var columns: [String]?
  /// Rows for which it is true.
  public var filter: Predicate?
  /// Whether acknowledged rows that are not in the table's snapshot yet are there, too.
  public var isLive: Bool

  public init(columns: [String]? = nil, filter: Predicate? = nil, isLive: Bool = true) {
    self.columns = columns
    self.filter = filter
    self.isLive = isLive
  }
}

/// How a stream is at one moment.
public struct StreamStatus: Sendable {
  /// One shard of it.
  public struct Shard: Hashable, Sendable {
    public var shard: Int
    /// The rows that the log keeps; the end is where the next row goes.
    public var logOffsets: Range<Int64>
    /// The table's snapshot holds all rows below it.
    public var coveredOffset: Int64
    public var logByteCount: Int64
    /// Bytes of rows in memory that the table does not hold yet.
    public var memoryByteCount: Int
    /// Microseconds since 1970 at which the oldest row that the table does not hold came in.
    public var oldestWaiting: Int64?
    /// Rows that the table does not hold yet. By offsets, unless somebody knows better: a log that
    /// others write, too, has offsets without rows.
    public var lagRowCount: Int64

    public init(
      shard: Int, logOffsets: Range<Int64>, coveredOffset: Int64, logByteCount: Int64,
      memoryByteCount: Int, oldestWaiting: Int64?
    ) {
      self.shard = shard
      self.logOffsets = logOffsets
      self.coveredOffset = coveredOffset
      self.logByteCount = logByteCount
      self.memoryByteCount = memoryByteCount
      self.oldestWaiting = oldestWaiting
      lagRowCount = max(0, logOffsets.upperBound - coveredOffset)
    }
  }

  public var shards: [Shard]
  /// The table's snapshot that the service knows; `nil` before the first.
  public var snapshotID: Int64?
  /// Since the service started.
  public var appendedRowCount: Int64 = 0
  public var deadLetterCount: Int64 = 0
  public var flushCount: Int64 = 0
  public var failedFlushCount: Int64 = 0
  /// Why the last flush failed, when it did.
  public var lastFlushFailure: String?
  /// Microseconds since 1970, by the stream's clock, at which this was true.
  public var time: Int64

  public init(shards: [Shard], snapshotID: Int64?, time: Int64) {
    self.shards = shards
    self.snapshotID = snapshotID
    self.time = time
  }

  /// Rows that the table does not hold yet.
  public var lagRowCount: Int64 { shards.reduce(0) { $0 + $1.lagRowCount } }

  /// For how long the oldest row has waited for the table; microseconds.
  public var lagMicroseconds: Int64 {
    shards.compactMap(\.oldestWaiting).min().map { max(0, time - $0) } ?? 0
  }
}
