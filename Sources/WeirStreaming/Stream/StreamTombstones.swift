// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

// Tombstones are forgotten after the stream's declared time.
extension StreamTable {
  /// In the summary of a snapshot: how many files of tombstones went.
  package static let expiredProperty = "weir.stream.expired-tombstone-files"
  /// The longest time between two looks through the tombstones; microseconds.
  private static let tombstoneMicrosecondsMax: Int64 = 3_600_000_000

  /// Looks through the tombstones now and then.
  ///
  /// - Returns: whether some were forgotten.
  func expireTombstonesIfDue() -> Bool {
    guard definition.isKeyed else { return false }
    let retention = definition.tombstoneRetentionSeconds * 1_000_000
    let interval = max(1_000_000, min(Self.tombstoneMicrosecondsMax, retention / 8))
    let isDue = flushing.withLock { state in
      let next = state.tombstoneTime
      guard next == 0 || environment.isDue(next, longest: interval) else { return false }
      state.tombstoneTime = environment.nowMicroseconds + interval
      return next != 0
    }
    guard isDue else { return false }
    // What fails now is done the next time.
    return (try? expireTombstones()) ?? false
  }

  /// Forgets deletes that came in before the declared time: files of tombstones whose rows are all that
  /// old go, by one commit, and the key index forgets them.
  ///
  /// - Returns: whether there were any.
  @discardableResult
  public func expireTombstones() throws(StreamError) -> Bool {
    try expireTombstones(
      before: environment.nowMicroseconds - definition.tombstoneRetentionSeconds * 1_000_000)
  }

  /// As above, by a time in microseconds.
  package func expireTombstones(before limit: Int64) throws(StreamError) -> Bool {
    do throws(StreamError) {
      return try flushing.withLock { state throws(StreamError) in
        guard definition.isKeyed, !state.isBroken else { return false }
        let start = published.withLock { $0 }
        do throws(TableError) {
          let files = try oldTombstones(start.metadata, before: limit)
          guard !files.isEmpty else { return false }
          let metadata = try remove(files, start)
          state.isBroken = true
          try start.checkColumns(metadata)
          try adopt(metadata, start)
          state.isBroken = false
        } catch { throw StreamError(error) }
        return true
      }
    } catch { throw error.adding(stream: "\(definition.table)") }
  }

  private func oldTombstones(
    _ metadata: TableMetadata, before limit: Int64
  ) throws(TableError) -> [DataFile] {
    guard let field = metadata.currentSchema.field(path: StreamColumns.ingestTime) else {
      return []
    }
    let planner = try ScanPlanner(
      metadata, stores: table.stores, cache: environment.tables.manifestCache, keepsMetrics: true)
    var files: [DataFile] = []
    while let task = try planner.next() {
      guard task.isTombstones, let bound = task.dataFile.metrics.upperBounds?[field.id],
        bound.count == 8
      else { continue }
      let latest = bound.reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
      if latest < limit { files.append(task.dataFile) }
    }
    return files
  }

  private func remove(
    _ files: [DataFile], _ start: Published
  ) throws(TableError) -> TableMetadata {
    let transaction = table.transaction()
    transaction.assertsSchema = true
    let lease = lease
    transaction.check { (metadata: TableMetadata) throws(TableError) in
      try lease.checkOwner(metadata)
      guard metadata.currentSnapshotID == start.metadata.currentSnapshotID else {
        throw TableError(.conflict, "somebody else changed the table")
      }
      try start.checkColumns(metadata)
    }
    let delta = transaction.rowDelta()
    delta.isolation = .snapshot
    delta.set(StreamOffsets.property, start.covered.text)
    delta.set(Self.expiredProperty, String(files.count))
    for file in files { delta.remove(file) }
    return try transaction.commit()
  }

  /// Goes on from the snapshot without the tombstones.
  private func adopt(_ metadata: TableMetadata, _ start: Published) throws(TableError) {
    let rebuild = KeyIndexRebuild(table, start.layout, metadata, environment.tables.manifestCache)
    do throws(StreamError) {
      for shard in shards {
        guard let index = shard.index else { continue }
        try rebuild.bring(index, shard: shard.number, to: start.covered.ends[shard.number])
      }
    } catch { throw TableError(error) }
    published.withLock { $0.metadata = metadata }
  }
}
