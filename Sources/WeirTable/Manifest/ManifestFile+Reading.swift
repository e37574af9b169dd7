// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension ManifestFile {
  /// The list entry of a manifest that no manifest list names, as v1 snapshots may have: made up from
  /// the manifest itself, without summaries of partitions.
  ///
  /// - Parameters:
  ///   - bytes: the whole manifest.
  ///   - snapshotID: the snapshot that names it, for entries that do not say whose they are.
  /// Cost: reads all entries.
  public init(
    reading bytes: Buffer, path: String, snapshotID: Int64
  ) throws(TableError) {
    self.init(
      path: path, length: bytes.count, partitionSpecID: 0, sequenceNumber: 0, minSequenceNumber: 0,
      addedSnapshotID: snapshotID)
    let reader = try ManifestReader(bytes, of: self)
    let metadata = reader.metadata
    partitionSpecID = metadata["partition-spec-id"].flatMap { Int($0) } ?? 0
    content = metadata["content"] == "deletes" ? .deletes : .data
    var files = (added: 0, existing: 0, deleted: 0)
    var rows = (added: 0, existing: 0, deleted: 0)
    while try reader.advance() {
      // Beyond 64 bits only in damaged manifests; no reader relies on it.
      let count = try reader.recordCount()
      switch reader.status {
      case .added:
        files.added += 1
        rows.added &+= count
      case .existing:
        files.existing += 1
        rows.existing &+= count
      case .deleted:
        files.deleted += 1
        rows.deleted &+= count
      }
    }
    (addedFilesCount, existingFilesCount, deletedFilesCount) = files
    (addedRowsCount, existingRowsCount, deletedRowsCount) = rows
  }
}
