// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// Goes along the logs of all shards in turn.
final class StreamTailCursor: StreamTail {
  private let stream: StreamTable
  private let schemas: StreamSchemas
  private var shards: [Place] = []
  private var turn = 0
  /// For rows that are known to be there, in a log that another machine keeps.
  private static let waitMilliseconds = 50

  /// Where the tail is in one shard.
  private struct Place {
    let shard: StreamShard
    var next: Int64
    var cursor: (any LogCursor)?
    /// What is left of the entry that was read last.
    var rest: LogEntry?
  }

  init(_ stream: StreamTable, from start: StreamStart) throws(StreamError) {
    self.stream = stream
    schemas = stream.published.withLock { $0.schemas }
    for shard in stream.shards {
      let end = shard.memory.offsets.upperBound
      let first = shard.logStatus?.offsets.lowerBound ?? end
      let next: Int64 =
        switch start {
        case .earliest: first
        case .latest: end
        case .offsets(let offsets): offsets[shard.number] ?? first
        }
      guard next >= first, next <= end else {
        throw StreamError(
          .notFound,
          next < first
            ? "the log no longer keeps offset \(next), the first one is \(first); read the table up to "
              + "it, and go on from there"
            : "the offset \(next) is not there yet, the log ends at \(end)", shard: shard.number)
      }
      shards.append(Place(shard: shard, next: next))
    }
  }

  var schema: Schema { schemas.tail }

  var position: [Int: Int64] {
    Dictionary(uniqueKeysWithValues: shards.map { ($0.shard.number, $0.next) })
  }

  func next(rowCountMax: Int) throws(StreamError) -> RecordBatch? {
    for _ in shards.indices {
      let index = turn
      turn = (turn + 1) % shards.count
      // What is durable may not be in memory yet; a tail sees no more than live reads.
      let end = shards[index].shard.memory.offsets.upperBound
      guard let entry = try entry(index, below: end) else { continue }
      let cut = min(end, entry.end(ofRows: min(max(1, rowCountMax), entry.batch.rowCount)))
      let part = entry.clamped(to: entry.span.lowerBound..<cut)
      shards[index].rest =
        cut < entry.span.upperBound ? entry.clamped(to: cut..<entry.span.upperBound) : nil
      shards[index].next = cut
      guard part.batch.rowCount > 0 else { continue }
      return try schemas.rows(part, shard: shards[index].shard.number, isTail: true)
    }
    return nil
  }

  private func entry(_ index: Int, below end: Int64) throws(StreamError) -> LogEntry? {
    let place = shards[index]
    guard place.next < end else { return nil }
    if let rest = place.rest { return rest }
    if shards[index].cursor == nil {
      shards[index].cursor = try place.shard.cursor(from: place.next)
    }
    while shards[index].next < end,
      let entry = try shards[index].cursor?.next(waitMilliseconds: Self.waitMilliseconds)
    {
      let new = entry.clamped(to: place.next..<max(place.next, entry.span.upperBound))
      if new.batch.rowCount > 0 { return new }
      shards[index].next = max(shards[index].next, entry.span.upperBound)
    }
    return nil
  }

  func onMore(_ action: @escaping @Sendable () -> Void) {
    stream.listen(ObjectIdentifier(self), action)
    let isBehind = shards.contains { $0.shard.memory.offsets.upperBound > $0.next }
    if isBehind || stream.isClosed {
      stream.listen(ObjectIdentifier(self), nil)
      action()
    }
  }

  deinit { stream.listen(ObjectIdentifier(self), nil) }
}
