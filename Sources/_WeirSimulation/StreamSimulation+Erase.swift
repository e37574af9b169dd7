// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// All that is known of a key is erased, while files wait for their commit that still hold it.
extension StreamSimulation {
  private static let attemptCountMax = 30

  /// Erases a key by as many processes as it takes; then no byte of it is left that somebody could read.
  func erase() throws {
    let key = Int64(random.int(0..<SimulatedRows.keyCount))
    // What was read before must not bring it back afterwards.
    if random.chance(0.5) { try holdCompaction() }
    note("erase key \(key)")
    // Those of other processes are not asked: their files go.
    slowReads.removeAll { $0.process == nil }
    erasedKey = key
    nonisolated(unsafe) let simulation = self
    // What comes and goes within an erasure is part of the line of snapshots, too.
    world.watchChanges { try? simulation.observe() }
    defer {
      world.watchChanges(nil)
      world.doMeanwhile(nil)
      erasedKey = nil
    }
    var attempt = 0
    while try !eraseOnce(key, attempt) {
      attempt += 1
      guard attempt < Self.attemptCountMax else { throw fail("the key \(key) cannot be erased") }
      world.clock.advance(1_500_000_000)
      // As the process does by itself: a log that failed is opened again.
      process?.stream.step()
    }
    world.watchChanges(nil)
    try observe()
    oracle.erase(key: key)
    checkedSnapshots = []
    counts.erasures += 1
    erased.insert(key)
    try checkAll()
    guard compaction != nil, random.chance(0.7) else { return }
    try compact()
    try checkAll()
  }

  private func checkAll() throws {
    let process = try openQuietly()
    try checkErased(process.stream)
    try check(process)
    try checkHistory()
  }

  /// - Returns: whether it came to its end, and nothing is left.
  private func eraseOnce(_ key: Int64, _ attempt: Int) throws -> Bool {
    let process = try open()
    if attempt > 10 { process.fate.arm(nil) }
    try observe()
    if random.chance(0.3) {
      nonisolated(unsafe) let simulation = self
      let isFilled = !backfills.isEmpty && random.chance(0.3)
      world.doMeanwhile {
        if isFilled { simulation.commitBackfill() } else { simulation.foreignCommit() }
      }
    }
    var options = ErasureOptions()
    options.orphanAgeMilliseconds = Self.orphanAgeMilliseconds
    options.waitMilliseconds = 100
    do {
      let result = try process.stream.erase(
        ErasureTarget(where: .compare(.equal, Term("key"), .integer(Int128(key)))), options)
      if let failure { throw failure }
      note(
        "erased \(result.erasedRowCount) rows, \(result.expiredSnapshotIDs.count) snapshots: \(result.left)"
      )
      // Files that nothing leads to may be those of a commit under way.
      let left = result.left.filter { !$0.contains("files that no snapshot leads to") }
      guard !left.isEmpty else { return true }
      while slowReads.contains(where: { $0.process === process }) { try goOnReading() }
      return false
    } catch let failure as Failure { throw failure } catch {
      note("erase failed: \(error)")
      return false
    }
  }

  /// Rows of these keys come again: they are new ones.
  func noteWritten(_ written: some Sequence<[String: Scalar]>) {
    guard !erased.isEmpty else { return }
    for row in written { if case .int(let key)? = row["key"] { erased.remove(key) } }
  }

  /// No file of any snapshot has a row of an erased key, deleted ones included.
  func checkErased(_ table: Table) throws {
    guard !erased.isEmpty else { return }
    for snapshot in table.metadata.snapshots {
      let planner = try table.plan(ScanOptions(at: .id(snapshot.snapshotID)))
      while let task = try planner.next() {
        let path = task.dataFile.path
        let keys = try fileKeys[path] ?? keys(of: task, table)
        fileKeys[path] = keys
        guard keys.isDisjoint(with: erased) else {
          throw fail("of the erased keys \(erased) some are in \(path)")
        }
      }
    }
  }

  /// The keys of all rows of a file.
  private func keys(of task: FileScanTask, _ table: Table) throws -> Set<Int64> {
    var task = task
    task.deletes = TaskDeletes()
    var options = TableReadOptions()
    options.columns = ["key"]
    let reader = try TableReader(
      table.metadata, stores: table.stores, options: options, tasks: [task])
    var keys: Set<Int64> = []
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        if case .int(let key) = batch.columns[0].scalar(at: row) { keys.insert(key) }
      }
    }
    return keys
  }

  private func checkErased(_ stream: StreamTable) throws {
    var starts: [Int: Int64] = [:]
    for shard in stream.status().shards { starts[shard.shard] = shard.logOffsets.lowerBound }
    let tail = try stream.tail(from: .offsets(starts))
    while let batch = try tail.next(rowCountMax: 1_000) {
      for row in 0..<batch.rowCount {
        if case .int(let key)? = batch["key"]?.scalar(at: row), erased.contains(key) {
          throw fail("the erased key \(key) is in the log")
        }
      }
    }
  }
}
