// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A predicate on the columns of one file, and the rows that may fulfil it.
struct FilePredicate {
  /// What statistics and key indexes are asked.
  private let predicate: BoundPredicate
  /// For each of its columns the file's, when what is stored compares with the predicate's values.
  private let columns: [FileColumn?]
  /// What is tested on the rows: as much of the predicate as the file's columns can tell.
  let bound: BoundPredicate
  /// The columns that `bound` reads.
  let testedColumns: [FileColumn]
  private let reader: WeirFileReader

  /// Opens the columns of the predicate alone.
  init(_ predicate: Predicate, _ reader: WeirFileReader) throws(WeirFileError) {
    self.reader = reader
    var names: [String] = []
    for term in predicate.terms {
      // `a.b` is a field of column `a`, or a column of that name.
      for count in 1...max(term.path.count, 1) {
        let name = term.path.prefix(count).joined(separator: ".")
        if !names.contains(name) { names.append(name) }
      }
    }
    var found = try reader.columnsIfPresent(names)
    var result = Self.bind(predicate, found)
    if case .failure = result {
      // Once more for the sake of the name that the error proposes.
      found = try reader.allColumns()
      result = Self.bind(predicate, found)
    }
    do throws(ColumnarError) {
      bound = try result.get()
    } catch {
      throw WeirFileError(
        error.code == .unsupported ? .unsupported : .invalidArgument, error.description)
    }
    self.predicate = bound
    columns = bound.columns.map { $0.path.count == 1 ? found[$0.path[0]] : nil }
    testedColumns = Set(bound.columns.map { $0.path[0] }).sorted().map { found[$0] }
  }

  private static func bind(
    _ predicate: Predicate, _ columns: [FileColumn]
  ) -> Result<BoundPredicate, ColumnarError> {
    do throws(ColumnarError) {
      return .success(try predicate.bind(to: Schema(columns.map(\.field))))
    } catch {
      return .failure(error)
    }
  }

  /// Of a predicate that is bound to another schema than the file's, whose rows somebody else tests
  /// again: what the file's columns cannot tell is left out.
  ///
  /// - Parameter columns: for each of the predicate's columns the file's, `nil` where the file has
  ///   none or its values do not compare with those of the predicate. Those of the same type are
  ///   tested row by row.
  init(_ predicate: BoundPredicate, columns: [FileColumn?], _ reader: WeirFileReader) {
    self.reader = reader
    self.predicate = predicate
    self.columns = columns
    let part = predicate.readingOnly { columns[$0]?.field.type == predicate.columns[$0].field.type }
    var tested: [FileColumn] = []
    var stored: [BoundColumn] = []
    for column in part.columns {
      guard let place = predicate.columns.firstIndex(of: column), let found = columns[place] else {
        preconditionFailure("only columns that the file has are left")
      }
      stored.append(
        BoundColumn(path: [tested.count], names: [found.field.name], field: found.field))
      tested.append(found)
    }
    bound = BoundPredicate(columns: stored, root: part.root)
    testedColumns = tested
  }

  /// Rows that may match: all of ranges, ascending and not empty; or single ones, ascending.
  enum Candidates {
    case ranges([Range<Int>])
    case rows([Int])
  }

  /// The rows within `rows` that may match, from the statistics of pages, bloom filters and key
  /// indexes; the rows left out match in no case.
  func candidates(_ rows: Range<Int>) throws(WeirFileError) -> Candidates {
    if rows.isEmpty || predicate.isNeverTrue { return .ranges([]) }
    if predicate.isAlwaysTrue { return .ranges([rows]) }
    let known = columns.indices.filter { columns[$0] != nil }
    let statistics = try reader.statistics(known.compactMap { columns[$0] })
    var zones = Zones(predicate.columns)
    for (place, statistics) in zip(known, statistics) {
      guard let statistics, let column = columns[place] else { continue }
      zones.add(place, column, statistics)
    }
    guard predicate.mayMatch(zones) else { return .ranges([]) }
    if let found = try keyRows(rows) { return .rows(found) }
    var result: [Range<Int>] = []
    for range in zones.cuts(rows) {
      zones.move(to: range.lowerBound)
      guard predicate.mayMatch(zones) else { continue }
      if let last = result.last, last.upperBound == range.lowerBound {
        result[result.count - 1] = last.lowerBound..<range.upperBound
      } else {
        result.append(range)
      }
    }
    return .ranges(result)
  }

