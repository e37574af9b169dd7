// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The rows that one snapshot took away and brought, file by file; see `ChangePlanner`.
final class SnapshotChanges {
  let snapshot: Snapshot
  /// Whether rows may have gone, and come, as far as the manifest list tells.
  let mayDelete: Bool
  let mayInsert: Bool

  /// The most files that a snapshot that deletes rows may touch: about 1 GB of memory.
  private static let touchedCountMax = 4_000_000

  private enum Phase { case removed, touched, added, done }

  private let state: ChangePlanning
  private let parent: Snapshot?
  private let ordinal: Int
  /// Data manifests that the snapshot wrote.
  private let own: [ManifestFile]
  private let all: [ManifestFile]
  private var deletes = ChangedDeletes()
  private var removed: Set<String> = []
  private var before: DeleteIndex?
  private var after: DeleteIndex?
  /// Files that are still to be found because their own deletes changed.
  private var wanted: Set<String> = []
  private var phase = Phase.removed
  private var walk: EntryWalk
  /// The column files before the snapshot, and behind it.
  private let columnFiles: (before: ColumnFileList, after: ColumnFileList)
  /// Rows that may have come back; they are told behind all that went.
  private var returned: [ChangeTask] = []

  init(
    _ state: ChangePlanning, _ snapshot: Snapshot, parent: Snapshot?, ordinal: Int
  ) throws(TableError) {
    self.state = state
    self.snapshot = snapshot
    self.parent = parent
    self.ordinal = ordinal
    all = try state.files.manifests(of: snapshot)
    columnFiles = (
      try state.files.columnFiles(of: parent, in: state.metadata),
      try state.files.columnFiles(of: snapshot, in: state.metadata)
    )
    let mine = all.filter { $0.addedSnapshotID == snapshot.snapshotID }
    own = mine.filter { $0.content == .data }
    let ownDeletes = mine.filter {
      $0.content == .deletes && ($0.hasAddedFiles || $0.hasDeletedFiles)
    }
    let removing = own.filter(\.hasDeletedFiles)
    mayDelete = !removing.isEmpty || ownDeletes.contains(where: \.hasAddedFiles)
    mayInsert =
      own.contains(where: \.hasAddedFiles) || ownDeletes.contains(where: \.hasDeletedFiles)
    walk = state.walk(removing)
    var deleteWalk = state.walk(ownDeletes)
    while let place = try deleteWalk.next() {
      if try isOwn(place.reader) { try deletes.add(try place.reader.entry().dataFile, place.spec) }
    }
    // The removed files have to be known before the deletes of theirs are collected.
    var removedWalk = walk
    while let place = try removedWalk.next() {
      guard place.reader.status == .deleted, try isOwn(place.reader) else { continue }
      removed.insert(try place.reader.path())
      guard removed.count + deletes.paths.count <= Self.touchedCountMax else {
        throw TableError(
          .limit,
          "snapshot \(snapshot.snapshotID) touches more than \(Self.touchedCountMax) files; its "
            + "changes cannot be told one by one")
      }
    }
  }

  /// The next rows, those that went first; `nil` after the last.
  func next() throws(TableError) -> ChangeTask? {
    while phase != .done {
      if phase == .added, let task = returned.popLast() { return task }
      guard let place = try walk.next() else {
        try advancePhase()
        continue
      }
      let task: ChangeTask? =
        switch phase {
        case .removed: try removedTask(place)
        case .touched: try touchedTask(place)
        case .added: try addedTask(place)
        case .done: nil
        }
      if let task { return task }
      if phase == .touched, wanted.isEmpty, !deletes.areOfPartitions { try advancePhase() }
    }
    return nil
  }

  private func advancePhase() throws(TableError) {
    switch phase {
    case .removed:
      phase = .touched
      wanted = deletes.paths.subtracting(removed)
      var manifests: [ManifestFile] = []
      for manifest in all
      where !(wanted.isEmpty && !deletes.areOfPartitions) && manifest.content == .data
        && manifest.hasLiveFiles
      {
        let spec = try state.files.spec(of: manifest, in: state.metadata)
        if state.pruner.mayMatch(manifest, spec) { manifests.append(manifest) }
      }
      walk = state.walk(manifests)
    case .touched:
      phase = .added
      walk = state.walk(own.filter(\.hasAddedFiles))
    case .added, .done: phase = .done
    }
  }

  /// Whether the snapshot itself added or removed the file.
  private func isOwn(_ reader: ManifestReader) throws(TableError) -> Bool {
    guard reader.status != .existing else { return false }
    return try reader.snapshotID() == snapshot.snapshotID
  }

  // MARK: Tasks

  private func removedTask(_ place: EntryWalk.Place) throws(TableError) -> ChangeTask? {
    guard place.reader.status == .deleted, try isOwn(place.reader),
      var scan = try scanTask(place, columnFiles.before)
    else { return nil }
    scan.deletes = try deletesBefore().deletes(
      of: scan.dataFile, sequenceNumber: scan.sequenceNumber)
    return task(.delete, scan)
  }

