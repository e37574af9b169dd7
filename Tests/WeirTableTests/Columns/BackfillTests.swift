// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Backfills beside everybody else, against a naive oracle: row by row, what each column should hold.
@Suite struct BackfillTests {
  private static var full: CompactionOptions {
    var options = CompactionOptions()
    options.isFull = true
    return options
  }

  /// A source of values by id.
  static func source(
    _ values: [Int64: Int64?], _ column: String, key: String = "id"
  ) throws -> BatchList {
    let builder = RecordBatchBuilder(
      Schema([Field(key, .int64), Field("unused", .utf8), Field(column, .int64)]))
    for (id, value) in values.sorted(by: { $0.key < $1.key }) {
      try builder.append(row: [.int(id), .string("x"), value.map { .int($0) } ?? .null])
    }
    return BatchList([try builder.finish()])
  }

  /// Columns by row id.
  private func rows(
    _ table: Table, _ columns: [String], at: SnapshotSelector = .current
  ) throws -> [Scalar: [Scalar]] {
    var result: [Scalar: [Scalar]] = [:]
    let options = ScanOptions(columns: ["_row_id", "id"] + columns, at: at)
    for batch in try WrittenTables.rows(table, options) {
      for row in 0..<batch.rowCount {
        let values = batch.columns.map { $0.scalar(at: row) }
        #expect(result.updateValue(Array(values[1...]), forKey: values[0]) == nil)
      }
    }
    return result
  }

  /// The rows, with which a filter agrees: pruning and pushdown leave out none.
  private func checkFilters(_ table: Table, _ columns: [String]) throws {
    let all = try rows(table, columns)
    for (index, column) in columns.enumerated() {
      for filter in ["\(column) >= 5", "\(column) IS NULL", "\(column) = 3", "\(column) IN (1, 7)"]
      {
        var options = ScanOptions(columns: ["_row_id"])
        options.filter = try Predicate(parsing: filter)
        let found = Set(
          try WrittenTables.rows(table, options).flatMap { batch in
            (0..<batch.rowCount).map { batch.columns[0].scalar(at: $0) }
          })
        let wanted = Set(
          all.filter { _, values in
            guard case .int(let value) = values[index + 1] else { return filter.hasSuffix("NULL") }
            if filter.hasSuffix("5") { return value >= 5 }
            if filter.hasSuffix("3") { return value == 3 }
            return filter.hasSuffix("7)") && (value == 1 || value == 7)
          }.keys)
        #expect(found == wanted, "\(filter)")
      }
    }
  }

