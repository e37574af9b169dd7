// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar

struct LookupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup",
    abstract: "Print the rows of keys of a stream's table, as all acknowledged writes left them.",
    discussion: """
      Prints one line of JSON for each key, null where there is no row. A key of one column may stand \
      alone; others are objects.

      Examples:
        weir lookup shop.profiles --key 17
        weir lookup shop.profiles --key 17 --key 18 --columns clicks,last
        weir lookup shop.pairs --key '{"user": 1, "item": "a"}'
      """)

  @Argument(help: "The stream: namespace.table.")
  var table: String

  @Option(name: .long, help: "A key in JSON; text that is no JSON is a string.")
  var key: [String]

  @Option(name: .long, help: "The columns to print, with commas between.")
  var columns: String?

  @OptionGroup var service: ServiceOptions

  func run() throws {
    let keys = key.map { text in (try? JSONValue(parsing: text)) ?? .string(text) }
    var query: JSONObject = ["keys": .array(keys)]
    if let columns {
      query["columns"] = .array(columns.split(separator: ",").map { .string(String($0)) })
    }
    let answer = try service.client().json(
      "POST", StreamClient.path(table, "/lookup"), body: JSONValue.object(query).bytes)
    for row in try answer.array("rows") { Terminal.writeLine(row.text) }
  }
}