  private func addedTask(_ place: EntryWalk.Place) throws(TableError) -> ChangeTask? {
    guard place.reader.status == .added, try isOwn(place.reader),
      var scan = try scanTask(place, columnFiles.after)
    else { return nil }
    // Deletes of earlier snapshots apply to files that were added under an older number only.
    if !deletes.isEmpty || scan.sequenceNumber < snapshot.sequenceNumber {
      scan.deletes = try deletesAfter().deletes(
        of: scan.dataFile, sequenceNumber: scan.sequenceNumber)
    }
    return task(.insert, scan)
  }

  /// A file that was there before and stays.
  private func touchedTask(_ place: EntryWalk.Place) throws(TableError) -> ChangeTask? {
    let reader = place.reader
    guard reader.isLive else { return nil }
    if try isOwn(reader) { return nil }
    let isNamed = wanted.isEmpty ? false : wanted.remove(try reader.path()) != nil
    guard isNamed || deletes.areOfPartitions else { return nil }
    if !isNamed, !deletes.mayApply(place.spec, try reader.partition()) { return nil }
    guard var scan = try scanTask(place, columnFiles.before) else { return nil }
    let (file, number) = (scan.dataFile, scan.sequenceNumber)
    let before = try deletesBefore().deletes(of: file, sequenceNumber: number)
    let after = try deletesAfter().deletes(of: file, sequenceNumber: number)
    let (old, new) = (before.keys, after.keys)
    if old == new { return nil }
    if !old.isSubset(of: new) {
      // Deletes went, perhaps because others say the same: rows may have come back.
      scan.deletes = after
      returned.append(task(.insert, scan, deletedBy: before))
      if new.isSubset(of: old) { return nil }
    }
    scan.deletes = before
    return task(.delete, scan, deletedBy: after)
  }

  /// `nil` where the filter excludes all rows.
  private func scanTask(
    _ place: EntryWalk.Place, _ columnFiles: ColumnFileList
  ) throws(TableError) -> FileScanTask? {
    let columns = columnFiles.isEmpty ? [] : columnFiles[try place.reader.path()]
    guard let residual = try state.pruner.residual(place.reader, place.spec, columns) else {
      return nil
    }
    let entry = try place.reader.entry(withMetrics: false)
    let number = entry.sequenceNumber ?? 0
    var task = FileScanTask(
      dataFile: entry.dataFile, spec: place.spec, sequenceNumber: number,
      fileSequenceNumber: entry.fileSequenceNumber ?? number, residual: residual)
    task.columnFiles = columns
    return task
  }

  private func task(
    _ type: ChangeType, _ scan: FileScanTask, deletedBy: TaskDeletes? = nil
  ) -> ChangeTask {
    ChangeTask(
      type: type, ordinal: ordinal, snapshotID: snapshot.snapshotID, scan: scan,
      deletedBy: deletedBy)
  }

  /// Files whose own deletes are of interest; all when any file may be touched.
  private var touched: Set<String>? {
    deletes.areOfPartitions ? nil : removed.union(deletes.paths)
  }

  private func deletesBefore() throws(TableError) -> DeleteIndex {
    if let before { return before }
    let index = try state.deletes(of: parent, paths: touched)
    before = index
    return index
  }

  private func deletesAfter() throws(TableError) -> DeleteIndex {
    if let after { return after }
    let index = try state.deletes(of: snapshot, paths: touched)
    after = index
    return index
  }
}

/// The delete files that a snapshot added or removed, by what they may apply to.
private struct ChangedDeletes {
  /// Data files that deletes of one file alone name.
  private(set) var paths: Set<String> = []
  private var partitions: Set<PartitionKey> = []
  private var areOfAll = false
  private(set) var isEmpty = true

  /// Whether some may apply to any file of a partition, or of all.
  var areOfPartitions: Bool { areOfAll || !partitions.isEmpty }

  mutating func add(_ file: DataFile, _ spec: PartitionSpec) throws(TableError) {
    isEmpty = false
    if file.content == .positionDeletes, let path = DeleteIndex.onlyFile(file) {
      paths.insert(path)
    } else if file.content == .equalityDeletes, spec.fields.isEmpty {
      areOfAll = true
    } else {
      partitions.insert(PartitionKey(file))
    }
  }

  func mayApply(_ spec: PartitionSpec, _ partition: [Scalar]) -> Bool {
    areOfAll || partitions.contains(PartitionKey(specID: spec.specID, values: partition))
  }
}

extension TaskDeletes {
  /// What tells the delete files from others.
  fileprivate var keys: Set<DeleteFileKey> {
    Set(
      ([deletionVector].compactMap(\.self) + positionDeletes + equalityDeletes)
        .map(DeleteFileKey.init))
  }
}
