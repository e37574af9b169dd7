// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Maintenance beside commits, compared with what a naive reader of the rules expects.
@Suite struct TableMaintenanceTests {
  static let hour: Int64 = 3_600_000
  static let schema = TableSchema([
    TableField(1, "id", .long, required: true), TableField(2, "at", .timestamptz),
  ])

  /// A table in memory, whose clock and store are at hand.
  struct World {
    let clock: TestEnvironment
    let store: MemoryObjectStore
    let backend: MemoryCatalogBackend
    let table: Table

    init(
      seed: UInt64 = 1, partition: String? = nil, version: Int = 3, takesTurns: Bool = true
    ) throws {
      clock = TestEnvironment(seed: seed, takesTurns: takesTurns)
      store = MemoryObjectStore(clock: clock.environment.now)
      backend = MemoryCatalogBackend()
      let test = try TestCatalog(store: store, backend: backend, clock: clock)
      try test.catalog.createNamespace(test.namespace)
      let spec = PartitionSpec(
        specID: 0,
        fields: partition.map {
          [PartitionField(sourceID: 2, fieldID: 1000, name: "d", transform: Transform(named: $0)!)]
        } ?? [])
      _ = try test.catalog.createTable(
        test.identifier("t"),
        TableCreation(
          schema: TableMaintenanceTests.schema, partitionSpec: spec,
          properties: ["format-version": "\(version)"]))
      table = try test.catalog.table(test.identifier("t"))
    }

    /// The same table, over a store that dies.
    func table(_ store: any ObjectStore) throws -> Table {
      let test = try TestCatalog(store: store, backend: backend, clock: clock)
      return try test.catalog.table(table.identifier)
    }

    var now: Int64 { clock.environment.nowMilliseconds }

    func append(_ rows: [(id: Int64, at: Int64?)]) throws {
      let ids = PrimitiveBuilder<Int64>(.int64)
      let times = PrimitiveBuilder<Int64>(.timestamp(.microsecond, timeZone: "UTC"))
      for row in rows {
        ids.append(row.id)
        if let at = row.at { times.append(at * 1_000) } else { times.appendNull() }
      }
      let batch = try RecordBatch(
        schema: TableMaintenanceTests.schema.arrowSchema(),
        columns: [ids.finish(), times.finish()])
      try table.append([batch])
    }

    func ids(_ selector: SnapshotSelector = .current) throws -> [Int64] {
      try WrittenTables.rows(table, ScanOptions(at: selector)).flatMap { batch in
        (0..<batch.rowCount).compactMap { row in
          if case .int(let id)? = batch["id"]?.scalar(at: row) { id } else { nil }
        }
      }.sorted()
    }

    /// Puts a file there that nothing leads to.
    func leave(_ name: String) throws {
      try table.stores.put("\(table.metadata.location)/data/\(name)", Buffer([UInt8(1)]))
    }

    func paths() throws -> Set<String> {
      Set(try store.list(prefix: "").objects.map(\.path))
    }

    /// All files that some snapshot, or the metadata, leads to.
    func reachable() throws -> Set<String> {
      var result = try referencedPaths(table)
      for snapshot in table.metadata.snapshots {
        if let map = snapshot.summary?[RowMap.property] {
          result.insert(try StorageLocation(map).path)
        }
        for (entry, _) in try liveEntries(table, snapshot) {
          result.insert(try StorageLocation(entry.dataFile.path).path)
        }
      }
      return result
    }
  }

  /// A step among others that commit.
  private func change(
    _ world: World, _ random: inout SeededRandom, _ rows: inout [Int64], _ next: inout Int64
  ) throws {
    if !rows.isEmpty, random.chance(0.4) {
      let id = random.pick(rows)
      rows.removeAll { $0 == id }
      try world.table.delete(where: .compare(.equal, Term("id"), .integer(Int128(id))))
    } else {
      let new = (0..<Int64(random.int(1...4))).map { next + $0 }
      next += Int64(new.count)
      rows += new
      try world.append(new.map { ($0, world.now) })
    }
  }

