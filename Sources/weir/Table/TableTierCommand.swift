// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

struct TableTierCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier",
    abstract: "Move files that are old enough to another store, now and from now on.",
    discussion: """
      The rows of files whose rows are all old enough by --column (a timestamp or a date; without it by when \
      the files were added) are written again at --to, as a compaction does it: beside writers, readers \
      and other compactions. Readers of any engine find them by their paths. The table keeps the setting as \
      properties, and compaction goes on with it, in 'weir up' too; the old files stay until the snapshots expire \
      that know them. Without --to the table's setting is used. --off ends it: files in the tier stay there.

      Examples:
        weir table tier shop.events --to s3://cold/weir --after 30d --column event_time
        weir table tier shop.events --dry-run
      """)

  @OptionGroup var table: TableSelection
  @Option(
    name: .customLong("to"),
    help: ArgumentHelp(
      "The place; the table has a folder of its own there.", valueName: "location"))
  var location: String?
  @Option(
    name: .long, help: ArgumentHelp("The age at which files move.", valueName: "duration"))
  var after: String?
  @Option(
    name: .long,
    help: ArgumentHelp("The timestamp or date that says how old a row is.", valueName: "column"))
  var column: String?
  @Flag(name: .long, help: "Leave new files where they are from now on.")
  var off = false
  @Flag(name: .long, help: "Only say what would move.")
  var dryRun = false
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if (location == nil) != (after == nil) { throw ValidationError("--to and --after go together") }
    if off, location != nil || column != nil || dryRun {
      throw ValidationError("--off stands alone")
    }
    if column != nil, location == nil { throw ValidationError("--column goes with --to") }
  }

  func run() throws {
    let table = try table.open()
    if off {
      let transaction = table.transaction()
      transaction.removeProperties(TableTier.propertyNames)
      try transaction.commit()
      return output.print("Files stay where they are from now on.", ["tier": .null])
    }
    let tier = try tier(table)
    try tier.check(table.metadata, table.stores)
    let aged = try tier.agedPaths(table)
    if dryRun {
      return output.print(
        "\(Numbers.counted(aged.count, "file", "files")) would move to \(tier.location).",
        ["files": .int(Int64(aged.count)), "tier": .string(tier.location)])
    }
    if location != nil { try tier.set(on: table) }
    var options = CompactionOptions().forStream(table.metadata)
    options.paths = aged
    let result = aged.isEmpty ? CompactionResult() : try table.compact(options)
    var answer = try result.json.asObject()
    answer["tier"] = .string(tier.location)
    output.print(
      result.groupCount == 0
        ? "No file is old enough."
        : "Moved \(Numbers.counted(result.sourceCount, "file", "files")) "
          + "(\(Numbers.bytes(result.readByteCount))) to \(tier.location): "
          + "\(Numbers.counted(result.outputCount, "file", "files")) of "
          + "\(Numbers.bytes(result.writtenByteCount)), "
          + "\(Numbers.counted(result.rowCount, "row", "rows")).", .object(answer))
  }

  private func tier(_ table: Table) throws -> TableTier {
    if let location, let after {
      return TableTier(
        location: location, ageMilliseconds: try DurationText.milliseconds(after, "--after"),
        column: column)
    }
    guard let tier = try TableTier(table.metadata.properties) else {
      throw CommandFailure(
        "the table has no tier", hint: "Name one: --to s3://cold/weir --after 30d.")
    }
    return tier
  }
}
