// SPDX-License-Identifier: Apache-2.0

/// One kind of care for a table: expiry of snapshots, removal of orphans, … Steps are called by one
/// thread at a time, beside any number of writers and readers of the table.
public protocol MaintenanceStep: Sendable {
  /// One word for people and metrics, such as `snapshots`.
  var name: String { get }
  /// From the end of one run to the next one; milliseconds. A run that left something is followed by
  /// another one in the next round.
  var intervalMilliseconds: Int64 { get }

  /// Does what there is to do, at most about as much as `meter` allows.
  ///
  /// What is interrupted at any place leaves a right table: at worst files that nothing leads to.
  func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome
}

/// What a step did.
public struct MaintenanceOutcome: Hashable, Sendable {
  public var snapshotCount = 0
  /// Files that were removed from the store.
  public var removedFileCount = 0
  /// About their bytes, as far as they are known.
  public var removedByteCount = 0
  /// Rows that were deleted from the table.
  public var deletedRowCount = 0
  /// Data files in whose place others were put.
  public var replacedFileCount = 0
  /// Files that were written.
  public var writtenFileCount = 0
  public var writtenByteCount = 0
  /// Files that could not be removed; the search for orphans finds them.
  public var failureCount = 0
  /// Why something was not done.
  public var note: String?
  /// Whether the budget ended before the work.
  public var hasMore = false

  public init() {}

  /// Adds what was done then; `note` and `hasMore` are the other's.
  public mutating func add(_ other: MaintenanceOutcome) {
    snapshotCount += other.snapshotCount
    removedFileCount += other.removedFileCount
    removedByteCount += other.removedByteCount
    deletedRowCount += other.deletedRowCount
    replacedFileCount += other.replacedFileCount
    writtenFileCount += other.writtenFileCount
    writtenByteCount += other.writtenByteCount
    failureCount += other.failureCount
    note = other.note
    hasMore = other.hasMore
  }

  /// Whether the table or its files are not as before.
  public var changedSomething: Bool {
    snapshotCount > 0 || removedFileCount > 0 || deletedRowCount > 0 || writtenFileCount > 0
  }
}

/// Who reads snapshots of a table in this process.
///
/// Readers elsewhere are not known: for them a snapshot stays for the declared time after another one took
/// its place.
public protocol SnapshotReaders: Sendable {
  /// Nobody begins to read these from now on.
  ///
  /// - Returns: those that are being read now. They stay, and may be read by others, too.
  func retire(_ snapshotIDs: Set<Int64>) -> Set<Int64>

  /// They stay after all.
  func restore(_ snapshotIDs: Set<Int64>)
}
