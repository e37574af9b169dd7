// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Makes a snapshot of a table: the common part of all operations on files.
///
/// In each attempt: 1. see whether what others committed since the operation began is in the way;
/// 2. take what goes out of the existing manifests; 3. write manifests of what comes, once for all
/// attempts, for they inherit their sequence numbers; 4. join small manifests; 5. write the manifest
/// list, and that of column files where it changed. The files of lost attempts are removed in the end.
public class SnapshotProducer: TransactionStep {
  /// The id of the snapshot that is going to be made.
  public let snapshotID: Int64
  /// The branch that the snapshot is added to.
  public private(set) var branch = SnapshotReference.mainBranch
  /// Whether the snapshot is only added, without a branch that leads to it (for `cherryPick`).
  private var isStaged = false
  /// The metadata that the operation began with.
  let start: TableMetadata
  var changes = FileChanges()
  var summaryProperties: StringMap = [:]
  private let uuid: String
  private var filter = ManifestFilter()
  private var deleteFilter = ManifestFilter()
  private var merger: ManifestMerger
  private var deleteMerger: ManifestMerger
  private var newDataManifests: (paths: [String], manifests: [ManifestFile])?
  private var newDeleteManifests: (files: [DataFile], manifests: [ManifestFile])?
  private var attemptCount = 0
  private var manifestCount = 0
  private var written: [String] = []
  private var used: Set<String> = []
  private var writtenList: (list: ColumnFileList, path: String)?

  required init(_ start: TableMetadata, _ environment: TableEnvironment) {
    self.start = start
    snapshotID = environment.snapshotID()
    uuid = environment.uuid()
    merger = ManifestMerger(start.properties)
    deleteMerger = ManifestMerger(start.properties)
  }

  /// Adds the snapshot to another branch than `main`.
  @discardableResult
  public func toBranch(_ name: String) -> Self {
    branch = name
    return self
  }

  /// Only adds the snapshot: readers do not see it until it is cherry-picked, or a branch is set to it.
  @discardableResult
  public func stageOnly() -> Self {
    isStaged = true
    return self
  }

  /// Adds to the snapshot's summary.
  @discardableResult
  public func set(_ name: String, _ value: String) -> Self {
    summaryProperties[name] = value
    return self
  }

  var operation: Snapshot.Operation { changes.operation }

  /// The snapshot that the operation began with.
  var startingSnapshotID: Int64? { start.references[branch]?.snapshotID }

  /// Throws `conflict` when what was committed since the start is in the way.
  func validate(_ scan: ConflictScan) throws(TableError) {}

