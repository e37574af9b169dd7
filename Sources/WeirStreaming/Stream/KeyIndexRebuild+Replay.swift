// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Brings an index from the snapshot that it knows to the current one, by the files in which they differ:
/// after somebody else's commit, and after a crash between a commit of ours and the index's change. A file
/// that got columns by a backfill is another one: the index has their values, and merges go on from them.
///
/// 1. Keys whose place is in a file that went, or is a row that was marked deleted since, are forgotten.
/// 2. Files that came are read as in a rebuild: tombstones, unless the index knows better, then rows that
///    are seen.
/// 3. A key that was forgotten and did not come back may have an older tombstone: the tombstones that were
///    there before are read for those keys.
///
/// The result is that of a rebuild.
extension KeyIndexRebuild {
  /// Files of one snapshot that are compared at most; beyond it a rebuild is no worse.
  private static let fileCountMax = 1_000_000

  /// - Returns: how many files were read; `nil` when only a rebuild helps: the index is empty, or its
  ///   snapshot has expired.
  func replay(
    _ index: any KeyIndex, shard: Int, to wanted: IndexPosition
  ) throws(StreamError) -> Int? {
    guard let known = index.position, known.offset <= wanted.offset else { return nil }
    if known.snapshotID == wanted.snapshotID {
      try index.move(to: wanted)
      return 0
    }
    guard known.snapshotID == 0 || metadata.snapshot(id: known.snapshotID) != nil else {
      return nil
    }
    do throws(TableError) {
      let before = known.snapshotID == 0 ? Files() : try files(.id(known.snapshotID), shard)
      let after = try files(.current, shard)
      guard before.count + after.count <= Self.fileCountMax else { return nil }
      var difference = Difference(before, after)
      // From here on the index is incomplete, which its position says.
      try applying { () throws(StreamError) in try index.apply(Self.nothing) }
      var forgotten = try forget(index, difference)
      try load(index, difference.came, shard: shard, keys: nil)
      try applying { () throws(StreamError) in
        forgotten = try Self.absent(forgotten, in: index)
      }
      if !forgotten.isEmpty {
        difference.oldTombstones.visible = []
        try load(index, difference.oldTombstones, shard: shard, keys: forgotten)
        difference.fileCount += difference.oldTombstones.count
      }
      try applying { () throws(StreamError) in try index.move(to: wanted) }
      return difference.fileCount
    } catch { throw StreamError(error).adding(shard: shard) }
  }

  private func applying(_ body: () throws(StreamError) -> Void) throws(TableError) {
    do throws(StreamError) { try body() } catch { throw TableError(error) }
  }

  private static var nothing: IndexBatch {
    get throws(StreamError) {
      let none = try bytesArray([])
      return IndexBatch(
        position: nil, files: [], keys: none, states: [], locations: [], versions: none, rows: none)
    }
  }

  /// In which files two snapshots differ.
  private struct Difference {
    /// Files that went, with the rows that were seen.
    var gone: [FileScanTask] = []
    /// Files that lost rows.
    var reduced: [FileScanTask] = []
    /// Files that are new, or have other rows than those that `reduced` covers.
    var came = Files()
    /// Files of tombstones that were there before.
    var oldTombstones = Files()
    var fileCount = 0

    init(_ before: Files, _ after: Files) {
      var known: [String: FileScanTask] = [:]
      for task in before.visible + before.tombstones { known[task.dataFile.path] = task }
      for task in after.visible + after.tombstones {
        guard let old = known.removeValue(forKey: task.dataFile.path) else {
          add(task)
          continue
        }
        let isFilled = old.columnFiles != task.columnFiles
        if old.vector == task.vector, !isFilled {
          if task.isTombstones { oldTombstones.tombstones.append(task) }
          continue
        }
        let deleted = old.deletes.deletionVector?.recordCount ?? 0
        if !isFilled, !task.isTombstones, deleted <= task.deletes.deletionVector?.recordCount ?? 0 {
          reduced.append(task)
        } else {
          gone.append(old)
          add(task)
        }
      }
      gone += known.values.sorted { $0.dataFile.path < $1.dataFile.path }
      fileCount = gone.count + reduced.count + came.count
    }

    private mutating func add(_ task: FileScanTask) {
      if task.isTombstones { came.tombstones.append(task) } else { came.visible.append(task) }
    }
  }

  /// Forgets keys whose places are no more.
  ///
  /// - Returns: these keys.
  private func forget(
    _ index: any KeyIndex, _ difference: Difference
  ) throws(TableError) -> Set<[UInt8]> {
    var forgotten: Set<[UInt8]> = []
    let names = layout.keyColumns.map { layout.fileSchema.fields[$0].name }
    let gone = difference.gone.map { task in
      var task = task
      task.deletes = TaskDeletes()
      return task
    }
    try read(gone, names + ["_file", "_pos"]) { batch throws(StreamError) in
      try forget(batch, index, &forgotten) { _ in true }
    }
    try read(difference.reduced, names + ["_file", "_pos", "_deleted"]) {
      batch throws(StreamError) in
      try forget(batch, index, &forgotten) {
        batch.columns[names.count + 2].scalar(at: $0) == .bool(true)
      }
    }
    return forgotten
  }

  /// - Parameter batch: the key's columns, `_file` and `_pos`.
  private func forget(
    _ batch: RecordBatch, _ index: any KeyIndex, _ forgotten: inout Set<[UInt8]>,
    _ isMeant: (Int) -> Bool
  ) throws(StreamError) {
    let count = layout.keyColumns.count
    let meant = (0..<batch.rowCount).filter(isMeant)
    guard !meant.isEmpty else { return }
    let rows = try columnar { () throws(ColumnarError) in try batch.take(meant) }
    let all = try layout.keyEncoder.encode(
      Array(rows.columns.prefix(count)), rowCount: rows.rowCount)
    let reader = try index.reader()
    let known = try reader.get(all, isSorted: false, withRows: false)
    var keys: [[UInt8]] = []
    for row in 0..<rows.rowCount where known.states[row] != .absent {
      guard case .string(let path) = rows.columns[count].scalar(at: row),
        case .int(let position) = rows.columns[count + 1].scalar(at: row),
        Int64(known.locations[row].row) == position,
        reader.path(of: known.locations[row].file) == path
      else { continue }
      keys.append(all.byteArray(row))
    }
    keys.sort { $0.lexicographicallyPrecedes($1) }
    guard !keys.isEmpty else { return }
    forgotten.formUnion(keys)
    let none = try bytesArray([[UInt8]](repeating: [], count: keys.count))
    try index.apply(
      IndexBatch(
        position: nil, files: [], keys: try bytesArray(keys),
        states: [KeyState](repeating: .absent, count: keys.count),
        locations: [RowLocation](repeating: RowLocation(file: 0, row: 0), count: keys.count),
        versions: none, rows: none))
  }

  /// Those of `keys` of which an index knows nothing.
  private static func absent(
    _ keys: Set<[UInt8]>, in index: any KeyIndex
  ) throws(StreamError) -> Set<[UInt8]> {
    let list = keys.sorted { $0.lexicographicallyPrecedes($1) }
    let known = try index.reader().get(bytesArray(list), isSorted: true, withRows: false)
    return Set(list.indices.filter { known.states[$0] == .absent }.map { list[$0] })
  }
}

extension KeyIndexRebuild.Files {
  var count: Int { visible.count + tombstones.count }
}

extension FileScanTask {
  /// What tells the file's deletion vector from others; empty without one.
  fileprivate var vector: String {
    deletes.deletionVector.map { "\($0.path) \($0.contentOffset ?? 0)" } ?? ""
  }
}
