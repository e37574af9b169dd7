// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirTable

struct TableCostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost",
    abstract: "Show what a table takes of its store, for what, and what could be saved.",
    discussion: """
      Adds up the files by partition, column and age, and what nobody needs to read the table as it is: \
      deleted rows, earlier snapshots, orphans, metadata. What a compaction or another format would save is \
      estimated: some of the rows are read and written again in memory.

      Examples:
        weir table cost shop.events
        weir table cost shop.events --rate 0.023
        weir table cost shop.events --no-estimate --json
      """)

  @OptionGroup var table: TableSelection
  @Option(
    name: .long,
    help: ArgumentHelp("The price of a gigabyte (10^9 bytes) for a month.", valueName: "price"))
  var rate: Double?
  @Option(name: .long, help: "At most so many partitions and columns; 10 for people, all as JSON.")
  var limit: Int?
  @Flag(inversion: .prefixedNo, help: "Rewrite some of the rows to see what would be saved.")
  var estimate = true
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if let rate, !(rate.isFinite && rate >= 0) {
      throw ValidationError("--rate must be a price, 0 or more")
    }
    if let limit, limit < 0 { throw ValidationError("--limit needs 0 or more, not \(limit)") }
  }

  func run() throws {
    let table = try table.open()
    var options = TableCostOptions()
    if !estimate { options.sampleBytesMax = 0 }
    let cost = try table.cost(options)
    if output.json {
      return RowPrinter.compact(json(cost, "\(table.identifier)"))
    }
    var buffer = OutputBuffer()
    write(cost, "\(table.identifier)", to: &buffer)
    buffer.flush()
  }

  private func price(_ bytes: Int) -> String {
    rate.map { Numbers.fixed(Double(bytes) / 1e9 * $0, 2) } ?? ""
  }

  // MARK: For people

  private func write(_ cost: TableCost, _ name: String, to buffer: inout OutputBuffer) {
    let total = Double(cost.byteCount)
    let month = rate == nil ? "" : ", \(price(cost.byteCount)) a month"
    buffer.line(Style.output.bold("\(name): \(Numbers.bytes(cost.byteCount))\(month)"))
    var text = TextTable(columns("what"))
    func add(_ name: String, _ share: TableCost.Share) {
      text.add(
        [name, Numbers.bytes(share.byteCount), Numbers.percent(Double(share.byteCount), of: total)]
          + (rate == nil ? [] : [price(share.byteCount)])
          + [Numbers.grouped(share.fileCount)])
    }
    add("data of the current snapshot", cost.data)
    add("delete files", cost.deletes)
    if cost.columnFiles.fileCount > 0 { add("column files", cost.columnFiles) }
    add("files of earlier snapshots alone", cost.history)
    add("metadata", cost.metadata)
    add("orphans of three days and more", cost.orphans)
    add("files that nothing leads to yet", cost.unnamed)
    write(text, to: &buffer)
    write("partition", cost.partitions, cost, to: &buffer)
    write("column", cost.columns, cost, to: &buffer)
    write("age", cost.ages, cost, to: &buffer)
    buffer.line()
    buffer.line(Style.output.bold("Waste"))
    for line in waste(cost) { buffer.line("  \(line)") }
  }

  private func columns(_ title: String) -> [TextTable.Column] {
    [.left(title), .right("bytes"), .right("share")]
      + (rate == nil ? [] : [.right("a month")]) + [.right("files")]
  }

  private func write(_ text: TextTable, to buffer: inout OutputBuffer) {
    for line in text.lines(width: Terminal.width, style: .output) { buffer.line(line) }
  }

  private func write(
    _ title: String, _ parts: [TableCost.Part], _ cost: TableCost, to buffer: inout OutputBuffer
  ) {
    guard !parts.isEmpty else { return }
    let shown = parts.prefix(limit ?? 10)
    buffer.line()
    var text = TextTable(columns(title))
    for part in shown {
      let files = part.share.fileCount
      text.add(
        [
          part.name, Numbers.bytes(part.share.byteCount),
          Numbers.percent(Double(part.share.byteCount), of: Double(cost.data.byteCount)),
        ] + (rate == nil ? [] : [price(part.share.byteCount)])
          + [files > 0 ? Numbers.grouped(files) : ""])
    }
    write(text, to: &buffer)
    let left = parts.count - shown.count
    if left > 0 {
      let rest = parts.dropFirst(shown.count).reduce(0) { $0 + $1.share.byteCount }
      buffer.line(
        Style.output.dim("  … and \(Numbers.grouped(left)) more, \(Numbers.bytes(rest))"))
    }
  }

  private func waste(_ cost: TableCost) -> [String] {
    func text(_ bytes: Int) -> String {
      Numbers.bytes(bytes) + (rate == nil ? "" : " (\(price(bytes)) a month)")
    }
    var lines = [
      "deleted rows             \(text(cost.deletedByteCount)), about",
      "small files              \(Numbers.grouped(cost.small.fileCount)), of "
        + Numbers.bytes(cost.small.byteCount) + " together",
      "earlier snapshots        \(text(cost.history.byteCount))",
      "orphans                  \(text(cost.orphans.byteCount))",
      "compaction would save    \(text(cost.compactionSaving)), about",
    ]
    for format in ["parquet", "weir"] {
      guard let difference = cost.difference(in: format) else { continue }
      let padded = "as \(format) files".padded(to: 25)
      lines.append(
        padded + (difference <= 0 ? "\(text(-difference)) less" : "\(text(difference)) more")
          + ", about")
    }
    if let estimate = cost.estimate {
      lines.append(
        Style.output.dim(
          "estimated from \(Numbers.counted(estimate.sampledRowCount, "row", "rows")), "
            + "\(Numbers.bytes(estimate.sampledByteCount)), written again"))
    }
    return lines
  }

  // MARK: For programs

  private func json(_ cost: TableCost, _ name: String) -> JSONValue {
    func share(_ share: TableCost.Share) -> JSONValue {
      .object(
        [
          ("files", .int(Int64(share.fileCount))), ("bytes", .int(Int64(share.byteCount))),
          ("rows", .int(Int64(share.rowCount))),
        ] + monthly(share.byteCount))
    }
    func parts(_ parts: [TableCost.Part], _ key: String) -> JSONValue {
      .array(
        parts.prefix(limit ?? .max).map { part in
          .object(
            [
              (key, .string(part.name)), ("files", .int(Int64(part.share.fileCount))),
              ("bytes", .int(Int64(part.share.byteCount))),
              ("rows", .int(Int64(part.share.rowCount))),
            ] + monthly(part.share.byteCount))
        })
    }
    var estimate = JSONValue.null
    if let made = cost.estimate {
      estimate = .object([
        ("sampled_rows", .int(Int64(made.sampledRowCount))),
        ("sampled_bytes", .int(Int64(made.sampledByteCount))),
        (
          "rewritten_bytes",
          .object(
            made.byteCounts.sorted { $0.key < $1.key }.map { ($0.key, .int(Int64($0.value))) })
        ),
      ])
    }
    let differences = ["parquet", "weir"].compactMap { format in
      cost.difference(in: format).map { (format, JSONValue.int(Int64($0))) }
    }
    return .object(
      [("table", .string(name)), ("bytes", .int(Int64(cost.byteCount)))] + monthly(cost.byteCount)
        + [
          ("format", .optional(cost.format)), ("data", share(cost.data)),
          ("delete_files", share(cost.deletes)), ("column_files", share(cost.columnFiles)),
          ("earlier_snapshots", share(cost.history)),
          ("metadata", share(cost.metadata)), ("orphans", share(cost.orphans)),
          ("unnamed", share(cost.unnamed)), ("small_files", share(cost.small)),
          ("deleted_row_bytes", .int(Int64(cost.deletedByteCount))),
          ("bytes_of_no_column", .int(Int64(cost.otherByteCount))),
          ("partitions", parts(cost.partitions, "partition")),
          ("columns", parts(cost.columns, "column")), ("ages", parts(cost.ages, "age")),
          ("estimate", estimate), ("compaction_saves", .int(Int64(cost.compactionSaving))),
          ("other_formats", .object(JSONObject(differences))),
        ])
  }

  private func monthly(_ bytes: Int) -> [(String, JSONValue)] {
    rate.map { [("monthly_price", .double(Double(bytes) / 1e9 * $0))] } ?? []
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
