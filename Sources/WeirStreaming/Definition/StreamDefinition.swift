// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// What somebody declared about a stream and its table; the checked form of an entry in `weir.yaml`.
public struct StreamDefinition: Hashable, Sendable {
  /// The table that the stream's rows end up in.
  public var table: TableIdentifier
  /// The columns that producers send, in order. Field ids are the table's.
  public var columns: Schema
  /// From 1 to `shardCountMax`; it does not change while there are rows.
  public var shardCount = 1
  /// Rows of equal values in these columns are in one shard; by default the primary key, or none:
  /// batches go to shards in turn.
  public var shardKey: [String] = []
  /// The column with the time at which something happened: a timestamp.
  public var eventTime: String?
  /// Empty for a log table, whose rows are only appended. Otherwise rows of equal values here are
  /// versions of one row.
  public var primaryKey: [String] = []
  public var merge = MergeEngine.lastWrite(sequence: [])
  public var flush = FlushPolicy()
  public var log = StreamLog.segments
  /// How long a delete is remembered, by the time at which it came in, so that an older version which
  /// comes late does not bring the row back; seconds. A version that comes later is as one of a new row.
  public var tombstoneRetentionSeconds: Int64 = 7 * 86_400
  /// How long the log keeps rows that the table has; seconds.
  public var logRetentionSeconds: Int64 = 3_600
  /// The most bytes of the log of one shard; more rows are turned away until the table has caught up.
  public var logBytesMax: Int64 = 8 << 30
  /// What columns hold in records that lack them; null without an entry.
  public var defaults: [String: Scalar] = [:]
  /// The format of files from now on; what the table's properties say when `nil`.
  public var format: DataFormat?
  /// Properties of the Iceberg table, when it is made.
  public var properties: StringMap = [:]
  /// How the table is partitioned, as terms: `day(event_time)`.
  public var partition: [String] = []

  /// What the table keeps, and for how long.
  public var maintenance = MaintenancePolicy()

  public static let shardCountMax = 1_024

  public init(table: TableIdentifier, columns: Schema) {
    self.table = table
    self.columns = columns
  }

  public var isKeyed: Bool { !primaryKey.isEmpty }
}

/// Where the rows of a stream are durable before the table has them.
public enum StreamLog: Hashable, Sendable {
  /// In files on a disk of this machine.
  case segments
  /// In the partitions of a topic of Apache Kafka, one for each shard. Others may write it, too.
  case kafka(KafkaSource)
}

/// A topic, and how its messages are read.
public struct KafkaSource: Hashable, Sendable {
  /// Addresses of some brokers, with commas between them: `host:9092`.
  public var brokers: String
  public var topic: String
  /// Settings of librdkafka, by their names there: `security.protocol`.
  public var settings: StringMap = [:]
  /// What becomes of fields of JSON that are no columns.
  public var unknownFields = JSONLinesOptions.UnknownFields.error
  /// What numbers in timestamp columns count; without it they are refused.
  public var timestampUnit: TimeUnit?

  public init(brokers: String, topic: String) {
    self.brokers = brokers
    self.topic = topic
  }

  /// Settings that Weir makes itself: with others rows would be lost, doubled or out of order.
  public static let ownSettings: [String] = [
    "acks", "allow.auto.create.topics", "auto.offset.reset", "bootstrap.servers",
    "enable.auto.commit", "enable.auto.offset.store", "enable.gapless.guarantee",
    "enable.idempotence", "enable.partition.eof", "group.id", "group.instance.id",
    "isolation.level", "message.timeout.ms", "metadata.broker.list", "request.required.acks",
    "transactional.id",
  ]
}

/// When rows go from memory into the table.
public struct FlushPolicy: Hashable, Sendable {
  /// The longest that a row waits; milliseconds.
  public var intervalMilliseconds: Int64 = 60_000
  /// Bytes of waiting rows of one shard in memory.
  public var bytes = 64 << 20

  public init() {}
}

/// How versions of one row become one.
public enum MergeEngine: Hashable, Sendable {
  /// The version with the greatest sequence stays; the later one in the log among equals. Without
  /// columns the log's order decides.
  case lastWrite(sequence: [String])
  /// Each group of columns has a sequence of its own; a version changes the groups in which its
  /// sequence is at least that of the row, and in them only the columns that are not null. Columns in
  /// no group belong to the default one, with the log's order.
  case partialUpdate([SequenceGroup])
  /// Columns are aggregated, one function each; columns without one keep the latest value.
  case aggregation([String: AggregateFunction])
  /// The first version stays: the one of the least sequence, or the first in the log.
  case firstRow(sequence: [String])
}

/// Columns that one producer owns.
public struct SequenceGroup: Hashable, Sendable {
  public var sequence: [String]
  public var columns: [String]

  public init(sequence: [String], columns: [String]) {
    self.sequence = sequence
    self.columns = columns
  }
}

/// What an aggregated column keeps of the values that came. All are independent of the order in which
/// they come.
public enum AggregateFunction: Hashable, Sendable {
  case sum
  case count
  case min
  case max
  /// The last `count` values by the event time, the latest first: a list.
  case lastK(count: Int)
  /// The `count` greatest values of the column `by`, with the values of this column: a list.
  case topK(count: Int, by: String)
  /// The number of distinct values, from a HyperLogLog sketch of 2^`precision` registers: binary.
  case distinctCount(precision: Int)
  /// A sum whose parts lose half their weight every so many seconds of event time.
  case decayedSum(halfLifeSeconds: Double)
}
