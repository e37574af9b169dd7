// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

/// One shard of a stream: its log, the rows that wait for it, and those that the table does not hold.
///
/// `submit` may be called by any thread; `step` and `trim` by one at a time, which is the one that
/// writes the log.
final class StreamShard: Sendable {
  /// Rows on their way into the log, and who waits for them.
  struct Pending: Sendable {
    var append: LogAppend
    var byteCount: Int
    /// Whether a stamp below those that the log remembers means that the rows came before: its producer
    /// sends in order.
    var isInOrder = false
    var completion: @Sendable (Result<LogReceipt, StreamError>) -> Void
  }

  private struct Queue {
    var pending: [Pending] = []
    var byteCount = 0
    /// Why nothing is taken any more.
    var closed: StreamError?
  }

  /// What is to be done about the log.
  struct Writing {
    /// When the log that failed is opened again; microseconds.
    var retryTime: Int64 = 0
    /// It is not opened again.
    var isClosed = false
    /// Of a log that others write, too.
    var follower = LogFollower()
  }

  let number: Int
  let table: TableIdentifier
  let index: (any KeyIndex)?
  /// Opens the log of a table that holds all rows below an offset.
  typealias Opener = @Sendable (_ covered: Int64) throws(StreamError) -> any ShardLog
  private let open: Opener
  let environment: StreamEnvironment
  /// Takes records that are no rows, and says when they are safe.
  let letters: DeadLetterSink?
  let isShared: Bool
  /// Of a shared log: reads wait until memory has come as far.
  let readableOffset: Atomic<Int64>
  let rejectedCount = Atomic<Int64>(0)
  private let moreAction = Mutex<(@Sendable () -> Void)?>(nil)
  /// The log that is asked to `prepare`, even when it takes no more rows.
  private let lastLog: Mutex<any ShardLog>
  private let queue = Mutex(Queue())
  /// `nil` while it is broken. Held for moments only.
  let log: Mutex<(any ShardLog)?>
  /// Held while the disk works: for `step` alone.
  private let writing = Mutex(Writing())
  private let trimOffset = Mutex<Int64?>(nil)
  /// Why the log took no rows when it was last tried.
  let failure = Mutex<String?>(nil)
  private let rows: Mutex<MemTable>
  /// Microseconds between attempts to open a log that failed.
  private static let retryMicroseconds: Int64 = 1_000_000
  /// Bytes of one group, which is written and made durable at once.
  private static let groupBytesMax = 8 << 20

  /// Reads what the log has and the table does not.
  ///
  /// - Parameters:
  ///   - memory: empty, from the offset on up to which the table holds all rows.
  ///   - log: closed when it throws.
  ///   - open: opens the log again after a failure.
  /// - Throws: `damaged` when the log does not reach back that far, or not up to it.
  init(
    _ number: Int, memory: MemTable, index: (any KeyIndex)?, environment: StreamEnvironment,
    log: any ShardLog, letters: DeadLetterSink? = nil, open: @escaping Opener
  ) throws(StreamError) {
    self.number = number
    table = memory.layout.definition.table
    self.index = index
    self.environment = environment
    self.open = open
    self.letters = letters
    isShared = log.isShared
    readableOffset = Atomic(log.isShared ? log.offsets.upperBound : 0)
    lastLog = Mutex(log)
    let covered = memory.offsets.upperBound
    do throws(StreamError) {
      guard log.offsets.contains(covered) || log.offsets.upperBound == covered else {
        throw StreamError(
          .damaged,
          "the table holds rows up to offset \(covered), but the log has those from "
            + "\(log.offsets.lowerBound) to \(log.offsets.upperBound): it is not the log that the table "
            + "was written from, or it was lost; bring the right folder back, or give up what was not "
            + "in the table yet by starting a new log", shard: number)
      }
      if !log.isShared { try Self.read(log, into: memory) }
    } catch {
      log.close()
      throw error
    }
    rows = Mutex(memory)
    self.log = Mutex(log)
    if isShared { try catchUp(log) }
  }

  /// Takes what is in the log behind the memory's end.
  private static func read(_ log: any ShardLog, into memory: MemTable) throws(StreamError) {
    guard log.offsets.upperBound > memory.offsets.upperBound else { return }
    let cursor = try log.cursor(from: memory.offsets.upperBound)
    while let entry = try cursor.next() { try memory.apply(entry) }
  }

  // MARK: Rows come in

