// SPDX-License-Identifier: Apache-2.0

extension Table {
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
