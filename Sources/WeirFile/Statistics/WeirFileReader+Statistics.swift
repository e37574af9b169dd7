// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import WeirColumnar

extension WeirFileReader {
  /// What is known of each column's values in the whole file, in the order of the names (all columns,
  /// in the schema's order, for `nil`): that of a file's metrics in a manifest. Bounds of byte strings
  /// are prefixes (`binary`). Reads the statistics of these columns, once.
  package func columnMetrics(_ names: [String]? = nil) throws(WeirFileError) -> [ColumnMetrics] {
    try guarded { () throws(WeirFileError) in
      let columns = try wholeColumns(names)
      let statistics = try statistics(columns)
      return zip(columns, statistics).map { column, statistics in
        column.metrics(statistics, rowCount: rowCount)
      }
    }
  }

  /// The statistics of columns, `nil` for those that have none; in one read for all.
  func statistics(_ columns: [FileColumn]) throws(WeirFileError) -> [ColumnStatistics?] {
    var result = columns.map { column in column.knownStatistics.withLock { $0 } }
    let missing = columns.indices.filter {
      result[$0] == nil && columns[$0].entry.statistics.size > 0
    }
    let parts = try bytes(missing.map { columns[$0].entry.statistics.range })
    for (index, part) in zip(missing, parts) {
      let column = columns[index]
      do throws(WeirFileError) {
        guard part.crc32c == column.entry.statistics.crc else {
          throw WeirFileError.damaged("the checksum of the statistics is wrong")
        }
        let statistics = try ColumnStatistics(part, column.descriptor)
        column.knownStatistics.withLock { $0 = statistics }
        result[index] = statistics
      } catch {
        throw error.adding(column: column.field.name, position: column.entry.statistics.offset)
      }
    }
    return result
  }
}

extension FileColumn {
  fileprivate func metrics(_ statistics: ColumnStatistics?, rowCount: Int) -> ColumnMetrics {
    guard let statistics else {
      // All of a column of nulls, none of one without them or without rows.
      let nulls: Int? =
        field.type == .null ? rowCount : field.nullable && rowCount > 0 ? nil : 0
      return ColumnMetrics(nullCount: nulls.map(Int64.init), valueCount: Int64(rowCount))
    }
    return ColumnStatistics.metrics(
      statistics.pages, rowCounts: descriptor.pages.map(\.rowCount), field.type)
  }
}
