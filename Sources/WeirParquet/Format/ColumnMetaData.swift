// SPDX-License-Identifier: Apache-2.0

/// How a column chunk is stored and where its pages start; offsets count from the file's start.
public struct ColumnMetaData: Sendable {
  public var type: PhysicalType
  public var encodings: [Encoding]
  public var path: [String]
  public var codec: CompressionCodec
  /// Values, nulls and empty lists included.
  public var valueCount: Int
  /// Bytes, page headers included.
  public var totalUncompressedSize: Int
  /// Bytes, page headers included.
  public var totalCompressedSize: Int
  public var keyValues: [KeyValue]
  public var dataPageOffset: Int
  public var indexPageOffset: Int?
  public var dictionaryPageOffset: Int?
  public var statistics: Statistics?
  public var encodingStats: [PageEncodingStats]
  public var bloomFilterOffset: Int?
  public var bloomFilterLength: Int?
  public var sizeStatistics: SizeStatistics?

  public init(
    type: PhysicalType = .boolean, encodings: [Encoding] = [], path: [String] = [],
    codec: CompressionCodec = .uncompressed, valueCount: Int = 0, totalUncompressedSize: Int = 0,
    totalCompressedSize: Int = 0, dataPageOffset: Int = 0
  ) {
    self.type = type
    self.encodings = encodings
    self.path = path
    self.codec = codec
    self.valueCount = valueCount
    self.totalUncompressedSize = totalUncompressedSize
    self.totalCompressedSize = totalCompressedSize
    self.keyValues = []
    self.dataPageOffset = dataPageOffset
    self.encodingStats = []
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = ColumnMetaData()
    var seen = 0
    try reader.structure { (reader, id, type) throws(ParquetError) in
      if id < Int.bitWidth - 1 { seen |= 1 << id }
      switch (id, type) {
      case (1, .i32):
        let raw = try reader.int32()
        guard let known = PhysicalType(rawValue: raw) else {
          throw reader.damaged("unknown physical type \(raw)")
        }
        value.type = known
      case (2, .list):
        value.encodings = try reader.list(of: .i32) { (reader) throws(ParquetError) in
          Encoding(rawValue: try reader.int32())
        }
      case (3, .list):
        value.path = try reader.list(of: .binary) { (reader) throws(ParquetError) in
          try reader.string()
        }
      case (4, .i32): value.codec = CompressionCodec(rawValue: try reader.int32())
      case (5, .i64): value.valueCount = try reader.size()
      case (6, .i64): value.totalUncompressedSize = try reader.size()
      case (7, .i64): value.totalCompressedSize = try reader.size()
      case (8, .list):
        value.keyValues = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          try KeyValue(&reader)
        }
      default: return try value.readTail(&reader, id, type)
      }
      return true
    }
    // Type, codec, number of values, compressed size and position.
    let needed = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9
    guard seen & needed == needed else {
      throw reader.damaged("a column chunk's metadata lacks a field that every chunk has")
    }
    self = value
  }

  private mutating func readTail(
    _ reader: inout ThriftReader, _ id: Int, _ type: ThriftType
  ) throws(ParquetError) -> Bool {
    switch (id, type) {
    case (9, .i64): dataPageOffset = try reader.size()
    case (10, .i64): indexPageOffset = Int(try reader.int64())
    case (11, .i64): dictionaryPageOffset = try reader.size()
    case (12, .structure): statistics = try Statistics(&reader)
    case (13, .list):
      encodingStats = try reader.list(of: .structure) { (reader) throws(ParquetError) in
        try PageEncodingStats(&reader)
      }
    case (14, .i64): bloomFilterOffset = try reader.size()
    case (15, .i32): bloomFilterLength = try reader.size32()
    case (16, .structure): sizeStatistics = try SizeStatistics(&reader)
    default: return false
    }
    return true
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, type.rawValue)
    writer.int32s(2, encodings.map(\.rawValue))
    writer.strings(3, path)
    writer.int32(4, codec.rawValue)
    writer.int64(5, valueCount)
    writer.int64(6, totalUncompressedSize)
    writer.int64(7, totalCompressedSize)
    writer.structures(8, keyValues.isEmpty ? nil : keyValues) { $0.write(&$1) }
    writer.int64(9, dataPageOffset)
    writer.int64(10, indexPageOffset)
    writer.int64(11, dictionaryPageOffset)
    if let statistics { writer.structure(12) { statistics.write(&$0) } }
    writer.structures(13, encodingStats.isEmpty ? nil : encodingStats) { $0.write(&$1) }
    writer.int64(14, bloomFilterOffset)
    writer.int32(15, bloomFilterLength.map { Int32($0) })
    if let sizeStatistics { writer.structure(16) { sizeStatistics.write(&$0) } }
  }
}

