// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read Parquet or Weir files from end to end and report everything that is wrong.",
    discussion: """
      Checks page headers, sizes and checksums, the page index, that all values decode, and that \
      null counts, bounds and bloom filters hold. Each problem names file, row group, column, page and byte. Memory \
      stays small whatever the file's size.

      Exit code 0: no problem was found in any file; 1 otherwise.

      Examples:
        weir file verify events.parquet
        weir file verify --json warehouse/*.parquet
      """)

  @Argument(help: "The files.", completion: .file(extensions: ["parquet"]))
  var files: [String]

  @Flag(name: .long, help: "Print JSON, one object per file and line.")
  var json = false

  func run() throws {
    var damaged = 0
    for file in files {
      let problems = verify(file)
      if problems > 0 { damaged += 1 }
    }
    guard damaged > 0 else { return }
    if !json && files.count > 1 {
      Terminal.writeLine(
        Style.output.red("\(damaged) of \(files.count) files have problems"))
    }
    throw ExitCode(1)
  }

  /// The number of problems found.
  private func verify(_ file: String) -> Int {
    if (try? InputFile.format(file)) == .weir {
      return WeirFileInspection.verify(file, json: json)
    }
    let progress = Progress()
    let clock = ContinuousClock()
    let start = clock.now
    var result = ParquetVerification()
    var fatal: String?
    var size = 0
    do {
      let source = try InputFile.open(file)
      size = source.size
      var options = ParquetReadOptions()
      // Any INT96 time fits; its sub-microsecond digits are nothing to verify.
      options.int96Unit = .microsecond
      let reader = try ParquetReader(source, options: options)
      result = ParquetVerifier(reader).verify { fraction in
        progress.update("verifying", fraction: fraction) { file }
      }
    } catch {
      fatal = CommandFailure.message(of: error) ?? "\(error)"
    }
    progress.clear()
    if json {
      Terminal.write(line(file, result, fatal) + "\n")
    } else {
      show(file, result, fatal, size: size, took: clock.now - start)
    }
    return result.problems.count + result.furtherProblemCount + (fatal == nil ? 0 : 1)
  }

  private func show(
    _ file: String, _ result: ParquetVerification, _ fatal: String?, size: Int, took: Duration
  ) {
    let style = Style.output
    let name = TextWidth.printable(file)
    if let fatal { return Terminal.writeLine("\(style.red("✗")) \(style.bold(name))\n  \(fatal)") }
    let facts = [
      Numbers.bytes(size), Numbers.counted(result.pageCount, "page", "pages"),
      Numbers.counted(result.checksumCount, "checksum", "checksums"),
      Numbers.counted(result.statisticsCount, "statistic", "statistics"),
      Numbers.counted(result.valueCount, "value", "values"), Numbers.seconds(took),
    ]
    let count = result.problems.count + result.furtherProblemCount
    let mark = count == 0 ? style.green("✓") : style.red("✗")
    let verdict =
      count == 0 ? "sound" : style.red(Numbers.counted(count, "problem", "problems"))
    Terminal.writeLine(
      "\(mark) \(style.bold(name))  \(verdict)  \(style.dim(facts.joined(separator: " · ")))")
    for problem in result.problems {
      var place: [String] = []
      if let group = problem.rowGroup { place.append("row group \(group)") }
      if let column = problem.column { place.append("column \(column)") }
      if let page = problem.page { place.append("page \(page)") }
      if let position = problem.position { place.append("byte \(Numbers.grouped(position))") }
      Terminal.writeLine(
        "  \(TextWidth.printable(problem.message))\n    "
          + style.dim(TextWidth.printable(place.joined(separator: ", "))))
    }
    if result.furtherProblemCount > 0 {
      Terminal.writeLine("  … and \(Numbers.grouped(result.furtherProblemCount)) more")
    }
    if result.checksumCount < result.pageCount && count == 0 {
      let missing = result.pageCount - result.checksumCount
      Terminal.writeLine(
        style.dim("  \(Numbers.counted(missing, "page has", "pages have")) no checksum"))
    }
  }

  private func line(_ file: String, _ result: ParquetVerification, _ fatal: String?) -> String {
    var problems = result.problems.map { problem in
      JSONValue.object([
        ("code", .string(problem.code.description)), ("message", .string(problem.message)),
        ("row_group", .optional(problem.rowGroup)), ("column", .optional(problem.column)),
        ("page", .optional(problem.page)), ("byte", .optional(problem.position)),
      ])
    }
    if let fatal {
      problems.append(
        .object([
          ("code", .string("unreadable")), ("message", .string(fatal)), ("row_group", .null),
          ("column", .null), ("page", .null), ("byte", .null),
        ]))
    }
    return JSONValue.object([
      ("file", .string(file)), ("ok", .bool(problems.isEmpty)), ("pages", .int(result.pageCount)),
      ("checksums", .int(result.checksumCount)), ("statistics", .int(result.statisticsCount)),
      ("values", .int(result.valueCount)), ("problems", .array(problems)),
      ("further_problems", .int(result.furtherProblemCount)),
    ]).text
  }
}
