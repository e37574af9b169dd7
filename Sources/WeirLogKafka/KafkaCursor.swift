// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// Goes along a partition.
final class KafkaCursor: LogCursor {
  /// What all cursors of a log share.
  struct Context: Sendable {
    var options: KafkaLogOptions
    var request: ShardLogRequest
    var ledger: StampLedger
    var view: KafkaLogView
  }

  private struct Place {
    let reader: KafkaReader
    /// Up to where entries were returned.
    var position: Int64
    var waiting: ArraySlice<KafkaEvent> = []
    /// Decides about messages that lie before those that the ledger knows, by what the cursor itself
    /// has read of them.
    var earlier: StampState
  }

  private let context: Context
  private let decoder: MessageDecoder
  private let place: Mutex<Place>
  /// Messages of lines of JSON become one entry until it has so many rows, or so many bytes.
  private static let rowCountMax = 50_000
  private static let byteCountMax = 8 << 20

  init(_ context: Context, from offset: Int64) throws(StreamError) {
    self.context = context
    decoder = MessageDecoder(context.request, context.options.source)
    let view = context.view
    place = Mutex(
      Place(
        reader: try KafkaReader(
          context.options, partition: context.request.shard,
          // All messages are taken up in order, by whoever reads them first.
          from: min(KafkaOffset.message(offset), context.ledger.next),
          onMore: { view.notify() }),
        position: offset,
        earlier: StampState(producerCountMax: context.options.producerCountMax)))
    view.cursorCount.add(1, ordering: .relaxed)
  }

  deinit { context.view.cursorCount.subtract(1, ordering: .relaxed) }

  func next() throws(StreamError) -> LogEntry? { try next(waitMilliseconds: 0) }

  func next(waitMilliseconds: Int) throws(StreamError) -> LogEntry? {
    try place.withLock { place throws(StreamError) in
      if context.view.isClosed {
        throw StreamError(.closed, "the log was closed", shard: context.request.shard)
      }
      var wait = waitMilliseconds
      while true {
        if place.waiting.isEmpty {
          do throws(StreamError) {
            place.waiting = try place.reader.poll(waitMilliseconds: wait)[...]
          } catch {
            throw lost(error, place.position)
          }
          if place.waiting.isEmpty { return nil }
          wait = 0
        }
        if let entry = entry(&place) { return entry }
      }
    }
  }

  /// What is gone was never in the table, or the asker comes too late.
  private func lost(_ error: StreamError, _ position: Int64) -> StreamError {
    guard error.code == .notFound else { return error }
    return context.view.gap(KafkaOffset.message(position))
      ?? StreamError(
        .storage, "the partition was about to lose the message to go on with; try again",
        shard: context.request.shard, cause: error.description)
  }

  /// The next entry of what waits; `nil` when it says nothing new.
  private func entry(_ place: inout Place) -> LogEntry? {
    guard let event = place.waiting.first else { return nil }
    guard case .message(let first) = event else {
      guard case .end(let end)? = place.waiting.popFirst() else { return nil }
      context.view.reached(end)
      context.ledger.advance(to: end)
      let offset = KafkaOffset.row(end)
      guard offset > place.position else { return nil }
      return rowless(&place, to: offset)
    }
    let rows: DecodedRows
    var end = first.offset + 1
    if MessageDecoder.isArrow(first) {
      _ = place.waiting.popFirst()
      rows = fresh(decoder.arrow(first), [first], &place)
    } else {
      let messages = takeLines(&place.waiting)
      end = (messages.last ?? first).offset + 1
      rows = fresh(decoder.json(messages), messages, &place)
    }
    context.view.reached(end)
    let start = place.position
    guard let batch = rows.batch, batch.rowCount > 0 else {
      guard var entry = rowless(&place, to: KafkaOffset.row(end)) else { return nil }
      entry.rejected = rows.rejected
      return entry
    }
    let (low, high) = (rows.offsets[0], rows.offsets[rows.offsets.count - 1])
    let isDense = high - low + 1 == Int64(rows.offsets.count)
    var entry = LogEntry(
      offsets: low..<high + 1, ingestTime: rows.times[0], producer: nil, batch: batch)
    entry.rowOffsets = isDense ? nil : rows.offsets
    entry.ingestTimes = rows.times.allSatisfy { $0 == rows.times[0] } ? nil : rows.times
    entry.arrivalTime = context.options.now()
    entry.rejected = rows.rejected
    entry.span = min(low, start)..<KafkaOffset.row(end)
    guard entry.span.upperBound > start else { return nil }
    place.position = entry.span.upperBound
    return entry.clamped(to: start..<max(start, entry.span.upperBound))
  }