/// Minimum, maximum and counts of a column chunk or a page; the bounds are PLAIN-encoded without the
/// length in front of byte arrays.
public struct Statistics: Hashable, Sendable {
  /// Old fields, compared as signed bytes: to be trusted for signed numbers only.
  public var deprecatedMax: [UInt8]?
  public var deprecatedMin: [UInt8]?
  public var nullCount: Int?
  public var distinctCount: Int?
  public var max: [UInt8]?
  public var min: [UInt8]?
  /// False when the bound was cut short and only bounds.
  public var isMaxExact: Bool?
  public var isMinExact: Bool?

  public init(
    min: [UInt8]? = nil, max: [UInt8]? = nil, nullCount: Int? = nil, distinctCount: Int? = nil,
    isMinExact: Bool? = nil, isMaxExact: Bool? = nil
  ) {
    self.min = min
    self.max = max
    self.nullCount = nullCount
    self.distinctCount = distinctCount
    self.isMinExact = isMinExact
    self.isMaxExact = isMaxExact
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = Statistics()
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .binary): value.deprecatedMax = try reader.binary()
      case (2, .binary): value.deprecatedMin = try reader.binary()
      case (3, .i64): value.nullCount = Int(try reader.int64())
      case (4, .i64): value.distinctCount = Int(try reader.int64())
      case (5, .binary): value.max = try reader.binary()
      case (6, .binary): value.min = try reader.binary()
      case (7, .boolTrue), (7, .boolFalse): value.isMaxExact = reader.bool(type)
      case (8, .boolTrue), (8, .boolFalse): value.isMinExact = reader.bool(type)
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.binary(1, deprecatedMax)
    writer.binary(2, deprecatedMin)
    writer.int64(3, nullCount)
    writer.int64(4, distinctCount)
    writer.binary(5, max)
    writer.binary(6, min)
    writer.bool(7, isMaxExact)
    writer.bool(8, isMinExact)
  }
}

/// What a column takes in memory, for planning.
public struct SizeStatistics: Hashable, Sendable {
  public var unencodedByteArrayBytes: Int?
  public var repetitionLevelHistogram: [Int]?
  public var definitionLevelHistogram: [Int]?

  public init(
    unencodedByteArrayBytes: Int? = nil, repetitionLevelHistogram: [Int]? = nil,
    definitionLevelHistogram: [Int]? = nil
  ) {
    self.unencodedByteArrayBytes = unencodedByteArrayBytes
    self.repetitionLevelHistogram = repetitionLevelHistogram
    self.definitionLevelHistogram = definitionLevelHistogram
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = SizeStatistics()
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i64): value.unencodedByteArrayBytes = Int(try reader.int64())
      case (2, .list): value.repetitionLevelHistogram = try reader.int64List()
      case (3, .list): value.definitionLevelHistogram = try reader.int64List()
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int64(1, unencodedByteArrayBytes)
    writer.int64s(2, repetitionLevelHistogram)
    writer.int64s(3, definitionLevelHistogram)
  }
}
