// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirTable

/// Takes rows out of everything that a stream has: its table, its log, its key index and its dead letters.
///
/// 1. The log goes on in new files, and the rows of those before go into the table.
/// 2. The table is erased (`TableErasure`) beside the stream; a flush waits for the commit alone.
/// 3. The log lets go of its files up to the last one with such rows: the table has all that is in them.
/// 4. The key index is deleted and made anew from the table's files.
/// 5. The dead letters are erased in the same way, by what their records say.
///
/// Rows that come in meanwhile or later are new ones, and stay. It may be killed at any moment: run it
/// again. One thread at a time.
struct StreamErasure {
  let stream: StreamTable
  let target: ErasureTarget
  let options: ErasureOptions

  /// Flushes until the table has all rows of the files that were ended.
  private static let flushCountMax = 20

  func run() throws(StreamError) -> TableErasureResult {
    var options = options
    options.readers = stream
    options.committer = StreamErasureCommitter(stream: stream)
    options.rowsMax = min(options.rowsMax, 4 << 20)
    let folder = stream.environment.streamFolder(stream.definition.table)
    options.folders = ["file://\(folder)"]
    let erasure: TableErasure
    let isDryRun = options.isDryRun
    do throws(TableError) {
      _ = try stream.table.refresh()
      erasure = try TableErasure(stream.table, target, options)
    } catch {
      guard error.code == .notFound else { throw StreamError(error) }
      throw StreamError(.invalidArgument, error.message, column: error.column)
    }
    let cuts = isDryRun ? [] : try cutLogs()
    // The snapshot that the stream knows stays: what others committed since must not be behind it.
    if !isDryRun { stream.adoptOthersCommits() }
    do throws(TableError) { try erasure.run() } catch { throw StreamError(error) }
    // Who keeps rows in memory, or what it made of them, forgets them from now on.
    stream.erasures.add(1, ordering: .relaxed)
    guard !isDryRun else { return erasure.result }
    let log = try eraseLogs(cuts)
    erasure.add("log", log.json, left: log.left)
    if stream.definition.isKeyed {
      let isDone = try stream.remakeIndexes(waitMilliseconds: options.waitMilliseconds)
      erasure.add(
        "key_index", .string(isDone ? "made anew" : "being read"),
        left: isDone ? [] : ["the key index is being read; run it again when that has ended"])
    }
    if let letters = stream.deadLetters {
      let found = try eraseLetters(letters)
      erasure.add(
        "dead_letters", found.json, left: found.left.map { "of dead letters: \($0)" })
    }
    do throws(TableError) { try erasure.prove() } catch { throw StreamError(error) }
    return erasure.result
  }

  // MARK: The log

  /// The first offset of the files in which each log goes on, `nil` where it has none of its own. The table
  /// has all rows before.
  private func cutLogs() throws(StreamError) -> [Int64?] {
    var cuts: [Int64?] = []
    for shard in stream.shards { cuts.append(try shard.cut()) }
    for _ in 0..<Self.flushCountMax {
      try stream.flush()
      let covered = stream.published.withLock { $0.covered.ends }
      if zip(cuts, covered).allSatisfy({ ($0 ?? 0) <= $1 }) { return cuts }
    }
    throw StreamError(.overloaded, "the table does not take the rows of the log; try again later")
  }

  private func eraseLogs(_ cuts: [Int64?]) throws(StreamError) -> (json: JSONValue, left: [String])
  {
    var left: [String] = []
    var shards: [JSONValue] = []
    for (shard, cut) in zip(stream.shards, cuts) {
      guard let cut else {
        let end = stream.published.withLock { $0.covered.ends[shard.number] }
        left.append(
          "the log of shard \(shard.number) is not Weir's own: messages of such rows below offset "
            + "\(end >> 20) are there until their topic lets go of them, or until somebody deletes the "
            + "records up to it (kafka-delete-records)")
        shards.append(["shard": .int(Int64(shard.number)), "log": "kept by others"])
        continue
      }
      let before = shard.logStatus
      let last = try lastMatch(shard, before: cut)
      if let last { try shard.dropLog(through: last, before: cut) }
      let after = shard.logStatus
      if let last, let after, after.offsets.lowerBound <= last {
        left.append("the log of shard \(shard.number) still has such rows; run it again")
      }
      shards.append([
        "shard": .int(Int64(shard.number)), "rows_found": .bool(last != nil),
        "first_offset_before": .optional(before?.offsets.lowerBound),
        "first_offset": .optional(after?.offsets.lowerBound),
        "bytes_before": .optional(before?.byteCount), "bytes": .optional(after?.byteCount),
      ])
    }
    return (.array(shards), left)
  }

  /// The offset of the last such row in the log.
  private func lastMatch(_ shard: StreamShard, before end: Int64) throws(StreamError) -> Int64? {
    guard !Defect.erasureForgetsLog.isPlanted else { return nil }
    var last: Int64?
    var position = Int64.min
    while let first = shard.logStatus?.offsets.lowerBound, first < end {
      position = max(position, first)
      do throws(StreamError) {
        let cursor = try shard.cursor(from: position)
        while let entry = try cursor.next(), entry.span.lowerBound < end {
          if try holds(entry.batch) { last = max(last ?? 0, entry.span.upperBound - 1) }
          position = entry.span.upperBound
        }
        return last
      } catch {
        // What the log has let go of meanwhile needs no look.
        guard error.code == .notFound, let kept = shard.logStatus?.offsets.lowerBound,
          kept > position
        else { throw error }
      }
    }
    return last
  }

