// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Rows of one data file that a commit marks deleted, or a scan does not show.
public struct HiddenRows: Hashable, Sendable {
  public var path: String
  /// Ascending.
  public var rows: [UInt32]

  public init(path: String, rows: [UInt32]) {
    self.path = path
    self.rows = rows
  }
}

/// Where rows of a flush went.
public struct WrittenRows: Sendable {
  public var path: String
  /// Rows of `FlushRows.batch`, in the order in which they stand in the file.
  public var rows: [Int]

  public init(path: String, rows: [Int]) {
    self.path = path
    self.rows = rows
  }
}

/// What a frozen part of a memory table becomes in files. A flush of one shard:
///
/// 1. `MemTable.freeze()`, then `MemTable.flushRows()`.
/// 2. `batch` is written to new data files.
/// 3. One commit adds these files, marks `replaced` deleted, and the rows of the new files where
///    `tombstones` went (no reader ever sees those; an index that is rebuilt does).
/// 4. `stage(files:snapshotID:)`, then `MemTable.finishFlush(_:)`: index and memory change together.
///
/// After a conflict, begin again with step 1's second half: `flushRows()` of the same frozen rows.
public struct FlushRows: Sendable {
  /// Rows of the log that are in it.
  public let offsets: Range<Int64>
  /// In the layout's file schema, in order of the keys (of the log for a table without key): the new
  /// rows, and tombstones among them. It may be empty, when nothing newer came.
  public let batch: RecordBatch
  /// Rows of `batch` that are tombstones, ascending.
  public let tombstones: [Int]
  /// Earlier versions of the rows in data files, by file in order of paths.
  public let replaced: [HiddenRows]
  /// The snapshot that the places in `replaced` are of; `nil` for an empty index and for a table
  /// without key.
  public let position: IndexPosition?

  /// What goes into the index: keys of rows, tombstones, and keys that are forgotten.
  let indexKeys: ArrayData
  let indexStates: [KeyState]
  /// The row of `batch` of each key in the index's batch; -1 for those that are forgotten.
  let indexRows: [Int]
  let versions: ArrayData
}

/// The rows of a stream's memory at one moment, over the table's snapshot. A live scan shows the rows of
/// the snapshot `position.snapshotID` without `hidden`, and then `rows`: every row of the log below
/// `offsets.upperBound` exactly once, merged, and none from there on.
public struct MemTableView: Sendable {
  /// Rows of the log that are in memory; the end is the cut.
  public let offsets: Range<Int64>
  /// What the places in `hidden` are of; `nil` when the index is empty, and for a table without key:
  /// the snapshot is then the one whose offsets end where these begin.
  public let position: IndexPosition?
  /// Rows of data files that are not to be seen, by file in order of paths.
  public let hidden: [HiddenRows]
  /// In the layout's file schema, in order of the keys (of the log for a table without key).
  public let rows: RecordBatch
}

/// Rows found by their keys.
public struct LookupRows: Sendable {
  /// For each key that was asked for its row in `rows`; `nil` for one that does not exist.
  public let places: [Int?]
  /// The rows that exist, in the order in which they were asked for.
  public let rows: RecordBatch
  /// All rows of the log below it were seen.
  public let cut: Int64
}
