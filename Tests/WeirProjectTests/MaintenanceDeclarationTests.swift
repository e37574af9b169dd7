// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirProject
internal import WeirStreaming
internal import WeirTable

@Suite struct MaintenanceDeclarationTests {
  private func read(_ root: String, _ stream: String) throws -> Project {
    try Project(
      parsing: """
        maintenance: \(root)
        streams:
          shop.events:
            columns: {user_id: long, at: timestamptz, day: date}
            maintenance: \(stream)
          shop.others:
            columns: {id: long}
        """, file: "weir.yaml")
  }

  private func problems(_ root: String, _ stream: String) -> [String] {
    do {
      _ = try read(root, stream)
      return []
    } catch { return "\(error)".split(separator: "\n").map { String($0) } }
  }

  @Test func whatIsSaidIsRead() throws {
    let project = try read(
      "{snapshots: 2d, orphans: 5d, metadata_files: 20, budget: {files: 10, bytes: 64MiB, time: 2s}}",
      "{snapshots: 1h, keep_snapshots: 3, statistics: 7d, rows: {column: at, keep: 90d}}")
    #expect(project.maintenance.snapshotAgeMilliseconds == 172_800_000)
    #expect(project.maintenance.orphanAgeMilliseconds == 432_000_000)
    #expect(project.maintenanceBudget.fileCountMax == 10)
    #expect(project.maintenanceBudget.byteCountMax == 64 << 20)
    #expect(project.maintenanceBudget.millisecondsMax == 2_000)
    let events = project.streams[0].maintenance
    #expect(events.snapshotAgeMilliseconds == 3_600_000)
    #expect(events.snapshotCountMin == 3)
    #expect(events.orphanAgeMilliseconds == 432_000_000)
    #expect(events.metadataFileCountMax == 20)
    #expect(events.statisticsMilliseconds == 604_800_000)
    #expect(events.rows == RowRetention(column: "at", milliseconds: 90 * 86_400_000))
    #expect(project.streams[1].maintenance == project.maintenance)
    let letters = DeadLetters.definition(of: project.streams[0])
    #expect(letters.maintenance.rows == nil)
    #expect(letters.maintenance.snapshotAgeMilliseconds == 3_600_000)
    #expect(!(try read("{enabled: false}", "{}")).streams[0].maintenance.isEnabled)
    #expect(try read("{enabled: false}", "{enabled: true}").streams[0].maintenance.isEnabled)
  }

  @Test func compactionAndTiersAreRead() throws {
    let project = try read(
      "{compaction: {runs: 8, every: 1m}}",
      "{compaction: {every: 5s, sort: [user_id, at]}, tier: {to: s3://cold/weir, after: 30d, column: at}}"
    )
    #expect(project.maintenance.compaction?.runsTrigger == 8)
    #expect(project.maintenance.compactionMilliseconds == 60_000)
    let events = project.streams[0].maintenance
    #expect(events.compaction?.runsTrigger == 8)
    #expect(events.compaction?.sortColumns == ["user_id", "at"])
    #expect(events.compactionMilliseconds == 5_000)
    let tier = TableTier(
      location: "s3://cold/weir", ageMilliseconds: 30 * 86_400_000, column: "at")
    #expect(events.tier == tier)
    let letters = DeadLetters.definition(of: project.streams[0]).maintenance
    #expect(letters.tier == nil && letters.compaction?.sortColumns == nil)
    #expect(letters.compaction?.runsTrigger == 8)
    #expect(
      try read("{compaction: {enabled: false}}", "{}").streams[0].maintenance.compaction == nil)
    let again = try read("{compaction: {enabled: false}}", "{compaction: {enabled: true, runs: 3}}")
    #expect(again.streams[0].maintenance.compaction?.runsTrigger == 3)
  }

  @Test(arguments: [
    ("{}", "{rows: {column: user_id, keep: 1d}}", "5:34: 'rows' names 'user_id', which is a long"),
    ("{}", "{rows: {column: att, keep: 1d}}", "did you mean 'at'?"),
    ("{}", "{rows: {column: _offset, keep: 1d}}", "no column of 'shop.events'"),
    ("{}", "{rows: {keep: 1d}}", "names no column"),
    ("{}", "{rows: {column: day}}", "does not say for how long"),
    ("{}", "{snapshot: 1d}", "did you mean 'snapshots'?"),
    ("{}", "{keep_snapshots: 0}", "'keep_snapshots' is 0"),
    ("{orphans: 1h}", "{}", "write 1d or more"),
    ("{rows: {column: at, keep: 1d}}", "{}", "has no key 'rows'"),
    ("{budget: {files: many}}", "{}", "must be a whole number"),
    ("{budget: 3}", "{}", "'budget' must be a mapping"),
    ("[1]", "{}", "'maintenance' must be a mapping"),
    ("{compaction: {runs: 1}}", "{}", "'runs' is 1"),
    ("{compaction: {sort: at}}", "{}", "'compaction' has no key 'sort'"),
    ("{}", "{compaction: {sort: [at, days]}}", "did you mean 'day'?"),
    ("{}", "{compaction: false}", "'compaction' must be a mapping"),
    ("{}", "{tier: {after: 1d}}", "does not say where to"),
    ("{}", "{tier: {to: 's3://cold/weir'}}", "does not say when files move"),
    ("{}", "{tier: {to: 's3://c', after: 1d, column: user_id}}", "'tier' names 'user_id'"),
    ("{tier: {to: 's3://c', after: 1d}}", "{}", "has no key 'tier'"),
  ])
  func whatIsWrongIsSaid(root: String, stream: String, message: String) {
    let found = problems(root, stream)
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.contains(message) ?? false, "\(found)")
  }

  @Test func columnsThatWeirAddsKeepRows() throws {
    let stream = try read("{}", "{rows: {column: _ingest_time, keep: 30d}}").streams[0]
    #expect(stream.maintenance.rows?.column == "_ingest_time")
  }
}
