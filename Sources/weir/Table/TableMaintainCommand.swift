// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

struct TableMaintainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maintain",
    abstract:
      "Do all that keeps a table small: old rows, snapshots, metadata, orphans, statistics.",
    discussion: """
      What 'weir up' does by itself for the tables of its project, at once and to the end, for any table. \
      It may run beside writers, readers and other maintenance, and be killed.

      A snapshot goes so long after another one took its place: five days, or what the table's \
      history.expire.max-snapshot-age-ms says, and never one of the last 100 unless --snapshots or --keep is \
      given. Files that nothing leads to go after three days. --rows deletes rows whose time lies further \
      back, as the table's rows, not as its history.

      Examples:
        weir table maintain shop.events
        weir table maintain shop.events --snapshots 6h --keep 10
        weir table maintain shop.events --rows event_time=90d
      """)

  @OptionGroup var table: TableSelection
  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long a snapshot stays after another one took its place.", valueName: "duration"))
  var snapshots: String?
  @Option(
    name: .long, help: ArgumentHelp("So many of each branch stay.", valueName: "snapshots"))
  var keep: Int?
  @Option(
    name: .long,
    help: ArgumentHelp("The age at which orphans go; a day at least.", valueName: "duration"))
  var orphans: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "How long rows stay by a column that is a timestamp or a date.",
      valueName: "column=duration"))
  var rows: String?
  @Option(
    name: .long,
    help: ArgumentHelp("How many earlier metadata files stay.", valueName: "files"))
  var metadataFiles: Int?
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if let keep, keep < 1 { throw ValidationError("--keep needs 1 or more, not \(keep)") }
    if let metadataFiles, metadataFiles < 1 {
      throw ValidationError("--metadata-files needs 1 or more, not \(metadataFiles)")
    }
  }

  private func policy() throws -> MaintenancePolicy {
    var policy = MaintenancePolicy()
    policy.snapshotAgeMilliseconds = try snapshots.map {
      try DurationText.milliseconds($0, "--snapshots")
    }
    policy.snapshotCountMin = keep
    policy.metadataFileCountMax = metadataFiles
    if let orphans {
      let age = try DurationText.milliseconds(orphans, "--orphans")
      guard age >= MaintenancePolicy.orphanAgeMillisecondsMin else {
        throw CommandFailure(
          "--orphans '\(orphans)' is less than a day",
          hint: "A commit may write files for hours before it names them.")
      }
      policy.orphanAgeMilliseconds = age
    }
    if let rows {
      guard let split = rows.lastIndex(of: "="), split != rows.startIndex else {
        throw CommandFailure(
          "--rows '\(rows)' is not of the form column=duration", hint: "Write event_time=90d.")
      }
      policy.rows = RowRetention(
        column: String(rows[..<split]),
        milliseconds: try DurationText.milliseconds(
          String(rows[rows.index(after: split)...]), "--rows"))
    }
    return policy
  }

  func run() throws {
    var policy = try policy()
    let table = try table.open()
    policy.compaction = policy.compaction?.forStream(table.metadata)
    let maintenance = TableMaintenance(table, policy)
    let failure: TableError?
    do throws(TableError) {
      try maintenance.runAll()
      failure = nil
    } catch { failure = error }
    let status = maintenance.status
    if output.json {
      RowPrinter.compact(
        [
          "table": .string("\(maintenance.table.identifier)"),
          "steps": .array(status.map(\.json)),
        ])
    } else {
      for step in status { RowPrinter.line("\(step.step): \(Self.text(step))") }
    }
    if let failure { throw failure }
  }

  /// What a step did, in words.
  static func text(_ status: MaintenanceStatus) -> String {
    if let failure = status.failure { return "failed: \(TextWidth.printable(failure))" }
    let total = status.total
    var parts: [String] = []
    if total.deletedRowCount > 0 {
      parts.append("deleted " + Numbers.counted(total.deletedRowCount, "row", "rows"))
    }
    if total.snapshotCount > 0 {
      parts.append("expired " + Numbers.counted(total.snapshotCount, "snapshot", "snapshots"))
    }
    if total.replacedFileCount > 0 {
      parts.append(
        "brought " + Numbers.counted(total.replacedFileCount, "file", "files") + " into "
          + Numbers.grouped(total.writtenFileCount))
    }
    if total.removedFileCount > 0 {
      parts.append(
        "removed " + Numbers.counted(total.removedFileCount, "file", "files")
          + (total.removedByteCount > 0 ? " of \(Numbers.bytes(total.removedByteCount))" : ""))
    }
    if total.writtenFileCount > 0, total.replacedFileCount == 0 {
      parts.append("wrote " + Numbers.counted(total.writtenFileCount, "file", "files"))
    }
    if total.failureCount > 0 {
      parts.append(
        Numbers.counted(total.failureCount, "file", "files") + " could not be removed")
    }
    if let note = total.note { parts.append("left: \(TextWidth.printable(note))") }
    return parts.isEmpty ? "nothing to do" : parts.joined(separator: ", ")
  }
}
