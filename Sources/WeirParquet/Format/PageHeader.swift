// SPDX-License-Identifier: Apache-2.0

/// The header in front of every page.
public struct PageHeader: Sendable {
  /// Of data pages of version 1.
  public struct DataPage: Sendable {
    public var valueCount: Int
    public var encoding: Encoding
    public var definitionLevelEncoding: Encoding
    public var repetitionLevelEncoding: Encoding
    public var statistics: Statistics?

    public init(
      valueCount: Int, encoding: Encoding, definitionLevelEncoding: Encoding = .rle,
      repetitionLevelEncoding: Encoding = .rle, statistics: Statistics? = nil
    ) {
      self.valueCount = valueCount
      self.encoding = encoding
      self.definitionLevelEncoding = definitionLevelEncoding
      self.repetitionLevelEncoding = repetitionLevelEncoding
      self.statistics = statistics
    }
  }

  /// Of data pages of version 2, whose levels are never compressed.
  public struct DataPageV2: Sendable {
    public var valueCount: Int
    public var nullCount: Int
    public var rowCount: Int
    public var encoding: Encoding
    public var definitionLevelsByteCount: Int
    public var repetitionLevelsByteCount: Int
    public var isCompressed: Bool
    public var statistics: Statistics?

    public init(
      valueCount: Int, nullCount: Int, rowCount: Int, encoding: Encoding,
      definitionLevelsByteCount: Int, repetitionLevelsByteCount: Int, isCompressed: Bool = true,
      statistics: Statistics? = nil
    ) {
      self.valueCount = valueCount
      self.nullCount = nullCount
      self.rowCount = rowCount
      self.encoding = encoding
      self.definitionLevelsByteCount = definitionLevelsByteCount
      self.repetitionLevelsByteCount = repetitionLevelsByteCount
      self.isCompressed = isCompressed
      self.statistics = statistics
    }
  }

  /// Of the dictionary in front of a chunk's data pages.
  public struct DictionaryPage: Sendable {
    public var valueCount: Int
    public var encoding: Encoding
    public var isSorted: Bool?

    public init(valueCount: Int, encoding: Encoding, isSorted: Bool? = nil) {
      self.valueCount = valueCount
      self.encoding = encoding
      self.isSorted = isSorted
    }
  }

  /// What kind of page it is, with that kind's own part of the header.
  public enum Kind: Sendable {
    case data(DataPage)
    case dataV2(DataPageV2)
    case dictionary(DictionaryPage)
    /// Index pages and types of later versions: to be passed over.
    case other(Int32)
  }

  public var kind: Kind
  public var uncompressedByteCount: Int
  public var compressedByteCount: Int
  /// CRC-32 (the gzip polynomial) of the page's bytes as stored.
  public var crc: UInt32?

  public init(
    kind: Kind, uncompressedByteCount: Int, compressedByteCount: Int, crc: UInt32? = nil
  ) {
    self.kind = kind
    self.uncompressedByteCount = uncompressedByteCount
    self.compressedByteCount = compressedByteCount
    self.crc = crc
  }

