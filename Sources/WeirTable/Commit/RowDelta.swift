// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Deletes rows, and perhaps adds others in their place: updates, merges, deletes by a predicate.
///
/// `deleteRows(of:at:)` makes deletion vectors. A data file has at most one: what is deleted already is
/// merged in, also when somebody else deleted rows of the same file meanwhile. A file that loses its
/// last row is removed as a whole.
///
/// Where a compaction of Weir's brought rows to other files meanwhile, they are deleted there (`RowMap`).
///
/// In the way are: the removal of a file whose rows are deleted, and its rewrite by somebody who left no
/// map of the rows; the deletion of the very same rows by others, when rows are added in their place (an
/// update of both would double them); and, with `readFilter` under `serializable` isolation, rows that
/// others added and that would have been seen.
public final class RowDelta: SnapshotProducer {
  /// What others may not do meanwhile.
  public var isolation = IsolationLevel.serializable
  /// Which rows the operation looked at and decided by; `nil` when rows that others add do not matter.
  public var readFilter: Predicate?
  private var rowDeletes: [String: RowDeletes] = [:]
  private var order: [String] = []
  private var vectors: WrittenVectors?

  /// Rows of one data file that are to be deleted.
  private struct RowDeletes {
    var dataFile: DataFile
    var positions: RoaringBitmap64
  }

  /// Vectors written for one state of the table.
  private struct WrittenVectors {
    var existing: DeletesOfFiles
    /// The files whose rows were deleted: others, once rows have moved.
    var paths: [String]
    var location: String?
    var changes: FileChanges
  }

  /// Where others' compactions brought rows meanwhile.
  private var moves = MovedRows()

  /// Adds a data file.
  @discardableResult
  public func add(_ file: DataFile) -> Self {
    changes.addedDataFiles.append(file)
    return self
  }

  /// Adds a delete file that the caller has written: equality deletes, position deletes in format
  /// version 2.
  @discardableResult
  public func add(deletes file: DataFile) -> Self {
    changes.addedDeleteFiles.append(file)
    return self
  }

  /// Removes a delete file.
  @discardableResult
  public func remove(deletes file: DataFile) -> Self {
    changes.removedDeleteFiles[DeleteFileKey(file)] = file
    return self
  }

  /// Removes a whole data file, with its deletes.
  @discardableResult
  public func remove(_ file: DataFile) -> Self {
    changes.removedDataFiles[file.path] = file
    return self
  }

  /// Deletes rows of a data file of the snapshot that the transaction began with, by their positions
  /// in the file from 0 on. Needs format version 3. Rows of a file that is added beside may be deleted,
  /// too: nobody ever sees them but who reads the file itself.
  @discardableResult
  public func deleteRows(of file: DataFile, at positions: RoaringBitmap64) -> Self {
    guard !positions.isEmpty else { return self }
    if rowDeletes[file.path] == nil {
      order.append(file.path)
      rowDeletes[file.path] = RowDeletes(dataFile: file, positions: positions)
    } else {
      rowDeletes[file.path]!.positions.formUnion(positions)
    }
    return self
  }

  override var operation: Snapshot.Operation {
    let deletes = !rowDeletes.isEmpty || changes.operation != .append
    return deletes ? (changes.addedDataFiles.isEmpty ? .delete : .overwrite) : .append
  }

  override func validate(_ scan: ConflictScan) throws(TableError) {
    if isolation == .serializable, let readFilter {
      try scan.refuseAddedRows(try scan.bind(readFilter))
    }
  }

