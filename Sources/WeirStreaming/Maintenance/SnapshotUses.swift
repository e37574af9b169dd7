// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirTable

/// Which snapshots of a stream's table are being read in this process.
///
/// Expiration asks for those that it wants to remove: what is read stays, and nobody begins to read the
/// others. So no reader of this process loses a file, however slow it is.
final class SnapshotUses: Sendable {
  private struct State {
    /// Readers by snapshot.
    var counts: [Int64: Int] = [:]
    var retired: Set<Int64> = []
  }

  private let state = Mutex(State())

  /// - Throws: `notFound` for a snapshot that is about to be removed, or was.
  func begin(_ snapshotIDs: [Int64?]) throws(StreamError) -> SnapshotUse {
    let ids = Set(snapshotIDs.compactMap { $0 })
    let gone = state.withLock { state -> Int64? in
      if let gone = ids.first(where: { state.retired.contains($0) }) { return gone }
      for id in ids { state.counts[id, default: 0] += 1 }
      return nil
    }
    if let gone {
      throw StreamError(.notFound, "the snapshot \(gone) has expired; start from a later position")
    }
    return SnapshotUse(self, ids)
  }

  fileprivate func end(_ ids: Set<Int64>) {
    state.withLock { state in
      for id in ids {
        let left = (state.counts[id] ?? 1) - 1
        state.counts[id] = left > 0 ? left : nil
      }
    }
  }

  /// - Parameter known: snapshots that readers may ask for; others need not be remembered.
  func retire(_ ids: Set<Int64>, current: Int64?, known: Set<Int64>) -> Set<Int64> {
    state.withLock { state in
      let used = ids.filter { $0 == current || state.counts[$0] != nil }
      state.retired.formIntersection(known)
      state.retired.formUnion(ids.subtracting(used))
      return used
    }
  }

  func restore(_ ids: Set<Int64>) { state.withLock { $0.retired.subtract(ids) } }
}

/// Snapshots are read as long as this is there.
final class SnapshotUse: Sendable {
  private let uses: SnapshotUses
  private let ids: Set<Int64>

  fileprivate init(_ uses: SnapshotUses, _ ids: Set<Int64>) {
    self.uses = uses
    self.ids = ids
  }

  deinit { uses.end(ids) }
}

extension StreamTable: SnapshotReaders {
  public func retire(_ snapshotIDs: Set<Int64>) -> Set<Int64> {
    let (current, known) = published.withLock {
      ($0.metadata.currentSnapshotID, Set($0.metadata.snapshots.map(\.snapshotID)))
    }
    return uses.retire(snapshotIDs, current: current, known: known.union(snapshotIDs))
  }

  public func restore(_ snapshotIDs: Set<Int64>) { uses.restore(snapshotIDs) }

  /// After a read failed: what to say when another process's maintenance has removed one of the snapshots,
  /// which knows nothing of readers here; `nil` when they are all there.
  func expired(_ snapshotIDs: [Int64]) -> StreamError? {
    guard let metadata = try? table.refresh(),
      let gone = snapshotIDs.first(where: { metadata.snapshot(id: $0) == nil })
    else { return nil }
    return StreamError(
      .notFound, "the snapshot \(gone) has expired meanwhile; start from a later position",
      stream: "\(definition.table)")
  }

  /// Goes on from what others have committed to the table: a stream that nothing comes to, or that waits
  /// long for a flush, would read the snapshot before theirs for ever, and it expires.
  ///
  /// The table is looked at as it was last seen; whoever renews the lease has just looked.
  package func adoptOthersCommits() {
    let known = published.withLock { $0.metadata.currentSnapshotID }
    guard table.metadata.currentSnapshotID != known else { return }
    guard shards.allSatisfy({ $0.memory.oldestArrivalTime == nil }) else {
      // What fails is counted, and tried again.
      _ = try? flush()
      return
    }
    flushing.withLock { state in
      guard !state.isBroken else { return }
      do throws(StreamError) { try reload() } catch { state.isBroken = true }
    }
  }
}

/// A reader of snapshots that stay until its end.
final class HoldingReader: RecordBatchReader {
  private let reader: any RecordBatchReader
  private var use: SnapshotUse?

  init(_ reader: any RecordBatchReader, _ use: SnapshotUse) {
    self.reader = reader
    self.use = use
  }

  var schema: Schema { reader.schema }

  func next() throws -> RecordBatch? {
    let batch = try reader.next()
    if batch == nil { use = nil }
    return batch
  }
}

/// As `HoldingReader`, of changes.
final class HoldingChangeReader: StreamChangeReader {
  private let reader: any StreamChangeReader
  private var use: SnapshotUse?
  private let expired: () -> StreamError?

  /// - Parameter expired: says after an error whether a snapshot has expired.
  init(
    _ reader: any StreamChangeReader, _ use: SnapshotUse, expired: @escaping () -> StreamError?
  ) {
    self.reader = reader
    self.use = use
    self.expired = expired
  }

  var schema: Schema { reader.schema }
  var from: StreamPosition { reader.from }
  var to: StreamPosition { reader.to }

  func next() throws -> RecordBatch? {
    let batch: RecordBatch?
    do { batch = try reader.next() } catch { throw expired() ?? error }
    if batch == nil { use = nil }
    return batch
  }
}
