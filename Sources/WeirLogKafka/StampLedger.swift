// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// Which of a stamped batch's rows a message holds.
struct StampedRows: Hashable {
  var stamp: ProducerStamp
  var first: Int
  var count: Int
  /// Of the whole batch.
  var total: Int
}

/// What a partition says about the batches that producers have stamped, up to one message.
struct StampState {
  /// A batch of which some messages are there and others are not (yet).
  struct Part {
    var rows: Int
    var offsets: Range<Int64>
  }

  var producers: ProducerTable
  var parts: [ProducerStamp: Part] = [:]
  /// The latest last.
  private var order: [ProducerStamp] = []
  /// Batches that were begun and not ended, each by a process that died between two messages.
  private static let partCountMax = 10_000

  init(producerCountMax: Int) { producers = ProducerTable(producerCountMax: producerCountMax) }

  /// Takes up a message.
  ///
  /// - Returns: which of its rows are new: those from this one on.
  mutating func note(_ rows: StampedRows, at message: Int64) -> Int {
    if case .known = producers.answer(rows.stamp) { return rows.count }
    let seen = parts[rows.stamp]?.rows ?? 0
    let skipped = min(rows.count, max(0, seen - rows.first))
    guard skipped < rows.count else { return skipped }
    let first = parts[rows.stamp]?.offsets.lowerBound ?? KafkaOffset.row(message, skipped)
    let offsets = first..<KafkaOffset.row(message, rows.count)
    if rows.first + rows.count >= rows.total {
      remove(rows.stamp)
      producers.record(rows.stamp, offsets)
    } else {
      if parts[rows.stamp] == nil { order.append(rows.stamp) }
      parts[rows.stamp] = Part(rows: rows.first + rows.count, offsets: offsets)
      if order.count > Self.partCountMax { remove(order[0]) }
    }
    return skipped
  }

  private mutating func remove(_ stamp: ProducerStamp) {
    guard parts.removeValue(forKey: stamp) != nil else { return }
    order.removeAll { $0 == stamp }
  }

  // MARK: Bytes

  private static let version: UInt64 = 1

  /// The state, as it was before the message `next`.
  func encoded(next: Int64) -> Buffer {
    let buffer = MutableBuffer()
    var output = VarintWriter(buffer)
    output.append(Self.version)
    output.append(signed: next)
    output.append(UInt64(order.count))
    for stamp in order {
      guard let part = parts[stamp] else { continue }
      output.append(stamp.id)
      output.append(signed: stamp.sequence)
      output.append(UInt64(part.rows))
      output.append(signed: part.offsets.lowerBound)
      output.append(signed: part.offsets.upperBound)
    }
    producers.encode(into: buffer)
    return buffer.finish()
  }

  /// - Returns: `nil` when the bytes are not such a state of before the message `next`.
  init?(_ bytes: Buffer, next: Int64, producerCountMax: Int) {
    var input = VarintReader(bytes)
    guard input.number() == Self.version, input.signed() == next, let count = input.number(),
      count <= UInt64(Self.partCountMax)
    else { return nil }
    self.init(producerCountMax: producerCountMax)
    for _ in 0..<count {
      guard let id = input.text(countMax: 128), let sequence = input.signed(),
        let rows = input.number(), rows <= UInt64(Int32.max), let first = input.signed(),
        let end = input.signed(), first >= 0, end >= first
      else { return nil }
      let stamp = ProducerStamp(id: id, sequence: sequence)
      if parts.updateValue(Part(rows: Int(rows), offsets: first..<end), forKey: stamp) == nil {
        order.append(stamp)
      }
    }
    guard let table = ProducerTable(&input, producerCountMax: producerCountMax), input.isAtEnd
    else { return nil }
    producers = table
  }
}

/// Decides once for all readers of a partition which rows of stamped batches are new: the first ones of
/// a stamp along the partition count, whoever wrote them. A batch that was sent again because nobody
/// knew whether it had arrived is so read once, also when the first copy arrives late.
///
/// The decision follows from the partition and the state at the offset that the table covers; it is the
/// same after a restart.
final class StampLedger: Sendable {
  private struct State {
    /// The next message that was not taken up.
    var next: Int64
    var current: StampState
    /// As it was before the message `baseNext`, and what came since.
    var base: StampState
    var baseNext: Int64
    var journal: [(message: Int64, rows: StampedRows)] = []
    /// For messages that are read once more: how many of their first rows are repeats.
    var skips: [Int64: Int] = [:]
    /// Batches that this process has appended, and nobody has read yet.
    var written: [ProducerStamp: Range<Int64>] = [:]
  }

  private let state: Mutex<State>
  /// The first message that the decisions are about.
  let start: Int64
  private static let skipCountMax = 100_000

  /// - Parameter base: before the message `next`.
  init(_ base: StampState, next: Int64) {
    start = next
    state = Mutex(State(next: next, current: base, base: base, baseNext: next))
  }

  /// The next message that no reader has brought.
  var next: Int64 { state.withLock { $0.next } }
  /// Batches that were appended and not read.
  var writtenCount: Int { state.withLock { $0.written.count } }

  /// Takes up a message that a reader brings; those that come again are answered as the first time.
  ///
  /// - Returns: how many of its first rows are repeats.
  func skip(_ rows: StampedRows?, at message: Int64) -> Int {
    state.withLock { state in
      guard message >= state.next else { return state.skips[message] ?? 0 }
      state.next = message + 1
      guard let rows else { return 0 }
      state.journal.append((message, rows))
      let skipped = state.current.note(rows, at: message)
      if skipped > 0, state.skips.count < Self.skipCountMax { state.skips[message] = skipped }
      if case .known = state.current.producers.answer(rows.stamp) {
        state.written[rows.stamp] = nil
      }
      return skipped
    }
  }

  /// All messages below this one were read, or are none.
  func advance(to message: Int64) {
    state.withLock { $0.next = max($0.next, message) }
  }

  enum Answer {
    /// To append from this row on.
    case new(row: Int)
    case known(Range<Int64>)
    case stale
  }

  /// What is known about a batch that is to be appended.
  func answer(_ stamp: ProducerStamp) -> Answer {
    state.withLock { state in
      if let offsets = state.written[stamp] { return .known(offsets) }
      switch state.current.producers.answer(stamp) {
      case .new: return .new(row: state.current.parts[stamp]?.rows ?? 0)
      case .known(let offsets): return .known(offsets)
      case .stale: return .stale
      }
    }
  }

  /// Notes a batch that is in the partition as a whole now.
  func wrote(_ stamp: ProducerStamp, _ offsets: Range<Int64>) {
    state.withLock { state in
      if case .known = state.current.producers.answer(stamp) { return }
      state.written[stamp] = offsets
    }
  }

  /// The state before the message `next`, which lies not before that of the last call.
  func state(before next: Int64) -> StampState {
    state.withLock { state in
      var count = 0
      while count < state.journal.count, state.journal[count].message < next {
        _ = state.base.note(state.journal[count].rows, at: state.journal[count].message)
        count += 1
      }
      state.journal.removeFirst(count)
      state.baseNext = max(state.baseNext, next)
      return state.base
    }
  }
}
