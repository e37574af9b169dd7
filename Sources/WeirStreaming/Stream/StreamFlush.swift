// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

/// What flushes remember of each other.
struct FlushState: Sendable {
  /// After a failure: not before this time; microseconds.
  var retryTime: Int64 = 0
  var failures = 0
  /// Whether index, memory and published state do not belong together, since an attempt to reload them
  /// failed: reads are refused until one succeeds.
  var isBroken = false
  /// Which rows the table held at which time (microseconds), the oldest first.
  var history: [(time: Int64, covered: StreamOffsets)] = []
  static let historyCountMax = 256
  /// When tombstones are looked through next; microseconds, 0 before the first time.
  var tombstoneTime: Int64 = 0
}

// From memory into the table.
extension StreamTable {
  /// Rows that came in so far in the future say that the clock was set back; microseconds.
  private static let clockStepMicroseconds: Int64 = 1_000_000
  /// The longest wait after failed flushes; microseconds.
  private static let retryMicrosecondsMax: Int64 = 5_000_000

  /// Flushes when rows have waited, or take so many bytes, as the stream's flush policy says.
  ///
  /// - Returns: whether it flushed, or tried to.
  func flushIfDue() -> Bool {
    let now = environment.nowMicroseconds
    let (retryTime, isBroken) = flushing.withLock { ($0.retryTime, $0.isBroken) }
    guard environment.isDue(retryTime, longest: Self.retryMicrosecondsMax) else { return false }
    let isDue =
      isBroken
      || shards.contains { shard in
        let memory = shard.memory
        guard let oldest = memory.oldestArrivalTime else { return false }
        // A log that others write is read on only when there is room.
        return memory.byteCount >= min(definition.flush.bytes, environment.memoryBytesMax)
          || now - oldest >= definition.flush.intervalMilliseconds * 1_000
          || oldest - now > Self.clockStepMicroseconds
      }
    guard isDue else {
      trimLogs(now)
      return expireTombstonesIfDue()
    }
    // A failure is counted, and tried again later: the rows are safe in the log.
    _ = try? flush()
    return true
  }

  /// Brings all rows that are in memory now into the table, by one commit; by two after one that failed.
  ///
  /// - Returns: whether there were any.
  /// - Throws: what kept the table from taking them. They stay in the log and in memory.
  @discardableResult
  public func flush() throws(StreamError) -> Bool {
    do throws(StreamError) {
      let start = environment.nowMicroseconds
      flushTimes.withLock { $0.begin(.now) }
      var isWhole = false
      defer { flushTimes.withLock { $0.end(.now, isWhole: isWhole) } }
      let flushed = try flushing.withLock { state throws(StreamError) in
        let ends = shards.map(\.memory.offsets.upperBound)
        let flushed = try flushOnce(&state)
        // A flush that failed before had set rows aside; those that came later are not among them.
        if flushed, zip(ends, published.withLock { $0.covered.ends }).contains(where: { $0 > $1 }) {
          _ = try flushOnce(&state)
        }
        if flushed {
          noteFlush(since: start, failures: state.failures)
          state.failures = 0
          state.retryTime = 0
          let covered = published.withLock { $0.covered }
          state.history.append((environment.nowMicroseconds, covered))
          if state.history.count > FlushState.historyCountMax { state.history.removeFirst() }
        }
        return flushed
      }
      isWhole = flushed
      if flushed {
        counters.withLock {
          $0.flushes += 1
          $0.lastFlushFailure = nil
        }
      }
      trimLogs(environment.nowMicroseconds)
      return flushed
    } catch {
      let error = error.adding(stream: "\(definition.table)")
      flushing.withLock { state in
        state.failures += 1
        let wait = min(Self.retryMicrosecondsMax, 100_000 << Int64(min(state.failures, 12)))
        state.retryTime = environment.nowMicroseconds + wait
      }
      counters.withLock {
        $0.failedFlushes += 1
        $0.lastFlushFailure = error.description
      }
      environment.onEvent(
        StreamEvent(
          .warning, "flush_failed", stream: definition.table,
          "the table did not take the rows, which stay in the log: \(error.withoutStream)"))
      throw error
    }
  }

  private func noteFlush(since start: Int64, failures: Int) {
    let time = (name: "milliseconds", value: max(0, environment.nowMicroseconds - start) / 1_000)
    guard failures > 0 else {
      environment.onEvent(
        StreamEvent(
          .debug, "flushed", stream: definition.table, "rows went into the table", counts: [time]))
      return
    }
    environment.onEvent(
      StreamEvent(
        .info, "flush_recovered", stream: definition.table,
        "the table takes rows again, after \(failures) \(failures == 1 ? "failure" : "failures")",
        counts: [time]))
  }

  private func flushOnce(_ state: inout FlushState) throws(StreamError) -> Bool {
    if state.isBroken {
      try reload()
      state.isBroken = false
    }
    do throws(StreamError) {
      return try FlushRun(self).run()
    } catch {
      guard error.code == .conflict || error.code == .damaged else { throw error }
      state.isBroken = true
      if error.code == .damaged {
        // What is derived is made anew; files of the table that are damaged say so again.
        for shard in shards { try shard.index?.clear() }
      }
      // Somebody else changed the table, or an attempt of ours whose outcome was not known came through.
      try reload()
      state.isBroken = false
      do throws(StreamError) { return try FlushRun(self).run() } catch {
        // The commit may be there, and the index behind it.
        state.isBroken = error.code == .conflict || error.code == .damaged
        throw error
      }
    }
  }

  /// Lets logs go of rows that the table has held for longer than the stream keeps them, and of others
  /// that it holds when they come near their size.
  private func trimLogs(_ now: Int64) {
    for shard in shards {
      guard let offset = crowdedOffset(shard) else { continue }
      shard.trim(before: offset)
      wake(shard.number)
    }
    let covered: StreamOffsets? = flushing.withLock { state in
      let limit = now - definition.logRetentionSeconds * 1_000_000
      let count = state.history.firstIndex { $0.time > limit } ?? state.history.count
      guard count > 0 else { return nil }
      defer { state.history.removeFirst(count) }
      return state.history[count - 1].covered
    }
    guard let covered else { return }
    for shard in shards {
      shard.trim(before: covered.ends[shard.number])
      wake(shard.number)
    }
  }

  /// Up to where a log that is three quarters full may let go of rows, to be half full; of all that the
  /// table holds when it is fuller still.
  private func crowdedOffset(_ shard: StreamShard) -> Int64? {
    let bytesMax = definition.logBytesMax
    guard let log = shard.logStatus, log.byteCount > bytesMax / 4 * 3 else { return nil }
    let covered = published.withLock { $0.covered.ends[shard.number] }
    guard covered > log.offsets.lowerBound else { return nil }
    if log.byteCount > bytesMax / 8 * 7 { return covered }
    let share = Double(log.byteCount - bytesMax / 2) / Double(log.byteCount)
    return min(
      covered, log.offsets.lowerBound + Int64(Double(log.offsets.count) * share))
  }
}
