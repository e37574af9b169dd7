// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Verifies one column chunk: first its pages, then its values against its statistics.
final class ChunkCheck {
  private let reader: ParquetReader
  private let info: ColumnInfo
  private let rowGroup: Int
  private let chunk: ColumnChunk
  private var offsets: OffsetIndex?
  private var index: ColumnIndex?
  private var bloomFilter: Buffer?
  /// The first row whose value the bloom filter denies.
  private var deniedRow: Int?

  /// What the values say.
  private var bounds: ValueBounds?
  private var nullCount = 0
  private var pageBounds: [ValueBounds?] = []
  private var pageNulls: [Int] = []
  /// Rows of the row group that came so far.
  private var rows = 0

  init(_ reader: ParquetReader, _ info: ColumnInfo, rowGroup: Int) {
    self.reader = reader
    self.info = info
    self.rowGroup = rowGroup
    chunk = reader.metadata.rowGroups[rowGroup].columns[info.index]
  }

  private var rowCount: Int { reader.metadata.rowGroups[rowGroup].rowCount }

  /// A column of the table itself: one entry per row, one value or null per entry.
  private var isFlat: Bool { !info.isRepeated && !info.path.contains(".") }

  private func problem(
    _ message: String, page: Int? = nil, position: Int? = nil
  ) -> ParquetError {
    ParquetError(
      .damaged, message, file: reader.name, column: info.path, rowGroup: rowGroup, page: page,
      position: position)
  }

  // MARK: pages

  /// False when the pages are damaged, so that decoding them would tell nothing new.
  func walk(_ result: inout ParquetVerification) -> Bool {
    let before = result.problems.count + result.furtherProblemCount
    var dataPages: [PageInfo] = []
    var entries = 0
    do throws(ParquetError) {
      let walk = try reader.pages(rowGroup: rowGroup, column: info, checksums: true)
      while let page = try walk.next() {
        result.pageCount += 1
        switch page.checksum {
        case .absent, .notChecked: break
        case .matches: result.checksumCount += 1
        case .fails:
          result.checksumCount += 1
          result.add(
            problem(
              "the page's checksum does not match its bytes"
                + (page.index == nil ? " (it is the dictionary page)" : ""),
              page: page.index, position: page.position))
        }
        if page.index != nil {
          entries += page.valueCount
          dataPages.append(page)
        }
      }
      if entries != chunk.metaData.valueCount {
        result.add(
          problem(
            "the pages hold \(entries) values, the footer says \(chunk.metaData.valueCount)"))
      }
      let isSound = result.problems.count + result.furtherProblemCount == before
      try checkIndex(dataPages, &result)
      bloomFilter = try PageIndexes.bloomFilter(of: chunk, reader: reader)
      return isSound
    } catch {
      result.add(error.adding(file: reader.name, column: info.path, rowGroup: rowGroup))
      return false
    }
  }

  private func checkIndex(
    _ pages: [PageInfo], _ result: inout ParquetVerification
  ) throws(ParquetError) {
    let found = try reader.pageIndex(rowGroup: rowGroup, column: info.index)
    if let offsets = found.offsets {
      guard offsets.pages.count == pages.count else {
        return result.add(
          problem(
            "the offset index lists \(offsets.pages.count) pages, the chunk has \(pages.count)",
            position: chunk.offsetIndexOffset))
      }
      var isRight = true
      var entriesBefore = 0
      for (number, (listed, page)) in zip(offsets.pages, pages).enumerated() {
        if listed.offset != page.position || listed.compressedByteCount != page.byteCount {
          isRight = false
          result.add(
            problem(
              "the offset index places the page at byte \(listed.offset) with "
                + "\(listed.compressedByteCount) bytes; it has \(page.byteCount)",
              page: number, position: page.position))
        }
        if isFlat && listed.firstRow != entriesBefore {
          isRight = false
          result.add(
            problem(
              "the offset index says that the page begins with row \(listed.firstRow); it is "
                + "row \(entriesBefore)", page: number, position: page.position))
        }
        entriesBefore += page.valueCount
      }
      if isRight { self.offsets = offsets }
    }
    guard let index = found.columns else { return }
    let count = pages.count
    guard index.nullPages.count == count, index.minValues.count == count,
      index.maxValues.count == count, index.nullCounts.map({ $0.count == count }) ?? true
    else {
      return result.add(
        problem(
          "the column index lists \(index.nullPages.count) pages, the chunk has \(count)",
          position: chunk.columnIndexOffset))
    }
    self.index = index
    checkOrder(index, &result)
    if offsets != nil && isFlat {
      pageBounds = Array(repeating: nil, count: count)
      pageNulls = Array(repeating: 0, count: count)
    }
  }

