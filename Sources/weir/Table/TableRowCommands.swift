// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirConnect
internal import WeirCurl
internal import WeirTable

struct TableCreateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a table.",
    discussion: """
      The columns come from a file (--like) or one by one (--column).

      Examples:
        weir table create shop.orders --like orders.parquet --partition 'day(ts)'
        weir table create shop.users --column 'id long required' --column 'name string'
      """)

  @OptionGroup var table: TableSelection

  @Option(name: .long, help: "A file whose columns the table gets.", completion: .file())
  var like: String?

  @Option(
    name: .customLong("column"),
    help: ArgumentHelp("A column: its name, type and perhaps 'required'.", valueName: "text"))
  var columns: [String] = []

  @Option(
    name: .customLong("partition"),
    help: ArgumentHelp("country, day(ts), bucket(16, id), truncate(4, name)", valueName: "column"))
  var partitions: [String] = []

  @Option(
    name: .customLong("sort"), help: ArgumentHelp("ts desc nulls last", valueName: "column"))
  var sorts: [String] = []

  @Option(name: .customLong("set"), help: ArgumentHelp("A property.", valueName: "name=value"))
  var properties: [String] = []

  @Option(name: .long, help: "Iceberg's format version, 2 or 3.")
  var formatVersion = 3

  @OptionGroup var output: JSONSelection

  func validate() throws {
    guard (like == nil) != columns.isEmpty else {
      throw ValidationError("give either --like FILE or --column 'NAME TYPE', once or more")
    }
  }

  func run() throws {
    let identifier = try table.identifier()
    let schema: TableSchema
    if let like {
      let rows = try InputFile.rows(like, columns: nil, batchRows: 1)
      schema = try TableSchema(arrow: rows.reader.schema, formatVersion: formatVersion)
    } else {
      schema = TableSchema(
        try columns.enumerated().map { index, text in
          try Self.column(text, id: Int32(index + 1))
        })
    }
    var properties = try KeyValues.read(properties, "--set")
    properties["format-version"] = String(formatVersion)
    let creation = TableCreation(
      schema: schema,
      partitionSpec: try PartitionSpec(
        try partitions.map(TransformedColumn.init(parsing:)), of: schema),
      sortOrder: try SortOrder(try sorts.map(SortColumn.init(parsing:)), of: schema),
      properties: StringMap(properties))
    let connection = try table.selection.open(creates: true)
    do throws(TableError) {
      try connection.catalog.createNamespace(identifier.namespace)
    } catch {
      guard error.code == .alreadyExists else { throw error }
    }
    let made = try connection.catalog.createTable(identifier, creation)
    output.print(
      "Made \(identifier) at \(made.metadata.location).",
      ["table": .string(identifier.description), "location": .string(made.metadata.location)])
  }

  private static func column(_ text: String, id: Int32) throws -> TableField {
    var words = text.split(separator: " ").map(String.init)
    let isRequired = words.count > 2 && words.last?.lowercased() == "required"
    if isRequired { words.removeLast() }
    guard words.count > 1, let type = TableType(named: words[1...].joined()) else {
      throw CommandFailure(
        "--column '\(text)' is no column",
        hint: "Write 'NAME TYPE' or 'NAME TYPE required'; types are boolean, int, long, float, "
          + "double, decimal(P,S), date, time, timestamp, timestamptz, string, uuid, binary.")
    }
    return TableField(id, words[0], type, required: isRequired)
  }
}

struct TableAppendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "append", abstract: "Add the rows of files, in one commit each.")

  @OptionGroup var table: TableSelection

  @Argument(help: "Parquet, Arrow IPC or CSV files.", completion: .file())
  var files: [String]

  @Option(name: .long, help: "The branch to add to.")
  var branch = SnapshotReference.mainBranch

  @OptionGroup var output: JSONSelection

  func run() throws {
    let table = try table.open()
    for file in files {
      let rows = try InputFile.rows(file, columns: nil, batchRows: 65_536)
      let changes = try append(rows.reader, to: table)
      output.print(
        "\(file): \(Numbers.counted(changes.addedRows, "row", "rows")) in "
          + "\(Numbers.counted(changes.addedFiles, "file", "files"))"
          + (changes.snapshotID.map { ", snapshot \($0)" } ?? ""),
        [
          "file": .string(file), "added_rows": .int(Int64(changes.addedRows)),
          "added_files": .int(Int64(changes.addedFiles)),
          "snapshot_id": .optional(changes.snapshotID),
        ])
    }
  }

  private func append(
    _ rows: some RecordBatchReader, to table: Table
  ) throws(TableError) -> RowChanges {
    try table.append(rows, branch: branch)
  }
}