  /// The rows that are deleted, in the files where they are now, and the whole files that are removed.
  private func targets(
    _ base: TableMetadata, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> (rows: [String: MovedRows.Rows], removed: [String: DataFile?]) {
    var meant: [String: MovedRows.Rows] = [:]
    for case (let path, let file?) in changes.removedDataFiles {
      meant[path] = MovedRows.Rows(file: file, positions: nil)
    }
    for (path, delete) in rowDeletes {
      meant[path] = MovedRows.Rows(file: delete.dataFile, positions: delete.positions)
    }
    try moves.follow(Set(meant.keys), base, scan, context)
    let lost = moves.move(&meant)
    if let lost, !changes.addedDataFiles.isEmpty { throw try scan.doublyDeleted(lost) }
    let removed = changes.removedDataFiles.filter { path, file in
      file == nil || rowDeletes[path] == nil && meant[path] != nil
    }
    return (meant.filter { $0.value.positions != nil }, removed)
  }

  override func resolved(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> FileChanges {
    try checkVersion(base)
    let (rows, removed) = try targets(base, scan, context)
    var paths = Set(rows.keys)
    for file in changes.addedDeleteFiles {
      if let path = file.referencedDataFile { paths.insert(path) }
    }
    try scan.refuseRemovedFiles(paths)
    try scan.refuseDeletedRows(of: removed.compactMapValues { $0 })
    guard !rows.isEmpty else { return changes }
    let order = moves.isEmpty ? self.order : rows.keys.sorted()
    let existing = try DeletesOfFiles(of: rows.mapValues(\.file), base, parent, context)
    if let vectors, vectors.existing == existing, vectors.paths == order {
      return vectors.changes
    }
    var changes = self.changes
    changes.removedDataFiles = removed
    let added = Set(changes.addedDataFiles.map(\.path))
    var file = VectorsFile()
    for path in order {
      let delete = rows[path]!
      let positions = delete.positions ?? RoaringBitmap64()
      let deleted = try existing.positions(of: delete.file, context)
      let merged = Defect.droppedDeletionVector.isPlanted ? positions : deleted.union(positions)
      if merged.count < deleted.count + positions.count, !changes.addedDataFiles.isEmpty {
        throw try scan.doublyDeleted(path)
      }
      guard merged.count > deleted.count else { continue }
      guard (merged.last ?? 0) < Int64(delete.file.recordCount) else {
        throw TableError(
          .invalidArgument,
          "row \(merged.last ?? 0) cannot be deleted: the file has \(delete.file.recordCount)",
          file: path)
      }
      if merged.count == delete.file.recordCount, !added.contains(path) {
        changes.removedDataFiles[path] = delete.file
        continue
      }
      for file in existing[path].ownFiles { changes.removedDeleteFiles[DeleteFileKey(file)] = file }
      if let vector = existing[path].vector {
        changes.removedDeleteFiles[DeleteFileKey(vector)] = vector
      }
      try file.add(merged, of: delete.file)
    }
    var location: String?
    if !file.isEmpty {
      let path = VectorsFile.newLocation(base, context.environment)
      wrote(path)
      changes.addedDeleteFiles += try file.write(to: path, context.files)
      location = path
    }
    vectors = WrittenVectors(existing: existing, paths: order, location: location, changes: changes)
    return changes
  }

  private func checkVersion(_ base: TableMetadata) throws(TableError) {
    if !rowDeletes.isEmpty && base.formatVersion < 3 {
      throw TableError(
        .unsupported,
        "deletion vectors need format version 3, the table has \(base.formatVersion); upgrade it, or "
          + "overwrite the files")
    }
    for file in changes.addedDeleteFiles {
      if base.formatVersion >= 3 && file.content == .positionDeletes && !file.isDeletionVector {
        throw TableError(
          .invalidArgument,
          "position deletes of format version 3 are deletion vectors; delete rows by their positions",
          file: file.path)
      }
    }
  }

  override var otherUsedFiles: Set<String> { vectors?.location.map { [$0] } ?? [] }

  /// Deleting what is deleted already makes no snapshot.
  override func isNothing(_ changes: FileChanges) -> Bool {
    !rowDeletes.isEmpty && changes.isEmpty
  }
}

extension Transaction {
  /// Deletes rows, and adds others.
  public func rowDelta() -> RowDelta { producer(RowDelta.self) }
}
