// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Brings a snapshot that is not on `main`, staged or of another branch, to `main`: by moving `main`
/// to it when it follows the current snapshot, or else by adding its files again.
final class CherryPick: SnapshotProducer {
  private var pickedID: Int64 = 0

  func pick(_ snapshotID: Int64) { pickedID = snapshotID }

  override var operation: Snapshot.Operation { .append }

  override func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    try base.requireSnapshot(pickedID)
    let picked = base.snapshot(id: pickedID)!
    let line = base.currentSnapshotID.map { base.ancestors(of: $0) } ?? []
    let published = line.contains {
      $0.snapshotID == pickedID || $0.summary?["source-snapshot-id"] == String(pickedID)
    }
    if published {
      throw TableError(
        .alreadyExists, "snapshot \(pickedID) is part of the current state already")
    }
    if let wapID = picked.summary?["wap.id"], !wapID.isEmpty {
      if line.contains(where: {
        $0.summary?["wap.id"] == wapID || $0.summary?["published-wap-id"] == wapID
      }) {
        throw TableError(.alreadyExists, "the write with wap.id '\(wapID)' is published already")
      }
      set("published-wap-id", wapID)
    }
    if picked.parentID == base.currentSnapshotID {
      return [base.mainReference(pickedID)]
    }
    guard picked.operation == .append else {
      throw TableError(
        .unsupported,
        "snapshot \(pickedID) is a \(picked.summary?["operation"] ?? "?") of an older state; only "
          + "appends can be picked onto another one")
    }
    set("source-snapshot-id", String(pickedID))
    if changes.addedDataFiles.isEmpty { try collect(picked, base, context) }
    return try super.updates(on: base, &context)
  }

  /// Columns that were filled on the other branch come with their data files.
  override func columnFiles(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ changes: FileChanges,
    _ context: CommitContext
  ) throws(TableError) -> ColumnFileList? {
    let picked = try context.files.columnFiles(of: base.snapshot(id: pickedID), in: base)
    if picked.isEmpty { return nil }
    var list = try context.files.columnFiles(of: parent, in: base)
    let before = list
    for file in changes.addedDataFiles {
      for column in picked[file.path] { list.set(column, of: file.path) }
    }
    return list == before ? nil : list
  }

  /// The files that the snapshot added.
  private func collect(
    _ picked: Snapshot, _ base: TableMetadata, _ context: CommitContext
  ) throws(TableError) {
    for manifest in try context.files.manifests(of: picked)
    where manifest.content == .data && manifest.addedSnapshotID == pickedID {
      let reader = try context.files.reader(manifest, base)
      while let entry = try reader.next() {
        if entry.status == .added && entry.snapshotID == pickedID {
          changes.addedDataFiles.append(entry.dataFile)
        }
      }
    }
  }
}

extension Transaction {
  /// Brings the changes of a snapshot that is not part of `main` to it: a staged one, or one of
  /// another branch. Appends only, unless the snapshot directly follows the current one.
  @discardableResult
  public func cherryPick(_ snapshotID: Int64) -> Transaction {
    producer(CherryPick.self).pick(snapshotID)
    return self
  }
}
