// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// Columns of a file that are open, for readers who know them by their field ids.
package struct FileColumns: Sendable {
  let columns: [FileColumn]

  /// In the order in which they were asked for.
  package var fields: [Field] { columns.map(\.field) }
}

extension WeirFileBatches {
  /// Any rows of the file; those behind the last ones are read fastest.
  package func values(of rows: Range<Int>) throws(WeirFileError) -> RecordBatch {
    try reader.guarded { () throws(WeirFileError) in
      try decode(try reader.checked(rows, batchRows: 1))
    }
  }
}

extension WeirFileReader {
  /// Bytes of a directory that is read at once, to find ids in it.
  private static let directoryBytesMax = 4 << 20

  /// The columns of these field ids, in this order, without those that the file lacks.
  ///
  /// In a file without field ids the columns' numbers take their place: their fields have no ids.
  package func columns(ids: [Int32]) throws(WeirFileError) -> FileColumns {
    try guarded { () throws(WeirFileError) in
      FileColumns(columns: try open(try numbers(ids.map { UInt32(bitPattern: $0) })))
    }
  }

  /// The columns of these names.
  ///
  /// - Throws: `invalidArgument` for a name that is not there.
  package func columns(named names: [String]) throws(WeirFileError) -> FileColumns {
    try guarded { () throws(WeirFileError) in FileColumns(columns: try columns(names)) }
  }

  /// As `batches(columns:rows:batchRows:)`.
  package func batches(
    of columns: FileColumns, rows: Range<Int>, batchRows: Int
  ) throws(WeirFileError) -> WeirFileBatches {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "rows of the file")
    return WeirFileBatches(self, columns.columns, rows: rows, batchRows: batchRows)
  }

  /// The rows, which ascend and lie within the file.
  package func take(
    ascending rows: [Int], of columns: FileColumns
  ) throws(WeirFileError) -> RecordBatch {
    try guarded { () throws(WeirFileError) in try takeAscending(rows, columns.columns) }
  }

  /// Numbers of directory entries.
  private func numbers(_ ids: [UInt32]) throws(WeirFileError) -> [Int] {
    if tail.isDense {
      return ids.filter { $0 >= tail.firstID && $0 - tail.firstID < UInt32(columnCount) }
        .map { Int($0 - tail.firstID) }
    }
    let size = columnCount * tail.stride
    let directory =
      size <= Self.directoryBytesMax && ids.count > 1
      ? try bytes(tail.directoryOffset..<tail.directoryOffset + size) : nil
    var result: [Int] = []
    for id in ids {
      if let number = try number(id, in: directory) { result.append(number) }
    }
    return result
  }

  /// By binary search.
  private func number(_ id: UInt32, in directory: Buffer?) throws(WeirFileError) -> Int? {
    var low = 0
    var high = columnCount
    while low < high {
      let middle = (low + high) / 2
      let found: UInt32
      if let directory {
        found = directory.number(UInt32.self, at: middle * tail.stride)
      } else {
        found = try bytes(entryRange(middle)).number(UInt32.self, at: 0)
      }
      if found == id { return middle }
      if found < id { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
