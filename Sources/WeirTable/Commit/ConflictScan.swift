// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What others committed to a branch between the start of an operation and its commit.
struct ConflictScan {
  private let base: TableMetadata
  private let startingSnapshotID: Int64?
  private let parent: Snapshot?
  private let context: CommitContext
  private let operation: String

  init(
    _ base: TableMetadata, from startingSnapshotID: Int64?, to parent: Snapshot?,
    _ context: CommitContext, operation: String
  ) {
    self.base = base
    self.startingSnapshotID = startingSnapshotID
    self.parent = parent
    self.context = context
    self.operation = operation
  }

  /// The snapshots of others since the start, the oldest first.
  ///
  /// - Throws: `conflict` when the branch does not lead back to the start: it was rolled back, or the
  ///   history in between has expired.
  func newSnapshots() throws(TableError) -> [Snapshot] {
    guard let parent else {
      guard startingSnapshotID == nil else { throw historyLost() }
      return []
    }
    if parent.snapshotID == startingSnapshotID { return [] }
    var result: [Snapshot] = []
    var reached = false
    for snapshot in base.ancestors(of: parent.snapshotID) {
      if snapshot.snapshotID == startingSnapshotID {
        reached = true
        break
      }
      result.append(snapshot)
    }
    // From an empty table the history must go back to the first snapshot.
    if startingSnapshotID == nil { reached = result.last?.parentID == nil }
    guard reached else { throw historyLost() }
    return result.filter { !context.ownSnapshotIDs.contains($0.snapshotID) }.reversed()
  }

  private func historyLost() -> TableError {
    let start = startingSnapshotID.map { "snapshot \($0)" } ?? "the empty table"
    return TableError(
      .conflict,
      "the \(operation) began at \(start), which the branch does not lead back to any more: it was "
        + "rolled back or replaced, or the history between has expired; nothing was changed: read "
        + "the table again and redo the operation")
  }

  /// Calls `body` with each entry that a new snapshot added or deleted.
  func forEachChange(
    _ content: ManifestFile.Content, withMetrics: Bool = false,
    _ body: (ManifestEntry, Snapshot) throws(TableError) -> Void
  ) throws(TableError) {
    for snapshot in try newSnapshots() {
      // A rewrite of manifests or data leaves the rows as they were; what it removed counts.
      for manifest in try context.files.manifests(of: snapshot)
      where manifest.content == content && manifest.addedSnapshotID == snapshot.snapshotID {
        let reader = try context.files.reader(manifest, base)
        while try reader.advance() {
          guard reader.status != .existing,
            try reader.snapshotID() == snapshot.snapshotID
          else { continue }
          try body(try reader.entry(withMetrics: withMetrics), snapshot)
        }
      }
    }
  }

  /// Which of the data files others removed, or brought back, since the start, and whether each of these
  /// is there now.
  func lastChanges(of paths: Set<String>) throws(TableError) -> [String: Bool] {
    var result: [String: Bool] = [:]
    try forEachChange(.data) { entry, _ throws(TableError) in
      guard paths.contains(entry.dataFile.path) else { return }
      result[entry.dataFile.path] = entry.status == .added
    }
    return result
  }

  /// The predicate on the columns of the current schema.
  func bind(_ predicate: Predicate?) throws(TableError) -> BoundPredicate? {
    guard let predicate else { return nil }
    do {
      return try predicate.bind(to: base.currentSchema.arrowSchema())
    } catch {
      throw TableError(.invalidArgument, error.message, column: error.column)
    }
  }

  /// Throws when somebody added a data file with rows that may match.
  ///
  /// - Parameter predicate: all rows count when `nil`.
  func refuseAddedRows(
    _ predicate: BoundPredicate?, in partitions: Set<PartitionKey>? = nil
  ) throws(TableError) {
    try forEachChange(.data, withMetrics: predicate != nil) { entry, snapshot throws(TableError) in
      // A rewrite adds no rows.
      guard entry.status == .added, snapshot.operation != .replace, !snapshot.movesRows else {
        return
      }
      if let partitions, !partitions.contains(PartitionKey(entry.dataFile)) { return }
      if let predicate, let spec = base.spec(id: entry.dataFile.specID) {
        let bounds = DataFileBounds(entry.dataFile, spec, base.currentSchema, predicate)
        guard predicate.mayMatch(bounds) else { return }
      }
      throw ConflictDescription.error(
        "rows that the \(operation) would have had to see were added meanwhile", snapshot,
        file: entry.dataFile.path)
    }
  }

