// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirWorld

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Bring a data set into a stream of a service.",
    discussion: """
      SOURCE is a folder of a data set that weir knows (\(RealData.names.joined(separator: ", ")), \
      MovieLens in its layouts), a file of CSV, Parquet or Arrow, or 'synthetic'. Rows are sent in the \
      order of --time to a service that runs ('weir up'); columns that the stream does not have are \
      left out. The same import again, also after a part of it, appends nothing twice.

      Columns of known data sets: event_time, user_id, item_id, event, value, and the source's own.

      Examples:
        weir import data/xwines shop.events --map at=event_time --map kind=event --time event_time
        weir import data/xwines shop.items --table items --map title=name
        weir import ratings.csv shop.events --map user_id=userId --map item_id=movieId --map at=ts
        weir import data/xwines shop.events --time event_time --before 2021-01-01T00:00:00Z --end now
      """)

  @Argument(help: "A folder, a file, or 'synthetic'.")
  var source: String

  @Argument(help: "The stream: namespace.table.")
  var table: String

  @Option(name: .customLong("table"), help: "Which table of a data set: events, items, ...")
  var part = "events"

  @Option(
    name: .customLong("map"),
    help: ArgumentHelp(
      "Which column of the source a column of the stream is; without it, the one of that name.",
      valueName: "column=source"))
  var maps: [String] = []

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("A text that a column has in every row.", valueName: "column=text"))
  var sets: [String] = []

  @Option(
    name: .long,
    help: "The source's column of time: rows are sent in its order, and known at it.")
  var time: String?

  @Option(name: .long, help: "When all rows were known, where no column of time says it.")
  var knownAt: String?

  @Option(name: .customLong("where"), help: "Only rows for which a predicate is true.")
  var filter: String?

  @Option(name: .long, help: "Only rows from that time on, such as 2021-01-31T12:00:00Z.")
  var after: String?

  @Option(name: .long, help: "Only rows before that time.")
  var before: String?

  @Option(
    name: .long,
    help: "Move all times so that --before, or else the last row's, becomes that one; or 'now'.")
  var end: String?

  @Option(name: .long, help: "The first rows only.")
  var limit: Int?

  @Option(name: .long, help: "Rows in a request, at most.")
  var batchRows = 10_000

  @Option(name: .long, help: "Rows of 'synthetic'.")
  var rows = 100_000

  @Option(name: .long, help: "The seed of 'synthetic'.")
  var seed: UInt64 = 1

  @OptionGroup var service: ServiceOptions

  func validate() throws {
    guard (1...1_000_000).contains(batchRows) else {
      throw ValidationError("--batch-rows must be between 1 and 1000000")
    }
    guard rows > 0, limit ?? 1 > 0 else {
      throw ValidationError("--rows and --limit are 1 or more")
    }
    if time == nil, after != nil || before != nil || end != nil {
      throw ValidationError("--after, --before and --end need --time, the source's column of time")
    }
    if time != nil && knownAt != nil {
      throw ValidationError("--time says when rows were known; leave --known-at out")
    }
    _ = try pairs(maps, "--map")
    _ = try pairs(sets, "--set")
  }

  func run() throws {
    let client = service.client()
    let columns = try client.json("GET", StreamClient.path(table)).array("columns")
      .map { try $0.asObject().string("name") }
    let read = try ImportSource(source, part, rows: rows, seed: seed).open()
    let shape = try ImportShape(
      from: read.schema, to: columns, maps: pairs(maps, "--map"), sets: pairs(sets, "--set"),
      time: time, name: source)
    let range = try ImportRange(
      after: after, before: before, end: end, knownAt: knownAt, filter: filter,
      schema: read.schema)
    let progress = Progress()
    defer { progress.clear() }
    var sender = BatchSender(
      table: table, client: client, query: [],
      producer: shape.producer(source, part, range, limit, batchRows))
    let all = try shape.read(read, range) { count in
      progress.update("reading \(source)", fraction: nil) { "\(Numbers.grouped(count)) rows" }
    }
    let kept = min(all.rowCount, limit ?? .max)
    var start = 0
    while start < kept {
      let stop = min(kept, start + batchRows)
      let batch = try shape.batch(all, start..<stop, range)
      try sender.send(batch)
      start = stop
      progress.update("importing into \(table)", fraction: Double(stop) / Double(kept)) {
        "\(Numbers.grouped(stop)) rows"
      }
    }
    progress.clear()
    sender.report()
    if sender.rejectedCount > 0 { throw ExitCode(1) }
  }

  private func pairs(_ texts: [String], _ option: String) throws -> [(String, String)] {
    try texts.map { text in
      let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, !sides[0].isEmpty else {
        throw ValidationError(
          "\(option) '\(text)' is no column=\(option == "--map" ? "source" : "text")")
      }
      return (String(sides[0]), String(sides[1]))
    }
  }
}
