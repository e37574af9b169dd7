// SPDX-License-Identifier: Apache-2.0

internal import WeirStreaming
internal import WeirTable

/// All snapshots that a table ever had, as far as somebody looked: what expiry forgets is still known here.
struct SnapshotHistory {
  private struct Entry {
    var parent: Int64?
    /// Rows of the log that the table had, where the snapshot says so.
    var ends: [Int64]?
    /// When it was made, and when another one took its place; milliseconds.
    var time: Int64
    var replaced: Int64?
  }

  private var entries: [Int64: Entry] = [:]

  mutating func observe(_ metadata: TableMetadata, shardCount: Int) throws {
    for snapshot in metadata.snapshots where entries[snapshot.snapshotID] == nil {
      entries[snapshot.snapshotID] = Entry(
        parent: snapshot.parentID,
        ends: try StreamOffsets(snapshot, shardCount: shardCount)?.ends,
        time: snapshot.timestampMilliseconds)
      if let parent = snapshot.parentID, entries[parent]?.replaced == nil {
        entries[parent]?.replaced = snapshot.timestampMilliseconds
      }
    }
  }

  /// The snapshot and those that it was built on, the newest first.
  func line(_ snapshotID: Int64?) -> [Int64] {
    var result: [Int64] = []
    var next = snapshotID
    while let id = next, let entry = entries[id] {
      result.append(id)
      next = entry.parent
    }
    return result
  }

  /// Which rows of the log the snapshot has.
  func ends(_ snapshotID: Int64?, shardCount: Int) -> [Int64] {
    for id in line(snapshotID) { if let ends = entries[id]?.ends { return ends } }
    return [Int64](repeating: 0, count: shardCount)
  }

  /// Whether another snapshot took its place at this time or before.
  func isReplaced(_ snapshotID: Int64, by time: Int64) -> Bool {
    entries[snapshotID]?.replaced.map { $0 <= time } ?? false
  }
}
