// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension WeirFileReader {
  /// The given rows of the columns (all for `nil`), in the order given; rows may repeat.
  ///
  /// Pages that hold them are read in one go and kept, up to `cacheBytesMax`, for the next call.
  /// Only the values wanted are decoded.
  ///
  /// - Throws: `invalidArgument` for rows or columns that are not there.
  public func take(
    rows: [Int], columns names: [String]? = nil
  ) throws(WeirFileError) -> RecordBatch {
    try guarded { () throws(WeirFileError) in
      for row in rows where row < 0 || row >= rowCount {
        throw WeirFileError(.invalidArgument, "there is no row \(row) in a file of \(rowCount)")
      }
      let columns = try columns(names)
      let isAscending = zip(rows, rows.dropFirst()).allSatisfy { $0 <= $1 }
      let order = isAscending ? [] : rows.indices.sorted { (rows[$0], $0) < (rows[$1], $1) }
      let batch = try takeAscending(isAscending ? rows : order.map { rows[$0] }, columns)
      if isAscending { return batch }
      var places = [Int](repeating: 0, count: rows.count)
      for (place, row) in order.enumerated() { places[row] = place }
      do throws(ColumnarError) {
        return try batch.take(places)
      } catch {
        throw WeirFileError(.limitExceeded, error.description)
      }
    }
  }

  func takeAscending(
    _ rows: [Int], _ columns: [FileColumn]
  ) throws(WeirFileError) -> RecordBatch {
    var wanted: [(column: Int, page: Int)] = []
    var pages: [[Int: PageNode]] = []
    for (index, column) in columns.enumerated() {
      var known: [Int: PageNode] = [:]
      forPages(rows, column) { number, _, _ in
        if let page = column.known(number) {
          known[number] = page
        } else {
          wanted.append((index, number))
        }
      }
      pages.append(known)
    }
    let bytes = try bytes(wanted.map { columns[$0.column].descriptor.pages[$0.page].range })
    let share = options.cacheBytesMax / max(columns.count, 1)
    for (place, bytes) in zip(wanted, bytes) {
      let page = try columns[place.column].page(place.page, bytes)
      pages[place.column][place.page] = page
      columns[place.column].keep(place.page, page, share: share)
    }
    let limit = SinkLimit(options.batchBytesMax)
    var arrays: [ArrayData] = []
    for (index, column) in columns.enumerated() {
      arrays.append(try take(rows, column, pages[index], limit))
    }
    return RecordBatch(
      trusted: Schema(columns.map(\.field)), columns: arrays, rowCount: rows.count)
  }

  /// Calls `body(page, first, last)` for each page that holds some of the ascending rows, which are
  /// `rows[first ..< last]`.
  private func forPages(_ rows: [Int], _ column: FileColumn, _ body: (Int, Int, Int) -> Void) {
    var first = 0
    while first < rows.count {
      let number = column.descriptor.page(of: rows[first])
      let place = column.descriptor.pages[number]
      var last = first + 1
      while last < rows.count && rows[last] < place.firstRow + place.rowCount { last += 1 }
      body(number, first, last)
      first = last
    }
  }

  private func take(
    _ rows: [Int], _ column: FileColumn, _ pages: [Int: PageNode], _ limit: SinkLimit
  ) throws(WeirFileError) -> ArrayData {
    let sink = ColumnSink.make(column.field.type, limit, column.selection)
    sink.expect(rows.count)
    var parts: [(page: Int, first: Int, last: Int)] = []
    forPages(rows, column) { parts.append(($0, $1, $2)) }
    for part in parts {
      guard let page = pages[part.page] else { preconditionFailure("every page was read") }
      try loadParts(column, page)
      let place = column.descriptor.pages[part.page]
      let within = rows[part.first..<part.last].map { UInt32($0 - place.firstRow) }
      do throws(WeirFileError) {
        try sink.pick(page, rows: within, column.decoder)
      } catch {
        throw error.adding(column: column.field.name, row: place.firstRow, position: place.offset)
      }
    }
    return try sink.finish()
  }
}
