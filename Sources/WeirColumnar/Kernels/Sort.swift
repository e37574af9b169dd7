// SPDX-License-Identifier: Apache-2.0

/// One column to sort by.
public struct SortKey: Hashable, Sendable {
  /// Position in the batch's schema.
  public var column: Int
  public var descending: Bool
  /// Nulls come before all values (or after), whatever the direction.
  public var nullsFirst: Bool

  public init(_ column: Int, descending: Bool = false, nullsFirst: Bool = false) {
    self.column = column
    self.descending = descending
    self.nullsFirst = nullsFirst
  }
}

extension RecordBatch {
  /// The order of the rows under `keys`, the first counting most: `take` of it gives them sorted.
  ///
  /// Stable: rows with equal keys stay in their order. NaN is greater than all numbers, -0.0 equals
  /// 0.0; strings and bytes compare byte by byte, false before true, dictionaries by their values.
  /// Cost: radix passes over the bits of the keys that differ, strings 8 bytes at a time.
  ///
  /// - Throws: `invalidArgument` for a column that is not there, `unsupported` for nested keys.
  public func sortIndices(by keys: [SortKey]) throws(ColumnarError) -> [Int] {
    var sorter = Sorter(rowCount)
    for key in keys {
      guard columns.indices.contains(key.column) else {
        throw ColumnarError(
          .invalidArgument,
          "sort key \(key.column) is no column; the batch has \(columns.count) columns")
      }
      do throws(ColumnarError) {
        try sorter.refine(
          SortColumn(columns[key.column], key.descending), nullsFirst: key.nullsFirst)
      } catch { throw error.inColumn(schema.fields[key.column].name) }
    }
    return sorter.indices
  }

  /// The rows sorted by `keys`, see `sortIndices`.
  public func sorted(by keys: [SortKey]) throws(ColumnarError) -> RecordBatch {
    try take(sortIndices(by: keys))
  }
}

extension ArrayData {
  /// The order of the rows, see `RecordBatch.sortIndices`.
  public func sortIndices(descending: Bool = false, nullsFirst: Bool = false)
    throws(ColumnarError) -> [Int]
  {
    var sorter = Sorter(length)
    try sorter.refine(SortColumn(self, descending), nullsFirst: nullsFirst)
    return sorter.indices
  }
}

/// Sorts by one key after the other:
///
/// 1. All rows start as one range of equal rows.
/// 2. For each key, each range of rows that are equal so far is split: nulls aside, then by the
///    key's first level of 64-bit ranks (the value itself up to 8 bytes, the upper half of a
///    decimal, the first 8 bytes of a string), then by further levels within what is still equal.
/// 3. Ranges of one row are done and dropped. Rows in a range are always in their original order, so
///    that the row number as the last criterion makes every step stable.
private struct Sorter {
  private(set) var indices: [Int]
  /// Ranges of two or more rows that are equal by all keys so far.
  private var ranges: [Range<Int>]
  private let scratch = RankScratch()

  init(_ count: Int) {
    indices = Array(0..<count)
    ranges = count > 1 ? [0..<count] : []
  }

  mutating func refine(_ column: SortColumn, nullsFirst: Bool) {
    if ranges.isEmpty { return }
    var nullRanges: [Range<Int>] = []
    if let validity = column.validity {
      var validRanges: [Range<Int>] = []
      for range in ranges {
        let (valid, nulls) = indices.withUnsafeMutableBufferPointer {
          partitionNulls($0, range, validity.base, column.bitOffset, nullsFirst)
        }
        if valid.count > 1 { validRanges.append(valid) }
        if nulls.count > 1 { nullRanges.append(nulls) }
      }
      ranges = validRanges
    }
    for level in column.levels {
      var equal: [Range<Int>] = []
      indices.withUnsafeMutableBufferPointer { indices in
        for range in ranges {
          switch level {
          case .ranks(let ranks):
            ranks.withUnsafeBufferPointer { ranks in
              sortByRank(indices, range, scratch, &equal) { ranks[$0] }
            }
          case .bytes(let bytes): bytes.sort(indices, range, scratch, &equal)
          }
        }
      }
      ranges = equal
    }
    ranges += nullRanges
  }
}