  /// Rows among which the matches are, by the index of a key column that is compared with values;
  /// `nil` without one, and when they are so many that reading all is better.
  private func keyRows(_ rows: Range<Int>) throws(WeirFileError) -> [Int]? {
    guard let (column, values) = keyTest(predicate.root), values.count <= Self.keyCountMax,
      let index = KeyIndex(column, rowCount: reader.rowCount)
    else { return nil }
    var found: Set<Int> = []
    for value in values {
      guard let hash = KeyHash.of(value, column.field.type) else { return nil }
      do throws(WeirFileError) {
        for row in try index.rows(hash) where rows.contains(row) { found.insert(row) }
      } catch {
        throw error.adding(column: column.field.name)
      }
      if found.count > max(rows.count / Self.keyRowShare, Self.keyCountMin) { return nil }
    }
    return found.sorted()
  }

  private static let keyCountMax = 100_000
  private static let keyRowShare = 16
  private static let keyCountMin = 64

  /// A test that only rows with one of some values of a key column fulfil.
  private func keyTest(_ node: BoundNode) -> (FileColumn, [Scalar])? {
    switch node {
    case .and(let parts):
      for part in parts { if let found = keyTest(part) { return found } }
      return nil
    case .test(let place, let test, negated: false):
      guard let column = columns[place],
        column.decoder.auxiliary.contains(where: { $0.role == .keys })
      else { return nil }
      switch test {
      case .compare(.equal, let value): return (column, [value])
      case .isIn(let set): return (column, set.values)
      default: return nil
      }
    default: return nil
    }
  }
}

/// What statistics say: first of the whole file, then of the pages that hold some row.
private struct Zones: ColumnBounds {
  private struct Column {
    let file: FileColumn
    let statistics: ColumnStatistics
    var metrics: ColumnMetrics
    var page = 0
  }

  /// Of the predicate, and what is known of each.
  private let bound: [BoundColumn]
  private var columns: [Column?]
  private var isWholeFile = true

  init(_ bound: [BoundColumn]) {
    self.bound = bound
    columns = Array(repeating: nil, count: bound.count)
  }

  mutating func add(_ place: Int, _ file: FileColumn, _ statistics: ColumnStatistics) {
    columns[place] = Column(
      file: file, statistics: statistics,
      metrics: ColumnStatistics.metrics(
        statistics.pages, rowCounts: file.descriptor.pages.map(\.rowCount), file.field.type))
  }

  /// The range cut where a page of some column begins.
  func cuts(_ rows: Range<Int>) -> [Range<Int>] {
    var starts: Set<Int> = [rows.lowerBound]
    for column in columns {
      for page in column?.file.descriptor.pages ?? [] where rows.contains(page.firstRow) {
        starts.insert(page.firstRow)
      }
    }
    let sorted = starts.sorted()
    return zip(sorted, sorted.dropFirst() + [rows.upperBound]).map { $0..<$1 }
  }

  mutating func move(to row: Int) {
    isWholeFile = false
    for place in columns.indices {
      guard let column = columns[place] else { continue }
      let page = column.file.descriptor.page(of: row)
      columns[place]?.page = page
      columns[place]?.metrics = column.statistics.pages[page].metrics(
        column.file.field.type, rowCount: column.file.descriptor.pages[page].rowCount)
    }
  }

  private func known(_ column: BoundColumn) -> Column? {
    bound.firstIndex { $0.path == column.path }.flatMap { columns[$0] }
  }

  func metrics(of column: BoundColumn) -> ColumnMetrics {
    known(column)?.metrics ?? ColumnMetrics()
  }

  func mayContain(_ value: Scalar, in column: BoundColumn) -> Bool {
    guard isWholeFile, let known = known(column), known.statistics.filter.count > 0,
      let hash = KeyHash.of(value, known.file.field.type)
    else { return true }
    return SplitBlockBloomFilter.mayContain(hash, in: known.statistics.filter)
  }
}
