// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirStreaming

/// A partition of a topic of Apache Kafka as the log of one shard. Others may write it, too.
///
/// The offset of a row is its message's offset and its place in the message (`KafkaOffset`). Where a
/// table stands is in its snapshots and nowhere else: there is no consumer group, and nothing is
/// committed to Kafka. docs/decisions/0016-logs-in-kafka.md says why.
///
/// 1. `append` writes Arrow IPC streams by an idempotent producer and returns when all replicas that
///    must have them do.
/// 2. Cursors read what is in the partition, whoever wrote it, and make rows of it.
/// 3. Batches with a producer's stamp are read once, however often they are in the partition
///    (`StampLedger`); `prepare` keeps what is known of stamps beside the table.
///
/// After a failed append the log takes no more rows: what of them is in the partition is found out by
/// opening it again, and reading to the end.
public final class KafkaLog: ShardLog {
  private let options: KafkaLogOptions
  private let request: ShardLogRequest
  private let view: KafkaLogView
  private let ledger: StampLedger
  private let encoder: MessageEncoder
  /// Where the partition ended when the log was opened: what is below may hold batches that come again.
  private let recoveredEnd: Int64
  private let writing: Mutex<KafkaProducer?>
  /// Names of states beside the table, the latest last.
  private let states: Mutex<[String]>
  public let name: String?

  /// Batches that were appended and have not been read yet, at most.
  private static let writtenCountMax = 65_536

  /// Opens the log.
  ///
  /// - Throws: `invalidArgument` when the topic does not fit the stream; `damaged` when the partition
  ///   does not have what the table lacks; `conflict` when the table was written from another log;
  ///   `storage` when no broker answers.
  public init(_ options: KafkaLogOptions, _ request: ShardLogRequest) throws(StreamError) {
    self.options = options
    self.request = request
    encoder = MessageEncoder(bytesMax: options.messageBytesMax)
    let producer = try KafkaProducer(options, partition: request.shard)
    let handle = producer.handle
    let wait = options.requestMilliseconds
    let count = try handle.partitionCount(waitMilliseconds: wait)
    guard count == request.definition.shardCount else {
      throw handle.error(
        .invalidArgument,
        count == 0
          ? "there is no such topic; make it, with \(request.definition.shardCount) partitions"
          : "the topic has \(count) partitions, the stream declares \(request.definition.shardCount) "
            + "shards; declare 'shards: \(count)', or give it another topic", nil)
    }
    let cluster = handle.clusterID(waitMilliseconds: wait)
    let name = "kafka:\(options.source.topic)" + (cluster.map { "@\($0)" } ?? "")
    self.name = name
    if let known = request.knownName, known != name {
      throw StreamError(
        .conflict,
        "the table was written from \(known), and this is \(name), whose offsets are others; declare "
          + "that topic again, or make a new table; if it is the same one, moved with its offsets, set "
          + "the table's property weir.stream.log")
    }
    let messages = try handle.watermarks(request.shard, waitMilliseconds: wait)
    let isNew = request.knownName == nil && request.coveredOffset == 0
    let start = isNew ? messages.lowerBound : KafkaOffset.message(request.coveredOffset)
    view = KafkaLogView(handle, request.shard, messages, waitMilliseconds: wait)
    if !isNew, let gap = view.gap(start, isStart: true) { throw gap }
    recoveredEnd = messages.upperBound
    let state = Self.stateName(request.shard, start)
    let known = isNew ? nil : try request.state.read(state)
    let producerCount = options.producerCountMax
    ledger = StampLedger(
      known.flatMap { StampState($0, next: start, producerCountMax: producerCount) }
        ?? StampState(producerCountMax: producerCount), next: start)
    states = Mutex(known == nil ? [] : [state])
    writing = Mutex(producer)
  }

  deinit { close() }

  private static func stateName(_ shard: Int, _ message: Int64) -> String {
    "stamps-\(shard)-\(message)"
  }

  public var isShared: Bool { true }

  public var offsets: Range<Int64> {
    let messages = view.messages
    return KafkaOffset.row(messages.lowerBound)..<KafkaOffset.row(messages.upperBound)
  }

  /// Not known; what Kafka keeps is its own affair.
  public var byteCount: Int64 { 0 }

  /// Messages, each of which has one row at least.
  public func rowCount(from offset: Int64) -> Int64 {
    max(0, view.messages.upperBound - KafkaOffset.firstMessage(from: offset))
  }

  public var isUsable: Bool { !view.isClosed && view.failure == nil }

  public func onMore(_ action: (@Sendable () -> Void)?) { view.onMore(action) }

  public func cursor(from offset: Int64) throws(StreamError) -> any LogCursor {
    if view.isClosed { throw StreamError(.closed, "the log was closed", shard: request.shard) }
    guard view.cursorCount.load(ordering: .relaxed) < options.cursorCountMax else {
      throw StreamError(
        .overloaded, "\(options.cursorCountMax) readers go along the log already; try again later",
        shard: request.shard)
    }
    let message = KafkaOffset.message(offset)
    if !view.messages.contains(message), message != view.messages.upperBound,
      let gap = view.gap(message)
    {
      throw gap
    }
    return try KafkaCursor(
      KafkaCursor.Context(options: options, request: request, ledger: ledger, view: view),
      from: offset)
  }