  /// The changes as they are to be made on `base`: `changes`, for most operations.
  func resolved(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> FileChanges {
    changes
  }

  /// Whether no snapshot is needed for the changes.
  func isNothing(_ changes: FileChanges) -> Bool { false }

  /// Whether a file to remove that is no longer there is a conflict.
  var failsOnMissingFiles: Bool { true }

  /// The column files of the data files as they are to be; those of `parent` when `nil`, as for most
  /// operations: entries of data files that go are in nobody's way.
  func columnFiles(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ changes: FileChanges,
    _ context: CommitContext
  ) throws(TableError) -> ColumnFileList? {
    nil
  }

  // MARK: One attempt

  func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    guard base.formatVersion >= 2 else {
      throw TableError(
        .unsupported,
        "a table of format version 1 is not written to; upgrade it first (format-version 2 or 3)")
    }
    let parent = try parentSnapshot(base)
    let scan = ConflictScan(
      base, from: startingSnapshotID, to: parent, context, operation: "\(operation.rawValue)")
    try validate(scan)
    let changes = try resolved(on: base, parent, scan, context)
    if isNothing(changes) { return [] }
    var summary = SnapshotSummaryBuilder()
    let manifests = try self.manifests(changes, base, parent, scan, context, &summary)
    let list = try writeList(manifests.all, base, parent, context)
    let columnFiles = try columnFilePath(on: base, parent, scan, changes, context)
    attemptCount += 1
    context.ownSnapshotIDs.insert(snapshotID)
    var properties = summaryProperties
    properties["manifests-created"] = String(
      manifests.all.count { $0.addedSnapshotID == snapshotID })
    properties["manifests-kept"] = String(
      manifests.all.count { $0.addedSnapshotID != snapshotID })
    properties["manifests-replaced"] = String(manifests.replacedCount)
    if let columnFiles {
      properties[ColumnFileList.property] = columnFiles.path ?? ColumnFileList.none
    }
    let snapshot = Snapshot(
      snapshotID: snapshotID, parentID: parent?.snapshotID,
      sequenceNumber: base.lastSequenceNumber + 1,
      timestampMilliseconds: max(
        context.now, base.snapshotLog.last?.timestampMilliseconds ?? 0,
        parent?.timestampMilliseconds ?? 0),
      manifestList: list.location,
      summary: summary.build(
        operation, properties, previous: parent.map { $0.summary ?? [:] }),
      schemaID: base.currentSchemaID,
      firstRowID: base.formatVersion >= 3 ? base.nextRowID : nil,
      addedRows: list.nextRowID.map { $0 - base.nextRowID })
    if isStaged { return [.addSnapshot(snapshot)] }
    var reference =
      base.references[branch] ?? SnapshotReference(snapshotID: snapshotID, kind: .branch)
    reference.snapshotID = snapshotID
    var updates: [TableUpdate] = [
      .addSnapshot(snapshot), .setSnapshotReference(branch, reference),
    ]
    if let columnFiles, columnFiles.isNew, branch == SnapshotReference.mainBranch {
      let pointer = ColumnFileList.Pointer(
        sequenceNumber: snapshot.sequenceNumber, path: columnFiles.path)
      updates.append(.setProperties([ColumnFileList.property: pointer.text]))
    }
    return updates
  }

  /// The file of the snapshot's list of column files; `nil` for a table that never had any.
  private func columnFilePath(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ changes: FileChanges,
    _ context: CommitContext
  ) throws(TableError) -> (path: String?, isNew: Bool)? {
    let before = base.columnFileListPath(of: parent)
    guard let list = try columnFiles(on: base, parent, scan, changes, context) else {
      return base.properties[ColumnFileList.property] == nil ? nil : (before, false)
    }
    if list.isEmpty { return (nil, true) }
    if let writtenList, writtenList.list == list {
      used.insert(writtenList.path)
      return (writtenList.path, true)
    }
    let path = context.files.newLocation(
      "\(snapshotID)-\(context.environment.uuid())-columns.puffin")
    written.append(path)
    try context.files.write(try list.file(snapshotID: snapshotID), to: path)
    writtenList = (list, path)
    used.insert(path)
    return (path, true)
  }

  private func parentSnapshot(_ base: TableMetadata) throws(TableError) -> Snapshot? {
    guard let reference = base.references[branch] else {
      guard branch == SnapshotReference.mainBranch else {
        throw TableError(.notFound, "there is no branch '\(branch)'; create it first")
      }
      return nil
    }
    guard reference.kind == .branch else {
      throw TableError(
        .invalidArgument, "'\(branch)' is a tag, which stays at its snapshot; write to a branch")
    }
    return base.snapshot(id: reference.snapshotID)
  }

  private func manifests(
    _ changes: FileChanges, _ base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan,
    _ context: CommitContext, _ summary: inout SnapshotSummaryBuilder
  ) throws(TableError) -> (all: [ManifestFile], replacedCount: Int) {
    let existing = try context.files.manifests(of: parent)
    let write = { (writer: ManifestWriter) throws(TableError) -> ManifestFile in
      try self.write(writer, context.files)
    }
    let data = existing.filter { $0.content == .data }
    let kept = try filterData(data, changes, base, scan, context, write, &summary)
    let deletes = existing.filter { $0.content == .deletes }
    let keptDeletes = try filterDeletes(
      deletes, changes, kept, base, scan, context, write, &summary)
    for file in changes.addedDataFiles + changes.addedDeleteFiles { summary.add(file) }
    let newData = try newDataManifests(changes, base, context)
    let newDeletes = try newDeleteManifests(changes, base, context)
    let isKept = { (manifest: ManifestFile) in
      manifest.hasLiveFiles || manifest.addedSnapshotID == self.snapshotID
    }
    let mergedData = try merger.merge(
      newData + kept.manifests.filter(isKept), base, context.files, snapshotID: snapshotID,
      write: write)
    let mergedDeletes = try deleteMerger.merge(
      newDeletes + keptDeletes.manifests.filter(isKept), base, context.files,
      snapshotID: snapshotID, write: write)
    let all = mergedData + mergedDeletes
    let stays = Set(all.map(\.path))
    return (all, existing.count { !stays.contains($0.path) })
  }

