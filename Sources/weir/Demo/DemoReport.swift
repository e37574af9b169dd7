// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirWorld

/// What `weir demo` shows.
struct DemoReport {
  let width: Int
  let style: Style

  func writeOpening(_ dataSets: [DataSet], folder: String, to output: inout OutputBuffer) {
    let isReal = dataSets.contains { $0.attribution != nil }
    let what =
      isReal
      ? Numbers.counted(dataSets.count, "real data set", "real data sets") : "a synthetic world"
    output.line("\(style.bold("weir demo"))  \(style.dim("\(what) → Parquet in \(folder)"))")
  }

  func write(_ result: DemoResult, to output: inout OutputBuffer) {
    writeTitle(result.dataSet, to: &output)
    writeCounts(result.events, to: &output)
    writeTimes(result.events, to: &output)
    writeKinds(result.events, to: &output)
    writeValues(result, to: &output)
    writeClicks(result.events, to: &output)
    writeTopItems(result, to: &output)
    writeFiles(result, to: &output)
  }

  private func writeTitle(_ dataSet: DataSet, to output: inout OutputBuffer) {
    let title = " \(dataSet.title) "
    let line = String(repeating: "━", count: max(0, width - 3 - TextWidth.of(title)))
    output.line()
    output.line(style.cyan("━━━") + style.bold(title) + style.cyan(line))
    output.line("  \(dataSet.summary)")
    if let attribution = dataSet.attribution {
      let licence = dataSet.licence.map { ", \($0)" } ?? ""
      output.line("  " + style.dim("\(attribution)\(licence)"))
    }
    output.line()
  }

  private func writeCounts(_ events: EventStatistics, to output: inout OutputBuffer) {
    let users =
      events.users.isEmpty
      ? "users not named" : Numbers.counted(events.users.count, "user", "users")
    let facts = [
      style.bold(Numbers.counted(events.rowCount, "event", "events")), users,
      Numbers.counted(events.items.count, "item", "items"),
      events.users.isEmpty
        ? nil
        : "\(Numbers.short(Double(events.rowCount) / Double(events.users.count))) events a user",
    ].compactMap { $0 }
    output.line("  " + facts.joined(separator: style.dim(" · ")))
  }

  /// A line with a name before it.
  private func line(_ name: String, _ text: String, _ output: inout OutputBuffer) {
    output.line("  \(style.dim(TextWidth.padded(name, to: 10)))  \(text)")
  }

  private static let nameWidth = 14

  private func writeTimes(_ events: EventStatistics, to output: inout OutputBuffer) {
    guard let first = events.days.keys.min(), let last = events.days.keys.max() else { return }
    let span = last - first + 1
    line(
      "time",
      "\(dateText(first)) to \(dateText(last))"
        + style.dim(" (\(Numbers.counted(span, "day", "days")))"), &output)
    // A hostile file could claim a span of millions of years.
    guard span < 200_000 else { return }
    let (unit, counts, names) =
      span > 800 ? monthly(events, first, last) : daily(events, first, last)
    let groups = Bars.grouped(counts, into: width - DemoReport.nameWidth - 28)
    let peak = counts.indices.max { counts[$0] < counts[$1] } ?? 0
    let label = groups.perGroup == 1 ? "per \(unit)" : "\(groups.perGroup) \(unit)s"
    line(
      label,
      style.cyan(Bars.sparkline(groups.values))
        + style.dim("  most \(Numbers.grouped(counts[peak])) in \(names[peak])"), &output)
    line("hour (UTC)", style.cyan(Bars.sparkline(events.hours)) + style.dim("  0 to 23"), &output)
  }

  private func dateText(_ day: Int) -> String { Scalar.int(Int64(day)).text(as: .date32) }

  private func daily(
    _ events: EventStatistics, _ first: Int, _ last: Int
  ) -> (String, [Int], [String]) {
    let days = Array(first...last)
    return ("day", days.map { events.days[$0] ?? 0 }, days.map(dateText))
  }

  private func monthly(
    _ events: EventStatistics, _ first: Int, _ last: Int
  ) -> (String, [Int], [String]) {
    var names: [String] = []
    var counts: [Int] = []
    for day in first...last {
      let month = String(dateText(day).prefix(7))
      if names.last != month {
        names.append(month)
        counts.append(0)
      }
      counts[counts.count - 1] += events.days[day] ?? 0
    }
    return ("month", counts, names)
  }

