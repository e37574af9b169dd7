// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar

struct StreamMaintenanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maintenance",
    abstract: "Show what a service has done to keep its tables small.",
    discussion: """
      A table's rows, snapshots, metadata, statistics and orphans are looked after by the service itself; \
      weir.yaml says what stays, and for how long (docs/project.md). Only steps that ran are shown; --json \
      prints all.

      Examples:
        weir stream maintenance
        weir stream maintenance --json
      """)

  @Flag(name: .long, help: "Print the service's answer as JSON.")
  var json = false

  @OptionGroup var service: ServiceOptions

  func run() throws {
    let answer = try service.client().json("GET", "/v1/maintenance")
    if json { return Terminal.writeLine(JSONValue.object(answer).prettyText) }
    var text = TextTable([
      .left("table"), .left("step"), .right("runs"), .right("snapshots"), .right("files"),
      .right("bytes"), .right("rows"), .right("took"), .left(""),
    ])
    for table in try answer.array("tables").map({ try $0.asObject() }) {
      for step in try table.array("steps").map({ try $0.asObject() })
      where try step.int64("runs") > 0 {
        let failure = try step.optionalString("failure").map { "failed: \($0)" }
        text.add([
          try table.string("table"), try step.string("step"), "\(try step.int64("runs"))",
          "\(try step.int64("snapshots"))", "\(try step.int64("removed_files"))",
          "\(try step.int64("removed_bytes"))", "\(try step.int64("deleted_rows"))",
          "\(try step.int64("milliseconds")) ms",
          TextWidth.printable(try failure ?? step.optionalString("note") ?? ""),
        ])
      }
    }
    guard !text.rows.isEmpty else { return Terminal.writeLine("nothing was done yet") }
    for line in text.lines(width: Terminal.width, style: .output) { Terminal.writeLine(line) }
  }
}
