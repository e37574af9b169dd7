// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Groups that are sorted in less memory than their rows take.
@Suite struct SortedRunsTests {
  /// A key of an order, and what rows are compared by.
  private struct Key: Sendable {
    let column: WeirTable.SortColumn
    let value: @Sendable ([String: Scalar]) -> Scalar?

    init(_ column: WeirTable.SortColumn, _ width: Int64? = nil) {
      self.column = column
      value = { row in
        guard let value = row[column.path], value != .null else { return nil }
        guard let width, case .int(let number) = value else { return value }
        return .int(number - number % width)
      }
    }

    /// Negative when `a` comes first, by the letter of the specification.
    func order(_ a: [String: Scalar], _ b: [String: Scalar]) -> Int {
      switch (value(a), value(b)) {
      case (nil, nil): return 0
      case (nil, _): return column.nullOrder == .first ? -1 : 1
      case (_, nil): return column.nullOrder == .first ? 1 : -1
      case (let a?, let b?):
        let order = Scalar.order(a, b) ?? 0
        return column.direction == .ascending ? order : -order
      }
    }
  }

  private static let orders: [[Key]] = [
    [Key(.init("text", .descending)), Key(.init("id"))],
    [Key(.init("k", .ascending, nulls: .last)), Key(.init("text"))],
    [Key(.init("id", .descending, transform: .truncate(10)), 10), Key(.init("k"))],
    [Key(.init("k", .descending, nulls: .first)), Key(.init("id", .descending))],
  ]

  private static func full(_ bytes: Int) -> CompactionOptions {
    var options = CompactionOptions()
    options.isFull = true
    options.sortBytesMax = bytes
    return options
  }

  private func isInOrder(_ table: Table, _ task: FileScanTask, _ keys: [Key]) throws -> Bool {
    let reader = try TableReader(table.metadata, stores: table.stores, tasks: [task])
    var rows: [[String: Scalar]] = []
    while let batch = try reader.next() { rows += GoldenTable.rows(batch) }
    return zip(rows, rows.dropFirst()).allSatisfy { a, b in
      (keys.lazy.map { $0.order(a, b) }.first { $0 != 0 } ?? 0) <= 0
    }
  }

  private func lineage(_ table: Table) throws -> [[String: Scalar]] {
    guard table.metadata.formatVersion >= 3 else { return [] }
    return try WrittenTables.sortedRows(
      table, ScanOptions(columns: ["id", "_row_id", "_last_updated_sequence_number"]))
  }

  /// Everything in the table's folder is the table's.
  private func leavesNothing(_ table: Table) throws -> Bool {
    let place = try table.stores.resolve(table.metadata.location)
    let data = try place.store.list(prefix: place.path + "/data/").objects.map(\.path)
    var known: Set<String> = []
    for snapshot in table.metadata.snapshots {
      for (entry, _) in try liveEntries(table, snapshot) {
        known.insert(try StorageLocation(entry.dataFile.path).path)
      }
    }
    return data.allSatisfy(known.contains)
  }

  private func append(_ count: Int, _ world: inout ChangeWorld, _ table: Table) throws {
    var rows: [(id: Int64, k: Int64?, text: String)] = []
    while rows.count < count { rows += world.newRows() }
    try table.append([try world.batch(rows)])
  }

  @Test(arguments: 0..<16) func runsAreMerged(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &+ 900)
    let keys = Self.orders[seed % Self.orders.count]
    let table = try WrittenTables().table(
      "runs_\(seed)", ChangeWorld.schema, version: random.pick([2, 3]))
    // Where the table has an order, files say that they are in it.
    let declares = random.chance(0.6)
    if declares {
      let transaction = table.transaction()
      transaction.setSortOrder(keys.map(\.column))
      try transaction.commit()
    }
    var world = try ChangeWorld(seed: seed, isUnique: true)
    for _ in 0..<random.int(3...9) { try append(random.int(1...200), &world, table) }
    try table.delete(where: try Predicate(parsing: "id in (3, 9, 10, 31, 77)"))
    let before = try WrittenTables.sortedRows(table)
    let lineageBefore = try lineage(table)
    var options = Self.full(random.pick([1, 2_000, 20_000]))
    if !declares {
      if seed % Self.orders.count == 2 { return }
      options.sortColumns = keys.map(\.column.path)
    }
    let compared = declares ? keys : keys.map { Key(.init($0.column.path)) }
    for round in 0..<2 {
      let result = try table.compact(options)
      #expect(result.rowCount == before.count && result.outputCount == 1)
      #expect(try WrittenTables.sortedRows(table) == before)
      #expect(try lineage(table) == lineageBefore)
      let file = try #require(try WrittenTables.tasks(table).first)
      #expect(try isInOrder(table, file, compared), "seed \(seed)")
      #expect(file.dataFile.sortOrderID == (declares ? table.metadata.defaultSortOrderID : nil))
      #expect(try leavesNothing(table))
      if round == 0 {
        // To be merged with what was sorted.
        options.paths = Set(try WrittenTables.tasks(table).map(\.dataFile.path))
      }
    }
    try WrittenTables.finish(table)
  }

  /// Values that changed behind a file's back: what comes out is in order in each file.
  @Test(arguments: [1, 1_500, 1 << 20]) func filesThatAreNotInTheirOrder(_ bytes: Int) throws {
    let keys = [Key(.init("k")), Key(.init("id"))]
    let table = try WrittenTables().table("runs_wrong_\(bytes)", ChangeWorld.schema)
    let transaction = table.transaction()
    transaction.setSortOrder(keys.map(\.column))
    try transaction.commit()
    var world = try ChangeWorld(seed: 77, isUnique: true)
    for _ in 0..<4 { try append(150, &world, table) }
    var backfill = BackfillOptions(column: "k")
    backfill.value = "id * 7919 % 101"
    try table.backfill(backfill)
    let before = try WrittenTables.sortedRows(table)
    try table.compact(Self.full(bytes))
    #expect(try WrittenTables.sortedRows(table) == before)
    for task in try WrittenTables.tasks(table) {
      #expect(task.dataFile.sortOrderID == table.metadata.defaultSortOrderID)
      #expect(try isInOrder(table, task, keys))
    }
  }

  @Test func whatWasWrittenGoesWhenASourceIsLost() throws {
    let table = try WrittenTables().table("runs_lost", ChangeWorld.schema)
    var world = try ChangeWorld(seed: 78, isUnique: true)
    for _ in 0..<5 { try append(100, &world, table) }
    var options = Self.full(1_000)
    options.sortColumns = ["text"]
    let compaction = try Compaction.planned(table, options)
    let lost = try #require(compaction.plannedPaths.first?.last)
    table.stores.delete([lost])
    #expect(throws: TableError.self) { try compaction.run() }
    #expect(try leavesNothing(table))
  }
}
