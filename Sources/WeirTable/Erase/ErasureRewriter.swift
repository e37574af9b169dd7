// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Writes the files of one branch anew without the rows of an erasure, each by itself.
struct ErasureRewriter {
  let metadata: TableMetadata
  let table: Table
  let rowsMax: Int
  let name: (String) -> String

  /// What was written.
  struct Made {
    var groups: [CompactedGroup] = []
    /// Equality delete files of such rows; all files that they are about are among the groups.
    var equality: [DataFile] = []
    var rewrites: [TableErasureResult.Rewrite] = []
  }

  /// - Throws: what reading and writing throw; nothing is left then.
  func rewrite(_ branch: String, _ survey: ErasureSurvey) throws(TableError) -> Made {
    let planner = try ScanPlanner(
      metadata, stores: table.stores, at: .reference(branch),
      cache: table.environment.manifestCache)
    var tasks: [FileScanTask] = []
    var equality: [String: DataFile] = [:]
    if !survey.equality.isEmpty, let snapshot = planner.snapshot {
      equality = try holders(snapshot, survey)
    }
    while let task = try planner.next() {
      for file in task.deletes.equalityDeletes {
        let isUndecided = !survey.finder.isDecided(by: file.equalityIDs ?? [])
        if isUndecided, survey.rows[task.dataFile.path] != nil { equality[file.path] = file }
      }
      if survey.rows[task.dataFile.path] != nil || !task.deletes.equalityDeletes.isEmpty {
        tasks.append(task)
      }
    }
    tasks = tasks.filter { task in
      survey.rows[task.dataFile.path] != nil
        || task.deletes.equalityDeletes.contains { equality[$0.path] != nil }
    }
    let rewriter = GroupRewriter(
      metadata: metadata, stores: table.stores, environment: table.environment, sorter: nil)
    var made = Made()
    made.equality = equality.values.sorted { $0.path < $1.path }
    var rows = 0
    do throws(TableError) {
      for task in tasks {
        rows += task.dataFile.recordCount
        // Equality deletes go with all that they are about, at once.
        if rows > rowsMax, !made.groups.isEmpty, equality.isEmpty { break }
        try rewrite(task, survey.rows[task.dataFile.path], rewriter, &made)
      }
      return made
    } catch {
      table.stores.delete(made.groups.flatMap { $0.outputs.map(\.path) })
      throw error
    }
  }

  /// The equality delete files of a snapshot that hold such rows, also those that are about no file.
  private func holders(
    _ snapshot: Snapshot, _ survey: ErasureSurvey
  ) throws(TableError) -> [String: DataFile] {
    let files = TableFiles(table, metadata)
    var result: [String: DataFile] = [:]
    for manifest in try files.manifests(of: snapshot)
    where manifest.content == .deletes && manifest.hasLiveFiles {
      let reader = try files.reader(manifest, metadata)
      while try reader.advance() {
        guard reader.isLive, survey.equality.contains(try reader.path()) else { continue }
        let file = try reader.entry(withMetrics: false).dataFile
        result[file.path] = file
      }
    }
    return result
  }

  private func rewrite(
    _ task: FileScanTask, _ erased: RoaringBitmap64?, _ rewriter: GroupRewriter, _ made: inout Made
  ) throws(TableError) {
    let file = task.dataFile
    // All rows of a stream's file of tombstones are deleted, and needed.
    let isTombstones =
      metadata.properties[Compaction.streamProperty] != nil
      && task.deletes.deletionVector?.recordCount == file.recordCount
    var reading = task
    if isTombstones { reading.deletes = TaskDeletes() }
    reading.deletes.otherPositions = erased
    let before = try checksum(file.path)
    var group = try rewriter.rewrite([reading])
    group.sources = [task]
    group.keepsDeletedRows = isTombstones
    made.groups.append(group)
    made.rewrites.append(
      .init(
        source: .init(name: name(file.path), sha256: before, rowCount: file.recordCount),
        erasedRowCount: erased?.count ?? 0,
        outputs: try group.outputs.map { (output) throws(TableError) in
          .init(
            name: name(output.path), sha256: try checksum(output.path),
            rowCount: output.recordCount)
        }))
  }

  private static let pieceBytes = 8 << 20

  private func checksum(_ path: String) throws(TableError) -> String {
    do throws(StorageError) {
      let reader = try table.stores.open(path)
      var hash = SHA256()
      var start = 0
      while start < reader.size {
        let end = min(reader.size, start + Self.pieceBytes)
        hash.update(try reader.read(start..<end))
        start = end
      }
      return Hexadecimal.encode(hash.finish())
    } catch { throw TableError(error, file: path) }
  }
}
