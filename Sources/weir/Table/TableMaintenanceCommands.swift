// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirTable

struct TableAnalyzeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "analyze", abstract: "Count the distinct values of columns, for query planners.",
    discussion: "Reads the columns. The counts are kept beside the table's metadata.")

  @OptionGroup var table: TableSelection
  @OptionGroup var selection: ColumnSelection
  @OptionGroup var output: JSONSelection

  func run() throws {
    let table = try table.open()
    guard let file = try table.computeStatistics(columns: try selection.names()) else {
      throw CommandFailure("\(table.identifier) has no snapshots yet: there is nothing to count")
    }
    let counts = file.blobs.compactMap { blob -> (String, Int)? in
      guard let id = blob.fieldIDs.first, let name = table.schema.path(ofFieldID: id),
        let count = TableText.count(blob.properties?["ndv"])
      else { return nil }
      return (name, count)
    }
    if output.json {
      var object = JSONObject()
      for (name, count) in counts { object[name] = .int(Int64(count)) }
      return RowPrinter.compact(
        ["snapshot_id": .int(file.snapshotID), "distinct_values": .object(object)])
    }
    var text = TextTable([.left("column"), .right("distinct values")])
    for (name, count) in counts { text.add([name, Numbers.grouped(count)]) }
    TableText.print(text, ifEmpty: "There are no columns to count.")
  }
}

struct TableExpireCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "expire", abstract: "Remove old snapshots and the files that only they led to.",
    discussion: """
      How long and how many are kept is said by --older-than and --keep, or else by the table's \
      properties history.expire.*: five days and one snapshot when nothing is said.
      """)

  @OptionGroup var table: TableSelection
  @Option(name: .long, help: ArgumentHelp("Those from before this time (UTC).", valueName: "time"))
  var olderThan: String?
  @Option(
    name: .long, help: ArgumentHelp("So many of each branch stay.", valueName: "snapshots"))
  var keep: Int?
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if let keep, keep < 1 { throw ValidationError("--keep needs 1 or more, not \(keep)") }
  }

  func run() throws {
    var options = SnapshotExpiration(retainLast: keep)
    if let olderThan {
      guard case .asOf(let time) = try SnapshotSelector(parsing: olderThan) else {
        throw CommandFailure(
          "--older-than '\(olderThan)' is no time",
          hint: "Write a time such as '2026-01-31' or '2026-01-31 12:00:00'.")
      }
      options.olderThanMilliseconds = time
    }
    let result = try table.open().expireSnapshots(options)
    let files =
      result.contentFileCount + result.manifestCount + result.manifestListCount
      + result.statisticsFileCount
    output.print(
      "Expired \(Numbers.counted(result.snapshotIDs.count, "snapshot", "snapshots"))"
        + (files > 0 ? ", removed \(Numbers.counted(files, "file", "files"))." : "."),
      [
        "snapshot_ids": .array(result.snapshotIDs.map { .int($0) }),
        "removed_files": .int(Int64(files)), "failures": .int(Int64(result.failureCount)),
      ])
  }
}

struct TableOrphansCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orphans", abstract: "Remove files that killed writers left behind.",
    discussion: """
      Files younger than three days stay: a commit that has written them may still be under way.
      """)

  @OptionGroup var table: TableSelection
  @Flag(name: .long, help: "Only list them.")
  var dryRun = false
  @OptionGroup var output: JSONSelection

  func run() throws {
    var options = OrphanCleanup()
    options.isDryRun = dryRun
    let result = try table.open().removeOrphanFiles(options)
    if !output.json {
      for location in result.locations { RowPrinter.line(TextWidth.printable(location)) }
    }
    output.print(
      "\(dryRun ? "Found" : "Removed") "
        + Numbers.counted(result.locations.count, "file", "files")
        + (result.byteCount > 0 ? ", \(Numbers.bytes(result.byteCount))." : "."),
      [
        "locations": .array(result.locations.map { .string($0) }),
        "bytes": .int(Int64(result.byteCount)), "removed": .bool(!dryRun),
        "failures": .int(Int64(result.failureCount)), "has_more": .bool(result.hasMore),
      ])
  }
}