  @Test(arguments: [2, 3]) func fillsANewColumn(_ version: Int) throws {
    let table = try WrittenTables().table(
      "backfilled_v\(version)", ChangeWorld.schema, ChangeWorld.spec, version: version)
    var world = try ChangeWorld(seed: version, isUnique: true)
    for _ in 0..<4 { try table.append([try world.batch(world.newRows())]) }
    try table.delete(where: try Predicate(parsing: "id in (2, 3)"))
    let before = try WrittenTables.sortedRows(table)
    let dataFiles = try WrittenTables.tasks(table).map(\.dataFile.path)
    let values = Dictionary(uniqueKeysWithValues: (0..<Int64(200)).map { ($0 * 2, $0 as Int64?) })
    let result = try table.backfill(
      from: try Self.source(values, "score"), BackfillOptions(column: "score"))
    #expect(result.addedColumn && result.sourceRowCount == 200)
    #expect(result.rowCount == before.count)
    #expect(
      result.missingRowCount
        == before.count { row in
          if case .int(let id)? = row["id"] { id % 2 == 1 } else { false }
        })
    let after = try WrittenTables.sortedRows(table)
    #expect(after.count == before.count)
    for (old, new) in zip(before, after) {
      guard case .int(let id)? = new["id"] else { continue }
      #expect(new["score"] == (id % 2 == 0 ? .int(id / 2) : .null))
      #expect(old.allSatisfy { new[$0.key] == $0.value })
    }
    let tasks = try WrittenTables.tasks(table)
    #expect(tasks.map(\.dataFile.path).sorted() == dataFiles.sorted())
    #expect(tasks.allSatisfy { $0.columnFiles.count == 1 })
    #expect(table.currentSnapshot?.operation == .replace)
    // Stitched.
    try table.compact(Self.full)
    #expect(try WrittenTables.sortedRows(table) == after)
    #expect(try WrittenTables.tasks(table).allSatisfy(\.columnFiles.isEmpty))
    #expect(table.currentSnapshot?.summary?[ColumnFileList.property] == ColumnFileList.none)
    try WrittenTables.finish(table)
  }

  /// Another engine rewrites a file while a compaction works on it: in the compaction's files its rows are
  /// deleted, and it must not tell that they went there.
  @Test func rowsAreFollowedToWhoeverTookTheirFile() throws {
    var world = try ChangeWorld(seed: 1, isUnique: true)
    let table = try WrittenTables().table(
      "followed", ChangeWorld.schema, .unpartitioned, version: 3)
    for _ in 0..<2 { try table.append([try world.batch(world.newRows())]) }
    let before = try WrittenTables.sortedRows(table)
    let other = try table.catalog.table(table.identifier)
    let compaction = try Compaction(other, Self.full)
    try compaction.plan()
    while try compaction.rewrite() {}
    let values = Dictionary(uniqueKeysWithValues: (0..<Int64(200)).map { ($0, $0 as Int64?) })
    let stale = try table.catalog.table(table.identifier)
    let backfill = try ColumnBackfill(
      stale, from: try Self.source(values, "score"), BackfillOptions(column: "score"))
    try backfill.plan()
    while try backfill.write() {}
    let deleting = try table.catalog.table(table.identifier)
    // The rewrite, which tells nobody where the rows went.
    let task = try WrittenTables.tasks(table)[0]
    let rows = try TableReader(table.metadata, stores: table.stores, tasks: [task])
    let writer = try table.writer()
    var gone = Scalar.null
    while let batch = try rows.next() {
      gone = batch["id"]?.scalar(at: 0) ?? .null
      try writer.write(batch)
    }
    let transaction = table.transaction()
    let rewrite = transaction.rewriteFiles().remove(task.dataFile)
    for file in try writer.close() { rewrite.add(file) }
    try transaction.commit()
    try compaction.commit()
    // By what the table was before both.
    let filter = try Predicate(parsing: "id = \(gone.text(as: .int64))")
    #expect(throws: TableError.self) { try deleting.delete(where: filter) }
    try deleting.refresh()
    try deleting.delete(where: filter)
    #expect(throws: TableError.self) { try backfill.commit() }
    try backfill.plan()
    while try backfill.write() {}
    try backfill.commit()
    try table.refresh()
    let after = try WrittenTables.sortedRows(table)
    #expect(after.count == before.count - 1)
    #expect(after.allSatisfy { $0["id"] != gone && $0["score"] == $0["id"] })
    try WrittenTables.finish(table)
  }

  /// A backfill under way, and which rows it is about.
  private struct Held {
    var backfill: ColumnBackfill
    var column: String
    var values: [Int64: Int64?]
    var scope: Set<Scalar>
    var part: BackfillPart?
  }

  @Test(arguments: 0..<32) func rowsHaveTheirValuesWhateverHappensMeanwhile(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &* 97 &+ 11)
    // Of format version 3, so that rows have ids.
    var world = try ChangeWorld(seed: seed * 2 + 1, isUnique: true)
    let table = world.table
    let columns = ["c1", "c2"]
    for column in columns {
      let transaction = table.transaction()
      transaction.updateSchema().addColumn(column, .long)
      try transaction.commit()
    }
    // From here on snapshots have the columns.
    try table.append([try world.batch(world.newRows())])
    var known: [(Int64, [Scalar: [Scalar]])] = []
    var compactions: [Compaction] = []
    var held: [Held] = []
    func change() throws {
      try world.change()
      try table.refresh()
    }
    for _ in 0..<14 {
      switch random.int(0..<8) {
      case 0, 1: try change()
      case 2, 3:
        guard held.count < 3 else { break }
        held.append(try begin(&random, table, random.pick(columns)))
      case 4:
        let other = try table.catalog.table(table.identifier)
        var options = Self.full
        if random.chance(0.5) { options.sortColumns = ["text"] }
        let compaction = try Compaction(other, options)
        try compaction.plan()
        while try compaction.rewrite() {}
        compactions.append(compaction)
      case 5: try commit(&compactions, table, columns, seed)
      case 6:
        // By the state that it knew.
        guard !held.isEmpty else { break }
        try commit(held.remove(at: random.int(0..<held.count)), table, columns, seed)
      default: try checkFilters(table, columns)
      }
      try table.refresh()
      known.append((table.currentSnapshot?.snapshotID ?? 0, try rows(table, columns)))
    }
    for one in held { try commit(one, table, columns, seed) }
    try commit(&compactions, table, columns, seed)
    try table.refresh()
    try checkFilters(table, columns)
    for (id, wanted) in known where table.metadata.snapshot(id: id) != nil {
      #expect(try rows(table, columns, at: .id(id)) == wanted, "seed \(seed), snapshot \(id)")
    }
    try checkCare(table, columns, seed)
  }

  private func begin(
    _ random: inout SeededRandom, _ table: Table, _ column: String
  ) throws -> Held {
    var values: [Int64: Int64?] = [:]
    for id in 0..<Int64(80) where random.chance(0.6) {
      values[id] = random.chance(0.1) ? nil : Int64(random.int(0..<10))
    }
    let other = try table.catalog.table(table.identifier)
    var options = BackfillOptions(column: column)
    var scope = Set(try rows(other, []).keys)
    if random.chance(0.5) {
      options.part = random.pick(try other.backfillParts(3))
      scope = try rowIDs(other) { options.part?.paths.contains($0.dataFile.path) ?? true }
      // It may begin long after it was planned.
      if random.chance(0.5) { try table.compact(Self.full) }
    }
    let backfill = try ColumnBackfill(other, from: try Self.source(values, column), options)
    try backfill.plan()
    while try backfill.write() {}
    return Held(
      backfill: backfill, column: column, values: values, scope: scope, part: options.part)
  }

  private func rowIDs(
    _ table: Table, files isWanted: @escaping (FileScanTask) -> Bool
  ) throws -> Set<Scalar> {
    let reader = try table.scan(
      ScanOptions(columns: ["_row_id"]), of: table.metadata, files: isWanted)
    var ids: Set<Scalar> = []
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount { ids.insert(batch.columns[0].scalar(at: row)) }
    }
    return ids
  }

  private func commit(
    _ held: Held, _ table: Table, _ columns: [String], _ seed: Int
  ) throws {
    var held = held
    try table.refresh()
    let before = try rows(table, columns)
    do throws(TableError) {
      try held.backfill.commit()
    } catch {
      #expect(error.code == .conflict, "\(error)")
      try held.backfill.plan()
      while try held.backfill.write() {}
      held.scope = try scope(held, table)
      try held.backfill.commit()
    }
    try table.refresh()
    // Once more, as if its answer had been lost.
    if let part = held.part, table.metadata.currentSnapshot.map(part.isDone) ?? false {
      var options = BackfillOptions(column: held.column)
      options.part = part
      let again = try table.backfill(from: try Self.source([0: 99], held.column), options)
      #expect(again.snapshotID == table.currentSnapshot?.snapshotID)
      #expect(again.rowCount == held.backfill.result.rowCount)
    }
    let index = columns.firstIndex(of: held.column)! + 1
    var wanted = before
    for (row, values) in before where held.scope.contains(row) {
      guard case .int(let id) = values[0], let value = held.values[id] else { continue }
      wanted[row]![index] = value.map { .int($0) } ?? .null
    }
    #expect(try rows(table, columns) == wanted, "seed \(seed), \(held.column)")
  }

  /// Rows that are looked at again after a conflict: of a part those in files that are new since, too.
  private func scope(_ held: Held, _ table: Table) throws -> Set<Scalar> {
    guard let part = held.part else { return Set(try rows(table, []).keys) }
    let files = BackfilledFiles(part, try part.start(in: table.metadata))
    return try rowIDs(table, files: files.contain)
  }

  private func commit(
    _ compactions: inout [Compaction], _ table: Table, _ columns: [String], _ seed: Int
  ) throws {
    for compaction in compactions {
      try table.refresh()
      let before = try rows(table, columns)
      do throws(TableError) {
        try compaction.commit()
      } catch {
        #expect(error.code == .conflict, "\(error)")
        compaction.discard()
      }
      try table.refresh()
      #expect(try rows(table, columns) == before, "seed \(seed)")
    }
    compactions = []
  }

  /// Expiry and the removal of orphans leave what is needed, and nothing else.
  private func checkCare(_ table: Table, _ columns: [String], _ seed: Int) throws {
    let wanted = try rows(table, columns)
    var expiration = SnapshotExpiration(olderThanMilliseconds: .max, retainLast: 1)
    expiration.countMax = 3
    try table.expireSnapshots(expiration)
    #expect(try rows(table, columns) == wanted)
    try table.expireSnapshots(SnapshotExpiration(olderThanMilliseconds: .max, retainLast: 1))
    #expect(try rows(table, columns) == wanted)
    var orphans = OrphanCleanup()
    orphans.ageMillisecondsMin = -60_000
    try table.removeOrphanFiles(orphans)
    #expect(try rows(table, columns) == wanted)
    let cost = try table.cost()
    #expect(cost.unnamed.fileCount == 0 && cost.orphans.fileCount == 0)
    let files = try WrittenTables.tasks(table).flatMap(\.columnFiles)
    #expect(cost.columnFiles.fileCount == files.count, "seed \(seed)")
    try table.compact(Self.full)
    #expect(try rows(table, columns) == wanted)
    try table.expireSnapshots(SnapshotExpiration(olderThanMilliseconds: .max, retainLast: 1))
    for file in files { #expect((try? table.stores.open(file.path)) == nil) }
  }
}
