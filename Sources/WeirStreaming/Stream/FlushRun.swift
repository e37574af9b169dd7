// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

/// One flush: files with the rows of all shards, one commit.
struct FlushRun {
  private let stream: StreamTable
  private let start: StreamTable.Published

  /// A shard's part.
  private struct Part {
    let shard: StreamShard
    let memory: MemTable
    let rows: FlushRows
    var written: [WrittenRows] = []
  }

  init(_ stream: StreamTable) {
    self.stream = stream
    start = stream.published.withLock { $0 }
  }

  /// - Returns: whether there were rows.
  /// - Throws: `conflict` when the table is not as this process left it.
  func run() throws(StreamError) -> Bool {
    var covered = start.covered
    var parts: [Part] = []
    for shard in stream.shards {
      let memory = shard.memory
      guard memory.freeze() != nil, let rows = try memory.flushRows() else { continue }
      covered.ends[shard.number] = rows.offsets.upperBound
      parts.append(Part(shard: shard, memory: memory, rows: rows))
    }
    guard !parts.isEmpty else { return false }
    if parts.contains(where: \.shard.isShared) {
      // What the log brought and is no row must not be on this machine's disk alone when the table
      // says that the log was read so far.
      try stream.deadLetters?.flush()
    }
    for part in parts { try part.shard.prepare(for: part.rows.offsets.upperBound) }
    do throws(TableError) {
      var files: [DataFile] = []
      for index in parts.indices {
        let writer = try FlushWriter(start.metadata, stream.table)
        parts[index].written = try writer.write(parts[index].rows)
        files += try writer.close()
      }
      let metadata = try commit(parts, files, covered)
      try finish(parts, metadata, covered)
      return true
    } catch {
      if error.code == .unknownOutcome {
        throw StreamError(
          .conflict, "whether the table has the rows is not known", cause: error.description)
      }
      throw StreamError(error)
    }
  }

  private func commit(
    _ parts: [Part], _ files: [DataFile], _ covered: StreamOffsets
  ) throws(TableError) -> TableMetadata {
    let transaction = stream.table.transaction()
    transaction.assertsSchema = true
    let start = start
    let isKeyed = stream.definition.isKeyed
    transaction.check { (metadata: TableMetadata) throws(TableError) in
      let found = metadata.properties[StreamOffsets.property] ?? "nothing"
      guard found == start.covered.text else {
        throw TableError(
          .conflict,
          "the table holds rows up to \(found), this process knows of \(start.covered.text): another "
            + "process writes the stream, or the table was changed by hand")
      }
      try stream.lease.checkOwner(metadata)
      try start.checkColumns(metadata)
      // Places of rows are known for one snapshot.
      guard !isKeyed || metadata.currentSnapshotID == start.metadata.currentSnapshotID else {
        throw TableError(.conflict, "somebody else changed the table")
      }
    }
    let delta = transaction.rowDelta()
    delta.isolation = .snapshot
    delta.set(StreamOffsets.property, covered.text)
    for file in files { delta.add(file) }
    try delete(parts, files, delta)
    transaction.setProperties([StreamOffsets.property: covered.text])
    let metadata = try transaction.commit()
    // Its outcome may have become known only after others had gone on.
    try start.checkColumns(metadata)
    let parentID = metadata.currentSnapshot?.parentID
    guard !isKeyed || parentID == start.metadata.currentSnapshotID else {
      throw TableError(.conflict, "somebody else changed the table behind the commit")
    }
    return metadata
  }

  /// Marks earlier versions of rows deleted, and tombstones.
  private func delete(
    _ parts: [Part], _ files: [DataFile], _ delta: RowDelta
  ) throws(TableError) {
    guard stream.definition.isKeyed else { return }
    var known = Dictionary(files.map { ($0.path, $0) }) { first, _ in first }
    let replaced = parts.flatMap(\.rows.replaced)
    let missing = Set(replaced.map(\.path)).subtracting(known.keys)
    if !missing.isEmpty {
      let planner = try ScanPlanner(
        start.metadata, stores: stream.table.stores,
        cache: stream.environment.tables.manifestCache)
      var left = missing.count
      while left > 0, let task = try planner.next() {
        guard missing.contains(task.dataFile.path) else { continue }
        known[task.dataFile.path] = task.dataFile
        left -= 1
      }
    }
    for hidden in replaced {
      guard let file = known[hidden.path] else {
        throw TableError(
          .conflict, "the key index names a data file that the table no longer has",
          file: hidden.path)
      }
      delta.deleteRows(of: file, at: RoaringBitmap64(hidden.rows.map { Int64($0) }))
    }
    for part in parts where !part.rows.tombstones.isEmpty {
      let tombstones = Set(part.rows.tombstones)
      for written in part.written {
        let positions = written.rows.indices.filter { tombstones.contains(written.rows[$0]) }
        guard !positions.isEmpty, let file = known[written.path] else { continue }
        delta.deleteRows(of: file, at: RoaringBitmap64(positions.map { Int64($0) }))
      }
    }
  }

