// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

extension StreamTable {
  /// Goes on from the table as it is, whoever changed it: what is in memory is read from the log again.
  ///
  /// - Throws: `conflict` when the table holds rows that the log does not know, `storage` while the log is
  ///   being opened again.
  func reload() throws(StreamError) {
    var isLost = false
    do throws(TableError) {
      let metadata = try table.refresh()
      isLost = !lease.isMine(metadata) && lease.isLogMine(metadata)
      if !isLost { try lease.checkOwner(metadata) }
    } catch { throw StreamError(error) }
    // Somebody took the lease while it was over, and has not begun to write: it may be had again.
    if isLost { try lease.take(table, environment) }
    let state = try Published(definition, table.metadata)
    let rebuild = KeyIndexRebuild(
      table, state.layout, state.metadata, environment.tables.manifestCache)
    for shard in shards {
      let covered = state.covered.ends[shard.number]
      let end = shard.memory.offsets.upperBound
      // A log that others write may have more than was read of it.
      guard covered <= end || shard.isShared else {
        throw StreamError(
          .conflict,
          "the table holds rows up to offset \(covered), the log of this process ends at \(end): "
            + "another process writes the stream", shard: shard.number)
      }
      // Before anything is changed: rows would be missing until the log is there again.
      guard covered >= end || shard.isShared || shard.logStatus != nil else {
        throw shard.missingRows(below: end)
      }
    }
    var memories: [MemTable] = []
    for shard in shards {
      let covered = state.covered.ends[shard.number]
      if let index = shard.index {
        try rebuild.bring(index, shard: shard.number, to: covered)
      }
      memories.append(
        MemTable(state.layout, shard: shard.number, index: shard.index, from: covered))
    }
    try published.withLock { published throws(StreamError) in
      try replace(shards[...], memories[...])
      published = state
    }
  }

  /// All shards or none: a table of two layouts could not be read.
  private func replace(
    _ shards: ArraySlice<StreamShard>, _ memories: ArraySlice<MemTable>
  ) throws(StreamError) {
    guard let shard = shards.first, let memory = memories.first else { return }
    try shard.replace(memory) { () throws(StreamError) in
      try replace(shards.dropFirst(), memories.dropFirst())
    }
  }
}

extension StreamShard {
  /// Says that there is no log from which rows can be read again.
  func missingRows(below end: Int64) -> StreamError {
    StreamError(
      .storage,
      "the log failed and is opened again soon: rows below offset \(end) cannot be read again yet",
      shard: number)
  }
}