  private func writeKinds(_ events: EventStatistics, to output: inout OutputBuffer) {
    guard events.kinds.count > 1 else { return }
    let kinds = events.kinds.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(12)
    heading("Events by kind", &output)
    writeBars(kinds.map { ($0.key, $0.value) }, of: events.rowCount, to: &output)
  }

  private func heading(_ text: String, _ output: inout OutputBuffer) {
    output.line()
    output.line("  " + style.bold(text))
  }

  private func writeBars(
    _ rows: [(name: String, count: Int)], of total: Int, to output: inout OutputBuffer
  ) {
    let largest = rows.map(\.count).max() ?? 0
    let space = width - 46
    var table = TextTable([
      .left("", min: 8, max: 20), .left("", min: nil).styled(style.cyan), .right(""),
      .right("").styled(style.dim),
    ])
    table.showsTitles = false
    table.indent = 4
    for row in rows {
      let bar = Bars.bar(Double(row.count), of: Double(largest), width: space)
      table.add([
        row.name, TextWidth.padded(bar, to: space), Numbers.grouped(row.count),
        Numbers.percent(Double(row.count), of: Double(total)),
      ])
    }
    for line in table.lines(width: width, style: style) { output.line(line) }
  }

  private func writeValues(_ result: DemoResult, to output: inout OutputBuffer) {
    let events = result.events
    let count = events.values.values.reduce(0, +)
    guard count > 0, let low = events.values.keys.min(), let high = events.values.keys.max() else {
      return
    }
    let mean = Numbers.fixed(events.valueSum / Double(count), 2)
    heading(
      (result.dataSet.valueName ?? "value").firstUppercased + style.dim("  mean \(mean)"), &output)
    var rows: [(name: String, count: Int)] = []
    if events.values.count <= 12 {
      rows = events.values.sorted { $0.key < $1.key }.map {
        (Numbers.fixed(Double($0.key) / 10, 1), $0.value)
      }
    } else {
      // About ten bins of a round size.
      let sizes = (0..<9).flatMap { power in
        [1, 2, 5].map { $0 * (0..<power).reduce(10) { value, _ in value * 10 } }
      }
      let size = sizes.first { $0 * 12 > high - low } ?? high - low + 1
      let start = low / size * size
      var bins = [Int](repeating: 0, count: (high - start) / size + 1)
      for (tenths, count) in events.values { bins[(tenths - start) / size] += count }
      rows = bins.enumerated().map { index, count in
        let from = (start + index * size) / 10
        return ("\(from) to \(from + size / 10)", count)
      }
    }
    writeBars(rows, of: count, to: &output)
  }

  private func writeClicks(_ events: EventStatistics, to output: inout OutputBuffer) {
    func rate(_ clicks: EventStatistics.Clicks) -> String {
      Numbers.percent(Double(clicks.clicks), of: Double(clicks.impressions), decimals: 2)
    }
    if !events.policies.isEmpty {
      heading("Click rate by policy", &output)
      for (name, clicks) in events.policies.sorted(by: { $0.key < $1.key }) {
        output.line(
          "    \(TextWidth.padded(name, to: 20))  \(rate(clicks))"
            + style.dim(
              "  \(Numbers.grouped(clicks.clicks)) of \(Numbers.grouped(clicks.impressions))"))
      }
    }
    guard events.positions.count > 1 else { return }
    heading("Click rate by position", &output)
    let positions = events.positions.sorted { $0.key < $1.key }.prefix(12)
    let rates = positions.map { Double($0.value.clicks) / Double(max(1, $0.value.impressions)) }
    let largest = rates.max() ?? 0
    for ((position, clicks), share) in zip(positions, rates) {
      output.line(
        "    \(TextWidth.padded("\(position)", to: 4, .right))  "
          + TextWidth.padded(rate(clicks), to: 6, .right) + "  "
          + style.cyan(Bars.bar(share, of: largest, width: 30)))
    }
  }

