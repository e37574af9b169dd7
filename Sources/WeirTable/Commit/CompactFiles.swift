// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Replaces data files by others that hold the same rows, whatever happened to the rows meanwhile.
///
/// Where the operation commits, each group's rows are live in its outputs if, and only if, they are live
/// in its sources: rows that others deleted or replaced since are deleted in the outputs, and so are all
/// rows of a source that is gone (a delete took its last row, an overwrite or another compaction
/// rewrote it). Values that a column got meanwhile (`AddColumnFiles`) go with the rows, in column files of
/// the outputs. What others append does not matter. So a compaction is never in anybody's way, and
/// nobody's commit throws away its work. The row maps are committed with it, for those who come later
/// (`RowMap`).
///
/// In the way are, in format version 2, rows that others deleted from the sources, for there a delete
/// would need a file of its own for each output; and a rollback that brought deleted rows back.
final class CompactFiles: SnapshotProducer {
  private var groups: [CompactedGroup] = []
  private var vectors: (existing: DeletesOfFiles, gone: Set<String>, made: Made)?
  /// The maps that are written, and where.
  private var written: (maps: [RowMap], location: String)?
  private var maps: [RowMap] = []
  /// Whether rows that are live in the sources are left away: `TableErasure` does, with groups or, only to
  /// have manifests forget values, without.
  var erases = false
  /// Of the last attempt: sources that stay as they are, because they or others of their group were no
  /// longer there, and outputs that were not added.
  private(set) var unfollowed: (sources: Set<String>, outputs: [String]) = ([], [])
  /// Whether the last attempt makes a snapshot, which names the map.
  private var isCommittedWithMap = false
  private var columns = CompactedColumns()
  /// Rows that were deleted in outputs at the last attempt, because others had deleted them in sources.
  private(set) var followedDeleteCount = 0

  private struct Made {
    var location: String?
    var changes: FileChanges
    var deleteCount: Int
    var unfollowed: (sources: Set<String>, outputs: [String]) = ([], [])
    var maps: [RowMap] = []
  }

  func add(_ group: CompactedGroup) {
    groups.append(group)
    for source in group.sources {
      changes.removedDataFiles[source.dataFile.path] = source.dataFile
      for file in source.deletes.positionDeletes
      where file.referencedDataFile == source.dataFile.path {
        changes.removedDeleteFiles[DeleteFileKey(file)] = file
      }
    }
    changes.addedDataFiles += group.outputs
  }

  /// A delete file that held erased values; all files that it is about are rewritten.
  func remove(deletes file: DataFile) { changes.removedDeleteFiles[DeleteFileKey(file)] = file }

  override var operation: Snapshot.Operation { erases && !groups.isEmpty ? .overwrite : .replace }

