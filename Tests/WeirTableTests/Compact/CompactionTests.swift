// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Compaction beside everybody else: no snapshot of it ever changes the table's rows.
@Suite struct CompactionTests {
  /// A compaction of everything.
  private static var full: CompactionOptions {
    var options = CompactionOptions()
    options.isFull = true
    return options
  }

  private func lineage(_ table: Table) throws -> [[String: Scalar]] {
    try WrittenTables.sortedRows(
      table, ScanOptions(columns: ["id", "_row_id", "_last_updated_sequence_number"]))
  }

  @Test(arguments: [2, 3]) func bringsFilesTogether(_ version: Int) throws {
    let table = try WrittenTables().table(
      "compacted_v\(version)", ChangeWorld.schema, ChangeWorld.spec, version: version)
    var world = try ChangeWorld(seed: version, isUnique: true)
    for _ in 0..<7 { try table.append([try world.batch(world.newRows())]) }
    try table.delete(where: try Predicate(parsing: "id in (3, 4, 9)"))
    let before = try WrittenTables.sortedRows(table)
    let lineageBefore = version >= 3 ? try lineage(table) : []
    let snapshotCount = table.metadata.snapshots.count
    var result = try table.compact(Self.full)
    #expect(result.groupCount == 3 && result.sourceCount >= 10)
    #expect(table.metadata.snapshots.count == snapshotCount + 1)
    #expect(try WrittenTables.sortedRows(table) == before)
    if version >= 3 { #expect(try lineage(table) == lineageBefore) }
    let tasks = try WrittenTables.tasks(table)
    #expect(tasks.count == 3 && tasks.allSatisfy(\.deletes.isEmpty))
    #expect(tasks.reduce(0) { $0 + $1.dataFile.recordCount } == before.count)
    let snapshot = try #require(table.currentSnapshot)
    #expect(snapshot.operation == .replace)
    // Each group has its map.
    let maps = try RowMap.all(of: snapshot, table.stores)
    #expect(maps.count == 3 && maps.allSatisfy { $0.outputs.count == 1 })
    result = try table.compact(Self.full)
    #expect(result.groupCount == 0)
    try WrittenTables.finish(table)
  }

  @Test func aLostFileHoldsUpItsOwnGroupAlone() throws {
    let table = try WrittenTables().table(
      "compacted_lost", ChangeWorld.schema, ChangeWorld.spec)
    var world = try ChangeWorld(seed: 5, isUnique: true)
    for _ in 0..<7 { try table.append([try world.batch(world.newRows())]) }
    let compaction = try Compaction(table, Self.full)
    #expect(try compaction.plan() == 3)
    let paths = try #require(compaction.plannedPaths.last)
    let lost = try #require(paths.first)
    table.stores.delete([lost])
    let error = #expect(throws: TableError.self) { try compaction.run() }
    #expect(error?.code == .notFound && error?.file == lost, "\(String(describing: error))")
    try table.refresh()
    #expect(table.currentSnapshot?.operation == .replace)
    let again = try Compaction(table, Self.full)
    #expect(try again.plan() == 1)
    #expect(again.plannedPaths == [paths])
  }

  @Test func sortsAndSplits() throws {
    let table = try WrittenTables().table("compacted_sorted", ChangeWorld.schema)
    var world = try ChangeWorld(seed: 3, isUnique: true)
    for _ in 0..<12 { try table.append([try world.batch(world.newRows())]) }
    try table.delete(where: try Predicate(parsing: "id between 5 and 8"))
    // The rows of one group go to several partitions.
    let transaction = table.transaction()
    transaction.updateSpec().addField("k", .identity)
    try transaction.commit()
    let before = try WrittenTables.sortedRows(table)
    let lineageBefore = try lineage(table)
    var options = Self.full
    options.sortColumns = ["k", "id"]
    let result = try table.compact(options)
    #expect(result.outputCount > 1 && result.rowCount == before.count)
    #expect(try WrittenTables.sortedRows(table) == before)
    #expect(try lineage(table) == lineageBefore)
    let snapshot = try #require(table.currentSnapshot)
    let map = try #require(
      try RowMap.all(of: snapshot, table.stores).first)
    for output in map.outputs.indices {
      for (row, origin) in map.origins(of: output).enumerated() {
        let ordinal = map.ordinals[origin.source][origin.row]
        #expect(map.place(ordinal) == RowMap.Place(output: output, row: row))
      }
    }
  }