  package init(_ reader: inout ThriftReader) throws(ParquetError) {
    var rawType: Int32?
    var uncompressed: Int?
    var compressed: Int?
    var crc: UInt32?
    var data: DataPage?
    var dataV2: DataPageV2?
    var dictionary: DictionaryPage?
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): rawType = try reader.int32()
      case (2, .i32): uncompressed = try reader.size32()
      case (3, .i32): compressed = try reader.size32()
      case (4, .i32): crc = UInt32(bitPattern: try reader.int32())
      case (5, .structure): data = try DataPage(&reader)
      case (7, .structure): dictionary = try DictionaryPage(&reader)
      case (8, .structure): dataV2 = try DataPageV2(&reader)
      default: return false
      }
      return true
    }
    guard let rawType, let uncompressed, let compressed else {
      throw reader.damaged("a page header has no type or no size")
    }
    switch PageType(rawValue: rawType) {
    case .dataPage:
      guard let data else { throw reader.damaged("a data page has no data page header") }
      kind = .data(data)
    case .dataPageV2:
      guard let dataV2 else { throw reader.damaged("a v2 data page has no v2 header") }
      kind = .dataV2(dataV2)
    case .dictionaryPage:
      guard let dictionary else { throw reader.damaged("a dictionary page has no header") }
      kind = .dictionary(dictionary)
    default: kind = .other(rawType)
    }
    self.uncompressedByteCount = uncompressed
    self.compressedByteCount = compressed
    self.crc = crc
  }

  package func encoded() -> [UInt8] {
    var writer = ThriftWriter()
    writer.nested {
      let type: Int32 =
        switch kind {
        case .data: PageType.dataPage.rawValue
        case .dataV2: PageType.dataPageV2.rawValue
        case .dictionary: PageType.dictionaryPage.rawValue
        case .other(let raw): raw
        }
      $0.int32(1, type)
      $0.int32(2, Int32(uncompressedByteCount))
      $0.int32(3, Int32(compressedByteCount))
      $0.int32(4, crc.map { Int32(bitPattern: $0) })
      switch kind {
      case .data(let page): $0.structure(5) { page.write(&$0) }
      case .dictionary(let page): $0.structure(7) { page.write(&$0) }
      case .dataV2(let page): $0.structure(8) { page.write(&$0) }
      case .other: break
      }
    }
    return writer.bytes
  }
}

extension PageHeader.DataPage {
  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = PageHeader.DataPage(valueCount: 0, encoding: .plain)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): value.valueCount = try reader.size32()
      case (2, .i32): value.encoding = Encoding(rawValue: try reader.int32())
      case (3, .i32): value.definitionLevelEncoding = Encoding(rawValue: try reader.int32())
      case (4, .i32): value.repetitionLevelEncoding = Encoding(rawValue: try reader.int32())
      case (5, .structure): value.statistics = try Statistics(&reader)
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, Int32(valueCount))
    writer.int32(2, encoding.rawValue)
    writer.int32(3, definitionLevelEncoding.rawValue)
    writer.int32(4, repetitionLevelEncoding.rawValue)
    if let statistics { writer.structure(5) { statistics.write(&$0) } }
  }
}

extension PageHeader.DataPageV2 {
  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = PageHeader.DataPageV2(
      valueCount: 0, nullCount: 0, rowCount: 0, encoding: .plain, definitionLevelsByteCount: 0,
      repetitionLevelsByteCount: 0)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): value.valueCount = try reader.size32()
      case (2, .i32): value.nullCount = try reader.size32()
      case (3, .i32): value.rowCount = try reader.size32()
      case (4, .i32): value.encoding = Encoding(rawValue: try reader.int32())
      case (5, .i32): value.definitionLevelsByteCount = try reader.size32()
      case (6, .i32): value.repetitionLevelsByteCount = try reader.size32()
      case (7, .boolTrue), (7, .boolFalse): value.isCompressed = reader.bool(type)
      case (8, .structure): value.statistics = try Statistics(&reader)
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, Int32(valueCount))
    writer.int32(2, Int32(nullCount))
    writer.int32(3, Int32(rowCount))
    writer.int32(4, encoding.rawValue)
    writer.int32(5, Int32(definitionLevelsByteCount))
    writer.int32(6, Int32(repetitionLevelsByteCount))
    writer.bool(7, isCompressed)
    if let statistics { writer.structure(8) { statistics.write(&$0) } }
  }
}

extension PageHeader.DictionaryPage {
  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = PageHeader.DictionaryPage(valueCount: 0, encoding: .plain)
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): value.valueCount = try reader.size32()
      case (2, .i32): value.encoding = Encoding(rawValue: try reader.int32())
      case (3, .boolTrue), (3, .boolFalse): value.isSorted = reader.bool(type)
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, Int32(valueCount))
    writer.int32(2, encoding.rawValue)
    writer.bool(3, isSorted)
  }
}
