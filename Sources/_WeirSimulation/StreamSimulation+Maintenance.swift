// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// Expiry and removal of orphans, in the stream's process or in another one, which fail and die as all do;
// readers that are slow.
extension StreamSimulation {
  /// How long a snapshot stays after another one took its place.
  static let snapshotAgeMilliseconds: Int64 = 20_000
  /// Longer than any commit takes, and than requests are under way that nobody waits for.
  static let orphanAgeMilliseconds: Int64 = 600_000
  private static let readCountMax = 4

  /// Rows that somebody reads, a batch now and then.
  struct SlowRead {
    var reader: any RecordBatchReader
    var columns: [String]
    var wanted: [String]
    var found: [String] = []
    var snapshotID: Int64?
    /// Of the stream's process; `nil` for another engine.
    var process: SimulatedProcess?
    /// Whether a process that knows nothing of the reader has removed snapshots since.
    var isExposed: Bool
  }

  static var policy: MaintenancePolicy {
    var policy = MaintenancePolicy()
    policy.snapshotAgeMilliseconds = snapshotAgeMilliseconds
    policy.orphanAgeMilliseconds = orphanAgeMilliseconds
    policy.metadataFileCountMax = 20
    return policy
  }

  /// Notes all snapshots that the table has now.
  func observe() throws {
    try noteForgotten()
    guard let table = try? world.observer().table(rows.definition.table) else { return }
    try history.observe(table.metadata, shardCount: rows.definition.shardCount)
  }

  /// Maintenance to its end, or to the end of the process that does it.
  ///
  /// - Parameter isWithin: something else is going on; the time stands still.
  func maintain(isWithin: Bool = false, isOwn wanted: Bool? = nil) throws {
    try observe()
    let isOwn = wanted ?? random.chance(0.65)
    let owner = isOwn || random.chance(0.5) ? process : nil
    if !isWithin {
      // The network does not keep requests for as long as orphans stay.
      world.late.arrive()
      if random.chance(0.4) { world.clock.advance(700_000_000_000) }
      // As the service does with each renewal of its lease, several times in the age of a snapshot.
      if !isOwn, let process {
        process.fate.arm(nil)
        if (try? process.stream.renewLease()) != nil { process.stream.adoptOthersCommits() }
        try observe()
      }
    }
    for index in slowReads.indices where !isOwn { slowReads[index].isExposed = true }
    let fate = Fate(seed: random.next())
    if random.chance(0.4) { fate.arm(random.int(0..<60)) }
    counts.maintenances += 1
    do {
      let table = try world.maintainedTable(rows.definition.table, fate)
      let readers = isOwn ? owner.map { world.readers(of: $0.stream) } : nil
      let maintenance = TableMaintenance(table, Self.policy, readers: readers ?? nil)
      try maintenance.runAll()
      note("maintenance: \(maintenance.status.map { "\($0.step) \($0.total.removedFileCount)" })")
    } catch { note("maintenance failed: \(error)") }
    fate.kill()
    checkedSnapshots = []
  }

  // MARK: Slow readers

  /// Somebody reads on after the snapshot was replaced: in the stream's process after it would have expired
  /// but for them, elsewhere within the time that it stays.
  func readAcrossExpiry() throws {
    slowReads = []
    let isOwn = random.chance(0.5)
    try beginRead(isOwn: isOwn)
    for _ in 0..<random.int(1...3) {
      guard let process, !process.fate.isDead else { return }
      if random.chance(0.3) { _ = try? process.stream.flush() } else { foreignCommit() }
      if let failure { throw failure }
    }
    world.late.arrive()
    let age = Int(Self.snapshotAgeMilliseconds)
    world.clock.advance(isOwn ? age * 1_500_000 : age * 100_000)
    try maintain(isOwn: true)
    while !slowReads.isEmpty { try goOnReading() }
  }

  func beginRead(isOwn wanted: Bool? = nil) throws {
    guard slowReads.count < Self.readCountMax else { return try goOnReading() }
    if wanted ?? random.chance(0.7) {
      let process = try openQuietly()
      try observe()
      let status = process.stream.status()
      let metadata = try world.observer().table(rows.definition.table).metadata
      let columns = try columns(
        process.stream.definition, metadata, at: status.snapshotID, isStream: true)
      guard let reader = try? process.stream.scan(StreamScan(columns: columns, isLive: false))
      else { return }
      slowReads.append(
        SlowRead(
          reader: reader, columns: columns,
          wanted: oracle.state(
            rows.definition, columns, below: status.shards.map(\.coveredOffset),
            on: Set(history.line(status.snapshotID))),
          snapshotID: status.snapshotID, process: process, isExposed: false))
    } else {
      try observe()
      guard let table = try? world.observer().table(rows.definition.table),
        let snapshot = table.metadata.currentSnapshot
      else { return }
      let columns = try columns(rows.definition, table.metadata, at: snapshot.snapshotID)
      let shardCount = rows.definition.shardCount
      slowReads.append(
        SlowRead(
          reader: try table.scan(
            ScanOptions(columns: columns, at: .id(snapshot.snapshotID))), columns: columns,
          wanted: oracle.state(
            rows.definition, columns,
            below: history.ends(snapshot.snapshotID, shardCount: shardCount),
            on: Set(history.line(snapshot.snapshotID))), snapshotID: snapshot.snapshotID,
          isExposed: true))
    }
    if random.chance(0.3) { try goOnReading() }
  }

  /// One of the readers reads a batch, or to its end.
  func goOnReading() throws {
    slowReads.removeAll { $0.process.map { $0 !== process || $0.fate.isDead } ?? false }
    guard !slowReads.isEmpty else { return }
    let index = random.int(0..<slowReads.count)
    var read = slowReads[index]
    read.process?.fate.arm(nil)
    var isAtEnd = false
    let merge = NaiveMerge(
      definition: rows.definition,
      fileSchema: Schema(read.columns.map { Field($0, .int64) }))
    do {
      for _ in 0..<(random.chance(0.5) ? 1 : Int.max) {
        guard let batch = try read.reader.next() else {
          isAtEnd = true
          break
        }
        for row in 0..<batch.rowCount {
          read.found.append(merge.text(batch.columns.map { $0.scalar(at: row) }))
        }
      }
    } catch {
      slowReads.remove(at: index)
      try observe()
      let limit = Int64(world.clock.now / 1_000_000) - Self.snapshotAgeMilliseconds
      // Who is in another process has as long as was said.
      if read.isExposed, let id = read.snapshotID, history.isReplaced(id, by: limit) {
        return note("a slow reader lost the snapshot \(id)")
      }
      throw fail("a slow reader failed: \(error)")
    }
    guard isAtEnd else {
      slowReads[index] = read
      return
    }
    slowReads.remove(at: index)
    counts.slowReads += 1
    guard read.found.sorted() == read.wanted else {
      throw fail(difference("slow read", read.found.sorted(), read.wanted))
    }
  }
}
