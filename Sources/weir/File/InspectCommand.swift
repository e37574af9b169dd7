// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a Parquet or Weir file is made of.",
    discussion: """
      Reads the footer alone (and, with --pages, the page headers): schema, row groups, and for each \
      column its encodings, codec, size, nulls, smallest and largest value. Of a Weir file, whose pages \
      are read, it shows each column's encodings, bytes, and what decoding costs.

      --json prints one object for machines; its keys are listed in docs/cli.md and stay.

      Examples:
        weir file inspect events.parquet
        weir file inspect events.parquet --columns user_id --pages
        weir file inspect events.parquet --json | jq '.columns[] | [.path, .compressed_bytes]'
      """)

  @Argument(help: "The file.", completion: .file(extensions: ["parquet"]))
  var file: String

  @OptionGroup var selection: ColumnSelection

  @Flag(name: .long, help: "Also list the pages of each column chunk.")
  var pages = false

  @Flag(name: .long, help: "List all row groups, however many.")
  var rowGroups = false

  @Flag(name: .long, help: "Print JSON.")
  var json = false

  func run() throws {
    let names = try selection.names()
    let format = try InputFile.format(file)
    if format == .weir { return try WeirFileInspection(file).inspect(names, json: json) }
    guard format == .parquet else {
      throw CommandFailure(
        "\(file): inspect shows Parquet and Weir files; this is \(format.rawValue)",
        hint: "weir file head shows its rows; weir file convert makes Parquet of it.")
    }
    let source = try InputFile.open(file)
    let reader = try ParquetReader(source)
    let columns = try InspectCommand.select(names, from: reader)
    let summary = FileSummary(reader, columns: columns, byteCount: source.size)
    if json {
      Terminal.writeLine(try InspectJSON(reader, summary, pages: pages).value().prettyText)
    } else {
      var output = OutputBuffer()
      try InspectText(
        reader, summary, pages: pages, allRowGroups: rowGroups, width: Terminal.width,
        style: .output
      ).write(to: &output)
      output.flush()
    }
  }

  /// The leaves called so, and those below a column called so.
  private static func select(
    _ names: [String]?, from reader: ParquetReader
  ) throws -> [ColumnInfo] {
    let all = reader.columnInfos
    guard let names else { return all }
    var chosen: [ColumnInfo] = []
    for name in names {
      let found = all.filter { $0.path == name || $0.path.hasPrefix(name + ".") }
      guard !found.isEmpty else {
        throw InputFile.missingColumn(name, known: all.map(\.path), reader.name)
      }
      chosen += found
    }
    return chosen
  }
}
