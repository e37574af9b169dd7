// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet

/// What a footer says, summed over the row groups.
struct FileSummary {
  struct Column {
    var info: ColumnInfo
    var codecs: [CompressionCodec] = []
    var encodings: [Encoding] = []
    /// Entries, nulls and empty lists included.
    var values = 0
    /// `nil` where a row group does not say.
    var nulls: Int? = 0
    var compressedBytes = 0
    var uncompressedBytes = 0
    var hasBloomFilter = false
    var hasPageIndex = true
    private var minimum: Scalar?
    private var maximum: Scalar?
    /// Some row group states no bounds: the others' are not the file's.
    private var hasUnknownBounds = false

    init(_ info: ColumnInfo) { self.info = info }

    /// The file's bounds, when all row groups state theirs.
    var bounds: (low: Scalar, high: Scalar)? {
      guard !hasUnknownBounds, let minimum, let maximum else { return nil }
      return (minimum, maximum)
    }

    fileprivate mutating func add(_ chunk: ColumnChunk) {
      let data = chunk.metaData
      if !codecs.contains(data.codec) { codecs.append(data.codec) }
      for encoding in data.encodings where !encodings.contains(encoding) {
        encodings.append(encoding)
      }
      values += data.valueCount
      if let sum = nulls, let more = data.statistics?.nullCount {
        nulls = sum + more
      } else {
        nulls = nil
      }
      compressedBytes += data.totalCompressedSize
      uncompressedBytes += data.totalUncompressedSize
      hasBloomFilter = hasBloomFilter || data.bloomFilterOffset != nil
      hasPageIndex =
        hasPageIndex && chunk.columnIndexOffset != nil && chunk.offsetIndexOffset != nil
      addBounds(data)
    }

    private mutating func addBounds(_ data: ColumnMetaData) {
      let low = data.statistics?.min.flatMap(info.value(ofStatistic:))
      let high = data.statistics?.max.flatMap(info.value(ofStatistic:))
      // A chunk of nulls alone has no bounds and moves none.
      if low == nil && data.statistics?.nullCount == data.valueCount { return }
      guard let low, let high else {
        hasUnknownBounds = true
        return
      }
      minimum = minimum.map { ScalarOrder.isLess(low, $0) ? low : $0 } ?? low
      maximum = maximum.map { ScalarOrder.isLess($0, high) ? high : $0 } ?? high
    }
  }

  var byteCount: Int
  var columns: [Column]

  init(_ reader: ParquetReader, columns: [ColumnInfo], byteCount: Int) {
    self.byteCount = byteCount
    self.columns = columns.map { info in
      var column = Column(info)
      for group in reader.metadata.rowGroups { column.add(group.columns[info.index]) }
      return column
    }
  }
}

/// The order of statistics of one column.
enum ScalarOrder {
  static func isLess(_ a: Scalar, _ b: Scalar) -> Bool {
    switch (a, b) {
    case (.bool(let a), .bool(let b)): !a && b
    case (.int(let a), .int(let b)): a < b
    case (.uint(let a), .uint(let b)): a < b
    case (.float16(let a), .float16(let b)): a < b
    case (.float32(let a), .float32(let b)): a < b
    case (.float64(let a), .float64(let b)): a < b
    case (.decimal(let a, _), .decimal(let b, _)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    case (.binary(let a), .binary(let b)): a.lexicographicallyPrecedes(b)
    default: false
    }
  }
}
