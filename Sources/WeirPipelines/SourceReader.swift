// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Reads a stream's rows by position: from its log, and from its table where the log has let go. Of a keyed
/// stream the table has the last version of each row only. One thread at a time.
final class SourceReader {
  let source: any ServedStream
  /// What is read of the table; the log gives all columns.
  private let columns: [String]
  private let batchRows: Int
  private var tail: (any StreamTail)?
  /// Offsets of the source's table that are looked at together. Where offsets have gaps, as those of
  /// Kafka do, it grows until enough rows lie in it.
  private var window: Int64
  private static let windowMax: Int64 = 1 << 60

  /// - Parameters:
  ///   - columns: with those that say where a row is.
  ///   - batchRows: rows of a batch, at most about.
  init(_ source: any ServedStream, columns: [String], batchRows: Int) {
    self.source = source
    self.columns = columns
    self.batchRows = max(1, batchRows)
    window = Int64(self.batchRows)
  }

  /// Forgets where it was; the next position may be any.
  func reset() { tail = nil }

  /// The next rows, and where the source is behind them; `nil` when none are there yet.
  ///
  /// - Parameter start: by shard; where the last read ended, unless `reset` was called.
  func read(
    _ start: [Int: Int64]
  ) throws(StreamError) -> (batch: RecordBatch, end: [Int: Int64])? {
    for shard in source.status().shards {
      let offset = start[shard.shard] ?? 0
      if offset < shard.logOffsets.lowerBound {
        tail = nil
        return try readTable(start, shard.shard, until: shard.logOffsets.lowerBound)
      }
    }
    let tail: any StreamTail
    if let open = self.tail { tail = open } else { tail = try source.tail(from: .offsets(start)) }
    self.tail = tail
    guard let first = try tail.next(rowCountMax: batchRows) else { return nil }
    // All that waits at once: each batch waits for its rows to be durable.
    var batches = [first]
    var count = first.rowCount
    while count < batchRows, let next = try tail.next(rowCountMax: batchRows - count) {
      batches.append(next)
      count += next.rowCount
    }
    do throws(ColumnarError) {
      return (try RecordBatch.concatenate(batches), tail.position)
    } catch { throw StreamError(error) }
  }

  /// The rows of a piece of a shard, out of the source's table.
  private func readTable(
    _ start: [Int: Int64], _ shard: Int, until end: Int64
  ) throws(StreamError) -> (batch: RecordBatch, end: [Int: Int64]) {
    let first = start[shard] ?? 0
    while true {
      let (sum, isBeyond) = first.addingReportingOverflow(window)
      let last = isBeyond ? end : min(end, sum)
      guard let batch = try readTable(shard, first..<last) else {
        window = max(1, window / 2)
        continue
      }
      if batch.rowCount < batchRows / 2 { window = min(Self.windowMax, window * 2) }
      var behind = start
      behind[shard] = last
      return (batch, behind)
    }
  }

  /// The rows of a range of offsets, in their order; `nil` when they are many more than a batch.
  private func readTable(
    _ shard: Int, _ range: Range<Int64>
  ) throws(StreamError) -> RecordBatch? {
    let filter = Predicate.all([
      .compare(.equal, Term(StreamColumns.shard), .integer(Int128(shard))),
      .compare(.greaterOrEqual, Term(StreamColumns.offset), .integer(Int128(range.lowerBound))),
      .compare(.less, Term(StreamColumns.offset), .integer(Int128(range.upperBound))),
    ])
    let reader = try source.scan(StreamScan(columns: columns, filter: filter, isLive: false))
    var batches: [RecordBatch] = []
    var count = 0
    do {
      while let batch = try reader.next() {
        count += batch.rowCount
        guard count <= 2 * batchRows || range.count == 1 else { return nil }
        batches.append(batch)
      }
    } catch { throw (error as? StreamError) ?? StreamError(.table, "\(error)") }
    do throws(ColumnarError) {
      let all =
        batches.isEmpty
        ? try RecordBatchBuilder(reader.schema).finish() : try RecordBatch.concatenate(batches)
      guard let offsets = all[StreamColumns.offset] else {
        throw ColumnarError(.invalidArgument, "the table has no column '\(StreamColumns.offset)'")
      }
      return try all.take(offsets.sortIndices())
    } catch { throw StreamError(error) }
  }
}
