// SPDX-License-Identifier: Apache-2.0

/// Bounds of each page of a column chunk.
public struct ColumnIndex: Sendable {
  /// Pages that hold only nulls; their bounds mean nothing.
  public var nullPages: [Bool]
  public var minValues: [[UInt8]]
  public var maxValues: [[UInt8]]
  public var boundaryOrder: BoundaryOrder
  public var nullCounts: [Int]?
  public var repetitionLevelHistograms: [Int]?
  public var definitionLevelHistograms: [Int]?

  public init(
    nullPages: [Bool], minValues: [[UInt8]], maxValues: [[UInt8]], boundaryOrder: BoundaryOrder,
    nullCounts: [Int]? = nil, repetitionLevelHistograms: [Int]? = nil,
    definitionLevelHistograms: [Int]? = nil
  ) {
    self.nullPages = nullPages
    self.minValues = minValues
    self.maxValues = maxValues
    self.boundaryOrder = boundaryOrder
    self.nullCounts = nullCounts
    self.repetitionLevelHistograms = repetitionLevelHistograms
    self.definitionLevelHistograms = definitionLevelHistograms
  }

  package init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = ColumnIndex(nullPages: [], minValues: [], maxValues: [], boundaryOrder: .unordered)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .list): value.nullPages = try reader.boolList()
      case (2, .list): value.minValues = try Self.binaries(&reader)
      case (3, .list): value.maxValues = try Self.binaries(&reader)
      case (4, .i32):
        value.boundaryOrder = BoundaryOrder(rawValue: try reader.int32()) ?? .unordered
      case (5, .list): value.nullCounts = try reader.int64List()
      case (6, .list): value.repetitionLevelHistograms = try reader.int64List()
      case (7, .list): value.definitionLevelHistograms = try reader.int64List()
      default: return false
      }
      return true
    }
    let pages = value.nullPages.count
    guard value.minValues.count == pages, value.maxValues.count == pages,
      (value.nullCounts?.count ?? pages) == pages
    else { throw reader.damaged("the column index's lists have different lengths") }
    self = value
  }

  private static func binaries(_ reader: inout ThriftReader) throws(ParquetError) -> [[UInt8]] {
    try reader.list(of: .binary) { (reader) throws(ParquetError) in try reader.binary() }
  }

  package func encoded() -> [UInt8] {
    var writer = ThriftWriter()
    writer.nested {
      $0.bools(1, nullPages)
      $0.binaries(2, minValues)
      $0.binaries(3, maxValues)
      $0.int32(4, boundaryOrder.rawValue)
      $0.int64s(5, nullCounts)
      $0.int64s(6, repetitionLevelHistograms)
      $0.int64s(7, definitionLevelHistograms)
    }
    return writer.bytes
  }
}

/// Where each data page of a column chunk is.
public struct OffsetIndex: Sendable {
  /// One page: where it is and which row it starts with.
  public struct PageLocation: Hashable, Sendable {
    public var offset: Int
    /// Bytes, the page header included.
    public var compressedByteCount: Int
    /// First row of the page within the row group.
    public var firstRow: Int

    public init(offset: Int, compressedByteCount: Int, firstRow: Int) {
      self.offset = offset
      self.compressedByteCount = compressedByteCount
      self.firstRow = firstRow
    }
  }

  public var pages: [PageLocation]
  public var unencodedByteArrayBytes: [Int]?

  public init(pages: [PageLocation], unencodedByteArrayBytes: [Int]? = nil) {
    self.pages = pages
    self.unencodedByteArrayBytes = unencodedByteArrayBytes
  }

  package init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = OffsetIndex(pages: [])
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .list):
        value.pages = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          var page = PageLocation(offset: 0, compressedByteCount: 0, firstRow: 0)
          try reader.structure { (reader, id, type) throws(ParquetError) in
            switch (id, type) {
            case (1, .i64): page.offset = try reader.size()
            case (2, .i32): page.compressedByteCount = try reader.size32()
            case (3, .i64): page.firstRow = try reader.size()
            default: return false
            }
            return true
          }
          return page
        }
      case (2, .list): value.unencodedByteArrayBytes = try reader.int64List()
      default: return false
      }
      return true
    }
    self = value
  }

  package func encoded() -> [UInt8] {
    var writer = ThriftWriter()
    writer.nested {
      $0.structures(1, pages) { page, writer in
        writer.int64(1, page.offset)
        writer.int32(2, Int32(page.compressedByteCount))
        writer.int64(3, page.firstRow)
      }
      $0.int64s(2, unencodedByteArrayBytes)
    }
    return writer.bytes
  }
}

/// The header in front of a split-block bloom filter's bits. Only the one algorithm (split block),
/// hash (XXH64) and compression (none) that the specification defines are accepted.
public struct BloomFilterHeader: Sendable {
  public var byteCount: Int
  public init(byteCount: Int) { self.byteCount = byteCount }

  package init(_ reader: inout ThriftReader) throws(ParquetError) {
    var byteCount: Int?
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): byteCount = try reader.size32()
      case (2, .structure), (3, .structure), (4, .structure):
        try reader.structure { (reader, choice, _) throws(ParquetError) in
          guard choice == 1 else {
            throw ParquetError(.unsupported, "the bloom filter uses an unknown algorithm or hash")
          }
          return false
        }
      default: return false
      }
      return true
    }
    guard let byteCount else { throw reader.damaged("a bloom filter's header has no size") }
    self.byteCount = byteCount
  }

  package func encoded() -> [UInt8] {
    var writer = ThriftWriter()
    writer.nested {
      $0.int32(1, Int32(byteCount))
      $0.structure(2) { $0.structure(1) { _ in } }
      $0.structure(3) { $0.structure(1) { _ in } }
      $0.structure(4) { $0.structure(1) { _ in } }
    }
    return writer.bytes
  }
}
