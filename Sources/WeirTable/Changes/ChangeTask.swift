// SPDX-License-Identifier: Apache-2.0

/// Rows of one data file that came or went with one snapshot.
public struct ChangeTask: Sendable {
  /// `insert` or `delete`.
  public var type: ChangeType
  /// The place of the snapshot among those of the scan.
  public var ordinal: Int
  public var snapshotID: Int64
  /// The file, and the deletes that hide rows from both sides: those before the snapshot for rows that
  /// went, those behind it for rows that came.
  public var scan: FileScanTask
  /// Only the rows that these delete are meant; all when `nil`. For rows that went, the deletes behind
  /// the snapshot; for rows that came back, those before it.
  public var deletedBy: TaskDeletes?

  /// Rows of the task at most.
  public var rowCountMax: Int {
    guard let deletedBy, deletedBy.equalityDeletes.isEmpty else { return scan.dataFile.recordCount }
    let deletes = [deletedBy.deletionVector].compactMap(\.self) + deletedBy.positionDeletes
    var count = 0
    for file in deletes {
      count = min(scan.dataFile.recordCount, count &+ max(0, file.recordCount))
    }
    return count
  }
}
