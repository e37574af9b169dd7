// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Decides which entries of existing manifests go, and rewrites the manifests that hold some.
///
/// 1. A manifest that cannot hold any such file, by its spec and its partition bounds, is kept unread.
/// 2. The others are read without their metrics; those without a match are kept.
/// 3. One with matches is written anew: what goes is marked as deleted, the rest as existing.
///
/// Rewritten manifests are kept from attempt to attempt: others' commits mostly leave a manifest as it
/// was.
struct ManifestFilter {
  /// What came of one manifest.
  struct Rewritten {
    /// `nil` when nothing matched and the manifest stays.
    var manifest: ManifestFile?
    var removed: [DataFile]
  }

  /// The files that go.
  struct Selection: Hashable {
    var dataPaths: Set<String> = []
    var deleteKeys: Set<DeleteFileKey> = []
    /// Deletion vectors of these data files.
    var vectorsOfPaths: Set<String> = []
    var partitions: Set<PartitionKey> = []
    /// Delete files of lower sequence numbers apply to nothing any more; 0 keeps all.
    var minDataSequenceNumber: Int64 = 0
    /// The text of the predicate; the predicate itself is bound by the filter.
    var predicate: String?
    /// See `FileChanges.forgetsValues`.
    var forgetsValues = false

    var isEmpty: Bool {
      !forgetsValues && dataPaths.isEmpty && deleteKeys.isEmpty && vectorsOfPaths.isEmpty
        && partitions.isEmpty && predicate == nil
    }
  }

  private struct Key: Hashable {
    var path: String
    var selection: Selection
  }

  private var known: [Key: Rewritten] = [:]

  /// The manifests with the selected files gone, in their order, and what went.
  ///
  /// - Parameters:
  ///   - predicate: bound to the Arrow schema of `metadata`'s current schema.
  ///   - write: stores a manifest and returns its list entry.
  mutating func apply(
    _ selection: Selection, _ predicate: BoundPredicate?, to manifests: [ManifestFile],
    _ metadata: TableMetadata, _ files: TableFiles, snapshotID: Int64,
    write: (ManifestWriter) throws(TableError) -> ManifestFile
  ) throws(TableError) -> (manifests: [ManifestFile], removed: [DataFile], rewrittenCount: Int) {
    guard !selection.isEmpty else { return (manifests, [], 0) }
    var result: [ManifestFile] = []
    var removed: [DataFile] = []
    var rewrittenCount = 0
    for manifest in manifests {
      guard manifest.hasLiveFiles, mayHold(selection, manifest, metadata) else {
        result.append(manifest)
        continue
      }
      let key = Key(path: manifest.path, selection: selection)
      let made: Rewritten
      if let before = known[key] {
        made = before
      } else {
        made = try rewrite(
          manifest, selection, predicate, metadata, files, snapshotID: snapshotID, write: write)
        known[key] = made
      }
      if made.manifest != nil { rewrittenCount += 1 }
      result.append(made.manifest ?? manifest)
      removed += made.removed
    }
    return (result, removed, rewrittenCount)
  }

  /// False only when no selected file can be in the manifest. Paths alone can be anywhere.
  private func mayHold(
    _ selection: Selection, _ manifest: ManifestFile, _ metadata: TableMetadata
  ) -> Bool {
    if selection.forgetsValues && manifest.hasDeletedFiles { return true }
    let onlyPartitions =
      selection.dataPaths.isEmpty && selection.deleteKeys.isEmpty
      && selection.vectorsOfPaths.isEmpty && selection.predicate == nil
    guard onlyPartitions else { return true }
    guard let spec = metadata.spec(id: manifest.partitionSpecID), let fields = manifest.partitions
    else { return true }
    let types = spec.partitionType(metadata.currentSchema).fields.map(\.type)
    return selection.partitions.contains { partition in
      guard partition.specID == spec.specID, partition.values.count == fields.count else {
        return partition.specID == spec.specID
      }
      return zip(partition.values, zip(fields, types)).allSatisfy { value, field in
        Self.mayHold(value, field.0, field.1)
      }
    }
  }