  /// Shows readers the table with the rows, and memory without them.
  private func finish(
    _ parts: [Part], _ metadata: TableMetadata, _ covered: StreamOffsets
  ) throws(TableError) {
    do throws(StreamError) {
      var staged: [(any StagedIndexBatch)?] = []
      let snapshotID = metadata.currentSnapshotID ?? 0
      for part in parts {
        staged.append(
          try part.memory.stage(part.rows, files: part.written, snapshotID: snapshotID))
      }
      let others = stream.shards.filter { shard in !parts.contains { $0.shard === shard } }
      let moves = try prepare(parts, staged, others, snapshotID)
      var left: [MemTable.LeftRows] = []
      // What is staged and published belongs together: readers see all of it or nothing.
      try stream.published.withLock { published throws(StreamError) in
        for (part, staged) in zip(parts, staged) {
          left.append(try part.memory.finishFlush(staged))
        }
        for (shard, move) in zip(others, moves) {
          try shard.memory.move(to: snapshotID, move)
        }
        published.metadata = metadata
        published.covered = covered
      }
      // Let go here, where nobody waits for it any more.
      withExtendedLifetime(left) {}
    } catch {
      throw TableError(.conflict, "the key index failed: \(error.description)")
    }
  }
}

extension FlushRun {
  /// Does what takes time before readers have to wait.
  ///
  /// - Returns: for each of the other shards what moves it to the new snapshot.
  private func prepare(
    _ parts: [Part], _ staged: [(any StagedIndexBatch)?], _ others: [StreamShard],
    _ snapshotID: Int64
  ) throws(StreamError) -> [(any StagedIndexBatch)?] {
    var moves: [(any StagedIndexBatch)?] = []
    var count = 0
    do throws(StreamError) {
      for (part, staged) in zip(parts, staged) {
        try part.memory.prepare(staged)
        count += 1
      }
      for shard in others { moves.append(try shard.memory.prepareMove(to: snapshotID)) }
      return moves
    } catch {
      for (part, staged) in zip(parts, staged).prefix(count) { part.memory.giveUp(staged) }
      for (shard, move) in zip(others, moves) { shard.memory.giveUp(move) }
      throw error
    }
  }
}

/// Writes the rows of a shard's flush, and knows where each of them is.
final class FlushWriter {
  private let rows: TableWriter
  private let table: Table
  private let metadata: TableMetadata
  /// Tombstones have files of their own: one whose rows are all deleted is dropped otherwise.
  private var tombstones: TableWriter?
  /// Rows of a batch that goes to a file at once.
  private static let batchRows = 65_536

  init(_ metadata: TableMetadata, _ table: Table) throws(TableError) {
    self.metadata = metadata
    self.table = table
    rows = try Self.writer(metadata, table)
  }

  private static func writer(
    _ metadata: TableMetadata, _ table: Table
  ) throws(TableError) -> TableWriter {
    var options = TableWriteOptions()
    options.sorts = false
    return try TableWriter(
      metadata, stores: table.stores, options: options, environment: table.environment)
  }

  /// - Returns: where the rows of `flush.batch` are going to be.
  func write(_ flush: FlushRows) throws(TableError) -> [WrittenRows] {
    var places: [String: [Int]] = [:]
    var order: [String] = []
    func add(_ placements: [RowPlacement], _ row: (Int) -> Int) {
      for placement in placements {
        if places[placement.path] == nil { order.append(placement.path) }
        for index in 0..<placement.count {
          places[placement.path, default: []].append(
            row(placement.rows.map { $0[index] } ?? placement.firstRow + index))
        }
      }
    }
    do throws(ColumnarError) {
      let isTombstone = Set(flush.tombstones)
      let visible =
        isTombstone.isEmpty
        ? nil : (0..<flush.batch.rowCount).filter { !isTombstone.contains($0) }
      let batch =
        try visible.map { rows throws(ColumnarError) in try flush.batch.take(rows) }
        ?? flush.batch
      for start in stride(from: 0, to: batch.rowCount, by: Self.batchRows) {
        let part = batch.slice(
          offset: start, length: min(Self.batchRows, batch.rowCount - start))
        placing(part, rows) { placements in
          add(placements) { visible?[start + $0] ?? start + $0 }
        }
      }
      if !flush.tombstones.isEmpty {
        let part = try flush.batch.take(flush.tombstones)
        placing(part, nil) { placements in add(placements) { flush.tombstones[$0] } }
      }
    } catch { throw TableError(.invalidArgument, error.message, column: error.column) }
    if let failed { throw failed }
    return order.map { WrittenRows(path: $0, rows: places[$0] ?? []) }
  }

  private var failed: TableError?

  /// - Parameter writer: that of tombstones when `nil`.
  private func placing(
    _ batch: RecordBatch, _ writer: TableWriter?, _ body: ([RowPlacement]) -> Void
  ) {
    guard failed == nil else { return }
    do throws(TableError) {
      let target: TableWriter
      if let writer {
        target = writer
      } else {
        if tombstones == nil { tombstones = try Self.writer(metadata, table) }
        target = tombstones!
      }
      body(try target.writePlacing(batch))
    } catch { failed = error }
  }

  func close() throws(TableError) -> [DataFile] {
    try rows.close() + (tombstones?.close() ?? [])
  }
}
