// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Works out the changes between two states of a stream's table. Each state is a snapshot and the rows of
/// the log on it up to some offsets; few keys at most are touched by these rows.
///
/// 1. The rows of the log on the first snapshot, merged, say for each of their keys the row before the
///    changes, and the row in the first snapshot. So do those on the second one.
/// 2. The changes between the snapshots come from the files. Keys that no such row touches go straight
///    on; of the others their rows are kept aside.
/// 3. At the end each kept key has its row before (from the log's rows on the first snapshot, else in the
///    first snapshot) and behind.
///
/// In a table without primary key, shard and offset are the key.
struct ChangeRun {
  private let stream: StreamTable
  private let moment: StreamMoment
  private let from: StreamLine.State
  private let to: StreamLine.State
  private let layout: StreamLayout
  private let columns: ChangeColumns

  init(
    _ stream: StreamTable, _ moment: StreamMoment, from: StreamLine.State, to: StreamLine.State
  ) throws(StreamError) {
    self.stream = stream
    self.moment = moment
    self.from = from
    self.to = to
    layout = moment.state.layout
    columns = try ChangeColumns(layout)
  }

  func reader() throws(StreamError) -> any StreamChangeReader {
    var keys = ChangedKeys(columns)
    for shard in stream.shards {
      let before = try rows(shard, from)
      if !before.isEmpty {
        keys.addStart(try resolve(before, shard.number, at: from.position.snapshotID))
      }
      let behind = try rows(shard, to)
      if !behind.isEmpty {
        keys.addEnd(try resolve(behind, shard.number, at: to.position.snapshotID))
      }
    }
    let changes = try tableChanges()
    return StreamChangeBatches(
      from: from.position, to: to.position, columns, keys, changes)
  }

  /// For rows that are known to be there, in a log that another machine keeps.
  private static let waitMilliseconds = 5_000

  /// The rows of the log between a snapshot and a position on it.
  private func rows(
    _ shard: StreamShard, _ state: StreamLine.State
  ) throws(StreamError) -> [LiftedRows] {
    let (start, end) = (state.covered[shard.number], state.position.offsets[shard.number])
    guard start < end else { return [] }
    var lifter = RowLifter(layout, shard: shard.number)
    let cursor: any LogCursor
    do throws(StreamError) { cursor = try shard.cursor(from: start) } catch {
      guard error.code == .notFound else { throw error }
      throw StreamError(
        .notFound,
        "the log no longer keeps the rows between a snapshot and the position; start from the position "
          + "of a snapshot", shard: shard.number, cause: error.message)
    }
    var result: [LiftedRows] = []
    var last = start
    while let entry = try cursor.next(waitMilliseconds: Self.waitMilliseconds),
      entry.span.lowerBound < end
    {
      guard entry.span.upperBound > start else { continue }
      let part = entry.clamped(to: start..<end)
      if part.batch.rowCount > 0 { result.append(try lifter.lift(part)) }
      last = min(end, entry.span.upperBound)
      if last == end { break }
    }
    guard last == end else {
      throw StreamError(
        .storage, "the log ends at \(last), not at \(end)", shard: shard.number)
    }
    return result
  }