  private typealias Filtered = (
    manifests: [ManifestFile], removed: [DataFile], rewrittenCount: Int
  )
  private typealias Write = (ManifestWriter) throws(TableError) -> ManifestFile

  private func filterData(
    _ manifests: [ManifestFile], _ changes: FileChanges, _ base: TableMetadata,
    _ scan: ConflictScan, _ context: CommitContext, _ write: Write,
    _ summary: inout SnapshotSummaryBuilder
  ) throws(TableError) -> Filtered {
    var selection = ManifestFilter.Selection()
    selection.dataPaths = Set(changes.removedDataFiles.keys)
    selection.partitions = changes.removedPartitions
    selection.predicate = changes.removedWhere?.description
    selection.forgetsValues = changes.forgetsValues
    let predicate = try scan.bind(changes.removedWhere)
    if let predicate {
      try context.files.columnFiles(of: try parentSnapshot(base), in: base)
        .refuse(predicate, base.currentSchema)
    }
    let kept = try filter.apply(
      selection, predicate, to: manifests, base, context.files, snapshotID: snapshotID,
      write: write)
    for file in kept.removed { summary.remove(file) }
    if failsOnMissingFiles, !changes.removedDataFiles.isEmpty {
      let found = Set(kept.removed.map(\.path))
      if let missing = changes.removedDataFiles.keys.sorted().first(where: { !found.contains($0) })
      {
        throw try scan.missingFile(missing)
      }
    }
    return kept
  }

  private func filterDeletes(
    _ manifests: [ManifestFile], _ changes: FileChanges, _ data: Filtered, _ base: TableMetadata,
    _ scan: ConflictScan, _ context: CommitContext, _ write: Write,
    _ summary: inout SnapshotSummaryBuilder
  ) throws(TableError) -> Filtered {
    var selection = ManifestFilter.Selection()
    selection.deleteKeys = Set(changes.removedDeleteFiles.keys)
    selection.vectorsOfPaths = Set(data.removed.map(\.path))
    selection.partitions = changes.removedPartitions
    selection.forgetsValues = changes.forgetsValues
    // Delete files apply to data of lower sequence numbers only: below the lowest there is none.
    let numbers = data.manifests.filter(\.hasLiveFiles).map(\.minSequenceNumber)
    // Rewritten files count with the number that they keep.
    if numbers.allSatisfy({ $0 > 0 }), let lowest = numbers.min() {
      selection.minDataSequenceNumber = min(lowest, changes.addedDataSequenceNumber ?? lowest)
    }
    let kept = try deleteFilter.apply(
      selection, nil, to: manifests, base, context.files, snapshotID: snapshotID, write: write)
    for file in kept.removed { summary.remove(file) }
    if !changes.removedDeleteFiles.isEmpty {
      let found = Set(kept.removed.map { DeleteFileKey($0) })
      if let missing = changes.removedDeleteFiles.first(where: { !found.contains($0.key) }) {
        throw try scan.missingFile(missing.key.path)
      }
    }
    return kept
  }

  // MARK: Writing

  /// Stores a manifest under a new name.
  private func write(
    _ writer: ManifestWriter, _ files: TableFiles
  ) throws(TableError) -> ManifestFile {
    let location = files.newLocation("\(uuid)-m\(manifestCount).avro")
    manifestCount += 1
    let (bytes, manifest) = try writer.finish(path: location)
    written.append(location)
    try files.write(bytes, to: location)
    return manifest
  }

