// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Make lists that were served again, and compare them bit for bit.",
    discussion: """
      For each request the service folds exactly those events that were in the served features, makes \
      the features again, scores them by the version of the model that scored, and chooses again. It \
      prints how many values differ, and the first of them. The exit code is 1 when any does.

      Examples:
        weir replay 019f2c4a7b3e5d6f8a9b0c1d2e3f4a5b
        weir replay --last 100 --surface home
      """)

  @Argument(help: "Names of requests: 'request_id' of their answers.")
  var requests: [String] = []

  @Option(name: .long, help: "Replay so many of the last requests instead.")
  var last: Int?

  @Option(name: .long, help: "With --last: only those of this surface's log.")
  var surface: String?

  @Flag(name: .long, help: "Print a line of JSON for each request.")
  var json = false

  @OptionGroup var service: ServiceOptions

  func validate() throws {
    guard requests.isEmpty != (last == nil) else {
      throw ValidationError("say either which requests, or --last and how many")
    }
    if let last, !(1...1_000_000).contains(last) {
      throw ValidationError("--last must be between 1 and 1000000")
    }
  }

  private static let requestsPerCall = 500

  func run() throws {
    let client = service.client()
    let names = last == nil ? requests : try lastRequests(client)
    var (valueCount, mismatchCount, differing) = (Int64(0), Int64(0), 0)
    for start in stride(from: 0, to: names.count, by: Self.requestsPerCall) {
      let part = names[start..<min(names.count, start + Self.requestsPerCall)]
      let body: JSONObject = ["request_ids": .array(part.map { .string($0) })]
      let answer = try client.json("POST", "/v1/replay", body: JSONValue.object(body).bytes)
      for value in try answer.array("replays") {
        let replay = try value.asObject()
        let mismatch = try replay.int64("mismatch")
        valueCount += try replay.int64("values")
        mismatchCount += mismatch
        differing += mismatch > 0 ? 1 : 0
        if json {
          Terminal.writeLine(value.text)
        } else if mismatch > 0 || names.count <= 20 {
          try print(replay, mismatch)
        }
      }
    }
    if !json {
      Terminal.writeLine(
        "\(names.count) \(names.count == 1 ? "request" : "requests"), \(valueCount) values, mismatch "
          + "\(mismatchCount)")
    }
    if differing > 0 { throw ExitCode(1) }
  }

  private func print(_ replay: JSONObject, _ mismatch: Int64) throws {
    var line = "\(try replay.string("request_id"))  \(try replay.string("surface"))  "
    line += "\(try replay.int64("values")) values, mismatch \(mismatch)"
    if let first = try replay.optionalString("first_difference") { line += "; \(first)" }
    Terminal.writeLine(line)
  }

  private func lastRequests(_ client: StreamClient) throws -> [String] {
    var body: JSONObject = ["last": .int(last ?? 0)]
    if let surface { body["surface"] = .string(surface) }
    let answer = try client.json("POST", "/v1/replay", body: JSONValue.object(body).bytes)
    return try answer.array("request_ids").map { try $0.asString() }
  }
}