  /// The order of the pages' bounds that the column index promises.
  private func checkOrder(_ index: ColumnIndex, _ result: inout ParquetVerification) {
    guard index.boundaryOrder != .unordered, info.hasStoredUnit else { return }
    var last: (low: Bound, high: Bound)?
    for page in index.nullPages.indices where !index.nullPages[page] {
      guard let low = bound(index.minValues[page]), let high = bound(index.maxValues[page]) else {
        continue
      }
      if let last {
        let falls = Bound.isLess(low, last.low) || Bound.isLess(high, last.high)
        let rises = Bound.isLess(last.low, low) || Bound.isLess(last.high, high)
        if index.boundaryOrder == .ascending ? falls : rises {
          result.add(
            problem(
              "the column index promises \(index.boundaryOrder) pages, this one breaks the order",
              page: page, position: chunk.columnIndexOffset))
          return
        }
      }
      last = (low, high)
    }
  }

  private func bound(_ bytes: [UInt8]) -> Bound? {
    var type = info.type
    if case .dictionary(_, let value, _) = type { type = value }
    return Bound(statistic: bytes, leaf: info.leaf, type: type)
  }

  // MARK: values

  /// Takes the column's next values.
  func add(_ array: ArrayData) {
    nullCount += array.nullCount
    if let bloomFilter, deniedRow == nil {
      deniedRow = BloomFilterCheck.firstMissing(
        array, bloomFilter, physicalType: info.physicalType
      ).map { $0 + rows }
    }
    defer { rows += array.length }
    if pageBounds.isEmpty {
      merge(valueBounds(array))
    } else if let pages = offsets?.pages {
      addByPage(array, pages)
    }
  }

  /// Values in another unit than the statistics' cannot be compared with them.
  private func valueBounds(_ array: ArrayData) -> ValueBounds? {
    info.hasStoredUnit ? ValueBounds.of(array) : nil
  }

  private func addByPage(_ array: ArrayData, _ pages: [OffsetIndex.PageLocation]) {
    var start = 0
    while start < array.length {
      let row = rows + start
      let page = (pages.firstIndex { $0.firstRow > row } ?? pages.count) - 1
      let end = page + 1 < pages.count ? pages[page + 1].firstRow : rowCount
      let part = array.slice(offset: start, length: min(array.length - start, max(1, end - row)))
      let found = valueBounds(part)
      merge(found)
      if page >= 0 {
        pageNulls[page] += part.nullCount
        if let found {
          if pageBounds[page] == nil {
            pageBounds[page] = found
          } else {
            pageBounds[page]?.merge(found)
          }
        }
      }
      start += part.length
    }
  }

  private func merge(_ found: ValueBounds?) {
    guard let found else { return }
    if bounds == nil { bounds = found } else { bounds?.merge(found) }
  }

  /// Compares what the values say with what the file says.
  func finish(_ result: inout ParquetVerification) {
    if bloomFilter != nil {
      result.statisticsCount += 1
      if let deniedRow {
        result.add(
          problem(
            "the bloom filter denies a value that is there (entry \(deniedRow) of the chunk)",
            position: chunk.metaData.bloomFilterOffset))
      }
    }
    if let statistics = chunk.metaData.statistics {
      result.statisticsCount += 1
      if isFlat, let stated = statistics.nullCount, stated >= 0, stated != nullCount {
        result.add(
          problem("the statistics say \(stated) nulls, the column chunk has \(nullCount)"))
      }
      check(bounds, low: statistics.min, high: statistics.max, "the statistics", nil, &result)
    }
    guard let index, !pageBounds.isEmpty else { return }
    for page in pageBounds.indices {
      result.statisticsCount += 1
      // Some writers say -1 where they do not know.
      if let stated = index.nullCounts?[page], stated >= 0, stated != pageNulls[page] {
        result.add(
          problem(
            "the column index says \(stated) nulls, the page has \(pageNulls[page])", page: page,
            position: offsets?.pages[page].offset))
      }
      if index.nullPages[page] {
        if pageBounds[page] != nil {
          result.add(
            problem("the column index says that the page is all null; it is not", page: page))
        }
        continue
      }
      check(
        pageBounds[page], low: index.minValues[page], high: index.maxValues[page],
        "the column index", page, &result)
    }
  }

  private func check(
    _ found: ValueBounds?, low: [UInt8]?, high: [UInt8]?, _ what: String, _ page: Int?,
    _ result: inout ParquetVerification
  ) {
    guard let found else { return }
    let position = page.flatMap { offsets?.pages[$0].offset }
    if let stated = low.flatMap(bound), Bound.isLess(found.low, stated) {
      result.add(
        problem(
          "\(what) says that no value is below \(text(stated)); \(text(found.low)) is",
          page: page, position: position))
    }
    // A cut upper bound was raised by its writer, so that it still holds.
    if let stated = high.flatMap(bound), Bound.isLess(stated, found.high) {
      result.add(
        problem(
          "\(what) says that no value is above \(text(stated)); \(text(found.high)) is",
          page: page, position: position))
    }
  }

  private func text(_ bound: Bound) -> String {
    switch bound {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .bytes(let bytes): "\"\(String(decoding: bytes.prefix(40), as: UTF8.self))\""
    }
  }
}
