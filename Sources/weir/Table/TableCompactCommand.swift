// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

struct TableCompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact",
    abstract: "Bring small files together, and leave deleted rows behind.",
    discussion: """
      It may run beside writers, readers and other compactions, and be killed: rows that others delete or \
      replace meanwhile are deleted in the new files, and nobody's commit throws the work away. 'weir up' \
      does it by itself for the tables of its project.

      Without options files come together when five small ones of a partition (and shard) have gathered, or \
      when a fifth of a file's rows is deleted.

      Examples:
        weir table compact shop.orders
        weir table compact shop.samples --full --sort user_id,session_id
        weir table properties shop.samples --set write.format.default=weir
        weir table compact shop.samples --convert
        weir table compact shop.samples --engine ray --address 10.0.0.7:6379
      """)

  @OptionGroup var table: TableSelection
  @Flag(name: .long, help: "All files that are not full, and all with deleted rows.")
  var full = false
  @Flag(name: .long, help: "Also files of another format than the table's write.format.default.")
  var convert = false
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Sort the rows of each group by these columns (default: the table's order).",
      valueName: "columns"))
  var sort: String?
  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Only files that may hold such rows.", valueName: "condition"))
  var filter: String?
  @Option(name: .long, help: ArgumentHelp("Files that make a group due.", valueName: "files"))
  var trigger: Int?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Memory for rows that are sorted, in MB; more are written in between (default: 1024).",
      valueName: "MB"))
  var memory: Int?
  @Flag(name: .long, help: "Only say what would come together.")
  var dryRun = false
  @OptionGroup var engine: EngineSelection
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if let trigger, trigger < 2 {
      throw ValidationError("--trigger needs 2 or more, not \(trigger)")
    }
    if let memory, memory < 1 || memory > 1 << 24 {
      throw ValidationError("--memory needs 1 MB or more, not \(memory)")
    }
  }

  func run() throws {
    if engine.engine == .ray { return try runOnRay() }
    let table = try table.open()
    var options = CompactionOptions()
    options.isFull = full
    options.convertsFormat = convert
    if let trigger { options.runsTrigger = trigger }
    if let memory { options.sortBytesMax = memory << 20 }
    if let filter { options.filter = try Predicate(parsing: filter) }
    options.sortColumns = sort.map { $0.split(separator: ",").map(String.init) }
    let compaction = try Compaction.planned(table, options.forStream(table.metadata))
    let groups = compaction.plannedGroupCount
    if dryRun {
      return output.print(
        "\(Numbers.counted(groups, "group", "groups")) of "
          + "\(Numbers.counted(compaction.plannedFileCount, "file", "files")) "
          + "(\(Numbers.bytes(compaction.plannedByteCount))) would come together.",
        [
          "groups": .int(Int64(groups)), "files": .int(Int64(compaction.plannedFileCount)),
          "bytes": .int(Int64(compaction.plannedByteCount)),
        ])
    }
    try compaction.run()
    let result = compaction.result
    guard result.groupCount > 0 else {
      return output.print(
        "There is nothing to bring together" + (full ? "." : "; --full takes all small files."),
        result.json)
    }
    output.print(
      "Brought \(Numbers.counted(result.sourceCount, "file", "files")) "
        + "(\(Numbers.bytes(result.readByteCount))) into \(Numbers.grouped(result.outputCount)) "
        + "(\(Numbers.bytes(result.writtenByteCount))), "
        + "\(Numbers.counted(result.rowCount, "row", "rows")).", result.json)
  }

  private func runOnRay() throws {
    try engine.become(
      ["compact"] + table.rayWords(),
      [
        ("--sort", sort), ("--where", filter), ("--trigger", trigger.map(String.init)),
        ("--memory", memory.map(String.init)),
      ],
      flags: [
        ("--full", full), ("--convert", convert), ("--dry-run", dryRun), ("--json", output.json),
      ])
  }
}
