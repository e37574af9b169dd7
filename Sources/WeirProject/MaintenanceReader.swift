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
  ///
  /// - Parameter columns: all that are declared.
  func read(
    _ node: Node, _ schema: TableSchema, _ columns: [String], _ definition: inout StreamDefinition
  ) {
    guard
      let section = Section(
        node, "'maintenance'", keys: ProjectKeys.streamMaintenance, problems)
    else { return }
    read(section, &definition.maintenance)
    guard let node = section["rows"],
      let rows = Section(node, "'rows'", keys: ProjectKeys.rowRetention, problems)
    else { return }
    guard let column = rows.text("column") else {
      problems.add(section.mark(of: "rows"), "'rows' names no column", "add 'column'")
      return
    }
    guard rows["keep"] != nil else {
      problems.add(section.mark(of: "rows"), "'rows' does not say for how long", "add 'keep: 90d'")
      return
    }
    let added = [StreamColumns.ingestTime, StreamColumns.knownAt]
    if let field = schema.field(path: column) {
      switch field.type {
      case .date, .timestamp, .timestamptz, .timestampNs, .timestamptzNs: break
      default:
        problems.add(
          rows["column"]?.mark, "rows cannot be kept by '\(column)', which is a \(field.type)",
          "take a timestamp or a date")
      }
    } else if !columns.contains(column), !added.contains(column) {
      let close = NameSuggestion.closest(to: column, columns)
      problems.add(
        rows["column"]?.mark, "'rows' names '\(column)', which is no column of the stream",
        close.map { "did you mean '\($0)'?" })
    }
    if let keep = rows.duration("keep", in: 1_000...(100 * Self.year)) {
      definition.maintenance.rows = RowRetention(column: column, milliseconds: keep)
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
