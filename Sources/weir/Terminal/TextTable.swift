// SPDX-License-Identifier: Apache-2.0

/// A table with aligned columns, laid out for a given width.
///
/// Columns that may shrink give way, the widest first, until the table fits; cells that are cut end
/// in an ellipsis.
struct TextTable {
  struct Column {
    var title: String
    var alignment = TextWidth.Alignment.left
    /// The narrowest this column may become; `nil`: it never shrinks.
    var widthMin: Int?
    /// The widest that this column may be, whatever it holds.
    var widthMax = Int.max
    /// How its cells look, after they were laid out.
    var style: (@Sendable (String) -> String)?

    static func left(_ title: String, min: Int? = 8, max: Int = .max) -> Column {
      Column(title: title, alignment: .left, widthMin: min, widthMax: max)
    }

    static func right(_ title: String) -> Column {
      Column(title: title, alignment: .right, widthMin: nil)
    }

    func styled(_ style: @escaping @Sendable (String) -> String) -> Column {
      var copy = self
      copy.style = style
      return copy
    }
  }

  var columns: [Column]
  private(set) var rows: [[String]] = []
  /// Spaces before each line.
  var indent = 2
  /// Spaces between columns.
  var gap = 2
  var showsTitles = true

  init(_ columns: [Column]) { self.columns = columns }

  mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "a row has one cell per column")
    rows.append(cells.map(TextWidth.printable))
  }

  func lines(width: Int, style: Style) -> [String] {
    let widths = layout(width)
    var lines: [String] = []
    if showsTitles {
      lines.append(line(columns.map(\.title), widths) { style.dim($1) })
    }
    for row in rows {
      lines.append(line(row, widths) { columns[$0].style?($1) ?? $1 })
    }
    return lines
  }

  private func line(
    _ cells: [String], _ widths: [Int], _ decorate: (Int, String) -> String
  ) -> String {
    var text = String(repeating: " ", count: indent)
    var spaces = 0
    for (index, cell) in cells.enumerated() {
      let cut = TextWidth.truncated(cell, to: widths[index])
      let fill = widths[index] - TextWidth.of(cut)
      // Spaces are written when something follows, so that no line ends in spaces.
      if columns[index].alignment == .right { spaces += fill }
      if !cut.isEmpty {
        text += String(repeating: " ", count: spaces) + decorate(index, cut)
        spaces = 0
      }
      if columns[index].alignment == .left || cut.isEmpty {
        spaces += columns[index].alignment == .left ? fill : 0
      }
      spaces += gap
    }
    return text
  }

  private func layout(_ width: Int) -> [Int] {
    var widths = columns.indices.map { index in
      let cells = rows.reduce(0) { max($0, TextWidth.of($1[index])) }
      let title = showsTitles ? TextWidth.of(columns[index].title) : 0
      return min(columns[index].widthMax, max(cells, title))
    }
    var excess = widths.reduce(indent + gap * (columns.count - 1), +) - width
    while excess > 0 {
      // The widest column that may still shrink.
      var widest: Int?
      for (index, column) in columns.enumerated() {
        guard let widthMin = column.widthMin, widths[index] > widthMin else { continue }
        if widest.map({ widths[index] > widths[$0] }) ?? true { widest = index }
      }
      guard let widest else { break }
      widths[widest] -= 1
      excess -= 1
    }
    return widths
  }
}
