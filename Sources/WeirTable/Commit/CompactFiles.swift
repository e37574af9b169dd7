// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Replaces data files by others that hold the same rows, whatever happened to the rows meanwhile.
///
/// Where the operation commits, each group's rows are live in its outputs if, and only if, they are live
/// in its sources: rows that others deleted or replaced since are deleted in the outputs, and so are all
/// rows of a source that is gone (a delete took its last row, an overwrite or another compaction
/// rewrote it). What others append does not matter. So a compaction is never in anybody's way, and
/// nobody's commit throws away its work. The row maps are committed with it, for those who come later
/// (`RowMap`).
///
/// In the way are, in format version 2, rows that others deleted from the sources, for there a delete
/// would need a file of its own for each output; and a rollback that brought deleted rows back.
final class CompactFiles: SnapshotProducer {
  private var groups: [CompactedGroup] = []
  private var vectors: (existing: DeletesOfFiles, gone: Set<String>, made: Made)?
  private var mapLocation: String?
  /// Whether the last attempt makes a snapshot, which names the map.
  private var isCommittedWithMap = false
  /// Rows that were deleted in outputs at the last attempt, because others had deleted them in sources.
  private(set) var followedDeleteCount = 0

  private struct Made {
    var location: String?
    var changes: FileChanges
    var deleteCount: Int
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

  override var operation: Snapshot.Operation { .replace }

  override func resolved(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> FileChanges {
    followedDeleteCount = 0
    // Equality deletes that come later go on applying, by the number of what was read.
    changes.addedDataSequenceNumber = start.lastSequenceNumber
    if parent?.snapshotID == startingSnapshotID || Defect.compactionLosesUpdates.isPlanted {
      return changes
    }
    let sources = changes.removedDataFiles.compactMapValues { $0 }
    let gone = try goneSources(sources, base, parent, scan, context)
    let existing = try DeletesOfFiles(of: sources, base, parent, context)
    if let vectors, vectors.existing == existing, vectors.gone == gone {
      followedDeleteCount = vectors.made.deleteCount
      return vectors.made.changes
    }
    var made = Made(location: nil, changes: changes, deleteCount: 0)
    made.changes.removedDataFiles = changes.removedDataFiles.filter { !gone.contains($0.key) }
    made.changes.removedDeleteFiles = changes.removedDeleteFiles.filter { _, file in
      file.referencedDataFile.map { !gone.contains($0) } ?? true
    }
    made.changes.addedDataFiles = []
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
        made.deleteCount += rows.count
        // One that lost all its rows is not needed.
        guard rows.count < output.recordCount else { continue }
        made.changes.addedDataFiles.append(output)
        guard base.formatVersion >= 3 else { throw deletedMeanwhile(group, base) }
        try file.add(RoaringBitmap64(rows), of: output)
      }
    }
    if !file.isEmpty {
      let path = VectorsFile.newLocation(base, context.environment)
      wrote(path)
      made.changes.addedDeleteFiles += try file.write(to: path, context.files)
      made.location = path
    }
    vectors = (existing, gone, made)
    followedDeleteCount = made.deleteCount
    return made.changes
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

  override func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    if mapLocation == nil {
      let path = context.files.newLocation(
        "\(snapshotID)-\(context.environment.uuid())-rows.puffin")
      wrote(path)
      try context.files.write(
        try RowMap.file(groups.map(\.map), snapshotID: snapshotID), to: path)
      mapLocation = path
      summaryProperties[RowMap.property] = path
    }
    let updates = try super.updates(on: base, &context)
    isCommittedWithMap = !updates.isEmpty
    return updates
  }

  override var otherUsedFiles: Set<String> {
    Set([vectors?.made.location, isCommittedWithMap ? mapLocation : nil].compactMap { $0 })
  }

  /// Where all sources are gone, there is nothing to replace.
  override func isNothing(_ changes: FileChanges) -> Bool { changes.isEmpty }
}

/// A group of files that was rewritten.
struct CompactedGroup {
  /// As they were read, with the deletes that applied then.
  var sources: [FileScanTask]
  var outputs: [DataFile]
  /// Its sources and outputs are those above, in their order.
  var map: RowMap
}
