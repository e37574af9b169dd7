// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet

/// What `weir file inspect` shows to people.
struct InspectText {
  private let reader: ParquetReader
  private let summary: FileSummary
  private let pages: Bool
  private let allRowGroups: Bool
  private let width: Int
  private let style: Style

  private static let rowGroupsShown = 12

  init(
    _ reader: ParquetReader, _ summary: FileSummary, pages: Bool, allRowGroups: Bool, width: Int,
    style: Style
  ) {
    self.reader = reader
    self.summary = summary
    self.pages = pages
    self.allRowGroups = allRowGroups
    self.width = width
    self.style = style
  }

  func write(to output: inout OutputBuffer) throws {
    writeHead(to: &output)
    writeColumns(to: &output)
    writeValues(to: &output)
    writeRowGroups(to: &output)
    if pages { try writePages(to: &output) }
  }

  private func heading(_ text: String, _ output: inout OutputBuffer) {
    output.line()
    output.line(style.bold(text))
  }

  private func write(_ table: TextTable, to output: inout OutputBuffer) {
    for line in table.lines(width: width, style: style) { output.line(line) }
  }

  private func writeHead(to output: inout OutputBuffer) {
    let metadata = reader.metadata
    output.line(style.bold(TextWidth.printable(reader.name)))
    let facts = [
      "Parquet", Numbers.bytes(summary.byteCount),
      Numbers.counted(reader.rowCount, "row", "rows"),
      Numbers.counted(reader.columnInfos.count, "column", "columns"),
      Numbers.counted(metadata.rowGroups.count, "row group", "row groups"),
    ]
    output.line("  " + facts.joined(separator: style.dim(" · ")))
    let maker = metadata.createdBy.map(TextWidth.printable) ?? "an unnamed writer"
    output.line("  " + style.dim("written by \(maker), format version \(metadata.version)"))
    for entry in metadata.keyValues {
      let value = TextWidth.printable(String((entry.value ?? "").prefix(400)))
      let key = TextWidth.printable(entry.key)
      output.line("  " + style.dim(TextWidth.truncated("\(key) = \(value)", to: width - 2)))
    }
  }

  private func writeColumns(to output: inout OutputBuffer) {
    heading("Columns", &output)
    let total = summary.columns.reduce(0) { $0 + $1.compressedBytes }
    let largest = summary.columns.map(\.compressedBytes).max() ?? 0
    let barWidth = width >= 96 ? 14 : 8
    var table = TextTable([
      .left("column", min: 12).styled(style.bold), .left("type", min: 10, max: 30),
      .left("encodings", min: 10, max: 28), .left("codec", min: nil), .right("size"),
      .right("ratio"), .right("share"), .left("", min: nil).styled(style.cyan),
    ])
    for column in summary.columns {
      let size = Double(column.compressedBytes)
      table.add([
        column.info.path, column.info.type.description,
        InspectText.encodings(column),
        column.codecs.map { $0.description.lowercased() }.joined(separator: " "),
        Numbers.bytes(column.compressedBytes),
        size > 0 ? Numbers.fixed(Double(column.uncompressedBytes) / size, 1) + "×" : "–",
        Numbers.percent(size, of: Double(total)),
        Bars.bar(size, of: Double(largest), width: barWidth),
      ])
    }
    write(table, to: &output)
    let raw = summary.columns.reduce(0) { $0 + $1.uncompressedBytes }
    var sum = "together \(Numbers.bytes(total)), \(Numbers.bytes(raw)) before compression"
    if reader.rowCount > 0 {
      sum += ", \(Numbers.short(Double(total) / Double(reader.rowCount))) bytes a row"
    }
    output.line("  " + style.dim(sum))
  }

  /// The encodings of a column's values; RLE and BIT_PACKED, which every column's levels have, only
  /// where they can be the values', too.
  static func encodings(_ column: FileSummary.Column) -> String {
    let ofLevels: [Encoding] = [.rle, .bitPacked]
    let others = column.encodings.filter { !ofLevels.contains($0) }
    let shown =
      others.isEmpty || column.info.physicalType == .boolean ? column.encodings : others
    // The dictionary says more than the PLAIN that it is itself written in.
    let sorted = shown.filter(\.isDictionaryForm) + shown.filter { !$0.isDictionaryForm }
    return sorted.map(short).joined(separator: " ")
  }

