// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirTable

struct TableDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Show what is different between two states.",
    discussion: """
      Snapshots with the rows that came and went, columns, files. Where the older state does not lead to \
      the newer one (other branches, a rollback between) the snapshots are left out. 'weir table changes' \
      shows the rows themselves.
      """)

  @OptionGroup var table: TableSelection

  @Option(
    name: .long,
    help: "The older state: a snapshot's id, a time, a branch or a tag; the empty table without.")
  var from: String?

  @Option(name: .long, help: "The newer state; the current one when it is left out.")
  var to: String?

  @Flag(name: .long, help: "Print a JSON object.")
  var json = false

  func run() throws {
    let table = try table.open()
    let older = try from.map { text throws(TableError) in try SnapshotSelector(parsing: text) }
    let newer =
      try to.map { text throws(TableError) in try SnapshotSelector(parsing: text) } ?? .current
    let diff = try table.diff(from: older, to: newer)
    let counts = diff.snapshots.isEmpty ? [] : try table.countChanges(from: older, to: newer)
    if json { return RowPrinter.json(diff.json(counts)) }
    var output = OutputBuffer()
    if counts.isEmpty, diff.from?.snapshotID != diff.to?.snapshotID {
      output.line("  (the one state does not lead to the other)")
    }
    write(counts, to: &output)
    for change in diff.columns {
      let text =
        switch change.kind {
        case .added: "+ \(change.new ?? "")"
        case .dropped: "- \(change.old ?? "")"
        case .changed: "~ \(change.old ?? "") -> \(change.new ?? "")"
        }
      output.line("  column \(TextWidth.printable(text))")
    }
    write("data files", diff.addedDataFiles, diff.removedDataFiles, "rows", to: &output)
    write("delete files", diff.addedDeleteFiles, diff.removedDeleteFiles, "deletes", to: &output)
    if diff.from?.snapshotID == diff.to?.snapshotID, diff.columns.isEmpty {
      output.line("  (no changes)")
    }
    output.flush()
  }

  private func write(_ counts: [ChangeCounts], to output: inout OutputBuffer) {
    guard !counts.isEmpty else { return }
    var text = TextTable([
      .right("snapshot"), .left("committed (UTC)", min: nil), .left("operation", min: nil),
      .right("rows added"), .right("rows deleted"),
    ])
    for step in counts {
      text.add([
        String(step.snapshot.snapshotID), TableText.time(step.snapshot.timestampMilliseconds),
        step.snapshot.operation?.rawValue ?? "", Numbers.grouped(step.insertedRows),
        Numbers.grouped(step.deletedRows),
      ])
    }
    for line in text.lines(width: Terminal.width, style: .output) { output.line(line) }
  }

  private func write(
    _ name: String, _ added: TableDiff.Files, _ removed: TableDiff.Files, _ rows: String,
    to output: inout OutputBuffer
  ) {
    guard added.count + removed.count > 0 else { return }
    func side(_ sign: String, _ files: TableDiff.Files) -> String {
      "\(sign)\(Numbers.grouped(files.count)) (\(Numbers.grouped(files.rows)) \(rows), "
        + "\(Numbers.bytes(files.bytes)))"
    }
    var parts: [String] = []
    if added.count > 0 { parts.append(side("+", added)) }
    if removed.count > 0 { parts.append(side("-", removed)) }
    output.line("  \(name) " + parts.joined(separator: ", "))
  }
}

struct TableChangesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "changes", abstract: "Show the rows that came and went between two states.",
    discussion: """
      _change_type is INSERT or DELETE; with --key also UPDATE_BEFORE and UPDATE_AFTER. Rows that a \
      snapshot only carried into other files are left out, unless --carried asks for them.

      Examples:
        weir table changes shop.orders --from 2026-01-31
        weir table changes shop.orders --from january --to february --net --key order_id --json
      """)

  @OptionGroup var table: TableSelection

  @Option(
    name: .long,
    help: "The state before the first change: a snapshot's id, a time, a branch or a tag.")
  var from: String?

  @Option(name: .long, help: "The state behind the last change; the current one when left out.")
  var to: String?

  @OptionGroup var selection: ColumnSelection
  @OptionGroup var filter: WhereSelection

  @Option(
    name: .long,
    help: ArgumentHelp(
      "At most so many rows (default: 20, and all for --json).", valueName: "rows"))
  var limit: Int?

  @Flag(name: .long, help: "Only the difference of the two states, not each step.")
  var net = false

  @Option(
    name: .customLong("key"),
    help: ArgumentHelp(
      "A column by which rows are the same, to tell updates; may come several times.",
      valueName: "column"))
  var keys: [String] = []

  @Flag(name: .long, help: "Also rows that were only carried into other files.")
  var carried = false

  @OptionGroup var output: JSONSelection

  @Flag(name: .long, help: "Only count the rows, by type.")
  var count = false

  func validate() throws {
    if let limit, limit < 0 { throw ValidationError("--limit needs 0 or more, not \(limit)") }
    if carried, net || !keys.isEmpty {
      throw ValidationError("--carried goes with neither --net nor --key")
    }
  }

  func run() throws {
    let table = try table.open()
    var options = ChangeScanOptions(
      from: try from.map { text throws(TableError) in try SnapshotSelector(parsing: text) },
      to: try to.map { text throws(TableError) in try SnapshotSelector(parsing: text) }
        ?? .current,
      columns: try columns(table),
      where: try filter.predicate())
    options.removesCarriedRows = !carried
    options.isNet = net
    if !keys.isEmpty { options.identifiers = keys }
    if count { return try countRows(try table.scanChanges(options)) }
    let limit = limit ?? (output.json ? nil : 20)
    options.limit = limit.map { output.json ? $0 : $0 < Int.max ? $0 + 1 : $0 }
    try RowPrinter.print(try table.scanChanges(options), json: output.json, limit: limit)
  }

  /// For people what became of the row comes first, so that wide tables do not push it out.
  private func columns(_ table: Table) throws -> [String]? {
    let type = ChangeColumn.type.rawValue
    if count { return [type] }
    let names = try selection.names()
    if output.json || names?.contains(where: { ChangeColumn(rawValue: $0) != nil }) == true {
      return names
    }
    return [type] + (names ?? table.schema.fields.map(\.name))
      + [ChangeColumn.ordinal.rawValue, ChangeColumn.snapshotID.rawValue]
  }

  private func countRows(_ reader: ChangeReader) throws {
    var counts: [String: Int] = [:]
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        counts[batch.columns[0].scalar(at: row).text(as: .utf8), default: 0] += 1
      }
    }
    let named = ChangeType.allCases.map { ($0.rawValue, counts[$0.rawValue] ?? 0) }
    if output.json {
      var object = JSONObject()
      for (name, count) in named { object[name] = .int(Int64(count)) }
      return RowPrinter.compact(.object(object))
    }
    var text = TextTable([.left("change"), .right("rows")])
    for (name, count) in named where count > 0 { text.add([name, Numbers.grouped(count)]) }
    TableText.print(text, ifEmpty: "There are no changes.")
  }
}
