// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Plans which rows of which files came and went with the snapshots between two states of a table.
///
/// For each snapshot, in their order, first the rows that went and then the rows that came:
///
/// 1. Entries of data files that the snapshot removed: the rows that were left before it.
/// 2. Data files that stay, whose deletes the snapshot changed: rows that its deletes hide and those
///    before it did not, and the other way round where deletes were taken away.
/// 3. Entries of data files that it added: the rows that its own deletes leave.
///
/// Snapshots that only rewrite files (`replace`) change no rows and are passed over, as the reference
/// implementation does. Rows that a copy-on-write engine carried from one file to another come as
/// deleted and as inserted: `ChangeReader` pairs them.
///
/// For net changes while columns were backfilled rewrites are gone through, too (`filled`): a row is then
/// followed from file to file up to the one that the end has, where its values are.
///
/// Memory: a manifest; for snapshots that delete rows also the deletes of the files that they touch.
/// One thread at a time.
public final class ChangePlanner {
  public let range: SnapshotRange
  /// The schema of the range's end, to which `filter` and all residuals are bound.
  public let schema: TableSchema
  public let filter: BoundPredicate
  /// Where net changes find the values of rows when columns were backfilled between the states: the
  /// column files of the state before the first change, for rows that went, and of the one behind the
  /// last, for rows that came. `nil` for all other changes.
  let filled: (start: ColumnFileList, end: ColumnFileList)?

  private let state: ChangePlanning
  private var snapshots: ArraySlice<(parent: Snapshot?, snapshot: Snapshot)>
  private var ordinal = 0
  private var current: SnapshotChanges?

  /// - Parameters:
  ///   - prunes: whether files without a row for which the filter is true are left out.
  ///   - isNet: whether the changes are those between the two states, not those of each snapshot.
  init(
    _ metadata: TableMetadata, files: ManifestFiles, filter: Predicate,
    after start: SnapshotSelector?, to end: SnapshotSelector, caseSensitive: Bool,
    prunes: Bool = true, isNet: Bool = false
  ) throws(TableError) {
    range = try SnapshotRange(metadata, after: start, to: end)
    schema = try metadata.resolve(end).schema
    self.filter = try filter.bound(to: schema, caseSensitive: caseSensitive)
    let parents = [range.start] + range.snapshots.dropLast().map { Optional($0) }
    let steps = Array(zip(parents, range.snapshots))
    filled = isNet ? try Self.filled(steps, range, metadata, files) : nil
    // What the filter says of a row may be another thing before and behind a backfill.
    let pruning =
      prunes && filled == nil
      ? self.filter : try Predicate.always(true).bound(to: schema, caseSensitive: true)
    state = ChangePlanning(
      metadata: metadata, files: files, schema: schema, pruner: FilePruner(pruning, schema))
    let tellsRewrites = filled != nil
    snapshots =
      steps
      .filter { tellsRewrites || $0.1.operation != .replace }.map { ($0, $1) }[...]
  }

  /// The column files at both ends, when some came between them that are not of the end before.
  private static func filled(
    _ steps: [(Snapshot?, Snapshot)], _ range: SnapshotRange, _ metadata: TableMetadata,
    _ files: ManifestFiles
  ) throws(TableError) -> (start: ColumnFileList, end: ColumnFileList)? {
    func isFilled(_ parent: Snapshot?, _ snapshot: Snapshot) throws(TableError) -> Bool {
      if metadata.columnFileListPath(of: parent) == metadata.columnFileListPath(of: snapshot) {
        return false
      }
      let before = Set(try files.columnFiles(of: parent, in: metadata).paths)
      return try files.columnFiles(of: snapshot, in: metadata).paths.contains {
        !before.contains($0)
      }
    }
    for (parent, snapshot) in steps where try isFilled(parent, snapshot) {
      return (
        try files.columnFiles(of: range.start, in: metadata),
        try files.columnFiles(of: range.end, in: metadata)
      )
    }
    return nil
  }

  /// The next rows; `nil` after the last.
  public func next() throws(TableError) -> ChangeTask? {
    while true {
      if let current {
        if let task = try current.next() { return task }
        self.current = nil
      }
      guard let next = try nextSnapshot() else { return nil }
      current = next
    }
  }

  /// The changes of the next snapshot; `nil` after the last. Not to be mixed with `next()`.
  func nextSnapshot() throws(TableError) -> SnapshotChanges? {
    guard let (parent, snapshot) = snapshots.popFirst() else { return nil }
    defer { ordinal += 1 }
    return try SnapshotChanges(state, snapshot, parent: parent, ordinal: ordinal)
  }
}

/// What the changes of all snapshots of a scan share.
struct ChangePlanning {
  let metadata: TableMetadata
  let files: ManifestFiles
  let schema: TableSchema
  let pruner: FilePruner

  func walk(_ manifests: [ManifestFile]) -> EntryWalk {
    EntryWalk(manifests, metadata, files, schema)
  }

  /// The deletes of a snapshot; those of one data file alone only when the file is among `paths`,
  /// where these are given.
  func deletes(
    of snapshot: Snapshot?, paths: Set<String>?
  ) throws(TableError) -> DeleteIndex {
    var index = DeleteIndex(of: paths)
    guard let snapshot else { return index }
    let manifests = try files.manifests(of: snapshot)
      .filter { $0.content == .deletes && $0.hasLiveFiles }
    var walk = walk(manifests)
    while let place = try walk.next() {
      guard place.reader.isLive else { continue }
      let entry = try place.reader.entry()
      var file = entry.dataFile
      file.metrics = file.metrics.detached()
      try index.add(file, sequenceNumber: entry.sequenceNumber ?? 0, spec: place.spec)
    }
    return index
  }
}
