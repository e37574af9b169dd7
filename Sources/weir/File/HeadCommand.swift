// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar

struct HeadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "head",
    abstract: "Show the first rows of a file.",
    discussion: """
      Reads Parquet, Arrow IPC and CSV. Long values are cut and columns that do not fit the terminal \
      are left out of the table; --json prints them in full, one object per line.

      Examples:
        weir file head events.parquet
        weir file head -n 100 --columns user_id,item_id events.parquet
        weir file head -n 1000 --json events.parquet | jq .user_id
      """)

  @Argument(help: "The file.", completion: .file())
  var file: String

  @Option(name: .shortAndLong, help: ArgumentHelp("How many rows.", valueName: "rows"))
  var number = 10

  @OptionGroup var selection: ColumnSelection

  @Flag(name: .long, help: "Print JSON, one object per line.")
  var json = false

  func validate() throws {
    guard number >= 0 else { throw ValidationError("-n needs 0 or more rows, not \(number)") }
  }

  func run() throws {
    let names = try selection.names()
    let input = try InputFile.rows(
      file, columns: names, batchRows: min(max(1, number), 65_536))
    var output = OutputBuffer()
    var left = number
    var cells: [[String]] = []
    while left > 0, let batch = try input.reader.next() {
      for row in 0..<min(left, batch.rowCount) {
        if json {
          output.line(RowJSON.line(batch, row))
        } else {
          cells.append(batch.columns.map { RowTable.cell($0, row) })
        }
      }
      left -= batch.rowCount
    }
    if !json {
      RowTable(input.reader.schema, cells)
        .write(to: &output, width: Terminal.width, style: .output)
    }
    output.flush()
  }
}

enum RowJSON {
  /// One row as a JSON object on one line.
  static func line(_ batch: RecordBatch, _ row: Int) -> String {
    var text = "{"
    for (index, column) in batch.columns.enumerated() {
      if index > 0 { text += "," }
      Scalar.appendJSONString(batch.schema.fields[index].name, to: &text)
      text += ":"
      column.scalar(at: row).appendJSON(as: column.type, to: &text)
    }
    return text + "}"
  }
}

/// The first rows of a file as a table.
struct RowTable {
  private let schema: Schema
  private let rows: [[String]]

  private static let cellWidthMax = 40
  private static let cellWidthMin = 12

  init(_ schema: Schema, _ rows: [[String]]) {
    self.schema = schema
    self.rows = rows
  }

  static func cell(_ column: ArrayData, _ row: Int) -> String {
    if column.isNull(row) { return "∅" }
    // Enough for any terminal, whatever the value's length.
    return String(column.scalar(at: row).text(as: column.type).prefix(400))
  }

  func write(to output: inout OutputBuffer, width: Int, style: Style) {
    guard !schema.fields.isEmpty else { return output.line(style.dim("  (no columns)")) }
    let columns = schema.fields.map { field in
      isRight(field.type)
        ? TextTable.Column.right(TextWidth.printable(field.name))
        : TextTable.Column.left(
          TextWidth.printable(field.name), min: RowTable.cellWidthMin, max: RowTable.cellWidthMax)
    }
    let shown = fitting(columns, width)
    var table = TextTable(Array(columns.prefix(shown)))
    table.add(schema.fields.prefix(shown).map { RowTable.short($0.type) })
    for row in rows { table.add(Array(row.prefix(shown))) }
    let lines = table.lines(width: width, style: .plain)
    for (index, line) in lines.enumerated() {
      output.line(index == 0 ? style.bold(line) : index == 1 ? style.dim(line) : line)
    }
    if rows.isEmpty { output.line(style.dim("  (no rows)")) }
    if shown < schema.fields.count {
      let more = Numbers.counted(schema.fields.count - shown, "more column", "more columns")
      output.line(style.dim("  … \(more); --columns picks, --json shows all"))
    }
  }

  private func isRight(_ type: DataType) -> Bool {
    switch type {
    case .decimal128: true
    default: type.isInteger || type.isFloatingPoint
    }
  }

  /// A type in few letters, for the line under the names.
  static func short(_ type: DataType) -> String {
    switch type {
    case .dictionary(_, let value, _): short(value)
    case .list, .largeList, .fixedSizeList: "list"
    case .struct: "struct"
    case .map: "map"
    case .timestamp(let unit, let zone): "timestamp \(unit.rawValue)\(zone == nil ? "" : " UTC")"
    default: type.description
    }
  }

  /// How many columns fit when each is as narrow as it may become.
  private func fitting(_ columns: [TextTable.Column], _ width: Int) -> Int {
    var used = 0
    for (index, column) in columns.enumerated() {
      var natural = max(
        TextWidth.of(column.title), TextWidth.of(RowTable.short(schema.fields[index].type)))
      for row in rows {
        natural = max(natural, TextWidth.of(TextWidth.printable(row[index])))
      }
      used += 2 + min(natural, column.widthMin ?? natural)
      if used > width { return max(1, index) }
    }
    return columns.count
  }
}