  /// As people say them.
  static func short(_ encoding: Encoding) -> String {
    switch encoding {
    case .rleDictionary, .plainDictionary: "DICT"
    case .deltaBinaryPacked: "DELTA"
    case .deltaLengthByteArray: "DELTA_LENGTH"
    case .deltaByteArray: "DELTA_BYTES"
    case .byteStreamSplit: "SPLIT"
    default: encoding.description
    }
  }

  private func writeValues(to output: inout OutputBuffer) {
    heading("Values", &output)
    var table = TextTable([
      .left("column", min: 12).styled(style.bold), .right("values"), .right("nulls"),
      .left("min", min: 10, max: 40), .left("max", min: 10, max: 40),
      .left("index", min: nil).styled(style.dim),
    ])
    for column in summary.columns {
      let bounds = column.bounds
      var index: [String] = []
      if column.hasPageIndex { index.append("pages") }
      if column.hasBloomFilter { index.append("bloom") }
      table.add([
        column.info.path, Numbers.grouped(column.values),
        column.nulls.map(Numbers.grouped) ?? "?",
        bounds.map { $0.low.text(as: column.info.type) } ?? "–",
        bounds.map { $0.high.text(as: column.info.type) } ?? "–", index.joined(separator: " "),
      ])
    }
    write(table, to: &output)
  }

  private func writeRowGroups(to output: inout OutputBuffer) {
    let groups = reader.metadata.rowGroups
    guard !groups.isEmpty else { return }
    heading("Row groups", &output)
    let shown =
      allRowGroups || groups.count <= InspectText.rowGroupsShown
      ? groups.count : InspectText.rowGroupsShown - 2
    let sizes = groups.map { $0.columns.reduce(0) { $0 + $1.metaData.totalCompressedSize } }
    let largest = Double(sizes.max() ?? 0)
    var table = TextTable([
      .right("#"), .right("rows"), .right("size"), .right("uncompressed"),
      .left("sorted by", min: 10, max: 30), .left("", min: nil).styled(style.cyan),
    ])
    let columns = reader.columnInfos
    for (index, group) in groups.prefix(shown).enumerated() {
      let sorting = group.sortingColumns.map { sorting in
        let position = Int(sorting.columnIndex)
        let path = columns.indices.contains(position) ? columns[position].path : "?"
        return path + (sorting.descending ? " ↓" : " ↑")
      }
      table.add([
        "\(index)", Numbers.grouped(group.rowCount), Numbers.bytes(sizes[index]),
        Numbers.bytes(group.columns.reduce(0) { $0 + $1.metaData.totalUncompressedSize }),
        sorting.isEmpty ? "–" : sorting.joined(separator: ", "),
        Bars.bar(Double(sizes[index]), of: largest, width: 14),
      ])
    }
    write(table, to: &output)
    if shown < groups.count {
      output.line("  " + style.dim("… \(groups.count - shown) more; --row-groups lists all"))
    }
  }

  private func writePages(to output: inout OutputBuffer) throws {
    heading("Pages", &output)
    for groupIndex in reader.metadata.rowGroups.indices {
      for column in summary.columns {
        var table = TextTable([
          .right("page"), .left("kind", min: nil), .left("encoding", min: 8), .right("values"),
          .right("size"), .right("uncompressed"), .right("at byte"), .left("crc", min: nil),
        ])
        table.indent = 4
        let walk = try reader.pages(rowGroup: groupIndex, column: column.info)
        while let page = try walk.next() {
          table.add([
            page.index.map(String.init) ?? "–", page.kind, page.encoding?.description ?? "–",
            Numbers.grouped(page.valueCount), Numbers.bytes(page.byteCount),
            Numbers.bytes(page.header.uncompressedByteCount), Numbers.grouped(page.position),
            page.header.crc == nil ? "no" : "yes",
          ])
        }
        let title = style.bold(TextWidth.printable(column.info.path))
        output.line(
          "  \(title) \(style.dim("row group \(groupIndex), \(table.rows.count) pages"))")
        write(table, to: &output)
      }
    }
  }
}

extension Encoding {
  fileprivate var isDictionaryForm: Bool { self == .rleDictionary || self == .plainDictionary }
}
