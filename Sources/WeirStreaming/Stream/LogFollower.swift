// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

/// Takes records that are no rows of a stream. `completion` is called once, on any thread, when they
/// are durable, or with what kept them from it.
typealias DeadLetterSink =
  @Sendable (
    _ rejected: RejectedRecords, _ completion: @escaping @Sendable (StreamError?) -> Void
  ) -> Void

/// Where a shard is in a log that others write, too.
///
/// All rows come into memory through one cursor, in the log's order. 1. What `append` wrote waits here
/// until the cursor has brought it. 2. Records that are no rows become dead letters; the rows around
/// them go on once those are durable, so that no flush goes beyond a record that is nowhere.
struct LogFollower {
  /// Dead letters on their way.
  final class Letters: Sendable {
    private let state: Mutex<(waiting: Int, error: StreamError?)>

    init(_ count: Int) { state = Mutex((count, nil)) }

    func answer(_ error: StreamError?) {
      state.withLock {
        $0.waiting -= 1
        $0.error = $0.error ?? error
      }
    }

    var isDone: Bool { state.withLock { $0.waiting == 0 } }
    var error: StreamError? { state.withLock { $0.error } }
  }

  var cursor: (any LogCursor)?
  /// Read, and waiting for its dead letters.
  var held: LogEntry?
  var letters: Letters?
  /// When dead letters that failed are tried again; microseconds.
  var lettersRetryTime: Int64 = 0
  private var waiting: [(pending: StreamShard.Pending, receipt: LogReceipt)] = []
  private(set) var waitingByteCount = 0

  /// Entries of one step, so that appends get their turn.
  static let entryCountMax = 64
  /// Bytes of rows that are in the log and not in memory yet; more are not appended before.
  static let waitingBytesMax = 64 << 20

  mutating func wait(_ pending: StreamShard.Pending, _ receipt: LogReceipt) {
    waiting.append((pending, receipt))
    waitingByteCount += pending.byteCount
  }

  /// Tells those whose rows can be read: all below `end`.
  mutating func complete(_ end: Int64, shard: Int) -> Bool {
    var count = 0
    while count < waiting.count, waiting[count].receipt.offsets.upperBound <= end {
      waitingByteCount -= waiting[count].pending.byteCount
      waiting[count].pending.complete(waiting[count].receipt, shard)
      count += 1
    }
    waiting.removeFirst(count)
    return count > 0
  }

  /// Begins again with another cursor.
  mutating func stop() {
    cursor = nil
    held = nil
    letters = nil
  }

  mutating func fail(_ error: StreamError) {
    stop()
    for (pending, _) in waiting { pending.completion(.failure(error)) }
    waiting = []
    waitingByteCount = 0
  }
}

// Logs that others write, too.
extension StreamShard {
  /// Between attempts to go on after the log could not be read.
  private static let reopenMicroseconds: Int64 = 1_000_000
  private static let lettersRetryMicroseconds: Int64 = 1_000_000
  /// How long opening waits for rows that are known to be in the log.
  private static let openWaitMilliseconds = 10_000

  /// Writes what waits, and takes in what came.
  ///
  /// - Returns: whether there was something to do.
  func sharedStep(_ writing: inout Writing) -> Bool {
    var worked = false
    let isFull = writing.follower.waitingByteCount >= LogFollower.waitingBytesMax
    let group = isFull ? [] : takeGroup()
    do throws(StreamError) {
      let log = try usableLog(&writing)
      if !group.isEmpty {
        worked = true
        let receipts = try log.append(group.map(\.append))
        for (pending, receipt) in zip(group, receipts) { writing.follower.wait(pending, receipt) }
      }
    } catch {
      fail(group, error, &writing)
      guard log.withLock({ $0 }) != nil else { return !group.isEmpty }
    }
    do throws(StreamError) {
      guard let log = log.withLock({ $0 }) else { return worked }
      return try follow(log, &writing.follower, waitMilliseconds: 0) || worked
    } catch {
      if let log = log.withLock({ $0 }) { dropLog(log, &writing, error) }
      fail([], error, &writing)
      writing.retryTime = environment.nowMicroseconds + Self.reopenMicroseconds
      return worked
    }
  }

