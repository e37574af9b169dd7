// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirCurl

struct StreamChangesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "changes",
    abstract:
      "Print what changed in a stream's table between two positions, one line of JSON each.",
    discussion: """
      Rows that came (INSERT), went (DELETE) or changed (UPDATE_BEFORE, UPDATE_AFTER), those that are not in \
      the table's files yet, too. Where the changes end is printed to standard error: the next ones \
      begin there.

      Examples:
        weir stream changes shop.profiles --from earliest
        weir stream changes shop.profiles --from 0:1204,1:993@8123
        weir stream changes shop.profiles --from snapshot:8123 --to snapshot:8124
      """)

  @Argument(help: "The stream: namespace.table.")
  var table: String

  @Option(
    name: .long,
    help: "The state before: earliest, snapshot:ID, or a position such as 0:1204,1:993@8123.")
  var from: String

  @Option(name: .long, help: "The state behind: latest, snapshot:ID, or a position.")
  var to = "latest"

  @OptionGroup var service: ServiceOptions

  func run() throws {
    let answer = try service.client().answer(
      "GET", StreamClient.path(table, "/changes", query: [("from", from), ("to", to)]),
      headers: [("Accept", "application/x-ndjson")])
    var output = OutputBuffer()
    for line in answer.body.array(of: UInt8.self).split(separator: 0x0a) {
      output.line(String(decoding: line, as: UTF8.self))
    }
    output.flush()
    if let position = answer.headers["Weir-Position"] {
      Terminal.writeError("the next changes: --from \(position)\n")
    }
  }
}
