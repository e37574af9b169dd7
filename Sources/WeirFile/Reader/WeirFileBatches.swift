// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// The rows of a range, in batches, in the order of the file. One thread at a time may use it.
public final class WeirFileBatches: RecordBatchReader {
  public let schema: Schema
  let reader: WeirFileReader
  private let columns: [FileColumn]
  private let batchRows: Int
  private var nextRow: Int
  private let end: Int
  /// Rows that will be read in all.
  private let wantedRowCount: Int
  /// The page of each column that the last batch ended in.
  private var held: [(index: Int, page: PageNode)?]
  private var supply: PageSupply
  private var isFirst = true

  /// - Parameter wanted: the ranges that `decode` will be asked for, where these are not `rows`: their pages
  ///   are read ahead.
  init(
    _ reader: WeirFileReader, _ columns: [FileColumn], rows: Range<Int>, batchRows: Int,
    uniqueLists: Bool = false, wanted: [Range<Int>]? = nil
  ) {
    self.reader = reader
    self.columns = columns
    self.batchRows = batchRows
    schema = Schema(columns.map { uniqueLists ? $0.fieldOfUniqueLists : $0.field })
    nextRow = rows.lowerBound
    let wanted = wanted ?? [rows]
    end = wanted.last?.upperBound ?? rows.upperBound
    wantedRowCount = wanted.reduce(0) { $0 + $1.count }
    held = Array(repeating: nil, count: columns.count)
    supply = PageSupply(reader, columns, wanted)
  }

  /// - Throws: `WeirFileError`.
  public func next() throws(WeirFileError) -> RecordBatch? {
    guard nextRow < end else { return nil }
    let rows = nextRow..<min(end, nextRow + batchRows)
    let batch = try reader.guarded { () throws(WeirFileError) -> RecordBatch in try decode(rows) }
    nextRow = rows.upperBound
    return batch
  }

  /// Pages of one column that hold a range of rows.
  private func pageNumbers(_ column: FileColumn, _ rows: Range<Int>) -> ClosedRange<Int> {
    let descriptor = column.descriptor
    let first = descriptor.page(of: rows.lowerBound)
    var last = first
    while descriptor.pages[last].firstRow + descriptor.pages[last].rowCount < rows.upperBound {
      last += 1
    }
    return first...last
  }

  /// The rows of a range; those behind the last one are read fastest.
  func decode(_ rows: Range<Int>) throws(WeirFileError) -> RecordBatch {
    if isFirst {
      isFirst = false
      // What few rows refer to is read when it is needed.
      if wantedRowCount * 4 >= reader.rowCount { try reader.loadAuxiliary(columns) }
    }
    var places: [PageSupply.Place] = []
    for (index, column) in columns.enumerated() {
      for number in pageNumbers(column, rows) where held[index]?.index != number {
        places.append(PageSupply.Place(column: index, page: number))
      }
    }
    var bytes = try supply.bytes(places)[...]
    supply.readAhead(of: rows, to: end)
    let limit = SinkLimit(reader.options.batchBytesMax)
    var arrays: [ArrayData] = []
    for (index, column) in columns.enumerated() {
      arrays.append(try decode(index, column, rows, &bytes, limit))
    }
    return RecordBatch(trusted: schema, columns: arrays, rowCount: rows.count)
  }

  private func decode(
    _ index: Int, _ column: FileColumn, _ rows: Range<Int>, _ bytes: inout ArraySlice<Buffer>,
    _ limit: SinkLimit
  ) throws(WeirFileError) -> ArrayData {
    let type = schema.fields[index].type
    let sink =
      type == column.field.type
      ? ColumnSink.make(type, limit, column.selection) : UniqueListSink(type, limit)
    sink.expect(rows.count)
    for number in pageNumbers(column, rows) {
      let page: PageNode
      if let held = held[index], held.index == number {
        page = held.page
      } else {
        page = try column.page(number, bytes.removeFirst())
        try reader.loadParts(column, page)
      }
      let place = column.descriptor.pages[number]
      let from = max(rows.lowerBound, place.firstRow)
      let to = min(rows.upperBound, place.firstRow + place.rowCount)
      do throws(WeirFileError) {
        try sink.append(page, from - place.firstRow, to - from, column.decoder)
      } catch {
        throw error.adding(column: column.field.name, row: place.firstRow, position: place.offset)
      }
      held[index] = place.firstRow + place.rowCount > to ? (number, page) : nil
    }
    return try sink.finish()
  }
}

extension WeirFileReader {
  /// Starts reading the rows of a range (all for `nil`) of the columns (all for `nil`), in batches
  /// of at most `batchRows`. Batches hold `batchRows` rows of all columns in memory.
  ///
  /// Names may be dotted paths of fields within structs: `place.city` is the column `place` with that field
  /// alone; nothing else is decoded, and large fields that are not wanted are not read.
  ///
  /// - Parameter uniqueLists: whether columns of lists that share their items (windows) come as
  ///   dictionary arrays: the lists of the batch that differ, each decoded once, and a number for
  ///   every row.
  /// - Throws: `invalidArgument` for a column or rows that are not there; what opening a column
  ///   throws.
  public func batches(
    columns names: [String]? = nil, rows: Range<Int>? = nil, batchRows: Int = 65_536,
    uniqueLists: Bool = false
  ) throws(WeirFileError) -> WeirFileBatches {
    try guarded { () throws(WeirFileError) in
      let rows = try checked(rows, batchRows: batchRows)
      return WeirFileBatches(
        self, try columns(names), rows: rows, batchRows: batchRows, uniqueLists: uniqueLists)
    }
  }
}

extension FileColumn {
  /// The field as dictionaries of lists, when its lists share items.
  fileprivate var fieldOfUniqueLists: Field {
    switch field.type {
    case .list, .largeList:
      guard descriptor.auxiliary.contains(where: { $0.role == .pool }) else { return field }
      var result = field
      result.type = .dictionary(index: .int32, value: field.type, ordered: false)
      return result
    default: return field
    }
  }
}

extension WeirFileReader {
  /// The rows to read, all for `nil`.
  ///
  /// - Throws: `invalidArgument` for rows that are not there, and batches without rows.
  func checked(_ rows: Range<Int>?, batchRows: Int) throws(WeirFileError) -> Range<Int> {
    let rows = rows ?? 0..<rowCount
    guard rows.lowerBound >= 0 && rows.upperBound <= rowCount && batchRows > 0 else {
      throw WeirFileError(
        .invalidArgument,
        "rows \(rows.lowerBound)..<\(rows.upperBound) in batches of \(batchRows) of a file of "
          + "\(rowCount) rows")
    }
    return rows
  }
}
