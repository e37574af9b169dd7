// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage
internal import WeirWorld

struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Turn events into Parquet and tables, and report what is in them.",
    discussion: """
      Takes the real event data sets in ../shared/data when they are there, or in the folder named \
      by --data; a small synthetic world otherwise. Writes events, items and users as Parquet files, \
      reads them back and shows counts, time span, kinds of events and top items. Then it puts the events \
      into tables of a catalog, changes their columns, deletes a user, and asks a question.

      Examples:
        weir demo
        weir demo --data ~/datasets/xwines --out /tmp/demo
        weir demo --synthetic --rows 5000000 --seed 7
      """)

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A folder with \(RealData.names.joined(separator: ", ")) in it, or one of those.",
      valueName: "folder"),
    completion: .directory)
  var data: String?

  @Option(
    name: .long, help: ArgumentHelp("Where the files go.", valueName: "folder"),
    completion: .directory)
  var out = ".weir-demo"

  @Flag(name: .long, help: "Make a synthetic world even when real data is there.")
  var synthetic = false

  @Option(name: .long, help: ArgumentHelp("Events of the synthetic world.", valueName: "count"))
  var rows = 500_000

  @Option(name: .long, help: ArgumentHelp("The seed of the synthetic world.", valueName: "number"))
  var seed: UInt64 = 1

  private static let usualData = "../shared/data"

  func validate() throws {
    guard rows > 0 else { throw ValidationError("--rows needs at least 1 event, not \(rows)") }
    if synthetic && data != nil {
      throw ValidationError("--synthetic and --data exclude each other; leave one of them out")
    }
  }

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let dataSets = try choose()
    var output = OutputBuffer()
    let report = DemoReport(width: min(100, Terminal.width), style: .output)
    report.writeOpening(dataSets, folder: out, to: &output)
    output.flush()
    let tables = try DemoTables(folder: out)
    var answers: [DemoTableResult] = []
    for dataSet in dataSets {
      let result = try DemoRun(dataSet, folder: "\(out)/\(dataSet.name)").run()
      report.write(result, to: &output)
      output.flush()
      answers.append(try tables.run(result))
    }
    report.write(answers, to: &output)
    output.flush()
    let queries = try LocalFile.create("\(out)/queries.json", overwrite: true)
    try queries.append(Buffer(JSONValue.array(answers.map(\.json)).bytes))
    _ = try queries.finish()
    report.writeClosing(dataSets, folder: out, took: clock.now - start, to: &output)
    output.flush()
  }

  private func choose() throws -> [DataSet] {
    if let data {
      do {
        return try RealData.find(in: data)
      } catch let error {
        throw CommandFailure(
          "\(error)", hint: "Leave --data out to run on a synthetic world instead.")
      }
    }
    if !synthetic, let found = try? RealData.find(in: DemoCommand.usualData) { return found }
    var settings = WorldSettings()
    settings.seed = seed
    return [SyntheticWorld.dataSet(settings, eventCount: rows)]
  }
}
