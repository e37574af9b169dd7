// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What becomes of the batches of one group: appended, or known already.
struct AppendPlan {
  /// Those to append, in order.
  private(set) var fresh: [LogAppend] = []
  /// What to remember once they are durable.
  private(set) var stamps: [(ProducerStamp, Range<Int64>)] = []
  /// One for each batch of the group, true once the fresh ones are durable.
  private(set) var receipts: [LogReceipt] = []

  /// - Parameter next: the offset that the first row gets.
  init(
    _ group: [LogAppend], _ producers: ProducerTable, next: Int64
  ) throws(StreamError) {
    var next = next
    var planned: [ProducerStamp: Range<Int64>] = [:]
    fresh.reserveCapacity(group.count)
    receipts.reserveCapacity(group.count)
    for append in group {
      try Self.check(append, next: next)
      if let stamp = append.producer {
        if let offsets = planned[stamp] {
          receipts.append(LogReceipt(offsets: offsets, isRepeat: true))
          continue
        }
        switch producers.answer(stamp) {
        case .new: break
        case .known(let offsets):
          receipts.append(LogReceipt(offsets: offsets, isRepeat: true))
          continue
        case .stale:
          receipts.append(LogReceipt(offsets: next..<next, isStale: true))
          continue
        }
      }
      let offsets = next..<next + Int64(append.batch.rowCount)
      if let stamp = append.producer {
        planned[stamp] = offsets
        stamps.append((stamp, offsets))
      }
      fresh.append(append)
      receipts.append(LogReceipt(offsets: offsets))
      next = offsets.upperBound
    }
  }

  private static func check(_ append: LogAppend, next: Int64) throws(StreamError) {
    guard append.batch.rowCount > 0, append.batch.rowCount <= Int(Int32.max) else {
      throw StreamError(
        .invalidArgument,
        "a batch for the log needs 1 to 2^31 - 1 rows, not \(append.batch.rowCount)"
      )
    }
    guard next < SegmentFormat.offsetMax - Int64(Int32.max) else {
      throw StreamError(.invalidArgument, "the log has no offsets left")
    }
    guard let stamp = append.producer else { return }
    guard (1...SegmentFormat.producerIDBytesMax).contains(stamp.id.utf8.count) else {
      throw StreamError(
        .invalidArgument,
        "a producer's id has 1 to \(SegmentFormat.producerIDBytesMax) bytes, not "
          + "\(stamp.id.utf8.count)")
    }
  }

}