  private func writeTopItems(_ result: DemoResult, to output: inout OutputBuffer) {
    let top = DemoRun.topItems(result.events)
    guard !top.isEmpty else { return }
    heading("Top items", &output)
    let showsMean = result.dataSet.valueName == "stars"
    var table = TextTable([
      .right("events"), .right(showsMean ? "stars" : "").styled(style.yellow),
      .left("", min: nil).styled(style.cyan),
      .left("item", min: 20),
    ])
    table.indent = 4
    table.showsTitles = false
    let largest = Double(top[0].item.count)
    for (id, item) in top {
      let mean = item.valueCount > 0 ? item.valueSum / Double(item.valueCount) : 0
      table.add([
        Numbers.grouped(item.count), showsMean ? "★ \(Numbers.fixed(mean, 2))" : "",
        TextWidth.padded(Bars.bar(Double(item.count), of: largest, width: 12), to: 12),
        result.labels[id] ?? "item \(id)",
      ])
    }
    for line in table.lines(width: width, style: style) { output.line(line) }
  }

  private func writeFiles(_ result: DemoResult, to output: inout OutputBuffer) {
    heading("Files", &output)
    let isCSV = result.tables.contains(where: \.isCSV)
    var table = TextTable([
      .left("file", min: 16), .right("rows"), .right(isCSV ? "as CSV" : "as JSON"),
      .right("gzipped"), .right("Parquet").styled(style.bold), .right("a row"),
      .right("smaller"), .right("written"), .right("read"),
    ])
    table.indent = 4
    if !isCSV { table.columns.remove(at: 3) }
    for file in result.tables {
      var cells = [
        "\(file.name).parquet", Numbers.grouped(file.rows), Numbers.bytes(file.textBytes),
        file.storedBytes < file.textBytes ? Numbers.bytes(file.storedBytes) : "–",
        Numbers.bytes(file.parquetBytes),
        "\(Numbers.short(Double(file.parquetBytes) / Double(max(1, file.rows)))) B",
        file.parquetBytes > 0
          ? Numbers.fixed(Double(file.textBytes) / Double(file.parquetBytes), 1) + "×" : "–",
        rate(file.rows, file.writing), rate(file.rows, file.reading),
      ]
      if !isCSV { cells.remove(at: 3) }
      table.add(cells)
    }
    for line in table.lines(width: width, style: style) { output.line(line) }
    let making = result.tables.reduce(Duration.zero) { $0 + $1.making }
    let text = result.tables.reduce(0) { $0 + $1.textBytes }
    let source =
      isCSV
      ? "CSV was parsed at \(Numbers.bytes(Int(Double(text) / max(1e-9, making.inSeconds))))/s"
      : "the world was made in \(Numbers.seconds(making))"
    output.line("    " + style.dim("rates count rows a second on one thread; \(source)"))
  }

  private func rate(_ rows: Int, _ time: Duration) -> String {
    // Too few rows to say anything.
    guard rows >= 5_000, time.inSeconds > 0 else { return "–" }
    return "\(Numbers.compact(Double(rows) / time.inSeconds))/s"
  }

  func writeClosing(
    _ dataSets: [DataSet], folder: String, took: Duration, to output: inout OutputBuffer
  ) {
    guard let dataSet = dataSets.first else { return }
    let first = dataSet.name
    // Items are nicer to look at than events.
    let table = dataSet[table: "items"] == nil ? "events" : "items"
    let program = Terminal.program
    output.line()
    output.line(style.cyan(String(repeating: "━", count: width)))
    output.line("  " + style.dim("Done in \(Numbers.seconds(took)).") + " What to look at next:")
    output.line()
    let steps = [
      ("columns, encodings, sizes", "file inspect \(folder)/\(first)/events.parquet"),
      ("rows", "file head -n 5 \(folder)/\(first)/\(table).parquet"),
      ("checksums, indexes, statistics", "file verify \(folder)/*/*.parquet"),
      ("a table", "table describe \(first).events --catalog \(folder)/lake"),
      ("its states", "table history \(first).events --catalog \(folder)/lake"),
      ("travel in time", "table scan \(first).events --catalog \(folder)/lake --at first-half"),
      ("a world of any size", "demo --synthetic --rows 5000000"),
    ]
    for (meaning, command) in steps {
      output.line(
        "    \(style.dim(TextWidth.padded(meaning, to: 30)))  \(program) \(command)")
    }
    output.line()
    output.line(
      "  "
        + style.dim("The same files open in pyarrow, DuckDB and Polars, the tables in PyIceberg."))
    output.line("  " + style.dim("README.md tells what works today, docs/architecture.md how."))
  }
}

extension String {
  fileprivate var firstUppercased: String { prefix(1).uppercased() + dropFirst() }
}
