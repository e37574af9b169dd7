// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// The rows of a range for which a predicate is true, in batches, in the order of the file. One
/// thread at a time may use it.
///
/// Pages whose statistics exclude a match are not read; of the rest the predicate's columns are
/// decoded first, and the others only where rows match.
public final class WeirFileMatches: RecordBatchReader {
  public let schema: Schema
  private let reader: WeirFileReader
  private let predicate: FilePredicate
  private let tested: WeirFileBatches
  private let others: WeirFileBatches
  /// Where each wanted column comes from: a place among the tested columns, or among the others.
  private let places: [(isTested: Bool, index: Int)]
  private let testedColumns: [FileColumn]
  private let otherColumns: [FileColumn]
  private let batchRows: Int
  /// What is still to be read.
  private var ranges: ArraySlice<Range<Int>>
  private var singleRows: ArraySlice<Int> = []
  /// The rows of the batch that `next()` gave last, ascending.
  public private(set) var rows: [Int] = []
  /// Rows that statistics left to be read.
  package let candidateRowCount: Int

  init(
    _ reader: WeirFileReader, _ predicate: FilePredicate, _ wanted: [FileColumn], rows: Range<Int>,
    batchRows: Int
  ) throws(WeirFileError) {
    self.reader = reader
    self.predicate = predicate
    self.batchRows = batchRows
    schema = Schema(wanted.map(\.field))
    var otherColumns: [FileColumn] = []
    var places: [(Bool, Int)] = []
    testedColumns = predicate.testedColumns
    for column in wanted {
      if let index = testedColumns.firstIndex(where: { $0 === column }) {
        places.append((true, index))
      } else {
        places.append((false, otherColumns.count))
        otherColumns.append(column)
      }
    }
    self.places = places
    self.otherColumns = otherColumns
    switch try predicate.candidates(rows) {
    case .ranges(let found):
      candidateRowCount = found.reduce(0) { $0 + $1.count }
      ranges = found[...]
    case .rows(let found):
      candidateRowCount = found.count
      ranges = []
      singleRows = found[...]
    }
    // The pages of the columns that are tested are read ahead in any case; those of the others from the
    // first range on of which most are decoded.
    tested = WeirFileBatches(
      reader, testedColumns, rows: 0..<0, batchRows: batchRows, wanted: Array(ranges))
    others = WeirFileBatches(
      reader, otherColumns, rows: 0..<0, batchRows: batchRows, wanted: Array(ranges))
  }

  /// - Throws: `WeirFileError`.
  public func next() throws(WeirFileError) -> RecordBatch? {
    try reader.guarded { () throws(WeirFileError) -> RecordBatch? in
      while let range = ranges.first {
        let part = range.prefix(batchRows)
        let batch = try matches(part)
        ranges.removeFirst()
        if part.upperBound < range.upperBound {
          ranges.insert(part.upperBound..<range.upperBound, at: ranges.startIndex)
        }
        if let batch { return batch }
      }
      while !singleRows.isEmpty {
        let part = Array(singleRows.prefix(batchRows))
        let batch = try matches(part)
        singleRows = singleRows.dropFirst(part.count)
        if let batch { return batch }
      }
      return nil
    }
  }

  /// Those of single rows that match; `nil` when none does.
  private func matches(_ candidates: [Int]) throws(WeirFileError) -> RecordBatch? {
    let batch = try reader.takeAscending(candidates, testedColumns)
    let selection = try select(batch)
    if selection.isEmpty { return nil }
    rows = selection.rows.map { candidates[$0] }
    return joined(
      try Self.filter(batch, selection), try reader.takeAscending(rows, otherColumns))
  }

  private func select(_ batch: RecordBatch) throws(WeirFileError) -> RowSelection {
    do throws(ColumnarError) {
      return try predicate.bound.selection(batch)
    } catch {
      throw WeirFileError(.invalidArgument, error.description)
    }
  }