  override func resolved(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> FileChanges {
    let changes = try followed(on: base, parent, scan, context)
    try writeMaps(context)
    return changes
  }

  private func followed(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> FileChanges {
    followedDeleteCount = 0
    unfollowed = ([], [])
    changes.forgetsValues = erases
    // Equality deletes that come later go on applying, by the number of what was read.
    changes.addedDataSequenceNumber = start.lastSequenceNumber
    let isUnchanged =
      parent?.snapshotID == startingSnapshotID || Defect.compactionLosesUpdates.isPlanted
    maps = groups.map(\.map)
    if isUnchanged, !groups.contains(where: \.keepsDeletedRows) { return changes }
    let sources = changes.removedDataFiles.compactMapValues { $0 }
    let gone = try goneSources(sources, base, parent, scan, context)
    let existing = try DeletesOfFiles(of: sources, base, parent, context)
    if let vectors, vectors.existing == existing, vectors.gone == gone {
      followedDeleteCount = vectors.made.deleteCount
      unfollowed = vectors.made.unfollowed
      maps = vectors.made.maps
      return vectors.made.changes
    }
    // What an erasure took must not come back in an output, not even as a deleted row; and tombstones that
    // somebody forgot stay forgotten.
    let isErased = base.hasErased(since: start)
    let given = groups.filter { group in
      (isErased || group.keepsDeletedRows)
        && group.sources.contains { gone.contains($0.dataFile.path) }
    }
    let left = gone.union(given.flatMap { $0.sources.map(\.dataFile.path) })
    var made = Made(location: nil, changes: changes, deleteCount: 0)
    made.unfollowed = (left, given.flatMap { $0.outputs.map(\.path) })
    made.changes.removedDataFiles = changes.removedDataFiles.filter { !left.contains($0.key) }
    made.changes.removedDeleteFiles = changes.removedDeleteFiles.filter { _, file in
      file.referencedDataFile.map { !left.contains($0) } ?? true
    }
    if !left.isEmpty, changes.removedDeleteFiles.values.contains(where: \.isForManyFiles) {
      throw TableError(
        .conflict,
        "files that deletes are about were replaced meanwhile; nothing was changed: try again")
    }
    made.changes.addedDataFiles = []
    let kept = groups.filter { group in
      !group.sources.contains { source in
        given.contains { $0.sources.contains { $0.dataFile.path == source.dataFile.path } }
      }
    }
    // Who took a file away tells where its rows went, not this commit: in its outputs they are deleted.
    made.maps = kept.map { $0.map.leavingOut(gone) }
    maps = made.maps
    try follow(kept, base, gone, existing, context, &made)
    vectors = (existing, gone, made)
    followedDeleteCount = made.deleteCount
    unfollowed = made.unfollowed
    return made.changes
  }

  /// Deletes rows of outputs that are deleted in their sources by now.
  private func follow(
    _ groups: [CompactedGroup], _ base: TableMetadata, _ gone: Set<String>,
    _ existing: DeletesOfFiles, _ context: CommitContext, _ made: inout Made
  ) throws(TableError) {
    var file = VectorsFile()
    for group in groups {
      var deleted: [Int: [Int64]] = [:]
      for (number, source) in group.sources.enumerated() {
        let lost = try lostRows(
          group, number, source, isGone: gone.contains(source.dataFile.path), existing, context)
        for (output, rows) in lost { deleted[output, default: []] += rows }
      }
      for (number, output) in group.outputs.enumerated() {
        guard let rows = deleted[number], !rows.isEmpty else {
          made.changes.addedDataFiles.append(output)
          continue
        }
        made.deleteCount += group.keepsDeletedRows ? 0 : rows.count
        // One that lost all its rows is not needed.
        guard rows.count < output.recordCount || group.keepsDeletedRows else {
          made.unfollowed.outputs.append(output.path)
          continue
        }
        made.changes.addedDataFiles.append(output)
        guard base.formatVersion >= 3 else { throw deletedMeanwhile(group, base) }
        try file.add(RoaringBitmap64(rows), of: output)
      }
    }
    guard !file.isEmpty else { return }
    let path = VectorsFile.newLocation(base, context.environment)
    wrote(path)
    made.changes.addedDeleteFiles += try file.write(to: path, context.files)
    made.location = path
  }

  private func deletedMeanwhile(_ group: CompactedGroup, _ base: TableMetadata) -> TableError {
    TableError(
      .conflict,
      "rows of a data file that was compacted were deleted meanwhile, which a table of format version "
        + "\(base.formatVersion) cannot follow; compact it again, or upgrade the table to version 3",
      file: group.sources.first?.dataFile.path)
  }

  /// Rows of the outputs that are not to be there, by output.
  private func lostRows(
    _ group: CompactedGroup, _ number: Int, _ source: FileScanTask, isGone: Bool,
    _ existing: DeletesOfFiles, _ context: CommitContext
  ) throws(TableError) -> [Int: [Int64]] {
    if isGone { return group.map.places(of: number, nil) }
    // What was left away was deleted at the start. It must be still.
    guard try existing.hold(source, context) else {
      throw TableError(
        .conflict,
        "deleted rows of a data file that was compacted came back: the deletes were taken back or rolled "
          + "back; nothing was changed: compact the table again", file: source.dataFile.path)
    }
    let deleted = try existing.positions(of: source.dataFile, context)
    return group.map.places(of: number, deleted)
  }

  /// Sources that are no longer part of the table.
  private func goneSources(
    _ sources: [String: DataFile], _ base: TableMetadata, _ parent: Snapshot?,
    _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> Set<String> {
    var gone: Set<String> = []
    do throws(TableError) {
      for (path, isThere) in try scan.lastChanges(of: Set(sources.keys)) where !isThere {
        gone.insert(path)
      }
      return gone
    } catch {
      // The history since the start has expired: the state itself tells, if by more work.
      guard error.code == .conflict else { throw error }
    }
    gone = Set(sources.keys)
    for manifest in try context.files.manifests(of: parent)
    where manifest.content == .data && manifest.hasLiveFiles {
      let reader = try context.files.reader(manifest, base)
      while try reader.advance() {
        if reader.isLive { gone.remove(try reader.path()) }
      }
    }
    return gone
  }

  override func columnFiles(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ changes: FileChanges,
    _ context: CommitContext
  ) throws(TableError) -> ColumnFileList? {
    try columns.follow(groups, on: base, parent, changes, context) { wrote($0) }
  }

  private func writeMaps(_ context: CommitContext) throws(TableError) {
    if maps.isEmpty {
      written = nil
    } else if written?.maps != maps {
      let path = context.files.newLocation(
        "\(snapshotID)-\(context.environment.uuid())-rows.puffin")
      wrote(path)
      try context.files.write(try RowMap.file(maps, snapshotID: snapshotID), to: path)
      written = (maps, path)
    }
    summaryProperties[RowMap.property] = written?.location
  }

  override func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    let updates = try super.updates(on: base, &context)
    isCommittedWithMap = !updates.isEmpty
    return updates
  }

  override var otherUsedFiles: Set<String> {
    columns.used.union(
      [vectors?.made.location, isCommittedWithMap ? written?.location : nil].compactMap { $0 })
  }

  /// Where all sources are gone, there is nothing to replace.
  override func isNothing(_ changes: FileChanges) -> Bool {
    changes.isEmpty && !(erases && groups.isEmpty)
  }

  /// Outputs that are not the table's may hold rows that an erasure took since.
  override func committed(_ metadata: TableMetadata, _ context: CommitContext) {
    super.committed(metadata, context)
    context.files.discard(unfollowed.outputs)
  }
}

extension DataFile {
  /// Deletes that are not about one data file alone.
  fileprivate var isForManyFiles: Bool { content != .data && referencedDataFile == nil }
}

extension TableMetadata {
  /// The sequence number of the last erasure, as a property of the table: what began before it must not
  /// bring back bytes of files that it took away.
  static let erasedProperty = "weir.erased-through"

  var erasedThrough: Int64 { Int64(properties.int(Self.erasedProperty) ?? 0) }

  /// Whether rows were erased after `start`.
  func hasErased(since start: TableMetadata) -> Bool {
    guard !Defect.erasedRowsComeBack.isPlanted else { return false }
    return erasedThrough > start.lastSequenceNumber
  }
}

/// A group of files that was rewritten.
struct CompactedGroup {
  /// As they were read, with the deletes that applied then.
  var sources: [FileScanTask]
  var outputs: [DataFile]
  /// Its sources and outputs are those above, in their order.
  var map: RowMap
  /// The outputs hold the deleted rows of the sources, and stay when all their rows are deleted: a
  /// stream's tombstones.
  var keepsDeletedRows = false
}
