// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Files that move to another place by their age.
@Suite struct TableTierTests {
  private static let day: Int64 = 86_400_000
  private static let location = "memory://cold/tables"

  private func schema() -> TableSchema {
    TableSchema([
      TableField(1, "id", .long), TableField(2, "at", .timestamptz),
    ])
  }

  /// Rows of one day each; the last row of the third day has no time.
  private func batch(_ day: Int, _ table: Table) throws -> RecordBatch {
    let ids = PrimitiveBuilder<Int64>(.int64)
    let times = PrimitiveBuilder<Int64>(.timestamp(.microsecond, timeZone: "UTC"))
    for row in 0..<20 {
      ids.append(Int64(day * 20 + row))
      if day == 3, row == 19 {
        times.appendNull()
      } else {
        times.append(Int64(day) * Self.day * 1_000 + Int64(row))
      }
    }
    return RecordBatch(
      trusted: Schema([
        Field("id", .int64), Field("at", .timestamp(.microsecond, timeZone: "UTC")),
      ]), columns: [ids.finish(), times.finish()], rowCount: 20)
  }

  private func paths(_ table: Table) throws -> [String] {
    let planner = try ScanPlanner(table.metadata, stores: table.stores)
    var paths: [String] = []
    while let task = try planner.next() { paths.append(task.dataFile.path) }
    return paths
  }

  private func cold(_ table: Table) throws -> [String] {
    try paths(table).filter { $0.hasPrefix(Self.location + "/\(table.metadata.uuid ?? "")/") }
  }

  @Test func filesMoveByAColumnOfTheirRows() throws {
    let table = try WrittenTables().table("tiered", schema())
    for day in 0..<6 { try table.append([try batch(day, table)]) }
    try table.delete(where: try Predicate(parsing: "id in (5, 25, 90)"))
    let options = ScanOptions(columns: ["id", "_row_id", "_last_updated_sequence_number"])
    let before = try WrittenTables.sortedRows(table, options)
    let tier = TableTier(
      location: Self.location,
      ageMilliseconds: table.environment.nowMilliseconds - 9 * Self.day / 2, column: "at")
    try tier.check(table.metadata, table.stores)
    let transaction = table.transaction()
    transaction.setProperties(tier.properties)
    try transaction.commit()
    // Days 0, 1, 2 and 4; the third has a row of no time, and the sixth is too young.
    #expect(try tier.agedPaths(table).count == 4)
    // Two hot files are too few to come together, and are not mixed with what moves.
    var result = try table.compact()
    #expect(result.sourceCount == 4 && result.outputCount == 1)
    #expect(try cold(table).count == 1 && (try paths(table)).count == 3)
    #expect(try WrittenTables.sortedRows(table, options) == before)
    result = try table.compact()
    #expect(result.groupCount == 0)
    // Everything: hot and cold files stay apart.
    var full = CompactionOptions()
    full.isFull = true
    try table.delete(where: try Predicate(parsing: "id = 1"))
    try table.compact(full)
    #expect(try cold(table).count == 1 && (try paths(table)).count == 2)
    #expect(try WrittenTables.sortedRows(table, options).count == before.count - 1)
    try WrittenTables.finish(table)
  }

  @Test func withoutAColumnFilesAgeFromWhenTheyCame() throws {
    let table = try WrittenTables().table("tiered_added", schema())
    for day in 0..<3 { try table.append([try batch(day, table)]) }
    let tier = { (age: Int64) in TableTier(location: Self.location, ageMilliseconds: age) }
    #expect(try tier(1_000_000_000_000).agedPaths(table).isEmpty)
    #expect(try tier(-1).agedPaths(table).count == 3)
    // Of snapshots that expired it is known that they are older than the oldest that is there.
    _ = try table.expireSnapshots(
      SnapshotExpiration(
        olderThanMilliseconds: table.environment.nowMilliseconds + 1, retainLast: 1))
    #expect(try tier(-1).agedPaths(table).count == 3)
    #expect(try tier(1_000_000_000_000).agedPaths(table).isEmpty)
  }

  @Test func orphansOfTheTierAreFound() throws {
    let table = try WrittenTables().table("tiered_orphans", schema())
    for day in 0..<3 { try table.append([try batch(day, table)]) }
    let transaction = table.transaction()
    transaction.setProperties(TableTier(location: Self.location, ageMilliseconds: 0).properties)
    try transaction.commit()
    var options = CompactionOptions()
    options.paths = Set(try paths(table))
    let abandoned = try Compaction(table, options)
    try abandoned.plan()
    try abandoned.rewrite()
    var cleanup = OrphanCleanup()
    cleanup.ageMillisecondsMin = -1_000_000
    let found = try table.removeOrphanFiles(cleanup).locations
    #expect(found.count == 1 && found[0].hasPrefix(Self.location))
  }

  @Test func wrongPropertiesAreNamed() throws {
    let table = try WrittenTables().table("tiered_wrong", schema())
    try table.append([try batch(0, table)])
    #expect(throws: TableError.self) {
      try TableTier(location: Self.location, ageMilliseconds: 1, column: "id")
        .check(table.metadata, table.stores)
    }
    #expect(throws: TableError.self) {
      try TableTier(location: Self.location, ageMilliseconds: 1, column: "no")
        .check(table.metadata, table.stores)
    }
    #expect(throws: TableError.self) {
      try TableTier(location: "abc://x", ageMilliseconds: 1).check(table.metadata, table.stores)
    }
    for properties: StringMap in [
      ["weir.tier.location": "memory://a"],
      ["weir.tier.location": "memory://a", "weir.tier.after-ms": "soon"],
    ] {
      #expect(throws: TableError.self) { _ = try TableTier(properties) }
    }
  }
}
