// SPDX-License-Identifier: Apache-2.0

/// Order of a column within a row group.
public struct SortingColumn: Hashable, Sendable {
  /// Number of the leaf column.
  public var columnIndex: Int32
  public var descending: Bool
  public var nullsFirst: Bool
  public init(columnIndex: Int32, descending: Bool, nullsFirst: Bool) {
    self.columnIndex = columnIndex
    self.descending = descending
    self.nullsFirst = nullsFirst
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = SortingColumn(columnIndex: 0, descending: false, nullsFirst: false)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): value.columnIndex = try reader.int32()
      case (2, _): value.descending = reader.bool(type)
      case (3, _): value.nullsFirst = reader.bool(type)
      default: return false
      }
      return id > 1 ? type == .boolTrue || type == .boolFalse : true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, columnIndex)
    writer.bool(2, descending)
    writer.bool(3, nullsFirst)
  }
}

/// Some rows of a file: one chunk for each leaf column, in the schema's order.
public struct RowGroupMetaData: Sendable {
  public var columns: [ColumnChunk]
  public var totalByteSize: Int
  public var rowCount: Int
  public var sortingColumns: [SortingColumn]
  public var fileOffset: Int?
  public var totalCompressedSize: Int?
  public var ordinal: Int16?

  public init(
    columns: [ColumnChunk], totalByteSize: Int, rowCount: Int, sortingColumns: [SortingColumn] = [],
    fileOffset: Int? = nil, totalCompressedSize: Int? = nil, ordinal: Int16? = nil
  ) {
    self.columns = columns
    self.totalByteSize = totalByteSize
    self.rowCount = rowCount
    self.sortingColumns = sortingColumns
    self.fileOffset = fileOffset
    self.totalCompressedSize = totalCompressedSize
    self.ordinal = ordinal
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = RowGroupMetaData(columns: [], totalByteSize: 0, rowCount: 0)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .list):
        value.columns = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          try ColumnChunk(&reader)
        }
      case (2, .i64): value.totalByteSize = Int(try reader.int64())
      case (3, .i64): value.rowCount = try reader.size()
      case (4, .list):
        value.sortingColumns = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          try SortingColumn(&reader)
        }
      case (5, .i64): value.fileOffset = Int(try reader.int64())
      case (6, .i64): value.totalCompressedSize = Int(try reader.int64())
      case (7, .i16): value.ordinal = Int16(truncatingIfNeeded: try reader.int64())
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.structures(1, columns) { $0.write(&$1) }
    writer.int64(2, totalByteSize)
    writer.int64(3, rowCount)
    writer.structures(4, sortingColumns.isEmpty ? nil : sortingColumns) { $0.write(&$1) }
    writer.int64(5, fileOffset)
    writer.int64(6, totalCompressedSize)
    writer.int16(7, ordinal)
  }
}

/// One column of one row group: where it is and what is known of it.
public struct ColumnChunk: Sendable {
  /// Another file that holds the data; not supported.
  public var filePath: String?
  public var fileOffset: Int
  public var metaData: ColumnMetaData
  public var offsetIndexOffset: Int?
  public var offsetIndexLength: Int?
  public var columnIndexOffset: Int?
  public var columnIndexLength: Int?
  /// The chunk is encrypted; reading it is an error.
  public var isEncrypted: Bool

  public init(fileOffset: Int = 0, metaData: ColumnMetaData) {
    self.fileOffset = fileOffset
    self.metaData = metaData
    self.isEncrypted = false
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = ColumnChunk(metaData: ColumnMetaData())
    var hasMetaData = false
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .binary): value.filePath = try reader.string()
      case (2, .i64): value.fileOffset = Int(try reader.int64())
      case (3, .structure):
        value.metaData = try ColumnMetaData(&reader)
        hasMetaData = true
      case (4, .i64): value.offsetIndexOffset = try reader.size()
      case (5, .i32): value.offsetIndexLength = try reader.size32()
      case (6, .i64): value.columnIndexOffset = try reader.size()
      case (7, .i32): value.columnIndexLength = try reader.size32()
      case (8, _), (9, _):
        value.isEncrypted = true
        return false
      default: return false
      }
      return true
    }
    guard hasMetaData || value.isEncrypted else {
      throw reader.damaged("a column chunk has no metadata")
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.string(1, filePath)
    writer.int64(2, fileOffset)
    writer.structure(3) { metaData.write(&$0) }
    writer.int64(4, offsetIndexOffset)
    writer.int32(5, offsetIndexLength.map { Int32($0) })
    writer.int64(6, columnIndexOffset)
    writer.int32(7, columnIndexLength.map { Int32($0) })
  }
}

/// How many pages of a type have an encoding.
public struct PageEncodingStats: Hashable, Sendable {
  public var pageType: PageType
  public var encoding: Encoding
  public var count: Int32
  public init(pageType: PageType, encoding: Encoding, count: Int32) {
    self.pageType = pageType
    self.encoding = encoding
    self.count = count
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = PageEncodingStats(pageType: .dataPage, encoding: .plain, count: 0)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      guard type == .i32 else { return false }
      switch id {
      case 1: value.pageType = PageType(rawValue: try reader.int32()) ?? .indexPage
      case 2: value.encoding = Encoding(rawValue: try reader.int32())
      case 3: value.count = try reader.int32()
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, pageType.rawValue)
    writer.int32(2, encoding.rawValue)
    writer.int32(3, count)
  }
}