  /// Kafka deletes messages by its own rules: the topic's retention.
  public func trim(before offset: Int64) throws(StreamError) {}

  public func close() {
    view.close()
    writing.withLock { $0 = nil }
  }

  public func prepare(for offset: Int64) throws(StreamError) {
    let next = KafkaOffset.message(offset)
    let bytes = ledger.state(before: next).encoded(next: next)
    let name = Self.stateName(request.shard, next)
    try request.state.write(name, bytes)
    // The table stands at the one before until its commit is through.
    let old = states.withLock { states -> [String] in
      states.removeAll { $0 == name }
      states.append(name)
      let count = max(0, states.count - 2)
      defer { states.removeFirst(count) }
      return Array(states[..<count])
    }
    for name in old { try? request.state.delete(name) }
  }

  // MARK: Append

  /// What becomes of one batch of a group.
  private enum Plan {
    case done(LogReceipt)
    /// As the batch before it in the group.
    case sameAs(Int)
    /// Messages of the group.
    case messages(Range<Int>, lastRowCount: Int)
  }

  public func append(_ group: [LogAppend]) throws(StreamError) -> [LogReceipt] {
    try writing.withLock { producer throws(StreamError) in
      guard let producer, !view.isClosed else {
        throw StreamError(.closed, "the log was closed", shard: request.shard)
      }
      if let failure = view.failure {
        throw StreamError(
          .closed, "the log failed and takes no more rows; open it again", shard: request.shard,
          cause: failure.description)
      }
      guard ledger.next >= recoveredEnd else {
        throw StreamError(
          .overloaded,
          "the log is read first: message \(ledger.next) of \(recoveredEnd); try again soon",
          shard: request.shard)
      }
      guard ledger.writtenCount <= Self.writtenCountMax else {
        throw StreamError(
          .overloaded, "too many rows were appended and not read; try again later",
          shard: request.shard)
      }
      let (plans, messages) = try plan(group)
      var offsets: [Int64] = []
      if !messages.isEmpty {
        do throws(StreamError) {
          offsets = try producer.send(messages)
        } catch {
          if error.code != .invalidArgument { view.fail(error) }
          throw error
        }
        if let last = offsets.last { view.reached(last + 1) }
      }
      return receipts(group, plans, offsets)
    }
  }

  private func plan(
    _ group: [LogAppend]
  ) throws(StreamError) -> (plans: [Plan], messages: [OutgoingMessage]) {
    var plans: [Plan] = []
    var messages: [OutgoingMessage] = []
    var planned: [ProducerStamp: Int] = [:]
    for (place, append) in group.enumerated() {
      try Self.check(append)
      var first = 0
      if let stamp = append.producer {
        if let same = planned.updateValue(place, forKey: stamp) {
          plans.append(.sameAs(same))
          continue
        }
        switch ledger.answer(stamp) {
        case .new(let row): first = min(row, append.batch.rowCount - 1)
        case .known(let offsets):
          plans.append(.done(LogReceipt(offsets: offsets, isRepeat: true)))
          continue
        case .stale:
          let end = self.offsets.upperBound
          plans.append(.done(LogReceipt(offsets: end..<end, isStale: true)))
          continue
        }
      }
      let start = messages.count
      let encoded = try encoder.encode(append, from: first)
      messages += encoded.map(\.message)
      plans.append(
        .messages(start..<messages.count, lastRowCount: encoded.last?.rowCount ?? 0))
    }
    return (plans, messages)
  }

  private static func check(_ append: LogAppend) throws(StreamError) {
    guard append.batch.rowCount > 0, append.batch.rowCount <= Int(Int32.max) else {
      throw StreamError(
        .invalidArgument,
        "a batch for the log needs 1 to 2^31 - 1 rows, not \(append.batch.rowCount)")
    }
    if let stamp = append.producer, !(1...128).contains(stamp.id.utf8.count) {
      throw StreamError(
        .invalidArgument,
        "a producer's id has 1 to 128 bytes, not \(stamp.id.utf8.count)")
    }
  }

  private func receipts(
    _ group: [LogAppend], _ plans: [Plan], _ offsets: [Int64]
  ) -> [LogReceipt] {
    var result: [LogReceipt] = []
    for (append, plan) in zip(group, plans) {
      switch plan {
      case .done(let receipt): result.append(receipt)
      case .sameAs(let place):
        result.append(LogReceipt(offsets: result[place].offsets, isRepeat: true))
      case .messages(let range, let lastRowCount):
        let found =
          KafkaOffset.row(
            offsets[range.lowerBound])..<KafkaOffset.row(
            offsets[range.upperBound - 1], lastRowCount)
        if let stamp = append.producer { ledger.wrote(stamp, found) }
        result.append(LogReceipt(offsets: found))
      }
    }
    return result
  }
}
