// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads what tables keep, and for how long.
struct MaintenanceReader {
  let problems: ProblemList

  private static let day: Int64 = 86_400_000
  private static let year: Int64 = 366 * day

  /// Of the whole file.
  func readDefaults(_ node: Node, into project: inout Project) {
    guard let section = Section(node, "'maintenance'", keys: ProjectKeys.maintenance, problems)
    else { return }
    read(section, &project.maintenance)
    _ = readCompaction(section, ProjectKeys.compaction, &project.maintenance)
    guard let node = section["budget"],
      let budget = Section(node, "'budget'", keys: ProjectKeys.maintenanceBudget, problems)
    else { return }
    if let files = budget.int("files", in: 1...1_000_000_000) {
      project.maintenanceBudget.fileCountMax = files
    }
    if let bytes = budget.size("bytes", in: (1 << 20)...(1 << 44)) {
      project.maintenanceBudget.byteCountMax = Int(bytes)
    }
    if let time = budget.duration("time", in: 10...3_600_000) {
      project.maintenanceBudget.millisecondsMax = time
    }
  }

  /// Of one stream.
  func read(_ node: Node, _ checks: StreamChecks, _ policy: inout MaintenancePolicy) {
    guard
      let section = Section(
        node, "'maintenance'", keys: ProjectKeys.streamMaintenance, problems)
    else { return }
    read(section, &policy)
    let compaction = readCompaction(section, ProjectKeys.streamCompaction, &policy)
    if let compaction, compaction["sort"] != nil {
      policy.compaction?.sortColumns = readOrder(compaction, checks)
    }
    readRows(section, checks, &policy)
    readTier(section, checks, &policy)
  }

  /// - Returns: its section, for what only streams say.
  private func readCompaction(
    _ section: Section, _ keys: [ProjectKey], _ policy: inout MaintenancePolicy
  ) -> Section? {
    guard let node = section["compaction"],
      let compaction = Section(node, "'compaction'", keys: keys, problems)
    else { return nil }
    if let isEnabled = compaction.flag("enabled") {
      policy.compaction = isEnabled ? policy.compaction ?? CompactionOptions() : nil
    }
    if let count = compaction.int("runs", in: 2...10_000) {
      policy.compaction?.runsTrigger = count
    }
    if let interval = compaction.duration("every", in: 100...Self.year) {
      policy.compactionMilliseconds = interval
    }
    return compaction
  }

  private func readOrder(_ section: Section, _ checks: StreamChecks) -> [String] {
    section.names("sort").compactMap { name, mark in
      guard let field = checks.column(name, mark, "sort") else { return nil }
      guard field.type.isPrimitive else {
        problems.add(
          mark, "rows cannot be sorted by '\(name)', which is a \(field.type)",
          "take columns of single values")
        return nil
      }
      return name
    }
  }

  private func readRows(
    _ section: Section, _ checks: StreamChecks, _ policy: inout MaintenancePolicy
  ) {
    guard let node = section["rows"],
      let rows = Section(node, "'rows'", keys: ProjectKeys.rowRetention, problems)
    else { return }
    let mark = section.mark(of: "rows")
    guard let column = rows.text("column") else {
      return problems.add(mark, "'rows' names no column", "add 'column'")
    }
    guard rows["keep"] != nil else {
      return problems.add(mark, "'rows' does not say for how long", "add 'keep: 90d'")
    }
    checkTime(column, rows["column"]?.mark, checks, "rows")
    if let keep = rows.duration("keep", in: 1_000...(100 * Self.year)) {
      policy.rows = RowRetention(column: column, milliseconds: keep)
    }
  }

  private func readTier(
    _ section: Section, _ checks: StreamChecks, _ policy: inout MaintenancePolicy
  ) {
    guard let node = section["tier"],
      let tier = Section(node, "'tier'", keys: ProjectKeys.tier, problems)
    else { return }
    let mark = section.mark(of: "tier")
    guard let location = tier.text("to") else {
      return problems.add(mark, "'tier' does not say where to", "add 'to: s3://cold/weir'")
    }
    guard tier["after"] != nil else {
      return problems.add(mark, "'tier' does not say when files move", "add 'after: 30d'")
    }
    let column = tier.text("column")
    if let column { checkTime(column, tier["column"]?.mark, checks, "tier") }
    if let age = tier.duration("after", in: 0...(100 * Self.year)) {
      policy.tier = TableTier(location: location, ageMilliseconds: age, column: column)
    }
  }

  /// Tells of a column that is no time.
  private func checkTime(
    _ column: String, _ mark: Mark?, _ checks: StreamChecks, _ role: String
  ) {
    guard ![StreamColumns.ingestTime, StreamColumns.knownAt].contains(column),
      let field = checks.schema.field(path: column) ?? checks.column(column, mark, role)
    else { return }
    switch field.type {
    case .date, .timestamp, .timestamptz, .timestampNs, .timestamptzNs: break
    default:
      problems.add(
        mark, "'\(role)' names '\(column)', which is a \(field.type)",
        "take a timestamp or a date")
    }
  }

  private func read(_ section: Section, _ policy: inout MaintenancePolicy) {
    if let isEnabled = section.flag("enabled") { policy.isEnabled = isEnabled }
    if let age = section.duration("snapshots", in: 1_000...(100 * Self.year)) {
      policy.snapshotAgeMilliseconds = age
    }
    if let count = section.int("keep_snapshots", in: 1...1_000_000) {
      policy.snapshotCountMin = count
    }
    if let age = section.duration("orphans", in: 1...(100 * Self.year)) {
      if age < MaintenancePolicy.orphanAgeMillisecondsMin {
        problems.add(
          section["orphans"]?.mark, "a commit may write files for hours before it names them",
          "write 1d or more")
      }
      policy.orphanAgeMilliseconds = age
    }
    if let count = section.int("metadata_files", in: 1...1_000_000) {
      policy.metadataFileCountMax = count
    }
    if let interval = section.duration("statistics", in: 1_000...(100 * Self.year)) {
      policy.statisticsMilliseconds = interval
    }
  }
}
