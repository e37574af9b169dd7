// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming

struct BackfillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backfill",
    abstract: "Make the history of a table of examples, in the service that runs.",
    discussion: """
      The table's 'history' in the project file says which events were impressions. The request is a row \
      of the stream weir.pipeline_jobs: once it is there the job runs, also when this command ends or the \
      service starts anew; weir.pipeline_job_states says how far it is. The same events give the same rows, \
      so that it may be done again. Profiles and candidates need no such job: they begin with the first \
      event that there is.

      With --engine ray the tasks of a Ray cluster make it beside the service: each reads all events from \
      there, and makes the rows of its share of the impressions.

      Examples:
        weir pipeline backfill shop.examples
        weir pipeline backfill shop.examples --engine ray --tasks 8 --project shop
        weir pipeline backfill shop.examples --no-wait --url http://10.0.0.7:8181
      """)

  @Argument(help: "The table of examples: namespace.table.")
  var table: String

  @Flag(name: .long, help: "Return when the request is durable.")
  var noWait = false

  @Flag(name: .long, help: "Print the last state as JSON.")
  var json = false

  @OptionGroup var engine: EngineSelection

  @Option(
    name: .long, help: "With --engine ray: the project file, or its folder.",
    completion: .file(extensions: ["yaml"]))
  var project = "weir.yaml"

  /// What Ray's tasks ask for.
  @Option(name: .long, help: .hidden)
  var plan: Int?
  @Option(name: .long, help: .hidden)
  var part: String?

  @OptionGroup var service: ServiceOptions

  func validate() throws {
    if noWait, engine.engine == .ray {
      throw ValidationError("--no-wait is for the job of the service, not for --engine ray")
    }
    if let plan, plan < 1 { throw ValidationError("--plan needs 1 or more, not \(plan)") }
  }

  func run() throws {
    if engine.engine == .ray { return try runOnRay() }
    if let plan {
      let parts = try history(part: nil).parts(plan)
      return Terminal.writeLine(JSONValue.array(parts.map { $0.json() }).text)
    }
    if let part { return try make(HistoryPart(json: JSONValue(parsing: part))) }
    let client = service.client()
    let name = Self.newName()
    let request: JSONObject = ["pipeline": .string(table), "job": .string(name)]
    // That there is something to be asked for.
    _ = try client.json("GET", StreamClient.path(table))
    do {
      _ = try client.send(
        "POST", StreamClient.path(PipelineJobs.requestsName),
        headers: [("Content-Type", "application/x-ndjson")],
        body: JSONValue.object(request).bytes + [0x0a])
    } catch {
      throw CommandFailure(
        "the service takes no requests for jobs: \(CommandFailure.message(of: error) ?? "\(error)")",
        hint: "Does its project declare 'history' for '\(table)'?")
    }
    if noWait { return }
    try wait(client, name)
  }

  private static func newName() -> String {
    var random = SystemRandomNumberGenerator()
    return String(random.next(), radix: 36)
  }

  private static let pollsPerSecond = 5
  /// Polls until the job begins: where nothing runs, and where the job before it does not move.
  private static let beginPollsMax = 30 * pollsPerSecond
  private static let beforePollsMax = 600 * pollsPerSecond

  private func wait(_ client: StreamClient, _ asked: String) throws {
    var name = asked
    var last: String?
    var unchanged = 0
    while true {
      let row = try lookup(client, PipelineJobs.statesName)
      let isOurs = try row?.string("job") == name
      let state = try row?.string("state")
      if isOurs, let row {
        switch state {
        case PipelineJobs.State.finished.rawValue: return try report(row)
        case PipelineJobs.State.failed.rawValue:
          throw CommandFailure("the job failed: \(try row.string("message"))")
        default: break
        }
      } else if let latest = try lookup(client, PipelineJobs.requestsName)?.string("job") {
        // Who asks later takes the place of who asked before; that job has the same rows.
        name = latest
      }
      // A job that was asked for before, perhaps by a command that was broken off, ends first.
      let text = row.map { JSONValue.object($0).text }
      unchanged = text == last ? unchanged + 1 : 0
      last = text
      let isRunning = state == PipelineJobs.State.running.rawValue
      if !isOurs, unchanged >= (isRunning ? Self.beforePollsMax : Self.beginPollsMax) {
        throw CommandFailure(
          "the service has not begun with the job for \(unchanged / Self.pollsPerSecond) seconds; it "
            + "keeps the request",
          hint: isRunning
            ? "A job that was asked for before does not go on; 'weir pipeline list' says why."
            : "Does its project declare 'history' for '\(table)'?")
      }
      usleep(1_000_000 / UInt32(Self.pollsPerSecond))
    }
  }

  /// The table's row in a stream of jobs; `nil` as long as there is none.
  private func lookup(_ client: StreamClient, _ stream: String) throws -> JSONObject? {
    let query: JSONObject = ["keys": [["pipeline": .string(table)]]]
    let answer = try client.json(
      "POST", StreamClient.path(stream, "/lookup"), body: JSONValue.object(query).bytes)
    return try answer.array("rows").first.flatMap { try? $0.asObject() }
  }

  private func report(_ row: JSONObject) throws {
    if json { return Terminal.writeLine(JSONValue.object(row).text) }
    Terminal.writeLine(
      "\(table): \(try row.int("rows")) examples of \(try row.int("impressions")) impressions, from "
        + "\(try row.int("events")) events")
  }
}
