// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

// Logs that take no rows.
extension StreamShard {
  /// Notes why the log takes no rows, or with `nil` that it does again.
  func note(failure error: StreamError?) {
    let text = error?.withoutStream.description
    let before = failure.withLock { failure in
      defer { failure = text }
      return failure
    }
    guard before != text else { return }
    if let text {
      environment.onEvent(
        StreamEvent(
          .error, "log_failed", stream: table, shard: number, "no rows are taken: \(text)"))
    } else {
      environment.onEvent(
        StreamEvent(
          .info, "log_recovered", stream: table, shard: number, "the log takes rows again"))
    }
  }

  /// Why there is no log now; `nil` when there is one.
  var logFailure: String? {
    log.withLock { $0 } == nil ? failure.withLock { $0 } : nil
  }

  /// Changes the log's files; a log of this process that it broke is opened again with the next step.
  func change<R>(
    _ log: any ShardLog, _ writing: inout Writing, _ body: () throws(StreamError) -> R
  ) throws(StreamError) -> R {
    do throws(StreamError) { return try body() } catch {
      if !isShared, !log.isUsable { dropLog(log, &writing, error) }
      throw error
    }
  }

  /// Opens a log that failed again without waiting for rows: nobody may send some before it is there.
  func reopen(_ writing: inout Writing) {
    guard !writing.isClosed, log.withLock({ $0 }) == nil else { return }
    _ = try? usableLog(&writing)
  }
}
