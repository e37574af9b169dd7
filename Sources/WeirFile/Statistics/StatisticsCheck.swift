// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension WeirFileReader {
  /// Compares the statistics, the bloom filter and the key index of a column with its values.
  ///
  /// - Throws: `damaged` for what is not true of them.
  func checkStatistics(_ column: FileColumn) throws(WeirFileError) {
    guard let statistics = try statistics([column])[0] else { return }
    let index = KeyIndex(column, rowCount: rowCount)
    let batches = WeirFileBatches(self, [column], rows: 0..<0, batchRows: 1)
    var keyCount = 0
    for (page, said) in zip(column.descriptor.pages, statistics.pages) {
      let rows = page.firstRow..<page.firstRow + page.rowCount
      let array = ColumnEncoder.plain(try batches.decode(rows).columns[0])
      let found = PageMeasure.of(array)
      guard said.isTrue(of: found, column.field.type) else {
        throw WeirFileError(
          .damaged, "the page's statistics are not those of its values", column: column.field.name,
          row: page.firstRow, position: column.entry.statistics.offset)
      }
      keyCount += array.length - found.nullCount
      guard statistics.filter.count > 0, KeyHash.isSupported(column.field.type) else { continue }
      var missing: Int?
      KeyHash.forRows(array) { row, hash in
        if missing == nil, !SplitBlockBloomFilter.mayContain(hash, in: statistics.filter) {
          missing = row
        }
      }
      if let missing {
        throw WeirFileError(
          .damaged, "the bloom filter denies the value of row \(page.firstRow + missing)",
          column: column.field.name, position: column.entry.statistics.offset)
      }
    }
    guard let index, index.count != keyCount else { return }
    throw WeirFileError(
      .damaged, "the key index has \(index.count) rows; \(keyCount) have values",
      column: column.field.name)
  }
}

extension PageStatistics {
  /// Whether they may be said of a page for which `found` was measured. Bounds of byte strings may
  /// be cut in other ways and are not compared.
  fileprivate func isTrue(of found: PageStatistics, _ type: DataType) -> Bool {
    guard nullCount == found.nullCount, nanCount == nil || nanCount == found.nanCount else {
      return false
    }
    guard let bounds, let own = found.bounds,
      let lower = Self.scalar(bounds.lower, type), let upper = Self.scalar(bounds.upper, type),
      let least = Self.scalar(own.lower, type), let most = Self.scalar(own.upper, type)
    else { return true }
    if case .binary = lower { return true }
    return Scalar.order(lower, least) ?? 0 <= 0 && Scalar.order(most, upper) ?? 0 <= 0
  }
}