  /// Throws when somebody removed one of the files, or one that may match.
  func refuseRemovedFiles(
    _ paths: Set<String>, _ predicate: BoundPredicate? = nil
  ) throws(TableError) {
    guard !paths.isEmpty || predicate != nil else { return }
    try forEachChange(.data, withMetrics: predicate != nil) { entry, snapshot throws(TableError) in
      guard entry.status == .deleted else { return }
      var isHit = paths.contains(entry.dataFile.path)
      if !isHit, let predicate, let spec = base.spec(id: entry.dataFile.specID) {
        isHit = predicate.mayMatch(
          DataFileBounds(entry.dataFile, spec, base.currentSchema, predicate))
      }
      guard isHit else { return }
      throw ConflictDescription.error(
        "a data file that the \(operation) relies on was removed meanwhile", snapshot,
        file: entry.dataFile.path)
    }
  }

  /// Throws when somebody deleted rows of one of the files, by whatever kind of delete file.
  ///
  /// - Parameter ignoringEqualityDeletes: when those go on applying to what replaces the files.
  func refuseDeletedRows(
    of files: [String: DataFile], ignoringEqualityDeletes: Bool = false
  ) throws(TableError) {
    guard !files.isEmpty else { return }
    let partitions = Set(files.values.map { PartitionKey($0) })
    try forEachChange(.deletes) { entry, snapshot throws(TableError) in
      let delete = entry.dataFile
      guard entry.status == .added else { return }
      if ignoringEqualityDeletes && delete.content == .equalityDeletes { return }
      var hit: String?
      if let path = delete.referencedDataFile {
        hit = files[path]?.path
      } else {
        let isGlobal =
          delete.content == .equalityDeletes
          && base.spec(id: delete.specID)?.isUnpartitioned ?? true
        if isGlobal || partitions.contains(PartitionKey(delete)) { hit = delete.path }
      }
      guard let hit else { return }
      throw ConflictDescription.error(
        "rows of a data file that the \(operation) replaces were deleted meanwhile", snapshot,
        file: hit)
    }
  }

  /// Throws when somebody deleted rows in one of the partitions.
  func refuseDeletedRows(in partitions: Set<PartitionKey>) throws(TableError) {
    try forEachChange(.deletes) { entry, snapshot throws(TableError) in
      guard entry.status == .added, partitions.contains(PartitionKey(entry.dataFile)) else {
        return
      }
      throw ConflictDescription.error(
        "rows of a partition that the \(operation) replaces were deleted meanwhile", snapshot,
        file: entry.dataFile.path)
    }
  }

  /// The error for rows of a data file that others deleted as well.
  func doublyDeleted(_ path: String) throws(TableError) -> TableError {
    var deleter: Snapshot?
    try forEachChange(.deletes) { entry, snapshot throws(TableError) in
      if entry.status == .added && entry.dataFile.referencedDataFile == path { deleter = snapshot }
    }
    if let deleter {
      return ConflictDescription.error(
        "rows that the \(operation) replaces were deleted or replaced meanwhile", deleter,
        file: path)
    }
    return TableError(
      .invalidArgument, "rows that the \(operation) replaces had been deleted before", file: path)
  }

  /// The error for a file that is not there: with who removed it, if that can be told.
  func missingFile(_ path: String) throws(TableError) -> TableError {
    var remover: Snapshot?
    if startingSnapshotID != parent?.snapshotID {
      for content in [ManifestFile.Content.data, .deletes] {
        try forEachChange(content) { entry, snapshot throws(TableError) in
          if entry.status == .deleted && entry.dataFile.path == path { remover = snapshot }
        }
      }
    }
    if let remover {
      return ConflictDescription.error(
        "a file that the \(operation) removes was removed meanwhile", remover, file: path)
    }
    return TableError(
      .conflict,
      "a file that the \(operation) removes is not part of the table; nothing was changed",
      file: path)
  }
}