  /// Merges rows of the log over the table at a snapshot.
  private func resolve(
    _ rows: [LiftedRows], _ shard: Int, at snapshotID: Int64?
  ) throws(StreamError) -> ResolvedRows {
    guard layout.definition.isKeyed else {
      let batch = try columnar { () throws(ColumnarError) in
        try RecordBatch.concatenate(rows.map(\.batch))
      }
      return ResolvedRows(
        keys: try columns.keys(batch), rows: batch,
        base: [Int?](repeating: nil, count: batch.rowCount),
        result: (0..<batch.rowCount).map { $0 })
    }
    let reader: any KeyIndexReader
    if let live = moment.reader(shard, at: snapshotID) {
      reader = live
    } else {
      var keys: Set<[UInt8]> = []
      for part in rows { for row in 0..<part.keys.length { keys.insert(part.keys.byteArray(row)) } }
      reader = try KeyIndexRebuild(
        stream.table, layout, moment.state.metadata, stream.environment.tables.manifestCache
      ).index(of: keys, shard: shard, at: snapshotID).reader()
    }
    let resolver = RowResolver(layout: layout)
    let resolved = try resolver.resolve(rows, reader)
    let present = resolved.base.states.indices.filter { resolved.base.states[$0] == .present }
    let stored = try reader.get(
      columnar { () throws(ColumnarError) in try resolved.keys.take(present) }, isSorted: true,
      withRows: true)
    guard let encoded = stored.rows else { preconditionFailure("rows were asked for") }
    let base = try resolver.decode(encoded, reader)
    let output = resolved.output
    var bases = [Int?](repeating: nil, count: resolved.keys.length)
    for (place, key) in present.enumerated() { bases[key] = place }
    var results = bases
    var next = base.rowCount
    for (key, outcome) in output.outcomes.enumerated() {
      switch outcome {
      case .unchanged: continue
      case .upsert: results[key] = next
      case .tombstone, .removed: results[key] = nil
      }
      if outcome != .removed { next += 1 }
    }
    return ResolvedRows(
      keys: (0..<resolved.keys.length).map { resolved.keys.byteArray($0) },
      rows: try columnar { () throws(ColumnarError) in
        try RecordBatch.concatenate([base, output.rows])
      }, base: bases, result: results)
  }

  /// The changes between the snapshots; `nil` when there is one only.
  private func tableChanges() throws(StreamError) -> TableChangeRows? {
    guard let end = to.position.snapshotID, from.position.snapshotID != end else { return nil }
    do throws(TableError) {
      return try TableChangeRows(
        stream.table, from: from.position.snapshotID, to: end, columns, layout.definition)
    } catch { throw StreamError(error) }
  }
}

/// Keys that rows of the log touch, with the row of each in a snapshot and behind those rows.
struct ResolvedRows {
  var keys: [[UInt8]]
  /// In the layout's file schema.
  var rows: RecordBatch
  /// For each key its place in `rows`.
  var base: [Int?]
  var result: [Int?]
}

/// Changes between two snapshots from the files, with the columns of all changes.
final class TableChangeRows {
  private let reader: ChangeReader
  private var first: RecordBatch?
  private var conformer: RowConformer
  private let names: [String]

  init(
    _ table: Table, from: Int64?, to: Int64, _ columns: ChangeColumns,
    _ definition: StreamDefinition
  ) throws(TableError) {
    let schema = try table.metadata.resolve(.id(to)).schema
    names = columns.names.filter { schema.field(path: $0) != nil } + [StreamColumns.changeType]
    conformer = RowConformer(columns.fields)
    var options = ChangeScanOptions(
      from: from.map { .id($0) }, to: .id(to), columns: names)
    options.isNet = true
    options.identifiers = definition.isKeyed ? definition.primaryKey : nil
    var made = try table.scanChanges(options)
    do throws(TableError) { first = try made.next() } catch {
      guard error.code == .invalidArgument, definition.isKeyed else { throw error }
      // Somebody else added rows of keys that were there: what is an update is not known then.
      options.identifiers = nil
      made = try table.scanChanges(options)
      first = try made.next()
    }
    reader = made
  }

  /// The next changes: rows in the columns, and what became of each.
  func next() throws(TableError) -> (rows: RecordBatch, types: ArrayData)? {
    let read: RecordBatch?
    if let first {
      read = first
      self.first = nil
    } else {
      read = try reader.next()
    }
    guard let read, let types = read[StreamColumns.changeType] else { return nil }
    let rows = RecordBatch(
      trusted: Schema(Array(read.schema.fields.dropLast())),
      columns: Array(read.columns.dropLast()), rowCount: read.rowCount)
    return (try conformer.conformed(rows), types)
  }
}