  /// Puts rows into the queue of the log.
  ///
  /// - Throws: `overloaded` when too many wait already, `closed`.
  func submit(_ pending: Pending) throws(StreamError) {
    let held = memory.byteCount
    let error: StreamError? = queue.withLock { queue in
      if let closed = queue.closed { return closed }
      if held > environment.memoryBytesMax {
        return StreamError(
          .overloaded,
          "\(held >> 20) MiB of rows wait for the table, which is more than "
            + "\(environment.memoryBytesMax >> 20) MiB; try again later", shard: number)
      }
      if queue.byteCount + pending.byteCount > environment.queueBytesMax && queue.byteCount > 0 {
        return StreamError(
          .overloaded,
          "\(queue.byteCount >> 20) MiB of rows wait for the log; try again later", shard: number)
      }
      queue.byteCount += pending.byteCount
      queue.pending.append(pending)
      return nil
    }
    if let error { throw error }
  }

  /// Whether `submit` would take rows now.
  var isOverloaded: Bool {
    memory.byteCount > environment.memoryBytesMax
      || queue.withLock { $0.byteCount } > environment.queueBytesMax
  }

  /// Writes what waits, as one group; who waited hears of it when it is durable and can be read.
  ///
  /// - Returns: whether there was something to do.
  func step() -> Bool {
    writing.withLock { writing in
      trim(&writing)
      if isShared { return sharedStep(&writing) }
      let group = takeGroup()
      guard !group.isEmpty else {
        reopen(&writing)
        return false
      }
      let result: Result<[LogReceipt], StreamError>
      do throws(StreamError) {
        let log = try usableLog(&writing)
        let receipts = try append(group, to: log, &writing)
        result = .success(receipts)
      } catch { result = .failure(error.adding(shard: number)) }
      switch result {
      case .success(let receipts):
        for (pending, receipt) in zip(group, receipts) {
          pending.complete(receipt, number)
        }
      case .failure(let error):
        for pending in group { pending.completion(.failure(error)) }
      }
      return true
    }
  }

  func takeGroup() -> [Pending] {
    queue.withLock { queue in
      var count = 0
      var bytes = 0
      while count < queue.pending.count,
        count == 0 || bytes + queue.pending[count].byteCount <= Self.groupBytesMax
      {
        bytes += queue.pending[count].byteCount
        count += 1
      }
      let group = Array(queue.pending[..<count])
      queue.pending.removeFirst(count)
      queue.byteCount -= bytes
      return group
    }
  }

  private func append(
    _ group: [Pending], to log: any ShardLog, _ writing: inout Writing
  ) throws(StreamError) -> [LogReceipt] {
    let receipts: [LogReceipt]
    do throws(StreamError) {
      receipts = try log.append(group.map(\.append))
    } catch {
      if !log.isUsable {
        dropLog(log, &writing, error)
      } else if error.code == .storage {
        note(failure: error)
      }
      throw error
    }
    let memory = memory
    do throws(StreamError) {
      for (pending, receipt) in zip(group, receipts) where !receipt.isRepeat && !receipt.isStale {
        try memory.apply(
          LogEntry(
            offsets: receipt.offsets, ingestTime: pending.append.ingestTime,
            producer: pending.append.producer, batch: pending.append.batch))
      }
    } catch {
      // What is durable and not in memory is read from the log again.
      dropLog(log, &writing, error)
      throw error
    }
    note(failure: nil)
    return receipts
  }

  func dropLog(_ log: any ShardLog, _ writing: inout Writing, _ error: StreamError) {
    log.close()
    writing.follower.stop()
    self.log.withLock { $0 = nil }
    writing.retryTime = environment.nowMicroseconds
    note(failure: error)
  }

  /// The log; opened again when it had failed, with the rows of the group in doubt that are in it.
  func usableLog(_ writing: inout Writing) throws(StreamError) -> any ShardLog {
    if let log = log.withLock({ $0 }) { return log }
    guard !writing.isClosed,
      environment.isDue(writing.retryTime, longest: Self.retryMicroseconds)
    else {
      throw StreamError(
        .storage, "the log failed and is opened again soon; send the rows again",
        cause: logFailure)
    }
    writing.retryTime = environment.nowMicroseconds + Self.retryMicroseconds
    let log: any ShardLog
    do throws(StreamError) {
      log = try open(memory.offsets.lowerBound)
    } catch {
      note(failure: error)
      throw error
    }
    do throws(StreamError) {
      let end = memory.offsets.upperBound
      guard log.offsets.upperBound >= end else {
        throw StreamError(
          .damaged, "the log ends at \(log.offsets.upperBound), but rows up to \(end) were in it")
      }
      if !isShared { try Self.read(log, into: memory) }
    } catch {
      log.close()
      throw error
    }
    adopt(log)
    note(failure: nil)
    return log
  }