  /// Tells who waits of an error; a log that it broke is opened again later.
  private func fail(_ group: [Pending], _ error: StreamError, _ writing: inout Writing) {
    let error = error.adding(shard: number)
    for pending in group { pending.completion(.failure(error)) }
    let log = log.withLock { $0 }
    if let log, log.isUsable { return }
    if let log { dropLog(log, &writing, error) }
    writing.follower.fail(error)
  }

  /// Takes what the log has into memory.
  ///
  /// - Returns: whether there was anything.
  private func follow(
    _ log: any ShardLog, _ follower: inout LogFollower, waitMilliseconds: Int
  ) throws(StreamError) -> Bool {
    let memory = memory
    var worked = false
    if follower.cursor == nil {
      follower.cursor = try log.cursor(from: memory.offsets.lowerBound)
    }
    for _ in 0..<LogFollower.entryCountMax {
      if memory.byteCount > environment.memoryBytesMax { break }
      if let entry = follower.held {
        guard sendLetters(of: entry, &follower) else { break }
        try memory.apply(entry)
        follower.held = nil
        follower.letters = nil
        worked = true
        continue
      }
      guard
        let entry = try follower.cursor?.next(waitMilliseconds: worked ? 0 : waitMilliseconds)
      else { break }
      worked = true
      let end = memory.offsets.upperBound
      // What is read once more, after the log was opened again, was told of already.
      if entry.rejected.contains(where: { $0.offset >= end }) {
        follower.held = entry.clamped(to: end..<max(end, entry.span.upperBound))
      } else {
        try memory.apply(entry)
      }
    }
    return follower.complete(memory.offsets.upperBound, shard: number) || worked
  }

  /// Has the entry's rejected records made durable.
  ///
  /// - Returns: whether they are.
  private func sendLetters(of entry: LogEntry, _ follower: inout LogFollower) -> Bool {
    if let letters = follower.letters {
      guard letters.isDone else { return false }
      guard letters.error != nil else { return true }
      follower.letters = nil
      follower.lettersRetryTime = environment.nowMicroseconds + Self.lettersRetryMicroseconds
      return false
    }
    guard
      environment.isDue(follower.lettersRetryTime, longest: Self.lettersRetryMicroseconds)
    else { return false }
    rejectedCount.add(
      Int64(entry.rejected.reduce(0) { $0 + $1.records.count }), ordering: .relaxed)
    guard let sink = letters else { return true }
    let letters = LogFollower.Letters(entry.rejected.count)
    follower.letters = letters
    for rejected in entry.rejected { sink(rejected) { letters.answer($0) } }
    return letters.isDone && letters.error == nil
  }

  /// Reads what was in the log when it was opened, as far as memory reaches; steps do the rest.
  func catchUp(_ log: any ShardLog) throws(StreamError) {
    try withWriting { writing throws(StreamError) in
      do throws(StreamError) {
        var waited = 0
        while memory.offsets.upperBound < log.offsets.upperBound,
          waited < Self.openWaitMilliseconds, memory.byteCount <= environment.memoryBytesMax
        {
          // Dead letters are made durable by threads of their own stream.
          let isHeld = writing.follower.held != nil
          if isHeld, !environment.hasThreads { break }
          let step = isHeld ? 2 : 100
          if isHeld { environment.tables.sleep(step * 1_000_000) }
          waited = try follow(log, &writing.follower, waitMilliseconds: step) ? 0 : waited + step
        }
      } catch {
        log.close()
        throw error
      }
    }
  }

  /// - Throws: `overloaded` while memory does not have all rows that were acknowledged earlier.
  func checkReadable() throws(StreamError) {
    guard isShared else { return }
    let (end, wanted) = (memory.offsets.upperBound, readableOffset.load(ordering: .acquiring))
    guard end < wanted else { return }
    throw StreamError(
      .overloaded,
      "the stream reads its log, and has come to offset \(end) of \(wanted); try again soon",
      shard: number)
  }
}
