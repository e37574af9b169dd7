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
    }
    world.watchChanges(nil)
    try observe()
    oracle.erase(key: key)
    checkedSnapshots = []
    counts.erasures += 1
    let process = try openQuietly()
    try checkErased(key, process.stream)
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

  /// No file of any snapshot has a row of the key, deleted ones included, and no log.
  private func checkErased(_ key: Int64, _ stream: StreamTable) throws {
    let table = try world.observer().table(rows.definition.table)
    var known: Set<String> = []
    for snapshot in table.metadata.snapshots {
      let planner = try table.plan(ScanOptions(at: .id(snapshot.snapshotID)))
      while var task = try planner.next() {
        guard known.insert(task.dataFile.path).inserted else { continue }
        task.deletes = TaskDeletes()
        var options = TableReadOptions()
        options.columns = ["key"]
        let reader = try TableReader(
          table.metadata, stores: table.stores, options: options, tasks: [task])
        while let batch = try reader.next() {
          for row in 0..<batch.rowCount where batch.columns[0].scalar(at: row) == .int(key) {
            throw fail("the erased key \(key) is in \(task.dataFile.path)")
          }
        }
      }
    }
    var starts: [Int: Int64] = [:]
    for shard in stream.status().shards { starts[shard.shard] = shard.logOffsets.lowerBound }
    let tail = try stream.tail(from: .offsets(starts))
    while let batch = try tail.next(rowCountMax: 1_000) {
      for row in 0..<batch.rowCount where batch["key"]?.scalar(at: row) == .int(key) {
        throw fail("the erased key \(key) is in the log")
      }
    }
  }
}
