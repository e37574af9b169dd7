// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// Goes along the logs of all shards in turn.
final class StreamTailCursor: StreamTail {
  private let stream: StreamTable
  private let schemas: StreamSchemas
  private var shards: [Place] = []
  private var turn = 0

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
      guard let entry = try entry(index) else { continue }
      let count = min(Int64(max(1, rowCountMax)), Int64(entry.offsets.count))
      let cut = entry.offsets.lowerBound + count
      let part = entry.clamped(to: entry.offsets.lowerBound..<cut)
      shards[index].rest =
        cut < entry.offsets.upperBound ? entry.clamped(to: cut..<entry.offsets.upperBound) : nil
      shards[index].next = cut
      return try schemas.rows(part, shard: shards[index].shard.number, isTail: true)
    }
    return nil
  }

  private func entry(_ index: Int) throws(StreamError) -> LogEntry? {
    if let rest = shards[index].rest { return rest }
    let place = shards[index]
    // What is durable may not be in memory yet; a tail sees no more than live reads.
    guard place.shard.memory.offsets.upperBound > place.next else { return nil }
    if shards[index].cursor == nil {
      shards[index].cursor = try place.shard.cursor(from: place.next)
    }
    while let entry = try shards[index].cursor?.next() {
      guard entry.offsets.upperBound > place.next else { continue }
      return entry.clamped(to: place.next..<max(place.next, entry.offsets.upperBound))
    }
    return nil
  }

  func onMore(_ action: @escaping @Sendable () -> Void) {
    stream.listen(ObjectIdentifier(self), action)
    let isBehind = shards.contains {
      $0.rest != nil || $0.shard.memory.offsets.upperBound > $0.next
    }
    if isBehind || stream.isClosed {
      stream.listen(ObjectIdentifier(self), nil)
      action()
    }
  }

  deinit { stream.listen(ObjectIdentifier(self), nil) }
}

extension LogEntry {
  /// The part of the entry within `range`, which overlaps it.
  func clamped(to range: Range<Int64>) -> LogEntry {
    let kept = offsets.clamped(to: range)
    guard kept != offsets else { return self }
    return LogEntry(
      offsets: kept, ingestTime: ingestTime, producer: producer,
      batch: batch.slice(
        offset: Int(kept.lowerBound - offsets.lowerBound), length: kept.count))
  }
}