  @Test(arguments: 0..<12 as Range<UInt64>)
  func snapshotsStayAsLongAsTheyWereReplaced(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let world = try World(seed: seed)
    var policy = MaintenancePolicy()
    policy.compaction = nil
    policy.snapshotAgeMilliseconds = 10 * Self.hour
    policy.snapshotCountMin = random.chance(0.5) ? nil : 3
    let maintenance = TableMaintenance(world.table, policy)
    var (rows, next): ([Int64], Int64) = ([], 0)
    // What each snapshot holds, and when another one took its place.
    var held: [Int64: (ids: [Int64], replaced: Int64?)] = [:]
    var tagged: Int64?
    for _ in 0..<40 {
      let before = world.table.currentSnapshot?.snapshotID
      try change(world, &random, &rows, &next)
      let current = try #require(world.table.currentSnapshot)
      if let before, before != current.snapshotID {
        held[before]?.replaced = current.timestampMilliseconds
      }
      held[current.snapshotID] = (rows.sorted(), nil)
      if random.chance(0.05), tagged == nil {
        let tag = world.table.transaction()
        tag.createTag("kept", at: current.snapshotID)
        try tag.commit()
        tagged = current.snapshotID
      }
      world.clock.advance(milliseconds: random.int(0..<Int(4 * Self.hour)))
      if random.chance(0.5) {
        let limit = world.now - 10 * Self.hour
        try maintenance.runAll()
        let line = world.table.metadata.ancestors(of: current.snapshotID).map(\.snapshotID)
        for (id, state) in held {
          let isThere = world.table.metadata.snapshot(id: id) != nil
          // The clock moves while maintenance runs.
          if state.replaced ?? .max >= limit + 1_000 || tagged == id { #expect(isThere) }
          let isCounted = line.prefix(policy.snapshotCountMin ?? 1).contains(id)
          if state.replaced ?? .max < limit, tagged != id, !isCounted { #expect(!isThere) }
          if isThere { #expect(try world.ids(.id(id)) == state.ids) } else { held[id] = nil }
        }
        #expect(try world.paths() == world.reachable())
      }
    }
  }

  @Test(arguments: 0..<12 as Range<UInt64>)
  func rowsGoAtTheirAge(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let world = try World(
      seed: seed, partition: random.pick([nil, "day", "hour"]), version: random.pick([2, 3]))
    let age = 20 * Self.hour
    var policy = MaintenancePolicy()
    policy.rows = RowRetention(column: "at", milliseconds: age)
    let maintenance = TableMaintenance(world.table, policy)
    var rows: [(id: Int64, at: Int64?)] = []
    for round in 0..<20 {
      let new = (0..<Int64(random.int(1...30))).map { number in
        let at: Int64? =
          random.chance(0.1) ? nil : world.now - Int64(random.int(0..<Int(2 * age)))
        return (Int64(round) * 100 + number, at)
      }
      rows += new
      try world.append(new)
      world.clock.advance(milliseconds: random.int(0..<Int(3 * Self.hour)))
      let start = world.now
      try maintenance.runAll()
      let end = world.now
      let found = Set(try world.ids())
      for row in rows {
        let at = row.at ?? .max
        if at >= end - age { #expect(found.contains(row.id)) }
        if at < start - age - age / 10 - age / 10 { #expect(!found.contains(row.id)) }
      }
      // What went does not come back.
      rows.removeAll { !found.contains($0.id) }
    }
    let gone = try #require(maintenance.status.first { $0.step == "rows" })
    #expect(gone.total.deletedRowCount > 0)
    #expect(gone.failedRunCount == 0)
  }

  /// A process that dies at any call leaves a right table, and nothing that is not removed later.
  @Test(arguments: [false, true]) func aKillInTheMiddleHarmsNothing(takesEffect: Bool) throws {
    var policy = MaintenancePolicy()
    policy.snapshotAgeMilliseconds = 2 * Self.hour
    policy.metadataFileCountMax = 3
    policy.rows = RowRetention(column: "at", milliseconds: 40 * Self.hour)
    var isDone = false
    var call = takesEffect ? 1 : 2
    while !isDone {
      let world = try World(seed: 7)
      for number in 0..<8 as Range<Int64> {
        try world.append([(number * 2, world.now), (number * 2 + 1, world.now - 20 * Self.hour)])
        world.clock.advance(milliseconds: Int(4 * Self.hour))
      }
      try world.table.delete(where: .compare(.equal, Term("id"), .integer(14)))
      try world.leave("left")
      world.clock.advance(milliseconds: Int(Self.hour))
      let store = DyingStore(world.store, dyingCall: call, takesEffect: takesEffect)
      // Without one of the calls it cannot even be loaded.
      if let table = try? world.table(store) {
        isDone = (try? TableMaintenance(table, policy).runAll()) != nil && !store.isDead
      }
      try world.table.refresh()
      let wanted = (0..<16 as Range<Int64>).filter { $0 != 14 && ($0 % 2 == 0 || $0 > 8) }
      for snapshot in world.table.metadata.snapshots {
        _ = try world.ids(.id(snapshot.snapshotID))
      }
      let found = try world.ids()
      #expect(Set(found).isSuperset(of: wanted) && !found.contains(14))
      world.clock.advance(milliseconds: Int(4 * 24 * Self.hour))
      policy.rows = nil
      try TableMaintenance(world.table, policy).runAll()
      policy.rows = RowRetention(column: "at", milliseconds: 40 * Self.hour)
      #expect(try world.ids() == found)
      #expect(try world.paths() == world.reachable())
      call += 3
    }
    #expect(call > 30)
  }

  /// Knows of readers that stay as long as a test wants.
  private final class Readers: SnapshotReaders {
    let ids: Set<Int64>
    init(_ ids: Set<Int64>) { self.ids = ids }
    func retire(_ snapshotIDs: Set<Int64>) -> Set<Int64> { snapshotIDs.intersection(ids) }
    func restore(_ snapshotIDs: Set<Int64>) {}
  }

  @Test func whatIsReadStays() throws {
    let world = try World()
    for number in 0..<6 as Range<Int64> { try world.append([(number, nil)]) }
    let read = world.table.metadata.snapshots[2].snapshotID
    world.clock.advance(milliseconds: Int(Self.hour))
    var policy = MaintenancePolicy()
    policy.compaction = nil
    policy.snapshotAgeMilliseconds = 1_000
    try TableMaintenance(world.table, policy, readers: Readers([read])).runAll()
    #expect(world.table.metadata.snapshots.map(\.snapshotID).contains(read))
    #expect(world.table.metadata.snapshots.count == 2)
    #expect(try world.ids(.id(read)) == [0, 1, 2])
    try TableMaintenance(world.table, policy).runAll()
    #expect(world.table.metadata.snapshots.count == 1)
  }

  @Test func roundsEndWithTheirBudgets() throws {
    let world = try World()
    try world.append([(0, nil)])
    for index in 0..<30 {
      try world.leave("left-\(index)")
    }
    world.clock.advance(milliseconds: Int(4 * 24 * Self.hour))
    let maintenance = TableMaintenance(world.table, MaintenancePolicy())
    var budget = MaintenanceBudget()
    budget.fileCountMax = 10
    // Not due yet.
    #expect(maintenance.runDue(budget).isEmpty)
    world.clock.advance(milliseconds: Int(6 * Self.hour))
    var removed: [Int] = []
    for _ in 0..<6 {
      removed.append(maintenance.runDue(budget).reduce(0) { $0 + $1.outcome.removedFileCount })
    }
    #expect(removed.reduce(0, +) == 30)
    #expect(removed.allSatisfy { $0 <= 10 })
    #expect(try world.paths() == world.reachable())
  }

  @Test func metadataIsTrimmedAndStatisticsAreRefreshed() throws {
    let world = try World()
    try world.append([(0, nil), (1, nil)])
    try world.table.computeStatistics(columns: ["id"])
    for number in 0..<12 as Range<Int64> {
      let transaction = world.table.transaction()
      transaction.updateSchema().addColumn("c\(number)", .string)
      try transaction.commit()
    }
    let columns = world.table.schema
    var policy = MaintenancePolicy()
    policy.metadataFileCountMax = 4
    try TableMaintenance(world.table, policy).runAll()
    #expect(world.table.metadata.metadataLog.count <= 4)
    #expect(world.table.metadata.schemas.count == 2)
    #expect(world.table.schema == columns)
    try world.append([(2, nil)])
    try TableMaintenance(world.table, policy).runAll()
    let current = world.table.currentSnapshot?.snapshotID
    let blob = try #require(
      world.table.metadata.statistics.first { $0.snapshotID == current }?.blobs.first)
    #expect(blob.properties?["ndv"] == "3")
    #expect(try world.ids() == [0, 1, 2])
  }

  @Test func tablesThatShareFilesAreLeftAlone() throws {
    let world = try World()
    let transaction = world.table.transaction()
    transaction.setProperties(["gc.enabled": "false"])
    try transaction.commit()
    for number in 0..<3 as Range<Int64> { try world.append([(number, nil)]) }
    world.clock.advance(milliseconds: Int(400 * Self.hour))
    var policy = MaintenancePolicy()
    policy.snapshotAgeMilliseconds = 1_000
    let maintenance = TableMaintenance(world.table, policy)
    try maintenance.runAll()
    #expect(world.table.metadata.snapshots.count == 3)
    #expect(maintenance.status.first { $0.step == "snapshots" }?.total.note != nil)
  }
}
