// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Adds data files. Nothing that others commit is in its way.
public final class AppendFiles: SnapshotProducer {
  /// Adds a file, written by any spec that the table has.
  @discardableResult
  public func add(_ file: DataFile) -> Self {
    changes.addedDataFiles.append(file)
    return self
  }

  @discardableResult
  public func add(contentsOf files: some Sequence<DataFile>) -> Self {
    changes.addedDataFiles += files
    return self
  }

  override var operation: Snapshot.Operation { .append }
}

/// Replaces data by other data: removes files, by name or by a filter, and adds others.
///
/// Under `serializable` isolation, rows that others added and that the operation would have replaced
/// or read are in its way; under both levels, changes of the removed files are.
public final class OverwriteFiles: SnapshotProducer {
  /// What others may not do meanwhile.
  public var isolation = IsolationLevel.serializable
  /// Which rows the operation looked at; those that `removeWhere` matches when `nil`, and all when
  /// neither is set.
  public var readFilter: Predicate?

  @discardableResult
  public func add(_ file: DataFile) -> Self {
    changes.addedDataFiles.append(file)
    return self
  }

  /// Removes a data file, with its deletes.
  @discardableResult
  public func remove(_ file: DataFile) -> Self {
    changes.removedDataFiles[file.path] = file
    return self
  }

  /// Removes the files all of whose rows match. A file of which only some may match is an error.
  @discardableResult
  public func removeWhere(_ predicate: Predicate) -> Self {
    changes.removedWhere = changes.removedWhere.map { .or([$0, predicate]) } ?? predicate
    return self
  }

  override var operation: Snapshot.Operation {
    changes.addedDataFiles.isEmpty ? .delete : .overwrite
  }

  override func validate(_ scan: ConflictScan) throws(TableError) {
    let known = changes.removedDataFiles.compactMapValues { $0 }
    try scan.refuseDeletedRows(of: known)
    guard isolation == .serializable else { return }
    try scan.refuseAddedRows(try scan.bind(readFilter ?? changes.removedWhere))
  }
}

/// Removes data files, by name or by a filter.
public final class DeleteFiles: SnapshotProducer {
  /// A file by its path.
  @discardableResult
  public func remove(path: String) -> Self {
    if changes.removedDataFiles[path] == nil { changes.removedDataFiles[path] = .some(nil) }
    return self
  }

  @discardableResult
  public func remove(_ file: DataFile) -> Self {
    changes.removedDataFiles[file.path] = file
    return self
  }

  /// Removes the files all of whose rows match at the moment of the commit, without reading data. A
  /// file of which only some may match is an error.
  @discardableResult
  public func removeWhere(_ predicate: Predicate) -> Self {
    changes.removedWhere = changes.removedWhere.map { .or([$0, predicate]) } ?? predicate
    return self
  }

  override var operation: Snapshot.Operation { .delete }
}

/// Replaces files by others with the same rows: compaction, sorting, applying deletes.
///
/// Appends of others are not in its way. Rows that others deleted from the replaced files are.
public final class RewriteFiles: SnapshotProducer {
  /// A data file that is replaced.
  @discardableResult
  public func remove(_ file: DataFile) -> Self {
    changes.removedDataFiles[file.path] = file
    return self
  }

  /// A delete file that is replaced, or was applied in the rewrite.
  @discardableResult
  public func remove(deletes file: DataFile) -> Self {
    changes.removedDeleteFiles[DeleteFileKey(file)] = file
    return self
  }

  @discardableResult
  public func add(_ file: DataFile) -> Self {
    changes.addedDataFiles.append(file)
    return self
  }

  @discardableResult
  public func add(deletes file: DataFile) -> Self {
    changes.addedDeleteFiles.append(file)
    return self
  }

  /// The data sequence number of the added files: that of the snapshot whose rows were rewritten, so
  /// that equality deletes which came later go on applying to them.
  @discardableResult
  public func setDataSequenceNumber(_ number: Int64) -> Self {
    changes.addedDataSequenceNumber = number
    return self
  }

  override var operation: Snapshot.Operation { .replace }

  override func validate(_ scan: ConflictScan) throws(TableError) {
    guard !changes.removedDataFiles.isEmpty || !changes.removedDeleteFiles.isEmpty else {
      throw TableError(.invalidArgument, "a rewrite must replace files; use an append")
    }
    try scan.refuseDeletedRows(
      of: changes.removedDataFiles.compactMapValues { $0 },
      ignoringEqualityDeletes: changes.addedDataSequenceNumber != nil)
  }
}

/// Replaces whole partitions: all that is in the partitions of the added files goes.
public final class ReplacePartitions: SnapshotProducer {
  /// What others may not do meanwhile in these partitions: under `serializable` add or delete rows;
  /// under `snapshot` they may, and lose.
  public var isolation = IsolationLevel.serializable

  @discardableResult
  public func add(_ file: DataFile) -> Self {
    changes.addedDataFiles.append(file)
    changes.removedPartitions.insert(PartitionKey(file))
    return self
  }

  override var operation: Snapshot.Operation { .overwrite }

  override func validate(_ scan: ConflictScan) throws(TableError) {
    summaryProperties["replace-partitions"] = "true"
    guard isolation == .serializable else { return }
    try scan.refuseAddedRows(nil, in: changes.removedPartitions)
    try scan.refuseDeletedRows(in: changes.removedPartitions)
  }
}

extension Transaction {
  func producer<P: SnapshotProducer>(_ type: P.Type) -> P {
    let producer = type.init(start, table.environment)
    add(producer)
    return producer
  }

  /// Adds data files as a snapshot.
  public func append() -> AppendFiles { producer(AppendFiles.self) }
  /// Replaces files by others with other rows.
  public func overwrite() -> OverwriteFiles { producer(OverwriteFiles.self) }
  /// Removes whole files.
  public func deleteFiles() -> DeleteFiles { producer(DeleteFiles.self) }
  /// Replaces files by others with the same rows.
  public func rewriteFiles() -> RewriteFiles { producer(RewriteFiles.self) }
  /// Replaces the partitions of the files that are added.
  public func replacePartitions() -> ReplacePartitions { producer(ReplacePartitions.self) }
}
