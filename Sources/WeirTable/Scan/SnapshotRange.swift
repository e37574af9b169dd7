// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// The snapshots behind one snapshot up to another, along the line of their parents.
public struct SnapshotRange: Sendable {
  /// The oldest first; without `start`.
  public let snapshots: [Snapshot]
  /// The state before the first; `nil` for the empty table.
  public let start: Snapshot?
  /// The state behind the last; `nil` when the table has no snapshot.
  public let end: Snapshot?

  /// - Parameters:
  ///   - start: exclusive; `nil` for the table as it was before its first snapshot.
  ///   - end: inclusive.
  /// - Throws: `notFound` for a snapshot that is not there, `invalidArgument` when `start` is no
  ///   ancestor of `end`, or when the history down to the first snapshot is asked for and has expired.
  public init(
    _ metadata: TableMetadata, after start: SnapshotSelector?, to end: SnapshotSelector = .current
  ) throws(TableError) {
    self.end = try metadata.resolve(end).snapshot
    self.start =
      try start.map { selector throws(TableError) in
        try metadata.resolve(selector).snapshot
      } ?? nil
    guard let last = self.end else {
      snapshots = []
      return
    }
    var line: [Snapshot] = []
    var isReached = self.start == nil
    for snapshot in metadata.ancestors(of: last.snapshotID) {
      if snapshot.snapshotID == self.start?.snapshotID {
        isReached = true
        break
      }
      line.append(snapshot)
    }
    if self.start == nil, let parent = line.last?.parentID {
      throw TableError(
        .invalidArgument,
        "the history before snapshot \(line.last?.snapshotID ?? 0) has expired (its parent was "
          + "\(parent)); give a snapshot to start from")
    }
    guard isReached else {
      throw TableError(
        .invalidArgument,
        "snapshot \(self.start?.snapshotID ?? 0) is no ancestor of \(last.snapshotID): the changes "
          + "between them cannot be told; `history` shows the line of the table's snapshots")
    }
    snapshots = line.reversed()
  }

  var ids: Set<Int64> { Set(snapshots.map(\.snapshotID)) }
}

/// Plans the files that appends added between two snapshots. Other operations (overwrites, deletes,
/// rewrites) are passed over, as the reference implementation does; deletes are not applied.
///
/// Memory: one manifest. One thread at a time.
public final class AppendScanPlanner {
  public let range: SnapshotRange
  /// The schema of the range's end, to which `filter` and all residuals are bound.
  public let schema: TableSchema
  public let filter: BoundPredicate

  private let entries: ChangedEntries
  private let pruner: FilePruner
  /// Of the range's end.
  private let columnFiles: ColumnFileList

  init(
    _ metadata: TableMetadata, files: ManifestFiles, filter: Predicate,
    after start: SnapshotSelector?, to end: SnapshotSelector, caseSensitive: Bool
  ) throws(TableError) {
    range = try SnapshotRange(metadata, after: start, to: end)
    schema = try metadata.resolve(end).schema
    self.filter = try filter.bound(to: schema, caseSensitive: caseSensitive)
    entries = ChangedEntries(
      metadata, files, range.snapshots.filter { $0.operation == .append }, schema)
    pruner = FilePruner(self.filter, schema)
    columnFiles = try files.columnFiles(of: range.end, in: metadata)
  }

  /// The next file; `nil` after the last. Snapshots come in their order.
  public func next() throws(TableError) -> FileScanTask? {
    while let change = try entries.next(.data) {
      guard change.reader.status == .added else { continue }
      let columns = columnFiles.isEmpty ? [] : columnFiles[try change.reader.path()]
      guard let residual = try pruner.residual(change.reader, change.spec, columns) else {
        continue
      }
      let entry = try change.reader.entry(withMetrics: false)
      let number = entry.sequenceNumber ?? 0
      var task = FileScanTask(
        dataFile: entry.dataFile, spec: change.spec, sequenceNumber: number,
        fileSequenceNumber: entry.fileSequenceNumber ?? number, residual: residual)
      task.columnFiles = columns
      return task
    }
    return nil
  }
}

/// Goes through the entries that snapshots added or deleted themselves, snapshot by snapshot.
final class ChangedEntries {
  /// An entry at which its reader stands.
  struct Change {
    let reader: ManifestReader
    let spec: PartitionSpec
    let snapshot: Snapshot
  }

  private let metadata: TableMetadata
  private let files: ManifestFiles
  private let schema: TableSchema
  private var snapshots: ArraySlice<Snapshot>
  private var manifests: ArraySlice<ManifestFile> = []
  private var current: Change?
  private var snapshot: Snapshot?

  init(
    _ metadata: TableMetadata, _ files: ManifestFiles, _ snapshots: [Snapshot],
    _ schema: TableSchema
  ) {
    self.metadata = metadata
    self.files = files
    self.schema = schema
    self.snapshots = snapshots[...]
  }

  func next(_ content: ManifestFile.Content?) throws(TableError) -> Change? {
    while true {
      while let current {
        guard try current.reader.advance() else {
          self.current = nil
          break
        }
        guard current.reader.status != .existing,
          try current.reader.snapshotID() == current.snapshot.snapshotID
        else { continue }
        return current
      }
      if let snapshot, let manifest = manifests.popFirst() {
        guard manifest.addedSnapshotID == snapshot.snapshotID,
          content == nil || content == manifest.content
        else { continue }
        let spec = try files.spec(of: manifest, in: metadata)
        current = Change(
          reader: try files.open(manifest, spec, schema), spec: spec, snapshot: snapshot)
      } else {
        guard let next = snapshots.popFirst() else { return nil }
        snapshot = next
        manifests = try files.manifests(of: next)[...]
      }
    }
  }
}
