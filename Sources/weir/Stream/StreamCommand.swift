// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar

struct StreamCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stream",
    abstract: "Append to streams, follow them, see how they are.",
    discussion: """
      The commands speak to a service that runs ('weir up'), at --url or WEIR_URL.

      Examples:
        weir stream append shop.events events.jsonl
        weir stream tail shop.events --from earliest
        weir stream changes shop.profiles --from earliest
        weir stream lag
        weir stream describe shop.events
        weir stream maintenance
      """,
    subcommands: [
      StreamAppendCommand.self, StreamTailCommand.self, StreamChangesCommand.self,
      StreamLagCommand.self, StreamDescribeCommand.self, StreamMaintenanceCommand.self,
    ])
}

struct StreamAppendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "append",
    abstract: "Append records to a stream.",
    discussion: """
      Reads lines of JSON from a file or from standard input, or the rows of a Parquet, Arrow or CSV \
      file, and sends them in batches. A batch that is sent again after an error is not appended twice.

      Examples:
        weir stream append shop.events events.jsonl
        producer | weir stream append shop.events
        weir stream append shop.events history.parquet
      """)

  @Argument(help: "The stream: namespace.table.")
  var table: String

  @Argument(help: "The file; standard input without it.", completion: .file())
  var file: String?

  @Option(name: .long, help: "Records in a batch, at most.")
  var batchRows = 10_000

  @Option(name: .long, help: "What numbers in timestamps count: s, ms, us or ns.")
  var timestampUnit: String?

  @Flag(name: .long, help: "Pass over fields that are no columns.")
  var ignoreUnknown = false

  @OptionGroup var service: ServiceOptions

  func validate() throws {
    guard (1...1_000_000).contains(batchRows) else {
      throw ValidationError("--batch-rows must be between 1 and 1000000")
    }
  }

  func run() throws {
    var sender = BatchSender(table: table, client: service.client(), query: query)
    if let file, !file.hasSuffix(".jsonl"), !file.hasSuffix(".ndjson"), !file.hasSuffix(".json") {
      try sendRows(of: file, &sender)
    } else {
      try sendLines(&sender)
    }
    sender.report()
    if sender.rejectedCount > 0 { throw ExitCode(1) }
  }

  private var query: [(String, String)] {
    var query: [(String, String)] = []
    if ignoreUnknown { query.append(("unknown_fields", "ignore")) }
    if let timestampUnit { query.append(("timestamp_unit", timestampUnit)) }
    return query
  }

  private func sendRows(of file: String, _ sender: inout BatchSender) throws {
    let rows = try InputFile.rows(file, columns: nil, batchRows: batchRows)
    while let batch = try rows.reader.next() { try sender.send(batch) }
  }

  private func sendLines(_ sender: inout BatchSender) throws {
    if let file {
      // Lines are read from standard input, which the file becomes.
      let descriptor = open(file, O_RDONLY)
      guard descriptor >= 0, dup2(descriptor, STDIN_FILENO) >= 0 else {
        throw CommandFailure("\(file): the file cannot be read")
      }
      close(descriptor)
    }
    var bytes: [UInt8] = []
    var count = 0
    while let line = readLine(strippingNewline: false) {
      bytes += line.utf8
      count += 1
      if count >= batchRows || bytes.count >= 4 << 20 {
        try sender.send(bytes, type: "application/x-ndjson")
        (bytes, count) = ([], 0)
      }
    }
    if count > 0 { try sender.send(bytes, type: "application/x-ndjson") }
  }
}

/// Sends batches as one producer, and adds up what became of them.
struct BatchSender {
  let table: String
  let client: StreamClient
  let query: [(String, String)]
  private let producer: String
  private var sequence = 0
  private(set) var rowCount: Int64 = 0
  /// Rows that the service had already.
  private var repeatCount: Int64 = 0
  private(set) var rejectedCount: Int64 = 0
  private var shownCount = 0

  /// - Parameter producer: who sends; batches of a producer that were appended before are not again.
  init(
    table: String, client: StreamClient, query: [(String, String)],
    producer: String = "weir-cli-\(UInt64.random(in: 0 ... .max))"
  ) {
    self.table = table
    self.client = client
    self.query = query
    self.producer = producer
  }

  mutating func send(_ batch: RecordBatch) throws {
    let bytes = MutableBuffer()
    let writer = try ArrowStreamWriter(schema: batch.schema, into: bytes)
    try writer.write(batch)
    try writer.finish()
    try send(
      bytes.finish().array(of: UInt8.self), type: "application/vnd.apache.arrow.stream")
  }

