// SPDX-License-Identifier: Apache-2.0

extension Table {
  /// Runs `body`, and anew when a file that it read was not there and somebody has changed the table
  /// meanwhile: an erasure removes a snapshot and its files at once, whoever reads them.
  ///
  /// - Parameter body: begins with the table's metadata, and can be run again.
  /// - Throws: what `body` throws; `notFound` for a file that is missing though nobody changed the table,
  ///   or again and again.
  func repeatingIfOvertaken<R>(
    _ body: () throws(TableError) -> R
  ) throws(TableError) -> R {
    var attempt = 1
    while true {
      let start = metadataLocation
      do throws(TableError) { return try body() } catch {
        guard error.code == .notFound, attempt < Self.overtakenCountMax else { throw error }
        try refresh()
        guard metadataLocation != start else { throw error }
        attempt += 1
      }
    }
  }

  private static let overtakenCountMax = 8

  /// Whether the rows of one of `tasks` are in other files by now: rewritten, deleted from or filled since.
  /// What is missing of such files was removed by expiry, and is not lost.
  ///
  /// Cost: plans a scan of the current snapshot.
  ///
  /// - Parameter start: the state by which the tasks were planned.
  func areOvertaken(
    _ tasks: [FileScanTask], since start: TableMetadata
  ) throws(TableError) -> Bool {
    let now = try refresh()
    guard now.currentSnapshotID != start.currentSnapshotID else { return false }
    var open: [String: Set<String>] = [:]
    for task in tasks { open[task.dataFile.path] = task.filePaths }
    let planner = try ScanPlanner(now, stores: stores, cache: environment.manifestCache)
    while !open.isEmpty, let task = try planner.next() {
      if open[task.dataFile.path] == task.filePaths { open[task.dataFile.path] = nil }
    }
    return !open.isEmpty
  }
}

extension FileScanTask {
  /// All files that are read for its rows.
  fileprivate var filePaths: Set<String> {
    var paths: Set = [dataFile.path]
    if let vector = deletes.deletionVector { paths.insert(vector.path) }
    paths.formUnion(deletes.positionDeletes.map(\.path))
    paths.formUnion(deletes.equalityDeletes.map(\.path))
    paths.formUnion(columnFiles.map(\.path))
    return paths
  }
}