  private static func mayHold(_ value: Scalar, _ field: FieldSummary, _ type: TableType) -> Bool {
    if value.isNull { return field.containsNull }
    if BoundOrder.isNaN(value) { return field.containsNaN ?? true }
    guard let lower = field.lowerBound, let upper = field.upperBound,
      let low = try? SingleValue.decode(lower, as: type),
      let high = try? SingleValue.decode(upper, as: type)
    else { return true }
    return !BoundOrder.precedes(value, low) && !BoundOrder.precedes(high, value)
  }

  private func rewrite(
    _ manifest: ManifestFile, _ selection: Selection, _ predicate: BoundPredicate?,
    _ metadata: TableMetadata, _ files: TableFiles, snapshotID: Int64,
    write: (ManifestWriter) throws(TableError) -> ManifestFile
  ) throws(TableError) -> Rewritten {
    guard let spec = metadata.spec(id: manifest.partitionSpecID) else {
      throw TableError(
        .damaged, "there is no partition spec \(manifest.partitionSpecID)", file: manifest.path)
    }
    var goes: Set<Int> = []
    let reader = try files.reader(manifest, metadata)
    var index = 0
    var hasFormer = false
    while try reader.advance() {
      defer { index += 1 }
      guard reader.isLive else {
        hasFormer = true
        continue
      }
      if try matches(reader, selection, predicate, spec, metadata) { goes.insert(index) }
    }
    guard !goes.isEmpty || hasFormer && selection.forgetsValues else {
      return Rewritten(manifest: nil, removed: [])
    }
    let writer = try ManifestWriter(
      formatVersion: metadata.formatVersion, content: manifest.content, spec: spec,
      schema: metadata.currentSchema, formerSchemas: metadata.schemas, snapshotID: snapshotID,
      codec: files.manifestCodec)
    var removed: [DataFile] = []
    let again = try files.reader(manifest, metadata)
    index = 0
    while var entry = try again.next() {
      defer { index += 1 }
      guard entry.isLive else { continue }
      if goes.contains(index) {
        if selection.forgetsValues { entry.dataFile.metrics = FileMetrics() }
        try writer.delete(entry)
        removed.append(entry.dataFile)
      } else {
        try writer.keep(entry)
      }
    }
    return Rewritten(manifest: try write(writer), removed: removed)
  }

  /// Whether the reader's current entry goes.
  private func matches(
    _ reader: ManifestReader, _ selection: Selection, _ predicate: BoundPredicate?,
    _ spec: PartitionSpec, _ metadata: TableMetadata
  ) throws(TableError) -> Bool {
    if reader.manifest.content == .deletes {
      let file = try reader.entry(withMetrics: false)
      if selection.deleteKeys.contains(DeleteFileKey(file.dataFile)) { return true }
      if let path = file.dataFile.referencedDataFile, selection.vectorsOfPaths.contains(path) {
        return true
      }
      let number = file.sequenceNumber ?? Int64.max
      if number > 0 && number < selection.minDataSequenceNumber { return true }
      return selection.partitions.contains(PartitionKey(file.dataFile))
    }
    if !selection.dataPaths.isEmpty, selection.dataPaths.contains(try reader.path()) {
      return true
    }
    if predicate == nil && selection.partitions.isEmpty { return false }
    let file = try reader.entry(withMetrics: predicate != nil).dataFile
    if selection.partitions.contains(PartitionKey(file)) { return true }
    guard let predicate else { return false }
    let bounds = DataFileBounds(file, spec, metadata.currentSchema, predicate)
    guard predicate.mayMatch(bounds) else { return false }
    guard predicate.mustMatch(bounds) else {
      throw TableError(
        .invalidArgument,
        "only some rows of a data file match \(selection.predicate ?? ""), so that it cannot be "
          + "removed as a whole; delete the rows, or choose the filter by the partition",
        file: file.path)
    }
    return true
  }
}
