// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar

struct PipelineListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Show the pipelines of a service: where they are, how far behind, how fast.",
    discussion: """
      A pipeline keeps a table up with a stream: a profile, a table of candidates. 'behind' is the rows \
      of the source that it has not read, and for how long there have been such rows; 'waiting' the rows \
      of its own table that may have to be written again. --json prints all that the service says, with \
      the position in each shard.

      Examples:
        weir pipeline list
        weir pipeline list --json
      """)

  @Flag(name: .long, help: "Print the service's answer as JSON.")
  var json = false

  @OptionGroup var service: ServiceOptions

  func run() throws {
    let answer = try service.client().json("GET", "/v1/pipelines")
    if json { return Terminal.writeLine(JSONValue.object(answer).prettyText) }
    let pipelines = try answer.array("pipelines").map { try $0.asObject() }
    guard !pipelines.isEmpty else { return Terminal.writeLine("the service has no pipelines") }
    var table = TextTable([
      .left("table"), .left("kind"), .left("follows"), .right("position"), .right("behind"),
      .right("waiting"), .right("read/s"), .right("written/s"), .right("memory"),
    ])
    for pipeline in pipelines { table.add(try Self.row(pipeline)) }
    for line in table.lines(width: Terminal.width, style: .output) { Terminal.writeLine(line) }
    for pipeline in pipelines {
      guard case .string(let failure)? = pipeline["failure"] else { continue }
      Terminal.writeLine("\(try pipeline.string("table")) does not go on: \(failure)")
    }
  }

  private static func row(_ pipeline: JSONObject) throws -> [String] {
    var position = "reads the table"
    if case .array(let shards)? = pipeline["position"] {
      position = try shards.map { "\(try $0.asObject().int64("next_offset"))" }
        .joined(separator: ",")
    }
    var behind = "?"
    if case .int(let rows)? = pipeline["lag_rows"] {
      behind = rows == 0 ? "0" : "\(rows) rows, \(try pipeline.int64("lag_ms")) ms"
    }
    return [
      try pipeline.string("table"), try pipeline.string("kind"), try pipeline.string("source"),
      position, behind, "\(try pipeline.int64("waiting_rows"))",
      rate(pipeline["read_rows_per_second"]),
      rate(pipeline["written_rows_per_second"]),
      "\(try pipeline.int64("memory_bytes") >> 20) MiB",
    ]
  }

  private static func rate(_ value: JSONValue?) -> String {
    switch value {
    case .double(let rate): "\(Int64(rate.rounded()))"
    case .int(let rate): "\(rate)"
    case .number(let text): "\(Int64((Double(text) ?? 0).rounded()))"
    default: "0"
    }
  }
}
