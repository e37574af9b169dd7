// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirTable

/// Brings the files of a stream's table together, beside the stream: rows come in, are flushed and read
/// as ever.
///
/// 1. `init` plans by the table as the stream knows it: the files of each shard apart, tombstones left
///    alone.
/// 2. `rewrite()` writes new files, group by group: the long part, which nobody waits for.
/// 3. `commit()` puts them in the place of the old ones. Rows that flushes replaced meanwhile are deleted
///    in the new files, and the key index follows by the row maps. A flush waits for that.
///
/// One thread at a time.
public final class StreamCompaction {
  private let stream: StreamTable
  private let compaction: Compaction

  /// - Throws: what planning throws: `storage`, `damaged`.
  public init(
    _ stream: StreamTable, _ options: CompactionOptions = CompactionOptions()
  ) throws(StreamError) {
    self.stream = stream
    do throws(TableError) {
      compaction = try Compaction.planned(
        stream.table, options.forStream(stream.table.metadata, key: stream.definition.primaryKey))
    } catch { throw StreamError(error).adding(stream: "\(stream.definition.table)") }
  }

  public var result: CompactionResult { compaction.result }
  /// Groups that are still to be rewritten.
  public var plannedGroupCount: Int { compaction.plannedGroupCount }

  /// Rewrites the next group.
  ///
  /// - Returns: false when there is none.
  @discardableResult
  public func rewrite() throws(StreamError) -> Bool {
    do throws(TableError) {
      return try compaction.rewrite()
    } catch { throw StreamError(error).adding(stream: "\(stream.definition.table)") }
  }

  /// Makes what was rewritten the table's. After an error it may be called again, but for `conflict`:
  /// `discard()` then.
  public func commit() throws(StreamError) {
    guard compaction.writtenGroupCount > 0 else { return }
    do throws(StreamError) {
      try stream.flushing.withLock { state throws(StreamError) in
        if state.isBroken {
          try stream.reload()
          state.isBroken = false
        }
        do throws(TableError) {
          try commit(&state)
        } catch {
          guard [.conflict, .unknownOutcome].contains(error.code) else { throw StreamError(error) }
          // Somebody else changed the table since, or an attempt came through: go on from what there is.
          state.isBroken = true
          try stream.reload()
          state.isBroken = false
          do throws(TableError) { try commit(&state) } catch { throw StreamError(error) }
        }
      }
    } catch { throw error.adding(stream: "\(stream.definition.table)") }
  }

  private func commit(_ state: inout FlushState) throws(TableError) {
    let start = stream.published.withLock { $0 }
    let (lease, isKeyed) = (stream.lease, stream.definition.isKeyed)
    let metadata = try compaction.commit(
      properties: [(StreamOffsets.property, start.covered.text)]
    ) { (metadata) throws(TableError) in
      try lease.checkOwner(metadata)
      // Places of rows are known for one snapshot, and the summary is to tell of the rows in it.
      let isSame =
        metadata.currentSnapshotID == start.metadata.currentSnapshotID
        || !isKeyed && metadata.properties[StreamOffsets.property] == start.covered.text
      guard isSame else { throw TableError(.conflict, "somebody else changed the table") }
      try start.checkColumns(metadata)
    }
    guard let metadata else { return }
    // From here on the table is ahead of the index, until both are published.
    state.isBroken = true
    try start.checkColumns(metadata)
    do throws(StreamError) {
      try publish(metadata, start)
    } catch { throw TableError(.conflict, "the key index failed: \(error.description)") }
    state.isBroken = false
  }

  private func publish(
    _ metadata: TableMetadata, _ start: StreamTable.Published
  ) throws(StreamError) {
    let rebuild = KeyIndexRebuild(
      stream.table, start.layout, metadata, stream.environment.tables.manifestCache)
    let snapshotID = metadata.currentSnapshotID ?? 0
    var staged: [(memory: MemTable, batch: any StagedIndexBatch)] = []
    do throws(StreamError) {
      for shard in stream.shards {
        guard let index = shard.index else { continue }
        let wanted = IndexPosition(
          snapshotID: snapshotID, offset: start.covered.ends[shard.number])
        guard index.position != wanted else { continue }
        guard let moves = try rebuild.moves(index, shard: shard.number, to: wanted) else {
          throw StreamError(
            .conflict, "the key index knew other places of rows than the compaction",
            shard: shard.number)
        }
        let batch = try index.stage(moves)
        staged.append((shard.memory, batch))
        try shard.memory.prepare(batch)
      }
    } catch {
      for (memory, batch) in staged { memory.giveUp(batch) }
      throw error
    }
    try stream.published.withLock { published throws(StreamError) in
      for (memory, batch) in staged { try memory.publish(batch) }
      published.metadata = metadata
    }
  }

  /// Removes files that were written and are not the table's.
  public func discard() { compaction.discard() }
}

extension StreamCompaction: CompactionWork {
  public func rewriteNext() throws(TableError) -> Bool {
    do throws(StreamError) { return try rewrite() } catch { throw TableError(error) }
  }

  public func commitWritten() throws(TableError) {
    do throws(StreamError) { try commit() } catch { throw TableError(error) }
  }
}

/// Has maintenance compact a stream's table beside the stream.
public struct StreamCompactor: TableCompactor {
  private let stream: StreamTable

  public init(_ stream: StreamTable) { self.stream = stream }

  public func begin(
    _ table: Table, _ options: CompactionOptions
  ) throws(TableError) -> any CompactionWork {
    do throws(StreamError) {
      return try StreamCompaction(stream, options)
    } catch { throw TableError(error) }
  }
}

extension StreamTable {
  /// Compacts the table's files, group by group.
  @discardableResult
  public func compact(
    _ options: CompactionOptions = CompactionOptions()
  ) throws(StreamError) -> CompactionResult {
    let compaction = try StreamCompaction(self, options)
    do throws(TableError) { try compaction.run() } catch { throw StreamError(error) }
    return compaction.result
  }
}

extension CompactionOptions {
  /// As they are to be for the table of a stream: in groups of a size that its key index follows quickly.
  ///
  /// - Parameter key: the stream's primary key, where it is known: rows are sorted by it unless the
  ///   options or the table name an order.
  public func forStream(_ metadata: TableMetadata, key: [String] = []) -> CompactionOptions {
    guard metadata.properties[StreamOffsets.property] != nil else { return self }
    var options = self
    if sortColumns == nil, !key.isEmpty, metadata.defaultSortOrder.isUnsorted {
      options.sortColumns = key
    }
    // The key index follows in memory.
    options.groupRowsMax = min(groupRowsMax, 4 << 20)
    return options
  }
}