  mutating func send(_ bytes: [UInt8], type: String) throws {
    let headers = [
      ("Content-Type", type), ("Weir-Producer-Id", producer),
      ("Weir-Producer-Sequence", "\(sequence)"),
    ]
    sequence += 1
    let arrow = type.hasSuffix("arrow.stream")
    let answer = try client.send(
      "POST", StreamClient.path(table, query: arrow ? [] : query), headers: headers, body: bytes)
    let json = try JSONValue(parsing: answer).asObject()
    let rows = try json.int64("rows")
    if (try? json.bool("repeat")) == true { repeatCount += rows } else { rowCount += rows }
    let rejected = try json.object("rejected")
    rejectedCount += try rejected.int64("count")
    for record in try rejected.array("records") where shownCount < 10 {
      shownCount += 1
      let record = try record.asObject()
      let column = try record.optionalString("column").map { "column \($0): " } ?? ""
      Terminal.writeError(
        "line \(try record.int("line")) of batch \(sequence): \(column)"
          + TextWidth.printable(try record.string("reason")) + "\n")
    }
  }

  func report() {
    Terminal.writeLine(
      "\(rowCount) rows appended to \(table)"
        + (repeatCount > 0 ? ", \(repeatCount) were there already" : "")
        + (rejectedCount > 0 ? ", \(rejectedCount) records rejected" : ""))
  }
}

struct StreamTailCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tail",
    abstract: "Print the rows of a stream as they come, one line of JSON each.",
    discussion: """
      Examples:
        weir stream tail shop.events
        weir stream tail shop.events --from earliest --limit 10
        weir stream tail shop.events --from 0:1200,1:900 --no-follow
      """)

  @Argument(help: "The stream: namespace.table.")
  var table: String

  @Option(
    name: .long,
    help: "Where to begin: earliest, latest, or SHARD:OFFSET for each shard with commas between.")
  var from = "latest"

  @Option(name: .long, help: "Stop after this many rows.")
  var limit: Int?

  @Flag(inversion: .prefixedNo, help: "Wait for more rows at the end.")
  var follow = true

  @OptionGroup var service: ServiceOptions

  private static let roundRowCountMax = 10_000

  func run() throws {
    let client = service.client()
    var position = from
    if from == "latest" { position = try end(client) }
    var rest = limit ?? .max
    while rest > 0 {
      let count = min(rest, Self.roundRowCountMax)
      let events = try client.send(
        "GET",
        StreamClient.path(
          table, query: [("from", position), ("follow", "false"), ("limit", "\(count)")]),
        headers: [("Accept", "text/event-stream")])
      var output = OutputBuffer()
      var rowCount = 0
      for line in events.split(separator: 0x0a) {
        if line.starts(with: "id: ".utf8) {
          position = String(decoding: line.dropFirst(4), as: UTF8.self)
        } else if line.starts(with: "data: ".utf8) {
          output.line(String(decoding: line.dropFirst(6), as: UTF8.self))
          rowCount += 1
        }
      }
      output.flush()
      rest -= rowCount
      if rowCount == 0 {
        if !follow { return }
        usleep(200_000)
      }
    }
  }

  /// Where the logs end now.
  private func end(_ client: StreamClient) throws -> String {
    let description = try client.json("GET", StreamClient.path(table))
    return try description.array("shards").map { shard in
      let shard = try shard.asObject()
      return "\(try shard.int("shard")):\(try shard.int64("end"))"
    }.joined(separator: ",")
  }
}

struct StreamLagCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lag",
    abstract: "Show how far the tables are behind their streams.")

  @Argument(help: "The streams; all without one.")
  var tables: [String] = []

  @OptionGroup var service: ServiceOptions

  func run() throws {
    let client = service.client()
    let names =
      tables.isEmpty
      ? try client.json("GET", "/v1/streams").array("streams").map { try $0.asString() } : tables
    for name in names {
      let json = try client.json("GET", StreamClient.path(name))
      Terminal.writeLine(
        "\(name): \(try json.int64("lag_rows")) rows, \(try json.int64("lag_ms")) ms behind")
    }
  }
}

struct StreamDescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "Show a stream's columns, shards and counts, as JSON.")

  @Argument(help: "The stream: namespace.table.")
  var table: String

  @OptionGroup var service: ServiceOptions

  func run() throws {
    let json = try service.client().json("GET", StreamClient.path(table))
    Terminal.writeLine(JSONValue.object(json).prettyText)
  }
}