  /// Whether a batch of the log has such rows. Columns that it lacks leave that open, so that it counts.
  private func holds(_ batch: RecordBatch) throws(StreamError) -> Bool {
    guard batch.rowCount > 0 else { return false }
    let names = target.filter.terms.compactMap(\.path.first) + (target.chooser?.columns ?? [])
    let known = batch.schema.fields.indices.filter { names.contains(batch.schema.fields[$0].name) }
    let rows: RecordBatch
    do throws(ColumnarError) {
      let narrow = RecordBatch(
        trusted: Schema(known.map { batch.schema.fields[$0] }),
        columns: known.map { batch.columns[$0] }, rowCount: batch.rowCount)
      rows = try narrow.filter(try target.filter.bind(to: narrow.schema))
    } catch { return true }
    guard rows.rowCount > 0, let chooser = target.chooser else { return rows.rowCount > 0 }
    var fields: [Field] = []
    var columns: [ArrayData] = []
    for name in chooser.columns {
      guard let place = rows.schema.index(of: name) else { return true }
      fields.append(rows.schema.fields[place])
      columns.append(rows.columns[place])
    }
    do throws(TableError) {
      return try !chooser.rows(
        of: RecordBatch(trusted: Schema(fields), columns: columns, rowCount: rows.rowCount)
      ).isEmpty
    } catch { throw StreamError(error) }
  }

  // MARK: Dead letters

  private func eraseLetters(_ letters: StreamTable) throws(StreamError) -> TableErasureResult {
    let chooser = DeadLetterChooser(
      filter: target.filter, columns: stream.inputSchema, markers: options.markers)
    let own = ErasureTarget(
      where: .compare(
        .equal, "stream", .string("\(stream.definition.table)")), choosing: chooser)
    do throws(StreamError) {
      return try StreamErasure(stream: letters, target: own, options: options).run()
    } catch { throw error.adding(stream: "\(letters.definition.table)") }
  }
}

/// Commits of an erasure of a stream's table: what the stream knows is read again behind them.
private struct StreamErasureCommitter: ErasureCommitter {
  let stream: StreamTable

  func commit(
    _ commit: (
      _ properties: [(name: String, value: String)],
      _ check: ((TableMetadata) throws(TableError) -> Void)?
    ) throws(TableError) -> TableMetadata
  ) throws(TableError) {
    do throws(StreamError) {
      try stream.flushing.withLock { state throws(StreamError) in
        if state.isBroken {
          try stream.reload()
          state.isBroken = false
        }
        let covered = stream.published.withLock { $0.covered }
        let lease = stream.lease
        // From the commit on the table is ahead of the index, until it was read again.
        state.isBroken = true
        var failure: TableError?
        do throws(TableError) {
          _ = try commit([(StreamOffsets.property, covered.text)]) {
            (metadata) throws(TableError) in
            try lease.checkOwner(metadata)
            guard metadata.properties[StreamOffsets.property] == covered.text else {
              throw TableError(.conflict, "somebody else changed the table")
            }
          }
        } catch { failure = error }
        // What was committed stays so when this fails, and its files are the table's: the next flush, or what
        // the erasure does next, tries it again.
        if (try? stream.reload()) != nil { state.isBroken = false }
        if let failure { throw StreamError(failure) }
      }
    } catch {
      throw error.code == .conflict ? TableError(.conflict, error.description) : TableError(error)
    }
  }
}

extension StreamTable {
  /// Takes rows out of the table in every snapshot, out of the log, the key index and the dead letters, and
  /// writes down what was done.
  ///
  /// Cost: reads all manifests and the files that may hold such rows, rewrites those that do, reads the
  /// log; makes the key indexes anew, during which lookups are refused.
  public func erase(
    _ target: ErasureTarget, _ options: ErasureOptions = ErasureOptions()
  ) throws(StreamError) -> TableErasureResult {
    do throws(StreamError) {
      return try StreamErasure(stream: self, target: target, options: options).run()
    } catch { throw error.adding(stream: "\(definition.table)") }
  }

  /// Deletes the key indexes with all their files, and makes them anew.
  ///
  /// - Returns: false when one is being read all the time.
  func remakeIndexes(waitMilliseconds: Int64) throws(StreamError) -> Bool {
    let deadline = environment.nowMicroseconds + waitMilliseconds * 1_000
    while true {
      let isDone = try flushing.withLock { state throws(StreamError) in
        var isDone = true
        state.isBroken = true
        for shard in shards {
          if let index = shard.index { isDone = try index.wipe() && isDone }
        }
        try reload()
        state.isBroken = false
        return isDone
      }
      if isDone || environment.nowMicroseconds >= deadline { return isDone }
      environment.tables.sleep(50_000_000)
    }
  }
}

extension StreamShard {
  /// Has the log go on in files of its own.
  ///
  /// - Returns: the first offset in them; `nil` for a log that others keep.
  func cut() throws(StreamError) -> Int64? {
    try withWriting { writing throws(StreamError) in
      guard !isShared else { return nil }
      let log = try usableLog(&writing)
      return try change(log, &writing) { () throws(StreamError) in try log.cut() }
    }
  }

  /// Has the log let go of the files that hold rows up to `offset`.
  ///
  /// - Parameter limit: where a file begins; it stays, and all behind it.
  func dropLog(through offset: Int64, before limit: Int64) throws(StreamError) {
    try withWriting { writing throws(StreamError) in
      let log = try usableLog(&writing)
      try change(log, &writing) { () throws(StreamError) in
        try log.trim(before: min(limit, log.boundary(behind: offset) ?? limit))
      }
    }
  }
}
