// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// How many rows one snapshot inserted and deleted.
public struct ChangeCounts: Sendable {
  public var snapshot: Snapshot
  /// Rows that copy-on-write engines carried into new files count on both sides.
  public var insertedRows = 0
  public var deletedRows = 0
}

extension Table {
  /// How many rows came and went with each snapshot between two states, the oldest first. Snapshots that
  /// only rewrote files count none.
  ///
  /// Cost: reads manifests and deletion vectors; data files only where equality deletes apply.
  /// - Throws: as `scanChanges`.
  public func countChanges(
    from: SnapshotSelector?, to: SnapshotSelector = .current
  ) throws(TableError) -> [ChangeCounts] {
    let planner = try planChanges(ChangeScanOptions(from: from, to: to))
    do throws(TableError) {
      var reading = TableReadOptions()
      reading.columns = [MetadataColumn.position.rawValue]
      let context = try ReadContext(
        metadata, schema: planner.schema, stores: stores, options: reading)
      var counted: [Int64: ChangeCounts] = [:]
      while let changes = try planner.nextSnapshot() {
        var counts = ChangeCounts(snapshot: changes.snapshot)
        while let task = try changes.next() {
          let rows = try Self.rowCount(task, context)
          if task.type == .insert {
            counts.insertedRows += rows
          } else {
            counts.deletedRows += rows
          }
        }
        counted[changes.snapshot.snapshotID] = counts
      }
      return planner.range.snapshots.map { counted[$0.snapshotID] ?? ChangeCounts(snapshot: $0) }
    } catch { throw error.adding(table: identifier.description) }
  }

  private static func rowCount(
    _ task: ChangeTask, _ context: ReadContext
  ) throws(TableError) -> Int {
    let file = task.scan.dataFile
    if task.scan.deletes.equalityDeletes.isEmpty,
      task.deletedBy?.equalityDeletes.isEmpty ?? true
    {
      let hidden = try context.deletes.positions(task.scan.deletes, of: file)
      guard let deletedBy = task.deletedBy else { return file.recordCount - hidden.count }
      var rows = try context.deletes.positions(deletedBy, of: file)
      rows.subtract(hidden)
      return rows.count
    }
    guard let reader = try ChangeFile.open(task, context) else { return 0 }
    var count = 0
    while let batch = try reader.next() { count += batch.rowCount }
    return count
  }
}