  func withWriting<R>(
    _ body: (inout Writing) throws(StreamError) -> R
  ) throws(StreamError) -> R {
    try writing.withLock { writing throws(StreamError) in try body(&writing) }
  }

  // MARK: Rows go out

  /// The rows that the table does not hold yet.
  var memory: MemTable { rows.withLock { $0 } }

  /// Goes on with another memory for the same rows: one of another layout. Between two steps only.
  ///
  /// - Parameter body: is called when nothing is left that can fail, before anything is changed; nothing
  ///   comes in meanwhile. What it throws leaves all as it was.
  /// - Throws: `storage` while there is no log to read them from.
  func replace(
    _ memory: MemTable, after body: () throws(StreamError) -> Void
  ) throws(StreamError) {
    try writing.withLock { writing throws(StreamError) in
      let end = self.memory.offsets.upperBound
      if !isShared {
        if let log = log.withLock({ $0 }) { try Self.read(log, into: memory) }
        guard memory.offsets.upperBound >= end else { throw missingRows(below: end) }
      }
      try body()
      if isShared {
        readableOffset.store(end, ordering: .releasing)
        writing.follower.stop()
      }
      rows.withLock { $0 = memory }
    }
  }

  /// See `ShardLog.prepare(for:)`.
  func prepare(for offset: Int64) throws(StreamError) {
    let log = lastLog.withLock { $0 }
    do throws(StreamError) {
      try log.prepare(for: offset)
    } catch { throw error.adding(shard: number) }
  }

  /// Has `action` called when rows came into a log that others write, too.
  func onMore(_ action: @escaping @Sendable () -> Void) {
    moreAction.withLock { $0 = action }
    log.withLock { $0 }?.onMore(action)
  }

  private func adopt(_ log: any ShardLog) {
    self.log.withLock { $0 = log }
    lastLog.withLock { $0 = log }
    if let action = moreAction.withLock({ $0 }) { log.onMore(action) }
  }

  /// About how many rows of the log are not in memory yet.
  var unreadRowCount: Int64 {
    log.withLock { $0 }?.rowCount(from: memory.offsets.upperBound) ?? 0
  }

  /// Has the log let go of rows below `offset` with its next step.
  func trim(before offset: Int64) { trimOffset.withLock { $0 = offset } }

  private func trim(_ writing: inout Writing) {
    guard let log = log.withLock({ $0 }),
      let offset = trimOffset.withLock({ offset in
        defer { offset = nil }
        return offset
      })
    else { return }
    // What cannot be deleted now is deleted with the next trim.
    try? change(log, &writing) { () throws(StreamError) in try log.trim(before: offset) }
  }

  /// - Throws: `notFound` when the log no longer keeps `offset`, `storage` while it is being repaired.
  func cursor(from offset: Int64) throws(StreamError) -> any LogCursor {
    guard let log = log.withLock({ $0 }) else {
      throw StreamError(.storage, "the log failed and is opened again soon", shard: number)
    }
    do throws(StreamError) {
      return try log.cursor(from: offset)
    } catch { throw error.adding(shard: number) }
  }

  /// The rows that the log keeps, and its bytes; `nil` while it is being repaired.
  var logStatus: (offsets: Range<Int64>, byteCount: Int64)? {
    log.withLock { $0 }.map { ($0.offsets, $0.byteCount) }
  }

  /// Refuses new rows, and those that wait. Those of the log stay: a flush may have to read them again.
  func refuse(_ reason: StreamError) {
    let waiting = queue.withLock { queue in
      queue.closed = reason
      defer {
        queue.pending = []
        queue.byteCount = 0
      }
      return queue.pending
    }
    for pending in waiting { pending.completion(.failure(reason)) }
  }

  /// Refuses new rows, and those that wait, and closes the log.
  func close(_ reason: StreamError) {
    refuse(reason)
    writing.withLock { writing in
      writing.isClosed = true
      writing.follower.fail(reason)
      log.withLock { log in
        log?.close()
        log = nil
      }
    }
  }
}

extension StreamShard.Pending {
  /// Tells who waits that the rows are in the log and can be read.
  func complete(_ receipt: LogReceipt, _ shard: Int) {
    guard receipt.isStale, !isInOrder else { return completion(.success(receipt)) }
    completion(
      .failure(
        StreamError(
          .invalidArgument,
          "the sequence \(append.producer?.sequence ?? 0) of producer '\(append.producer?.id ?? "")' "
            + "lies below those that the log remembers: whether its rows came before is not known, and "
            + "they were not taken; look for them, and send them with a new sequence if they are missing",
          shard: shard)))
  }
}
