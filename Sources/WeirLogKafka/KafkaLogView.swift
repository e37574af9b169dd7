// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirStreaming

/// What a log shows its cursors, and they it.
final class KafkaLogView: Sendable {
  private struct State {
    /// Messages that the partition has, as far as is known.
    var messages: Range<Int64>
    var isClosed = false
    var failure: StreamError?
    var onMore: (@Sendable () -> Void)?
  }

  private let state: Mutex<State>
  let handle: KafkaHandle
  private let partition: Int
  private let waitMilliseconds: Int
  let cursorCount = Atomic<Int>(0)

  init(
    _ handle: KafkaHandle, _ partition: Int, _ messages: Range<Int64>, waitMilliseconds: Int
  ) {
    self.handle = handle
    self.partition = partition
    self.waitMilliseconds = waitMilliseconds
    state = Mutex(State(messages: messages))
  }

  var messages: Range<Int64> { state.withLock { $0.messages } }
  var isClosed: Bool { state.withLock { $0.isClosed } }
  var failure: StreamError? { state.withLock { $0.failure } }

  func fail(_ error: StreamError) { state.withLock { $0.failure = error } }

  func close() {
    state.withLock {
      $0.isClosed = true
      $0.onMore = nil
    }
  }

  /// All messages below `end` are there.
  func reached(_ end: Int64) {
    state.withLock {
      $0.messages = $0.messages.lowerBound..<max($0.messages.upperBound, end)
    }
  }

  func onMore(_ action: (@Sendable () -> Void)?) { state.withLock { $0.onMore = action } }

  func notify() { state.withLock { $0.onMore }?() }

  /// Why a message cannot be read; `nil` when it can.
  ///
  /// - Parameter isStart: whether the table holds all rows below the message, and none from there on.
  func gap(_ message: Int64, isStart: Bool = false) -> StreamError? {
    let found: Range<Int64>
    do throws(StreamError) {
      found = try handle.watermarks(partition, waitMilliseconds: waitMilliseconds)
    } catch { return error }
    state.withLock {
      $0.messages =
        found.lowerBound..<max(found.upperBound, $0.messages.upperBound, found.lowerBound)
    }
    let place =
      "topic '\(handle.topicName)', partition \(partition) of Kafka at \(handle.brokers): "
    if message < found.lowerBound {
      let what = isStart ? "; the table never had their rows" : ""
      return StreamError(
        isStart ? .damaged : .notFound,
        place
          + "messages \(message) to \(found.lowerBound - 1) are gone, Kafka keeps those from "
          + "\(found.lowerBound) on\(what). Give the topic a longer retention. To go on without them, "
          + "set offset \(KafkaOffset.row(found.lowerBound)) for shard \(partition) in the table's "
          + "property \(StreamOffsets.property)")
    }
    if message > found.upperBound {
      return StreamError(
        isStart ? .damaged : .notFound,
        place
          + "message \(message) is not there, the last one is \(found.upperBound - 1)"
          + (isStart
            ? ", although the table holds rows up to it: the topic was made anew, or the cluster lost "
              + "it. Bring it back, or make a new table" : ""))
    }
    return nil
  }
}