struct TableScanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scan", abstract: "Show rows.",
    discussion: """
      With --from only the rows that appends have added since. 'weir table changes' shows deleted rows, \
      too. --live asks the service of a stream ('weir up', at --url or WEIR_URL), which also has the rows \
      that are not in the table's files yet.

      Examples:
        weir table scan shop.orders --where "country = 'de'" --columns user_id,ts --limit 20
        weir table scan shop.orders --at 2026-01-31 --json | jq .user_id
        weir table scan shop.orders --from january --count
        weir table scan shop.profiles --live --where "user_id = 7"
      """)

  @OptionGroup var table: TableSelection
  @OptionGroup var selection: ColumnSelection
  @OptionGroup var state: StateSelection

  @Option(
    name: .long, help: ArgumentHelp("Only rows appended after this state.", valueName: "state"))
  var from: String?

  @OptionGroup var filter: WhereSelection

  @Flag(name: .long, help: "With the rows that a stream has acknowledged and not written yet.")
  var live = false

  @OptionGroup var service: ServiceOptions

  @Option(
    name: .long,
    help: ArgumentHelp(
      "At most so many rows (default: 20, and all for --json).", valueName: "rows"))
  var limit: Int?

  @OptionGroup var output: JSONSelection

  @Flag(name: .long, help: "Only count the rows.")
  var count = false

  func validate() throws {
    if let limit, limit < 0 { throw ValidationError("--limit needs 0 or more, not \(limit)") }
    if live, from != nil || state.at != nil {
      throw ValidationError("--live is the table as it is now: without --at and --from")
    }
  }

  func run() throws {
    let limit = count ? self.limit : self.limit ?? (output.json ? nil : 20)
    // One more, to know whether there are more.
    let readLimit = limit.map { output.json || count || $0 == Int.max ? $0 : $0 + 1 }
    let reader = live ? try liveRows(readLimit) : try rows(readLimit)
    guard count else {
      return try RowPrinter.print(reader, json: output.json, limit: limit)
    }
    var rows = 0
    while let batch = try reader.next() { rows += batch.rowCount }
    output.print(String(rows), ["rows": .int(Int64(rows))])
  }

  private func rows(_ limit: Int?) throws -> any RecordBatchReader {
    let table = try table.open()
    var options = ScanOptions(columns: try selection.names(), where: try filter.predicate())
    options.at = try state.selector()
    options.limit = limit
    guard let from else { return try table.scan(options) }
    return try table.scanAppends(after: try SnapshotSelector(parsing: from), options)
  }

  /// From the service of the stream.
  private func liveRows(_ limit: Int?) throws -> any RecordBatchReader {
    _ = try filter.predicate()  // Its errors point at the place.
    var query: [(String, String)] = []
    if let names = try selection.names() { query.append(("columns", names.joined(separator: ","))) }
    if let filter = filter.filter { query.append(("filter", filter)) }
    if let limit { query.append(("limit", String(limit))) }
    let answer = try service.client().answer(
      "GET", StreamClient.path(table.name, "/scan", query: query),
      headers: [("Accept", "application/vnd.apache.arrow.stream")])
    return try ArrowStreamReader(answer.body)
  }
}

struct TableDeleteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete rows, in one commit.")

  @OptionGroup var table: TableSelection

  @Option(name: .customLong("where"), help: ArgumentHelp("Which rows.", valueName: "condition"))
  var filter: String

  @OptionGroup var output: JSONSelection

  func run() throws {
    let predicate = try WhereSelection.parse(filter)
    let changes = try table.open().delete(where: predicate)
    output.print(
      "Deleted \(Numbers.counted(changes.deletedRows, "row", "rows"))"
        + (changes.snapshotID.map { ", snapshot \($0)." } ?? "; nothing matched."),
      [
        "deleted_rows": .int(Int64(changes.deletedRows)),
        "removed_files": .int(Int64(changes.removedFiles)),
        "snapshot_id": .optional(changes.snapshotID),
      ])
  }
}

/// An older state of a table.
struct StateSelection: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp("A snapshot's id, a time, a branch or a tag.", valueName: "state"))
  var at: String?

  func selector() throws(TableError) -> SnapshotSelector {
    if let at { try SnapshotSelector(parsing: at) } else { .current }
  }
}
