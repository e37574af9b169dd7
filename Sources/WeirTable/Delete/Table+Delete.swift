// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension Table {
  /// Deletes the rows for which `filter` is true, as one snapshot.
  ///
  /// Files whose rows all match go as a whole, unread when their metrics say so. Rows of others are
  /// marked: by deletion vectors in format version 3, by position delete files in version 2.
  ///
  /// - Throws: `conflict` when others changed the same files meanwhile, or (under `serializable`
  ///   isolation) added rows that match.
  @discardableResult
  public func delete(
    where filter: Predicate, isolation: IsolationLevel = .serializable,
    branch: String = SnapshotReference.mainBranch
  ) throws(TableError) -> RowChanges {
    try repeatingIfOvertaken { () throws(TableError) in
      try replace(filter, by: BatchList([]), isolation, branch)
    }
  }

  /// Replaces the rows for which `filter` is true (all, when nobody says otherwise) by `rows`, as one
  /// snapshot. See `delete(where:)`.
  @discardableResult
  public func overwrite(
    _ rows: some RecordBatchReader, where filter: Predicate = .always(true),
    options: TableWriteOptions = TableWriteOptions(),
    isolation: IsolationLevel = .serializable, branch: String = SnapshotReference.mainBranch
  ) throws(TableError) -> RowChanges {
    try replace(filter, by: rows, isolation, branch, options)
  }

  private func replace(
    _ filter: Predicate, by rows: some RecordBatchReader, _ isolation: IsolationLevel,
    _ branch: String, _ options: TableWriteOptions = TableWriteOptions()
  ) throws(TableError) -> RowChanges {
    let transaction = transaction()
    let files = try write(rows, transaction.start, options)
    var changes = RowChanges()
    changes.add(files)
    var written = files
    do throws(TableError) {
      var plan = try DeletePlan(self, transaction.start)
      defer { written += plan.deleteFiles }
      try RowMatcher(transaction.start, stores: stores).forEach(filter, branch: branch) {
        (task, match) throws(TableError) in try plan.delete(task, match)
      }
      changes.deletedRows = plan.deletedRows
      changes.removedFiles = plan.removed.count
      guard !plan.isEmpty || !files.isEmpty else { return changes }
      let delta = transaction.rowDelta().toBranch(branch)
      delta.isolation = isolation
      delta.readFilter = filter
      for file in files { delta.add(file) }
      plan.add(to: delta)
      try transaction.commit()
      changes.snapshotID = delta.snapshotID
      return changes
    } catch {
      if error.code != .unknownOutcome { discard(written) }
      throw error.adding(table: identifier.description)
    }
  }
}

/// Deletes of a table's rows that are collected for a commit.
struct DeletePlan {
  /// Data files that go as a whole.
  private(set) var removed: [DataFile] = []
  private(set) var deletedRows = 0
  private var vectors: [(DataFile, RoaringBitmap64)] = []
  private var writer: PositionDeleteWriter?

  init(_ table: Table, _ metadata: TableMetadata) throws(TableError) {
    if metadata.formatVersion < 3 {
      writer = try PositionDeleteWriter(
        metadata, stores: table.stores, environment: table.environment)
    }
  }

  var isEmpty: Bool { removed.isEmpty && vectors.isEmpty && deleteFiles.isEmpty }
  /// Position delete files that were written.
  var deleteFiles: [DataFile] { writer?.files ?? [] }

  mutating func delete(_ task: FileScanTask, _ match: RowMatcher.Match) throws(TableError) {
    switch match {
    case .all:
      removed.append(task.dataFile)
      // Rows deleted before are not counted where that costs nothing.
      let before = task.deletes.deletionVector?.recordCount ?? 0
      deletedRows += task.dataFile.recordCount - before
    case .rows(let positions):
      deletedRows += positions.count
      if writer == nil {
        vectors.append((task.dataFile, positions))
      } else {
        try writer?.write(positions, of: task.dataFile, spec: task.spec)
      }
    }
  }

  func add(to delta: RowDelta) {
    for file in removed { delta.remove(file) }
    for (file, positions) in vectors { delta.deleteRows(of: file, at: positions) }
    for file in deleteFiles { delta.add(deletes: file) }
  }
}
