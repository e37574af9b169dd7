// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The statistics of a column's pages, and its bloom filter (section 6 of the specification).
struct ColumnStatistics: Sendable, Equatable {
  var pages: [PageStatistics] = []
  /// A split-block bloom filter of the column's values; empty for none.
  var filter = Buffer()

  private static let headByteCount = 8

  static func == (a: ColumnStatistics, b: ColumnStatistics) -> Bool {
    a.pages == b.pages && a.filter.array(of: UInt8.self) == b.filter.array(of: UInt8.self)
  }

  func encoded() -> Buffer {
    let out = MutableBuffer(
      capacity: 2 * Self.headByteCount + pages.count * PageStatistics.recordByteCount + filter.count
    )
    out.put(UInt32(pages.count))
    out.put(UInt32(0))
    for page in pages { page.encode(into: out) }
    out.put(UInt32(filter.count))
    out.put(UInt32(0))
    out.append(filter)
    return out.finish()
  }

  init(pages: [PageStatistics] = [], filter: Buffer = Buffer()) {
    self.pages = pages
    self.filter = filter
  }

  init(_ bytes: Buffer, _ descriptor: ColumnDescriptor) throws(WeirFileError) {
    let count = descriptor.pages.count
    let end = Self.headByteCount + count * PageStatistics.recordByteCount
    guard bytes.count >= end + Self.headByteCount,
      Int(bytes.number(UInt32.self, at: 0)) == count
    else { throw .damaged("statistics of \(bytes.count) bytes for \(count) pages") }
    pages.reserveCapacity(count)
    for (index, page) in descriptor.pages.enumerated() {
      pages.append(
        try PageStatistics(
          bytes, at: Self.headByteCount + index * PageStatistics.recordByteCount,
          rowCount: page.rowCount))
    }
    let size = Int(bytes.number(UInt32.self, at: end))
    guard size == bytes.count - end - Self.headByteCount,
      size % SplitBlockBloomFilter.blockByteCount == 0
    else { throw .damaged("a key index of \(size) bytes") }
    filter = bytes.slice(offset: end + Self.headByteCount, count: size)
  }

  /// What the pages, of that many rows each, say together of the column's values.
  static func metrics(
    _ pages: [PageStatistics], rowCounts: [Int], _ type: DataType
  ) -> ColumnMetrics {
    var nulls = 0
    var nans: Int? = 0
    var hasBounds = PageStatistics.hasBounds(type)
    var (lower, upper): (Scalar?, Scalar?)
    for (page, rows) in zip(pages, rowCounts) {
      nulls += page.nullCount
      nans = page.nanCount.flatMap { count in nans.map { $0 + count } }
      if !hasBounds || page.nullCount + (page.nanCount ?? 0) == rows { continue }
      guard let bounds = page.bounds, let low = PageStatistics.scalar(bounds.lower, type),
        let high = PageStatistics.scalar(bounds.upper, type)
      else {
        hasBounds = false
        continue
      }
      if lower.map({ Scalar.order(low, $0) ?? 0 < 0 }) ?? true { lower = low }
      if upper.map({ Scalar.order(high, $0) ?? 0 > 0 }) ?? true { upper = high }
    }
    return ColumnMetrics(
      lower: hasBounds ? lower : nil, upper: hasBounds ? upper : nil, nullCount: Int64(nulls),
      nanCount: type.isFloatingPoint ? nans.map(Int64.init) : nil,
      valueCount: Int64(rowCounts.reduce(0, +)))
  }
}