  /// The manifests of the added data files, written at the first attempt.
  private func newDataManifests(
    _ changes: FileChanges, _ base: TableMetadata, _ context: CommitContext
  ) throws(TableError) -> [ManifestFile] {
    let paths = changes.addedDataFiles.map(\.path)
    if let made = newDataManifests, made.paths == paths { return made.manifests }
    let made = try writeManifests(
      .data, changes.addedDataFiles, changes.addedDataSequenceNumber, base, context)
    newDataManifests = (paths, made)
    return made
  }

  private func newDeleteManifests(
    _ changes: FileChanges, _ base: TableMetadata, _ context: CommitContext
  ) throws(TableError) -> [ManifestFile] {
    if let made = newDeleteManifests, made.files == changes.addedDeleteFiles {
      return made.manifests
    }
    let made = try writeManifests(.deletes, changes.addedDeleteFiles, nil, base, context)
    newDeleteManifests = (changes.addedDeleteFiles, made)
    return made
  }

  private func writeManifests(
    _ content: ManifestFile.Content, _ added: [DataFile], _ sequenceNumber: Int64?,
    _ base: TableMetadata, _ context: CommitContext
  ) throws(TableError) -> [ManifestFile] {
    let target = max(
      1, base.properties.int("commit.manifest.target-size-bytes") ?? 8 << 20)
    var result: [ManifestFile] = []
    let bySpec = Dictionary(grouping: added, by: \.specID)
    for specID in bySpec.keys.sorted() {
      guard let spec = base.spec(id: specID) else {
        throw TableError(
          .invalidArgument, "there is no partition spec \(specID)", file: bySpec[specID]![0].path)
      }
      var writer: ManifestWriter?
      for var file in bySpec[specID]! {
        let open: ManifestWriter
        if let writer {
          open = writer
        } else {
          open = try ManifestWriter(
            formatVersion: base.formatVersion, content: content, spec: spec,
            schema: base.currentSchema, snapshotID: snapshotID,
            codec: context.files.manifestCodec)
          writer = open
        }
        // Row ids are given by the commit.
        file.firstRowID = nil
        try open.add(file, sequenceNumber: sequenceNumber)
        if open.byteCount >= target {
          result.append(try write(open, context.files))
          writer = nil
        }
      }
      if let writer { result.append(try write(writer, context.files)) }
    }
    return result
  }

  private func writeList(
    _ manifests: [ManifestFile], _ base: TableMetadata, _ parent: Snapshot?,
    _ context: CommitContext
  ) throws(TableError) -> (location: String, nextRowID: Int64?) {
    let writer = try ManifestListWriter(
      formatVersion: base.formatVersion, snapshotID: snapshotID,
      parentSnapshotID: parent?.snapshotID, sequenceNumber: base.lastSequenceNumber + 1,
      firstRowID: base.formatVersion >= 3 ? base.nextRowID : nil,
      codec: context.files.manifestCodec)
    var assigned: [ManifestFile] = []
    for manifest in manifests { assigned.append(try writer.append(manifest)) }
    let location = context.files.newLocation("snap-\(snapshotID)-\(attemptCount)-\(uuid).avro")
    written.append(location)
    try context.files.write(try writer.finish(), to: location)
    context.files.remember(assigned, at: location)
    used = Set(manifests.map(\.path))
    used.insert(location)
    return (location, writer.nextRowID)
  }

  /// Remembers a file that is of use only if the attempt succeeds.
  func wrote(_ location: String) { written.append(location) }

  /// Files besides manifests that the attempt relies on.
  var otherUsedFiles: Set<String> { [] }

  // MARK: The end

  func committed(_ metadata: TableMetadata, _ context: CommitContext) {
    context.files.discard(written.filter { !used.contains($0) && !otherUsedFiles.contains($0) })
  }

  func abandoned(_ context: CommitContext) { context.files.discard(written) }
}
