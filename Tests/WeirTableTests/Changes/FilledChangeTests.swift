// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Net changes while columns are backfilled, against the difference of full scans: the state at the start
/// with the changes is the state at the end, but for filled values of rows of which nothing else became.
@Suite struct FilledChangeTests {
  private static let columns = ["c1", "c2"]

  /// What was told: texts of whole rows.
  private struct Told {
    var went: [String] = []
    var came: [String] = []
    var updates: [(before: String, after: String)] = []

    init(_ reader: ChangeReader) throws {
      var befores: [String: String] = [:]
      var afters: [String: String] = [:]
      while let batch = try reader.next() {
        let types = try #require(batch[ChangeColumn.type.rawValue])
        for (row, text) in ChangeWorld.texts(batch).enumerated() {
          guard case .string(let name) = types.scalar(at: row) else { continue }
          switch ChangeType(rawValue: name) {
          case .delete: went.append(text)
          case .insert: came.append(text)
          case .updateBefore:
            went.append(text)
            #expect(befores.updateValue(text, forKey: Self.id(text)) == nil)
          case .updateAfter:
            came.append(text)
            #expect(afters.updateValue(text, forKey: Self.id(text)) == nil)
          case nil: Issue.record("a change of the type \(name)")
          }
        }
      }
      #expect(Set(befores.keys) == Set(afters.keys))
      updates = befores.map { ($0.value, afters[$0.key] ?? "") }
    }

    static func id(_ row: String) -> String { String(row.prefix { $0 != " " }) }
  }

  /// Without the filled columns, which are last.
  private func short(_ row: String) -> String {
    row.split(separator: " ", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("c1=") && !$0.hasPrefix("c2=") }.joined(separator: " ")
  }

  private func counts(_ rows: [String: Int]) -> [String: Int] {
    rows.reduce(into: [:]) { $0[short($1.key), default: 0] += $1.value }
  }

  /// A history with backfills of parts of the rows, of which several are under way at a time.
  private func history(_ seed: Int, isUnique: Bool) throws -> ChangeWorld {
    var world = try ChangeWorld(seed: seed, isUnique: isUnique)
    let table = world.table
    for column in Self.columns {
      let transaction = table.transaction()
      transaction.updateSchema().addColumn(column, .long)
      try transaction.commit()
    }
    var held: [ColumnBackfill] = []
    for _ in 0..<16 {
      switch world.random.int(0..<9) {
      case 0, 1:
        var values: [Int64: Int64?] = [:]
        for id in 0..<Int64(60) where world.random.chance(0.5) {
          values[id] = world.random.chance(0.1) ? nil : Int64(world.random.int(0..<10))
        }
        let column = world.random.pick(Self.columns)
        let other = try table.catalog.table(table.identifier)
        let backfill = try ColumnBackfill(
          other, from: try BackfillTests.source(values, column), BackfillOptions(column: column))
        try backfill.plan()
        while try backfill.write() {}
        held.append(backfill)
      case 2, 3:
        guard !held.isEmpty else { break }
        let backfill = held.remove(at: world.random.int(0..<held.count))
        do throws(TableError) { try backfill.commit() } catch {
          #expect(error.code == .conflict, "\(error)")
          try backfill.plan()
          while try backfill.write() {}
          try backfill.commit()
        }
      case 4:
        var options = CompactionOptions()
        options.isFull = world.random.chance(0.7)
        try table.compact(options)
      default: try world.change()
      }
      try table.refresh()
    }
    return world
  }

  @Test(arguments: 0..<24) func theEndIsTheStartWithTheChanges(_ seed: Int) throws {
    var world = try history(seed, isUnique: true)
    let table = world.table
    let current = try #require(table.metadata.currentSnapshotID)
    let line = Array(table.metadata.ancestors(of: current).reversed())
    let states: [Snapshot?] = [nil] + line.map { $0 }
    for _ in 0..<8 {
      let first = world.random.int(0..<states.count - 1)
      let last = world.random.int(first + 1..<states.count)
      let schema = table.metadata.schema(of: states[last]!)
      let (start, end) = (
        try world.rows(states[first], schema), try world.rows(states[last], schema)
      )
      var options = ChangeScanOptions(
        from: states[first].map { .id($0.snapshotID) }, to: .id(states[last]!.snapshotID))
      options.isNet = true
      options.identifiers = world.random.chance(0.5) ? ["id"] : nil
      options.pairingBytesMax = world.random.pick([640, 1 << 20])
      let told = try Told(try table.scanChanges(options))
      let what: Comment = "seed \(seed), \(first) to \(last)"
      #expect(told.went.allSatisfy { start[$0] != nil }, what)
      #expect(told.came.allSatisfy { end[$0] != nil }, what)
      #expect(Set(told.went).isDisjoint(with: told.came), what)
      var rows = counts(start)
      for row in told.went { rows[short(row), default: 0] -= 1 }
      for row in told.came { rows[short(row), default: 0] += 1 }
      #expect(rows.filter { $0.value != 0 } == counts(end), what)
      if options.identifiers != nil {
        let both = Set(told.went.map(Told.id)).intersection(told.came.map(Told.id))
        #expect(Set(told.updates.map { Told.id($0.before) }) == both, what)
      }
      guard schema.field(path: "c1") != nil else { continue }
      options.filter = try WeirColumnar.Predicate(parsing: "c1 >= 5")
      let some = try Told(try table.scanChanges(options))
      let meant = (5..<10).map { "c1=\($0) " }
      func isMeant(_ row: String) -> Bool { meant.contains { row.contains($0) } }
      #expect(some.went.sorted() == told.went.filter(isMeant).sorted(), what)
      #expect(some.came.sorted() == told.came.filter(isMeant).sorted(), what)
    }
  }

  /// A backfill by itself tells nothing, and what else is told has its values.
  @Test func whatIsToldHasTheValuesOfTheEnd() throws {
    let table = try WrittenTables().table(
      "filled_changes", ChangeWorld.schema, .unpartitioned, version: 3)
    let world = try ChangeWorld(seed: 1, isUnique: true)
    try table.append([try world.batch([(1, 1, "a"), (2, 1, "b")])])
    let start = table.currentSnapshot
    func told() throws -> Told {
      var options = ChangeScanOptions(from: start.map { .id($0.snapshotID) })
      options.isNet = true
      options.identifiers = ["id"]
      options.columns = ["id", "text", "c1", ChangeColumn.type.rawValue]
      return try Told(try table.scanChanges(options))
    }
    func fill(_ values: [Int64: Int64?]) throws {
      try table.backfill(
        from: try BackfillTests.source(values, "c1"), BackfillOptions(column: "c1"))
    }
    try fill([1: 10, 2: 20])
    #expect(try told().went.isEmpty && told().came.isEmpty)
    try table.append([try world.batch([(3, 1, "c"), (4, 1, "d"), (5, 1, "e")])])
    try fill([3: 30, 4: 40, 5: 50])
    var options = CompactionOptions()
    options.isFull = true
    try table.compact(options)
    try fill([3: 31])
    try table.delete(where: try WeirColumnar.Predicate(parsing: "id in (2, 4)"))
    let all = try told()
    #expect(all.went == ["id=2 text=b c1=null"])
    #expect(all.came.sorted() == ["id=3 text=c c1=31", "id=5 text=e c1=50"])
  }
}