  private func joined(_ tested: RecordBatch, _ others: RecordBatch) -> RecordBatch {
    RecordBatch(
      trusted: schema,
      columns: places.map { $0.isTested ? tested.columns[$0.index] : others.columns[$0.index] },
      rowCount: tested.rowCount)
  }

  /// The matching rows of a range; `nil` when there are none.
  private func matches(_ range: Range<Int>) throws(WeirFileError) -> RecordBatch? {
    let batch = try tested.decode(range)
    let selection = try select(batch)
    if selection.isEmpty { return nil }
    let found = selection.rows
    rows = found.map { range.lowerBound + $0 }
    var rest: RecordBatch
    // A few rows are picked out of their pages; of many, all are decoded.
    if found.count * Self.pickedShare < range.count {
      rest = try reader.takeAscending(rows, otherColumns)
    } else {
      rest = try others.decode(range)
      rest = try Self.filter(rest, selection)
    }
    return joined(try Self.filter(batch, selection), rest)
  }

  private static let pickedShare = 16

  private static func filter(
    _ batch: RecordBatch, _ selection: RowSelection
  ) throws(WeirFileError) -> RecordBatch {
    if selection.isAll { return batch }
    do throws(ColumnarError) {
      return try batch.filter(selection.mask)
    } catch {
      throw WeirFileError(.limitExceeded, error.description)
    }
  }
}

extension WeirFileReader {
  /// Starts reading the rows of a range (all for `nil`) for which the predicate is true, of the
  /// columns (all for `nil`), in batches of at most `batchRows`. Batches without a row are left out.
  ///
  /// - Throws: `invalidArgument` for a column or rows that are not there, and for a predicate that
  ///   does not fit its columns' types.
  public func matches(
    _ predicate: Predicate, columns names: [String]? = nil, rows: Range<Int>? = nil,
    batchRows: Int = 65_536
  ) throws(WeirFileError) -> WeirFileMatches {
    try guarded { () throws(WeirFileError) in
      let rows = try checked(rows, batchRows: batchRows)
      let bound = try FilePredicate(predicate, self)
      return try WeirFileMatches(
        self, bound, try columns(names), rows: rows, batchRows: batchRows)
    }
  }

  /// The rows for which the predicate is true, ascending.
  ///
  /// - Throws: as `matches`.
  public func rows(where predicate: Predicate) throws(WeirFileError) -> [Int] {
    let matches = try matches(predicate, columns: [])
    var found: [Int] = []
    while try matches.next() != nil { found += matches.rows }
    return found
  }

  /// As `matches`, of a predicate that is bound to another schema, whose rows the caller tests again: rows
  /// come that it may be true for.
  ///
  /// - Parameters:
  ///   - predicate: its columns' values compare with those of the file's columns.
  ///   - places: for each of its columns the position among `columns`, `nil` where the file has none
  ///     that compares.
  ///   - rows: of the file.
  package func matches(
    _ predicate: BoundPredicate, places: [Int?], of columns: FileColumns, rows: Range<Int>,
    batchRows: Int
  ) throws(WeirFileError) -> WeirFileMatches {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "rows of the file")
    return try guarded { () throws(WeirFileError) in
      let predicate = FilePredicate(
        predicate, columns: places.map { $0.map { columns.columns[$0] } }, self)
      return try WeirFileMatches(
        self, predicate, columns.columns, rows: rows, batchRows: batchRows)
    }
  }

  /// The columns of those names that the file has.
  func columnsIfPresent(_ names: [String]) throws(WeirFileError) -> [FileColumn] {
    var result: [FileColumn] = []
    for name in names {
      do throws(WeirFileError) {
        result += try wholeColumns([name])
      } catch {
        guard error.code == .invalidArgument else { throw error }
      }
    }
    return result
  }

  func allColumns() throws(WeirFileError) -> [FileColumn] { try wholeColumns(nil) }
}
