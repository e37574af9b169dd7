// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Decides which rows of a row group a scan with predicates must read.
///
/// 1. The row group's statistics may exclude all of it.
/// 2. Then its bloom filter, for equality.
/// 3. Then the page index leaves ranges of rows; ranges of several predicates are intersected.
struct Pruning {
  private struct Test {
    let leaf: LeafColumn
    let type: DataType
    let comparison: ColumnPredicate.Comparison
    let values: [Bound]
    let scalars: [Scalar]

    /// Whether the column is read in another unit than it is stored in.
    var isConverted: Bool {
      switch LeafTypes.plan(leaf, type: type, int96Unit: .nanosecond).conversion {
      case .daysToMilliseconds, .millisecondsToSeconds: true
      default: false
      }
    }
  }

  private let tests: [Test]

  init(_ predicates: [ColumnPredicate], columns: [SchemaNode]) throws(ParquetError) {
    var tests: [Test] = []
    for predicate in predicates {
      guard let (leaf, field) = Self.find(predicate.column, columns) else {
        throw ParquetError(
          .invalidArgument,
          "a predicate names \"\(predicate.column)\", which is no column of single "
            + "values in this file")
      }
      var values: [Bound] = []
      for scalar in predicate.values {
        guard let bound = Bound(scalar, type: field.type) else {
          throw ParquetError(
            .invalidArgument, "a predicate compares \(field.type) with \(scalar)",
            column: predicate.column)
        }
        values.append(bound)
      }
      let wanted: ClosedRange<Int> =
        switch predicate.comparison {
        case .isNull, .isNotNull: 0...0
        case .isIn: 0...Int.max
        default: 1...1
        }
      guard wanted.contains(values.count) else {
        throw ParquetError(
          .invalidArgument, "a predicate has \(values.count) values where \(wanted.lowerBound) fit",
          column: predicate.column)
      }
      tests.append(
        Test(
          leaf: leaf, type: field.type, comparison: predicate.comparison, values: values,
          scalars: predicate.values))
    }
    self.tests = tests
  }

  private static func find(_ path: String, _ columns: [SchemaNode]) -> (LeafColumn, Field)? {
    for column in columns {
      if let found = find(path, prefix: "", column) { return found }
    }
    return nil
  }

  private static func find(
    _ path: String, prefix: String, _ node: SchemaNode
  ) -> (LeafColumn, Field)? {
    let own = prefix + node.field.name
    switch node {
    case .leaf(let field, let leaf): return own == path ? (leaf, field) : nil
    case .structure(_, let children, _):
      for child in children {
        if let found = find(path, prefix: own + ".", child) { return found }
      }
      return nil
    case .list: return nil
    }
  }

  /// Ranges of rows that may hold a match, ascending and not empty.
  func rowRanges(in groupIndex: Int, of reader: ParquetReader) throws(ParquetError) -> [Range<Int>]
  {
    let group = reader.metadata.rowGroups[groupIndex]
    guard group.rowCount > 0 else { return [] }
    var ranges = [0..<group.rowCount]
    for test in tests {
      let chunk = group.columns[test.leaf.index]
      do throws(ParquetError) {
        guard mayMatch(test, chunk.metaData) else { return [] }
        guard try bloomFilterAllows(test, chunk, reader) else { return [] }
        if let kept = try pageRanges(test, chunk, group.rowCount, reader) {
          ranges = Self.intersect(ranges, kept)
        }
      } catch {
        throw error.adding(column: test.leaf.path)
      }
      if ranges.isEmpty { return [] }
    }
    return ranges
  }

  private func mayMatch(_ test: Test, _ chunk: ColumnMetaData) -> Bool {
    guard let statistics = chunk.statistics else { return true }
    var low = statistics.min
    var high = statistics.max
    // The old fields were compared as signed bytes: right for signed numbers alone.
    if low == nil && high == nil {
      switch test.type {
      case .uint8, .uint16, .uint32, .uint64: break
      default:
        if [.int32, .int64, .float, .double].contains(test.leaf.physicalType) {
          low = statistics.deprecatedMin
          high = statistics.deprecatedMax
        }
      }
    }
    return mayMatch(
      test, min: low, max: high, nullCount: statistics.nullCount, valueCount: chunk.valueCount)
  }