  /// Messages of lines that follow each other.
  private func takeLines(_ waiting: inout ArraySlice<KafkaEvent>) -> [KafkaMessage] {
    var messages: [KafkaMessage] = []
    var bytes = 0
    while messages.count < Self.rowCountMax, bytes < Self.byteCountMax,
      case .message(let message)? = waiting.first, !MessageDecoder.isArrow(message)
    {
      messages.append(message)
      bytes += message.payload?.count ?? 0
      _ = waiting.popFirst()
    }
    return messages
  }

  /// Without rows that came before, by their stamps.
  private func fresh(
    _ rows: DecodedRows, _ messages: [KafkaMessage], _ place: inout Place
  ) -> DecodedRows {
    var repeated: [(message: Int64, records: Int)] = []
    for message in messages {
      let stamped = MessageDecoder.stamped(message).map { found -> StampedRows in
        let count = Self.recordCount(message, rows)
        return StampedRows(
          stamp: found.stamp, first: found.first, count: count,
          total: found.total ?? found.first + count)
      }
      let skipped: Int
      if message.offset < context.ledger.start {
        skipped = stamped.map { place.earlier.note($0, at: message.offset) } ?? 0
      } else {
        skipped = context.ledger.skip(stamped, at: message.offset)
      }
      if skipped > 0 { repeated.append((message.offset, skipped)) }
    }
    guard !repeated.isEmpty else { return rows }
    let skips = Dictionary(uniqueKeysWithValues: repeated.map { ($0.message, $0.records) })
    func isRepeat(_ offset: Int64) -> Bool {
      let message = KafkaOffset.message(offset)
      return Int(offset - KafkaOffset.row(message)) < skips[message] ?? 0
    }
    var result = rows
    let kept = rows.offsets.indices.filter { !isRepeat(rows.offsets[$0]) }
    result.batch = kept.isEmpty ? nil : rows.batch.flatMap { try? $0.take(kept) }
    result.offsets = kept.map { rows.offsets[$0] }
    result.times = kept.map { rows.times[$0] }
    result.rejected = rows.rejected.filter { skips[KafkaOffset.message($0.offset)] == nil }
    return result
  }

  /// The records of a message, rows or not.
  private static func recordCount(_ message: KafkaMessage, _ rows: DecodedRows) -> Int {
    let start = KafkaOffset.row(message.offset)
    var (low, high) = (0, rows.offsets.count)
    while low < high {
      let middle = (low + high) / 2
      if KafkaOffset.message(rows.offsets[middle]) <= message.offset {
        low = middle + 1
      } else {
        high = middle
      }
    }
    let last = low == 0 ? 0 : max(0, Int(rows.offsets[low - 1] - start) + 1)
    let rejected = rows.rejected.first { $0.offset == start }?.records.map(\.record).max() ?? 0
    return max(1, last, rejected)
  }

  private func rowless(_ place: inout Place, to end: Int64) -> LogEntry? {
    guard end > place.position else { return nil }
    let now = context.options.now()
    let columns = context.request.inputSchema.fields.map { makeBuilder(for: $0.type).finish() }
    var entry = LogEntry(
      offsets: place.position..<place.position, ingestTime: now, producer: nil,
      batch: RecordBatch(
        trusted: context.request.inputSchema, columns: columns, rowCount: 0))
    entry.span = place.position..<end
    place.position = end
    return entry
  }
}
