// SPDX-License-Identifier: Apache-2.0

/// A key with an optional value in a file's or a column chunk's metadata.
public struct KeyValue: Hashable, Sendable {
  public var key: String
  public var value: String?
  public init(key: String, value: String?) {
    self.key = key
    self.value = value
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    var key = ""
    var value: String?
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .binary): key = try reader.string()
      case (2, .binary): value = try reader.string()
      default: return false
      }
      return true
    }
    self.init(key: key, value: value)
  }

  func write(_ writer: inout ThriftWriter) {
    writer.string(1, key)
    writer.string(2, value)
  }
}

/// One node of the schema, in depth-first order.
public struct SchemaElement: Hashable, Sendable {
  /// `nil` for groups.
  public var type: PhysicalType?
  /// Bytes of a fixed-length byte array.
  public var typeLength: Int32?
  /// `nil` for the root.
  public var repetition: Repetition?
  public var name: String
  public var childCount: Int32?
  public var convertedType: ConvertedType?
  public var scale: Int32?
  public var precision: Int32?
  public var fieldID: Int32?
  public var logicalType: LogicalType?

  public init(
    name: String, type: PhysicalType? = nil, typeLength: Int32? = nil,
    repetition: Repetition? = nil, childCount: Int32? = nil, convertedType: ConvertedType? = nil,
    scale: Int32? = nil, precision: Int32? = nil, fieldID: Int32? = nil,
    logicalType: LogicalType? = nil
  ) {
    self.name = name
    self.type = type
    self.typeLength = typeLength
    self.repetition = repetition
    self.childCount = childCount
    self.convertedType = convertedType
    self.scale = scale
    self.precision = precision
    self.fieldID = fieldID
    self.logicalType = logicalType
  }

  init(_ reader: inout ThriftReader) throws(ParquetError) {
    self.init(name: "")
    var value = self
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32):
        let raw = try reader.int32()
        guard let known = PhysicalType(rawValue: raw) else {
          throw reader.damaged("unknown physical type \(raw)")
        }
        value.type = known
      case (2, .i32): value.typeLength = try reader.int32()
      case (3, .i32):
        let raw = try reader.int32()
        guard let known = Repetition(rawValue: raw) else {
          throw reader.damaged("unknown repetition \(raw)")
        }
        value.repetition = known
      case (4, .binary): value.name = try reader.string()
      case (5, .i32): value.childCount = try reader.int32()
      case (6, .i32): value.convertedType = ConvertedType(rawValue: try reader.int32())
      case (7, .i32): value.scale = try reader.int32()
      case (8, .i32): value.precision = try reader.int32()
      case (9, .i32): value.fieldID = try reader.int32()
      case (10, .structure): value.logicalType = try LogicalType(&reader)
      default: return false
      }
      return true
    }
    self = value
  }

  func write(_ writer: inout ThriftWriter) {
    writer.int32(1, type?.rawValue)
    writer.int32(2, typeLength)
    writer.int32(3, repetition?.rawValue)
    writer.string(4, name)
    writer.int32(5, childCount)
    writer.int32(6, convertedType?.rawValue)
    writer.int32(7, scale)
    writer.int32(8, precision)
    writer.int32(9, fieldID)
    if let logicalType { writer.structure(10) { logicalType.write(&$0) } }
  }
}

/// The footer of a file.
public struct FileMetaData: Sendable {
  public var version: Int32
  public var schema: [SchemaElement]
  public var rowCount: Int
  public var rowGroups: [RowGroupMetaData]
  public var keyValues: [KeyValue]
  public var createdBy: String?
  /// One a leaf: true when its statistics follow the order of its type, false for an order that this
  /// version does not know; empty when the file says nothing.
  public var hasTypeDefinedOrder: [Bool]

  public init(
    version: Int32, schema: [SchemaElement], rowCount: Int, rowGroups: [RowGroupMetaData],
    keyValues: [KeyValue] = [], createdBy: String? = nil, hasTypeDefinedOrder: [Bool] = []
  ) {
    self.version = version
    self.schema = schema
    self.rowCount = rowCount
    self.rowGroups = rowGroups
    self.keyValues = keyValues
    self.createdBy = createdBy
    self.hasTypeDefinedOrder = hasTypeDefinedOrder
  }

  package init(_ reader: inout ThriftReader) throws(ParquetError) {
    var value = FileMetaData(version: 0, schema: [], rowCount: 0, rowGroups: [])
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch (id, type) {
      case (1, .i32): value.version = try reader.int32()
      case (2, .list):
        value.schema = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          try SchemaElement(&reader)
        }
      case (3, .i64): value.rowCount = try reader.size()
      case (4, .list):
        value.rowGroups = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          try RowGroupMetaData(&reader)
        }
      case (5, .list):
        value.keyValues = try reader.list(of: .structure) { (reader) throws(ParquetError) in
          try KeyValue(&reader)
        }
      case (6, .binary): value.createdBy = try reader.string()
      case (7, .list):
        value.hasTypeDefinedOrder = try reader.list(of: .structure) {
          (reader) throws(ParquetError) in
          var typeDefined = false
          try reader.structure { (_, id, _) throws(ParquetError) in
            typeDefined = id == 1
            return false
          }
          return typeDefined
        }
      default: return false
      }
      return true
    }
    self = value
  }

  package func encoded() -> [UInt8] {
    var writer = ThriftWriter()
    writer.nested {
      $0.int32(1, version)
      $0.structures(2, schema) { $0.write(&$1) }
      $0.int64(3, rowCount)
      $0.structures(4, rowGroups) { $0.write(&$1) }
      $0.structures(5, keyValues.isEmpty ? nil : keyValues) { $0.write(&$1) }
      $0.string(6, createdBy)
      $0.structures(7, hasTypeDefinedOrder.isEmpty ? nil : hasTypeDefinedOrder) { _, writer in
        writer.structure(1) { _ in }
      }
    }
    return writer.bytes
  }
}