  /// - Parameter nullCount: `nil` when not known.
  private func mayMatch(
    _ test: Test, min: [UInt8]?, max: [UInt8]?, nullCount: Int?, valueCount: Int?
  ) -> Bool {
    let allNull = nullCount != nil && nullCount == valueCount
    switch test.comparison {
    case .isNull: return nullCount != 0
    case .isNotNull: return !allNull
    default: break
    }
    if allNull { return false }
    // Statistics are of the values as stored.
    if test.isConverted { return true }
    let low = min.flatMap { Bound(statistic: $0, leaf: test.leaf, type: test.type) }
    let high = max.flatMap { Bound(statistic: $0, leaf: test.leaf, type: test.type) }
    func canEqual(_ value: Bound) -> Bool {
      // NaN is in no statistic and must be looked for.
      if case .number(let number) = value, number.isNaN { return true }
      if let low, Bound.isLess(value, low) { return false }
      if let high, Bound.isLess(high, value) { return false }
      return true
    }
    switch test.comparison {
    case .equal, .isIn: return test.values.contains(where: canEqual)
    case .less: return low.map { Bound.isLess($0, test.values[0]) } ?? true
    case .lessOrEqual: return low.map { !Bound.isLess(test.values[0], $0) } ?? true
    case .greater: return high.map { Bound.isLess(test.values[0], $0) } ?? true
    case .greaterOrEqual: return high.map { !Bound.isLess($0, test.values[0]) } ?? true
    case .isNull, .isNotNull: return true
    }
  }

  private func bloomFilterAllows(
    _ test: Test, _ chunk: ColumnChunk, _ reader: ParquetReader
  ) throws(ParquetError) -> Bool {
    guard test.comparison == .equal || test.comparison == .isIn else { return true }
    if test.isConverted { return true }
    var hashes: [UInt64] = []
    for value in test.values {
      guard let bytes = Self.plainBytes(value, test.leaf) else { return true }
      hashes.append(XXHash64.hash(bytes))
    }
    guard let filter = try PageIndexes.bloomFilter(of: chunk, reader: reader) else { return true }
    return hashes.contains { SplitBlockBloomFilter.mayContain($0, in: filter) }
  }

  /// The value as PLAIN encodes it, which is what filters hash; `nil` where equal values may have
  /// different bytes (floating point) or the encoding varies (decimals in byte arrays).
  private static func plainBytes(_ value: Bound, _ leaf: LeafColumn) -> [UInt8]? {
    switch (value, leaf.physicalType) {
    case (.integer(let number), .int32):
      let bits = UInt32(truncatingIfNeeded: number)
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> UInt32(8 * $0)) }
    case (.integer(let number), .int64):
      let bits = UInt64(truncatingIfNeeded: number)
      return (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
    case (.bytes(let bytes), .byteArray): return bytes
    case (.bytes(let bytes), .fixedLenByteArray): return bytes
    default: return nil
    }
  }

  private func pageRanges(
    _ test: Test, _ chunk: ColumnChunk, _ rowCount: Int, _ reader: ParquetReader
  ) throws(ParquetError) -> [Range<Int>]? {
    guard let offsets = try PageIndexes.offsetIndex(of: chunk, reader: reader),
      let index = try PageIndexes.columnIndex(of: chunk, reader: reader)
    else { return nil }
    let pages = offsets.pages
    guard pages.count == index.nullPages.count, pages.first?.firstRow == 0,
      pages[pages.count - 1].firstRow < rowCount
    else {
      throw ParquetError(.damaged, "the column index and the offset index do not fit each other")
    }
    var kept: [Range<Int>] = []
    for (page, location) in pages.enumerated() {
      let end = page + 1 < pages.count ? pages[page + 1].firstRow : rowCount
      let isNull = index.nullPages[page]
      let matches = mayMatch(
        test, min: isNull ? nil : index.minValues[page], max: isNull ? nil : index.maxValues[page],
        nullCount: isNull ? end - location.firstRow : index.nullCounts?[page],
        valueCount: end - location.firstRow)
      guard matches else { continue }
      if let last = kept.last, last.upperBound == location.firstRow {
        kept[kept.count - 1] = last.lowerBound..<end
      } else {
        kept.append(location.firstRow..<end)
      }
    }
    return kept
  }

  static func intersect(_ a: [Range<Int>], _ b: [Range<Int>]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var i = 0
    var j = 0
    while i < a.count && j < b.count {
      let low = max(a[i].lowerBound, b[j].lowerBound)
      let high = min(a[i].upperBound, b[j].upperBound)
      if low < high { result.append(low..<high) }
      if a[i].upperBound < b[j].upperBound { i += 1 } else { j += 1 }
    }
    return result
  }
}
