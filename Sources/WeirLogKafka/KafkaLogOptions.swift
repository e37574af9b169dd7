// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming

/// How a `KafkaLog` speaks to its brokers.
public struct KafkaLogOptions: Sendable {
  public var source: KafkaSource
  /// How long an append may take, broker restarts included; then its outcome is not known.
  public var deliveryMilliseconds = 30_000
  /// How long questions about the topic may take.
  public var requestMilliseconds = 10_000
  /// The most bytes of a message that is written. Brokers take 1 MiB unless told otherwise.
  public var messageBytesMax = 900_000
  /// The most bytes of a message that is read.
  public var readBytesMax = 64 << 20
  /// Bytes of messages that wait to be read, for each cursor, about.
  public var queueKibibytes = 16 << 10
  /// Cursors at once; each has connections and threads of its own.
  public var cursorCountMax = 64
  /// Producers that are remembered, see `ProducerTable`.
  public var producerCountMax = 10_000
  /// The clock: microseconds since 1970-01-01 UTC.
  public var now: @Sendable () -> Int64

  public init(_ source: KafkaSource, now: @escaping @Sendable () -> Int64) {
    self.source = source
    self.now = now
  }

  private func settings(_ own: [(String, String)]) throws(StreamError) -> [(String, String)] {
    for (name, _) in source.settings where KafkaSource.ownSettings.contains(name) {
      throw StreamError(
        .invalidArgument, "the setting '\(name)' of Kafka is made by Weir; take it out")
    }
    var result = [("bootstrap.servers", source.brokers), ("allow.auto.create.topics", "false")]
    result += own
    for (name, value) in source.settings { result.append((name, value)) }
    return result
  }

  func producerSettings() throws(StreamError) -> [(String, String)] {
    try settings([
      ("enable.idempotence", "true"), ("acks", "all"),
      ("message.timeout.ms", String(deliveryMilliseconds)), ("linger.ms", "0"),
      ("message.max.bytes", String(messageBytesMax + 65_536)),
      ("reconnect.backoff.max.ms", "1000"),
    ])
  }

  func readerSettings() throws(StreamError) -> [(String, String)] {
    try settings([
      ("auto.offset.reset", "error"), ("enable.auto.commit", "false"),
      ("enable.partition.eof", "true"), ("isolation.level", "read_committed"),
      ("queued.max.messages.kbytes", String(queueKibibytes)),
      ("receive.message.max.bytes", String(readBytesMax + (2 << 20))),
      ("fetch.message.max.bytes", String(min(readBytesMax, 4 << 20))),
      ("fetch.max.bytes", String(readBytesMax)),
      ("fetch.wait.max.ms", "100"), ("reconnect.backoff.max.ms", "1000"),
    ])
  }
}

/// The position of a row in a partition as one number: the message's offset, and in the low 20 bits the
/// record in the message, from 0. It follows from the partition alone, whoever reads it and from where.
enum KafkaOffset {
  static let recordBits: Int64 = 20
  /// Records of one message.
  static let recordCountMax = 1 << 20
  /// Beyond every message that can be addressed.
  static let messageMax: Int64 = 1 << 42

  static func row(_ message: Int64, _ record: Int = 0) -> Int64 {
    message << recordBits | Int64(record)
  }

  static func message(_ offset: Int64) -> Int64 { offset >> recordBits }

  /// The first message that begins at `offset` or behind it.
  static func firstMessage(from offset: Int64) -> Int64 {
    (offset + Int64(recordCountMax) - 1) >> recordBits
  }
}
