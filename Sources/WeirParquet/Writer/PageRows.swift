// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Divides a column chunk's rows into pages: of about equal numbers of rows, bounded in rows and
/// bytes, always whole rows.
struct PageRows {
  struct Page {
    var rows: Range<Int>
    var entries: Range<Int>
    /// Of the non-null values.
    var values: Range<Int>
  }

  private let column: ColumnLevels
  private let entriesMax: Int
  private let rowsMax: Int
  private let bytesMax: Int
  private var row = 0
  private var value = 0

  /// - Parameter bits: size of an encoded value.
  init(column: ColumnLevels, options: ParquetWriteOptions, bits: Double, valueCount: Int) {
    self.column = column
    let entryBits = bits * Double(valueCount) / Double(max(column.entryCount, 1))
    bytesMax = max(options.pageBytesMax, 1)
    entriesMax = max(Int(min(Double(bytesMax) * 8 / max(entryBits, 0.25), 1e9)), 1)
    let rows = column.rowCount
    // Pages that are not the last should not leave a tiny one behind.
    var pages = Self.pages(rows, max(options.pageRowsMax, 1))
    if column.repetition == nil { pages = max(pages, Self.pages(rows, entriesMax)) }
    rowsMax = max(Self.pages(rows, max(pages, 1)), 1)
  }

  private static func pages(_ rows: Int, _ size: Int) -> Int { (rows + size - 1) / size }

  mutating func next(_ values: LeafValues) -> Page? {
    let first = row
    guard first < column.rowCount else { return nil }
    var end = min(first + rowsMax, column.rowCount)
    if column.repetition != nil { end = limited(first, end) }
    var page = make(first, end)
    if case .views = values.form {
      // Lengths vary: halve until the page is about as large as it may be.
      while page.rows.count > 1
        && EncodeBytes.totalBytes(
          values.at(page.values.lowerBound, as: ByteView.self), count: page.values.count)
          > bytesMax * 2
      {
        end = first + (end - first) / 2
        page = make(first, end)
      }
    }
    row = end
    value = page.values.upperBound
    return page
  }

  private func start(_ row: Int) -> Int {
    if column.repetition == nil { return row }
    return row == column.rowCount ? column.entryCount : column.rowStarts[row]
  }

  /// The last row before which the page's entries do not exceed the limit, at least one row.
  private func limited(_ first: Int, _ end: Int) -> Int {
    let limit = start(first) + entriesMax
    if start(end) <= limit { return end }
    var low = first + 1
    var high = end
    while low < high {
      let middle = (low + high + 1) / 2
      if start(middle) <= limit { low = middle } else { high = middle - 1 }
    }
    return low
  }

  private func make(_ first: Int, _ end: Int) -> Page {
    let entries = start(first)..<start(end)
    var count = entries.count
    if let definition = column.definition {
      count = weir_count_equal_u8(
        (definition.base + entries.lowerBound).assumingMemoryBound(to: UInt8.self),
        UInt8(column.plan.maxDefinition), entries.count)
    }
    return Page(rows: first..<end, entries: entries, values: value..<value + count)
  }
}
