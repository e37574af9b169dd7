// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

#if canImport(Glibc)
  internal import Glibc
#endif

/// What `weir file inspect` and `weir file verify` do with files of Weir's own format.
struct WeirFileInspection {
  private let path: String
  private let source: any ObjectReader
  private let reader: WeirFileReader

  init(_ path: String) throws {
    self.path = path
    source = try InputFile.open(path)
    reader = try WeirFileReader(source)
  }

  /// CPU seconds of this thread.
  private static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// CPU nanoseconds a row to decode the column.
  private func decodeNanoseconds(_ column: String) throws -> Double {
    let start = Self.cpuSeconds()
    let batches = try reader.batches(columns: [column], batchRows: 16_384)
    while try batches.next() != nil {}
    return (Self.cpuSeconds() - start) * 1e9 / Double(max(reader.rowCount, 1))
  }

  func inspect(_ names: [String]?, json: Bool) throws {
    let known = try reader.schema.fields.map(\.name)
    if let missing = names?.first(where: { !known.contains($0) }) {
      throw InputFile.missingColumn(missing, known: known, path)
    }
    let infos = try reader.columnInfos(names)
    var costs: [Double] = []
    for info in infos { costs.append(try decodeNanoseconds(info.name)) }
    if json {
      Terminal.writeLine(value(infos, costs).prettyText)
    } else {
      show(infos, costs)
    }
  }

  private func value(_ infos: [FileColumnInfo], _ costs: [Double]) -> JSONValue {
    .object([
      ("file", .string(path)), ("format", .string("weir")), ("version", .int(1)),
      ("rows", .int(reader.rowCount)), ("bytes", .int(source.size)),
      (
        "columns",
        .array(
          zip(infos, costs).map { info, cost in
            .object([
              ("name", .string(info.name)), ("type", .string(info.type.description)),
              ("field_id", .optional(info.fieldID)), ("pages", .int(info.pageCount)),
              ("bytes", .int(info.dataBytes)), ("auxiliary_bytes", .int(info.auxiliaryBytes)),
              ("shares_with", .array(info.sharesWith.map { .string($0) })),
              ("encodings", .array(info.encodings.map { .string($0) })),
              ("decode_nanoseconds_per_row", .double((cost * 10).rounded() / 10)),
            ])
          })
      ),
    ])
  }

  private func show(_ infos: [FileColumnInfo], _ costs: [Double]) {
    var output = OutputBuffer()
    let style = Style.output
    output.line(style.bold(TextWidth.printable(path)))
    let facts = [
      "Weir", Numbers.bytes(source.size), Numbers.counted(reader.rowCount, "row", "rows"),
      Numbers.counted(reader.columnCount, "column", "columns"),
    ]
    output.line("  " + facts.joined(separator: style.dim(" · ")))
    output.line()
    var table = TextTable([
      .left("column", min: 12).styled(style.bold), .left("type", min: 10, max: 30),
      .left("encodings", min: 16, max: 44), .right("pages"), .right("size"), .right("shared"),
      .right("bits/row"), .right("ns/row"),
    ])
    for (info, cost) in zip(infos, costs) {
      let bits = Double(info.dataBytes + info.auxiliaryBytes) * 8 / Double(max(reader.rowCount, 1))
      let more = info.encodings.count > 1 ? " +\(info.encodings.count - 1)" : ""
      table.add([
        info.name, info.type.description, (info.encodings.first ?? "–") + more,
        Numbers.grouped(info.pageCount), Numbers.bytes(info.dataBytes),
        info.auxiliaryBytes == 0 ? "–" : Numbers.bytes(info.auxiliaryBytes),
        Numbers.fixed(bits, 1), Numbers.fixed(cost, 1),
      ])
    }
    for line in table.lines(width: Terminal.width, style: style) { output.line(line) }
    var shown: Set<[String]> = []
    for info in infos where !info.sharesWith.isEmpty {
      let members = [info.name] + info.sharesWith
      guard shown.insert(members.sorted()).inserted else { continue }
      output.line("  " + TextWidth.printable(Self.sharing(members)))
    }
    let total = infos.reduce(0) { $0 + $1.dataBytes + $1.auxiliaryBytes - $1.countedBytes }
    output.line(
      "  "
        + style.dim(
          "together \(Numbers.bytes(total)); decoding takes "
            + "\(Numbers.fixed(costs.reduce(0, +) / 1_000, 2)) µs of CPU a row"))
    output.flush()
  }

  private static let namesShownMax = 8

  /// Columns with a dictionary in common.
  private static func sharing(_ members: [String]) -> String {
    let more = members.count - namesShownMax
    if more > 1 {
      return members.prefix(namesShownMax).joined(separator: ", ")
        + " and \(more) more share a dictionary"
    }
    return members.dropLast().joined(separator: ", ")
      + " and \(members.last ?? "") share a dictionary"
  }

  /// The problems found, as text or JSON.
  static func verify(_ path: String, json: Bool) -> Int {
    let progress = Progress()
    var problems: [FileProblem] = []
    var facts: [String] = []
    do {
      let inspection = try WeirFileInspection(path)
      facts = [
        Numbers.bytes(inspection.source.size),
        Numbers.counted(inspection.reader.rowCount, "row", "rows"),
        Numbers.counted(inspection.reader.columnCount, "column", "columns"),
      ]
      problems = inspection.reader.problems { fraction in
        progress.update("verifying", fraction: fraction) { path }
      }
    } catch {
      problems = [FileProblem(message: CommandFailure.message(of: error) ?? "\(error)")]
    }
    progress.clear()
    if json {
      let found = problems.map { problem in
        JSONValue.object([
          ("message", .string(problem.message)), ("column", .optional(problem.column)),
          ("row", .optional(problem.row)), ("byte", .optional(problem.position)),
        ])
      }
      let line = JSONValue.object([
        ("file", .string(path)), ("ok", .bool(problems.isEmpty)), ("problems", .array(found)),
      ])
      Terminal.write(line.text + "\n")
      return problems.count
    }
    let style = Style.output
    let mark = problems.isEmpty ? style.green("✓") : style.red("✗")
    let verdict =
      problems.isEmpty
      ? "sound" : style.red(Numbers.counted(problems.count, "problem", "problems"))
    let name = style.bold(TextWidth.printable(path))
    Terminal.writeLine("\(mark) \(name)  \(verdict)  \(style.dim(facts.joined(separator: " · ")))")
    for problem in problems {
      var place: [String] = []
      if let column = problem.column { place.append("column \(column)") }
      if let row = problem.row { place.append("page of row \(Numbers.grouped(row))") }
      if let position = problem.position { place.append("byte \(Numbers.grouped(position))") }
      Terminal.writeLine("  \(TextWidth.printable(problem.message))")
      if !place.isEmpty {
        Terminal.writeLine(
          "    " + style.dim(TextWidth.printable(place.joined(separator: ", "))))
      }
    }
    return problems.count
  }
}
