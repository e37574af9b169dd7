// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar
internal import WeirTable

// Reads that see what the table does not hold yet.
extension StreamTable {
  public func lookup(
    keys: RecordBatch, columns: [String]?
  ) throws(StreamError) -> StreamLookup {
    let name = "\(definition.table)"
    guard definition.isKeyed else {
      throw StreamError(
        .unsupported, "the stream has no primary key; scan it instead", stream: name)
    }
    do throws(StreamError) {
      for shard in shards { try shard.checkReadable() }
      var parts: [LookupPart] = []
      for (shard, rows) in try router.shards(ofKeys: keys) {
        let part = try columnar { () throws(ColumnarError) in try keys.take(rows) }
        parts.append(
          LookupPart(rows: rows, answer: try shards[shard].memory.lookup(part, columns: columns)))
      }
      return try LookupPart.join(parts, keyCount: keys.rowCount) { () throws(StreamError) in
        let none = try columnar { () throws(ColumnarError) in try keys.take([]) }
        return try shards[0].memory.lookup(none, columns: columns).rows
      }
    } catch { throw error.adding(stream: name) }
  }

  public func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader {
    do throws(StreamError) {
      let scan = try LiveScan(self, request)
      do throws(TableError) { return try scan.reader() } catch { throw StreamError(error) }
    } catch { throw error.adding(stream: "\(definition.table)") }
  }
}

/// What one shard says to a lookup.
private struct LookupPart {
  /// Which keys it was asked for.
  var rows: [Int]
  var answer: LookupRows

  static func join(
    _ parts: [LookupPart], keyCount: Int, empty: () throws(StreamError) -> RecordBatch
  ) throws(StreamError) -> StreamLookup {
    var found = [Bool](repeating: false, count: keyCount)
    // The place of each key's row in the parts' rows, one behind the other.
    var places = [Int?](repeating: nil, count: keyCount)
    var start = 0
    for part in parts {
      for (key, place) in zip(part.rows, part.answer.places) {
        guard let place else { continue }
        found[key] = true
        places[key] = start + place
      }
      start += part.answer.rows.rowCount
    }
    guard !parts.isEmpty else { return StreamLookup(found: found, rows: try empty()) }
    return StreamLookup(
      found: found,
      rows: try columnar { () throws(ColumnarError) in
        let all = try RecordBatch.concatenate(parts.map(\.answer.rows))
        return parts.count == 1 ? all : try all.take(places.compactMap { $0 })
      })
  }
}

/// The rows of a snapshot without those that memory replaces, and the rows of memory: one exact cut.
private struct LiveScan {
  private let stream: StreamTable
  private let request: StreamScan
  private let metadata: TableMetadata
  private let use: SnapshotUse
  private var hidden: [String: [UInt32]] = [:]
  private var rows: [RecordBatch] = []

  init(_ stream: StreamTable, _ request: StreamScan) throws(StreamError) {
    self.stream = stream
    self.request = request
    guard request.isLive else {
      (metadata, use) = try stream.published.withLock { published throws(StreamError) in
        (published.metadata, try stream.uses.begin([published.metadata.currentSnapshotID]))
      }
      return
    }
    // Snapshot and memory change together, under this lock. Rows are merged without it: who adds rows
    // waits for it.
    typealias Found = (TableMetadata, [(MemTable, MemTable.Cut)], SnapshotUse)
    let result: Result<Found, StreamError> = stream.published.withLock { published in
      do throws(StreamError) {
        var cuts: [(MemTable, MemTable.Cut)] = []
        for shard in stream.shards {
          try shard.checkReadable()
          let memory = shard.memory
          let cut = try memory.cut()
          try Self.check(cut.position, published.metadata, shard.number)
          cuts.append((memory, cut))
        }
        let use = try stream.uses.begin([published.metadata.currentSnapshotID])
        return .success((published.metadata, cuts, use))
      } catch { return .failure(error) }
    }
    let cuts: [(MemTable, MemTable.Cut)]
    (metadata, cuts, use) = try result.get()
    for (memory, cut) in cuts {
      let view = try memory.view(of: cut)
      for file in view.hidden { hidden[file.path, default: []] += file.rows }
      if view.rows.rowCount > 0 { rows.append(view.rows) }
    }
  }

  /// - Throws: `overloaded` while the index is being brought to a snapshot that is not published yet.
  private static func check(
    _ position: IndexPosition?, _ metadata: TableMetadata, _ shard: Int
  ) throws(StreamError) {
    guard let position,
      position.snapshotID != metadata.currentSnapshotID ?? 0
    else { return }
    throw StreamError(
      .overloaded, "the key index is being rebuilt after a change of the table; try again soon",
      shard: shard)
  }

  func reader() throws(TableError) -> any RecordBatchReader {
    let filter = request.filter ?? .always(true)
    let planner = try ScanPlanner(
      metadata, stores: stream.table.stores, filter: filter,
      cache: stream.environment.tables.manifestCache)
    var options = TableReadOptions()
    options.columns = request.columns
    let hidden = hidden.mapValues { RoaringBitmap64($0.map { Int64($0) }) }
    let base = try TableReader(
      metadata, schema: planner.schema, stores: stream.table.stores, options: options
    ) { () throws(TableError) in
      guard var task = try planner.next() else { return nil }
      task.deletes.otherPositions = hidden[task.dataFile.path]
      return task
    }
    let held = HoldingReader(base, use)
    return rows.isEmpty ? held : ChainedReader(held, try projected(base.schema, filter))
  }

  /// The rows of memory in the columns of the scan.
  private func projected(
    _ schema: Schema, _ filter: Predicate
  ) throws(TableError) -> [RecordBatch] {
    do throws(ColumnarError) {
      var result: [RecordBatch] = []
      for batch in rows {
        let bound = try filter.bind(to: batch.schema)
        let kept = bound.isAlwaysTrue ? batch : try batch.filter(bound)
        var columns: [ArrayData] = []
        for field in schema.fields {
          guard let column = kept[field.name] else {
            throw ColumnarError(
              .invalidArgument,
              "rows that are not in a file yet have no such column; scan without live rows, or without it",
              column: field.name)
          }
          columns.append(column)
        }
        if kept.rowCount > 0 {
          result.append(
            try RecordBatch(schema: schema, columns: columns, rowCount: kept.rowCount))
        }
      }
      return result
    } catch { throw TableError(.invalidArgument, error.message, column: error.column) }
  }
}

/// A reader, and batches behind it.
private final class ChainedReader: RecordBatchReader {
  private let first: any RecordBatchReader
  private var rest: ArraySlice<RecordBatch>
  private var isFirstDone = false

  init(_ first: any RecordBatchReader, _ rest: [RecordBatch]) {
    self.first = first
    self.rest = rest[...]
  }

  var schema: Schema { first.schema }

  func next() throws -> RecordBatch? {
    if !isFirstDone {
      if let batch = try first.next() { return batch }
      isFirstDone = true
    }
    return rest.popFirst()
  }
}