/// A column made ready for sorting: the type is switched on here and nowhere else.
private struct SortColumn {
  enum Level {
    /// One number for each row; smaller comes first.
    case ranks([UInt64])
    /// Strings or bytes that are equal in their first 8.
    case bytes(BytesOrder)
  }

  var levels: [Level] = []
  var validity: Buffer?
  var bitOffset = 0

  init(_ array: ArrayData, _ descending: Bool) throws(ColumnarError) {
    validity = array.validity
    bitOffset = array.offset
    let flip: UInt64 = descending ? .max : 0
    switch array.type {
    case .null: break  // All equal.
    case .bool:
      levels = [
        .ranks(
          (0..<array.length).map {
            (Bitmap.get(array.buffers[0].base, array.offset + $0) ? 1 : 0) ^ flip
          })
      ]
    case .int8: levels = [.ranks(integerRanks(Int8.self, array, flip))]
    case .int16: levels = [.ranks(integerRanks(Int16.self, array, flip))]
    case .int32, .date32, .time32: levels = [.ranks(integerRanks(Int32.self, array, flip))]
    case .int64, .date64, .time64, .timestamp, .duration:
      levels = [.ranks(integerRanks(Int64.self, array, flip))]
    case .uint8: levels = [.ranks(integerRanks(UInt8.self, array, flip))]
    case .uint16: levels = [.ranks(integerRanks(UInt16.self, array, flip))]
    case .uint32: levels = [.ranks(integerRanks(UInt32.self, array, flip))]
    case .uint64: levels = [.ranks(integerRanks(UInt64.self, array, flip))]
    case .float16: levels = [.ranks(floatRanks(Float16.self, array, flip))]
    case .float32: levels = [.ranks(floatRanks(Float.self, array, flip))]
    case .float64: levels = [.ranks(floatRanks(Double.self, array, flip))]
    case .decimal128:
      levels = [
        .ranks(decimalRanks(array, flip, high: true)),
        .ranks(decimalRanks(array, flip, high: false)),
      ]
    case .utf8, .binary, .largeUtf8, .largeBinary, .fixedSizeBinary:
      let bytes = BytesOrder(array, descending)
      levels = [.ranks(bytes.prefixRanks(flip)), .bytes(bytes)]
    case .dictionary: try rankDictionary(array, descending)
    case .list, .largeList, .fixedSizeList, .struct, .map:
      throw ColumnarError(.unsupported, "sorting by a \(array.type) column is not supported")
    }
  }

  /// Sorts the dictionary's values once; rows then have their value's place.
  private mutating func rankDictionary(_ array: ArrayData, _ descending: Bool)
    throws(ColumnarError)
  {
    guard let dictionary = array.dictionary else {
      preconditionFailure("a dictionary array without a dictionary")
    }
    let order = try dictionary.sortIndices(descending: descending)
    var places = [UInt64](repeating: 0, count: dictionary.length)
    var comparison = ArrayComparison(EqualityOptions())
    var place: UInt64 = 0
    for (position, row) in order.enumerated() {
      // Equal values of the dictionary get equal places.
      if position > 0
        && comparison.firstDifference(dictionary, order[position - 1], dictionary, row, 1) != nil
      {
        place += 1
      }
      places[row] = place
    }
    let valid = BooleanBuilder()
    let ranks = (0..<array.length).map { row -> UInt64 in
      let index = array.isValid(row) ? array.dictionaryIndex(row) : -1
      let isValid = index >= 0 && dictionary.isValid(index)
      valid.append(isValid)
      return isValid ? places[index] : 0
    }
    levels = [.ranks(ranks)]
    if array.validity != nil || dictionary.nullCount > 0 {
      validity = valid.finish().buffers[0]
      bitOffset = 0
    }
  }
}