  @Test(arguments: 0..<24) func rowsStayWhateverHappensMeanwhile(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &* 31 &+ 5)
    var world = try ChangeWorld(seed: seed, isUnique: seed % 4 != 1)
    let table = world.table
    var conflicts = 0
    for _ in 0..<6 {
      for _ in 0..<random.int(1...5) { try world.change() }
      let compacted = try table.catalog.table(table.identifier)
      var options = Self.full
      if random.chance(0.5) { options.sortColumns = ["text"] }
      options.sortBytesMax = random.pick([1 << 30, 500])
      let compaction = try Compaction(compacted, options)
      try compaction.plan()
      while try compaction.rewrite() {
        if random.chance(0.6) { try world.change() }
      }
      for _ in 0..<random.int(0...3) { try world.change() }
      // Somebody else compacts the same files.
      if random.chance(0.2) { _ = try? table.catalog.table(table.identifier).compact(Self.full) }
      try table.refresh()
      let before = try world.rows(table.currentSnapshot, table.schema)
      do throws(TableError) {
        try compaction.commit()
      } catch {
        conflicts += 1
        #expect(error.code == .conflict, "\(error)")
        // Only where the version has no vectors, and where deletes were taken back.
        #expect(table.metadata.formatVersion == 2 || seed % 4 == 1, "\(error)")
        compaction.discard()
      }
      try table.refresh()
      #expect(try world.rows(table.currentSnapshot, table.schema) == before, "seed \(seed)")
    }
    #expect(conflicts < 6 || table.metadata.formatVersion == 2)
  }

  /// Others that began before a compaction, and commit after it.
  @Test(arguments: 0..<16) func othersFollowTheRows(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &* 131 &+ 7)
    var world = try ChangeWorld(seed: seed * 2 + 1, isUnique: true)
    let table = world.table
    for _ in 0..<5 { try table.append([try world.batch(world.newRows())]) }
    try table.delete(where: try Predicate(parsing: "id = 4"))
    let other = try table.catalog.table(table.identifier)
    let rewriter = try table.catalog.table(table.identifier)
    for _ in 0..<random.int(1...3) {
      var options = Self.full
      options.sortColumns = random.chance(0.5) ? ["text"] : nil
      options.sortBytesMax = random.pick([1 << 30, 500])
      try rewriter.compact(options)
      try table.refresh()
      try table.append([try world.batch(world.newRows())])
      try rewriter.refresh()
    }
    let low = random.int(1..<20)
    let before = try WrittenTables.sortedRows(table)
    // It plans by the snapshot that it knows.
    let changes = try other.delete(
      where: try Predicate(parsing: "id between \(low) and \(low + 6)"), isolation: .snapshot)
    try table.refresh()
    let known = try world.rows(other.metadata.snapshots.first, table.schema)
    #expect(!known.isEmpty)
    let after = try WrittenTables.sortedRows(table)
    #expect(after.count == before.count - changes.deletedRows, "seed \(seed)")
    #expect(after.allSatisfy { before.contains($0) })
  }

  @Test func choosesAsUniversalCompactionDoes() throws {
    let table = try WrittenTables().table("compacted_runs", ChangeWorld.schema)
    var world = try ChangeWorld(seed: 9, isUnique: true)
    func append(_ batches: Int) throws {
      var rows: [(id: Int64, k: Int64?, text: String)] = []
      for _ in 0..<batches { rows += world.newRows() }
      try table.append([try world.batch(rows)])
    }
    func groups(_ change: (inout CompactionOptions) -> Void = { _ in }) throws -> [Int] {
      var options = CompactionOptions()
      change(&options)
      let planner = try ScanPlanner(table.metadata, stores: table.stores)
      return try CompactionPlanner(table.metadata, options).groups(planner).map(\.tasks.count)
    }
    for _ in 0..<4 { try append(1) }
    #expect(try groups() == [])
    try append(1)
    // Small ones behind nothing large: all.
    #expect(try groups() == [5])
    #expect(try groups { $0.runsTrigger = 6 } == [])
    #expect(try groups { $0.groupRowsMax = 1 } == [])
    try table.compact()
    // A large one that is older stays where it is, as long as the rest is small beside it.
    try table.overwrite(BatchList([try world.batch([])]))
    var rows: [(id: Int64, k: Int64?, text: String)] = []
    for id in 0..<Int64(20_000) { rows.append((id, id % 7, "text \(id &* 7919)")) }
    try table.append([try world.batch(rows)])
    for _ in 0..<4 { try append(1) }
    #expect(try groups() == [2] || groups() == [3] || groups() == [4])
    // For its deletes a file is rewritten alone.
    try table.delete(where: try Predicate(parsing: "id < 8000"))
    #expect(try groups { $0.runsTrigger = 100 } == [1])
    #expect(
      try groups {
        $0.runsTrigger = 100
        $0.deletedShare = 0.9
      } == [])
  }
}
