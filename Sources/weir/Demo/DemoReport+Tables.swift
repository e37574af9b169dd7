// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension DemoReport {
  /// What became of the events as tables.
  func write(_ tables: [DemoTableResult], to output: inout OutputBuffer) {
    output.line()
    output.line(style.bold("Tables"))
    output.line(
      style.dim(
        "  Iceberg tables by month: half of the events, two columns changed, the rest, one user "
          + "forgotten"))
    var text = TextTable([
      .left("table"), .right("first half"), .right("all"), .right("user deleted"), .right("left"),
      .right("months"), .right("files"), .right("took"),
    ])
    for table in tables {
      text.add([
        table.identifier.description, Numbers.grouped(table.firstRows),
        Numbers.grouped(table.rowsBeforeDelete), Numbers.grouped(table.deletedRows),
        Numbers.grouped(table.rows), Numbers.grouped(table.partitions),
        Numbers.grouped(table.files), Numbers.seconds(table.took),
      ])
    }
    for line in text.lines(width: width, style: style) { output.line(line) }
    output.line()
    output.line(style.bold("A question to each: events of the commonest kind in the last 30 days"))
    var answers = TextTable([
      .left("table"), .left("kind"), .left("from"), .right("found"), .right("sum(item_id)"),
      .right("files read"),
    ])
    for table in tables {
      let since = Scalar.int(table.since).text(as: .timestamp(.microsecond, timeZone: "UTC"))
      answers.add([
        table.identifier.description, table.kind, String(since.prefix(16)),
        Numbers.grouped(table.found), Numbers.grouped(Int(table.itemSum)),
        "\(table.filesRead) of \(table.files)",
      ])
    }
    for line in answers.lines(width: width, style: style) { output.line(line) }
  }
}
