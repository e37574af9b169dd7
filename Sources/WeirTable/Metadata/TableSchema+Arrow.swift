// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension TableType {
  /// The Arrow type that values of this type are read into. Variant, geometry and geography give
  /// `binary`, but their data is refused by readers.
  public var arrowType: DataType {
    switch self {
    case .boolean: .bool
    case .int: .int32
    case .long: .int64
    case .float: .float32
    case .double: .float64
    case .decimal(let precision, let scale): .decimal128(precision: precision, scale: scale)
    case .date: .date32
    case .time: .time64(.microsecond)
    case .timestamp: .timestamp(.microsecond, timeZone: nil)
    case .timestamptz: .timestamp(.microsecond, timeZone: "UTC")
    case .timestampNs: .timestamp(.nanosecond, timeZone: nil)
    case .timestamptzNs: .timestamp(.nanosecond, timeZone: "UTC")
    case .string: .utf8
    case .uuid: .fixedSizeBinary(16)
    case .fixed(let size): .fixedSizeBinary(size)
    case .binary, .variant, .geometry, .geography: .binary
    case .unknown: .null
    case .struct(let type): .struct(type.fields.map(\.arrowField))
    case .list(let type): .list(type.elementField.arrowField)
    case .map(let type):
      .map(
        entries: Field(
          "entries", .struct([type.keyField.arrowField, type.valueField.arrowField]),
          nullable: false),
        keysSorted: false)
    }
  }
}

extension TableField {
  /// Metadata by which Arrow implementations tell a UUID from other 16 bytes.
  static let uuidMetadata: Metadata = [
    "ARROW:extension:name": "arrow.uuid", "ARROW:extension:metadata": "",
  ]

  /// The column in Arrow, with its id. UUIDs carry Arrow's extension name `arrow.uuid`.
  public var arrowField: Field {
    Field(
      name, type.arrowType, nullable: !required, id: id,
      metadata: type == .uuid ? Self.uuidMetadata : Metadata())
  }
}

extension TableSchema {
  /// The columns in Arrow, with their ids.
  public func arrowSchema() -> Schema { Schema(fields.map(\.arrowField)) }

  /// A schema for data of an Arrow schema, with fresh field ids from 1 on, level by level.
  ///
  /// Small integers become `int`, `uint32` `long`; times and timestamps in seconds or milliseconds
  /// become microseconds; dictionaries become their values; fixed-size lists become lists.
  /// - Throws: `unsupported` for what Iceberg has no type for (`uint64`, durations, `date64`), or not
  ///   in this format version, with the column's name and the remedy.
  public init(arrow: Schema, formatVersion: Int = 3, schemaID: Int = 0) throws(TableError) {
    // Ids are placeholders at first, so that they can be given level by level.
    var fields: [TableField] = []
    for field in arrow.fields {
      fields.append(try TableField(arrow: field, path: field.name, formatVersion))
    }
    self = TableSchema(fields, schemaID: schemaID).assigningFreshIDs().schema
  }

  /// The same columns with the ids 1, 2, … as the reference implementation gives them: all fields of
  /// a level before those within them. Identifier fields follow.
  ///
  /// - Returns: the schema, and the new id of every old one (when the old ones were unique).
  public func assigningFreshIDs(
    after lastID: Int32 = 0
  ) -> (schema: TableSchema, newIDs: [Int32: Int32]) {
    var assigner = FreshIDs(next: lastID &+ 1)
    let fresh = assigner.assign(fields)
    let schema = TableSchema(
      fresh, schemaID: schemaID,
      identifierFieldIDs: identifierFieldIDs.compactMap { assigner.newIDs[$0] }, extra: extra)
    return (schema, assigner.newIDs)
  }
}

/// Gives fields new ids, level by level.
struct FreshIDs {
  var next: Int32
  var newIDs: [Int32: Int32] = [:]

  mutating func take(_ old: Int32) -> Int32 {
    let id = next
    // Past the last id they are negative, which `validate` refuses.
    next &+= 1
    newIDs[old] = id
    return id
  }

  mutating func assign(_ fields: [TableField]) -> [TableField] {
    var result = fields
    for index in result.indices { result[index].id = take(result[index].id) }
    for index in result.indices { result[index].type = assign(result[index].type) }
    return result
  }

  mutating func assign(_ type: TableType) -> TableType {
    switch type {
    case .struct(var type):
      type.fields = assign(type.fields)
      return .struct(type)
    case .list(var type):
      type.elementID = take(type.elementID)
      type.element = assign(type.element)
      return .list(type)
    case .map(var type):
      type.keyID = take(type.keyID)
      type.valueID = take(type.valueID)
      type.key = assign(type.key)
      type.value = assign(type.value)
      return .map(type)
    default: return type
    }
  }
}

extension TableField {
  /// A field for an Arrow field, with id 0 throughout.
  init(arrow field: Field, path: String, _ formatVersion: Int) throws(TableError) {
    let isUUID =
      field.type == .fixedSizeBinary(16) && field.metadata["ARROW:extension:name"] == "arrow.uuid"
    let type =
      isUUID ? .uuid : try TableType(arrow: field.type, path: path, formatVersion: formatVersion)
    self.init(0, field.name, type, required: !field.nullable)
  }
}

extension TableType {
  /// The type that holds values of an Arrow type; nested fields get id 0.
  init(arrow type: DataType, path: String, formatVersion: Int) throws(TableError) {
    func unsupported(_ remedy: String) -> TableError {
      TableError(.unsupported, "Iceberg has no type for \(type); \(remedy)", column: path)
    }
    switch type {
    case .null: self = .unknown
    case .bool: self = .boolean
    case .int8, .int16, .int32, .uint8, .uint16: self = .int
    case .int64, .uint32: self = .long
    case .uint64: throw unsupported("cast it to int64 or decimal128(20, 0)")
    case .float16, .float32: self = .float
    case .float64: self = .double
    case .decimal128(let precision, let scale):
      guard scale >= 0, scale <= precision else {
        throw unsupported("cast it to a decimal whose scale is between 0 and its precision")
      }
      self = .decimal(precision: precision, scale: scale)
    case .date32: self = .date
    case .date64: throw unsupported("cast it to date32 or to a timestamp")
    case .time32, .time64(.microsecond): self = .time
    case .time64: throw unsupported("cast it to time64[us]")
    case .timestamp(.nanosecond, let zone): self = zone == nil ? .timestampNs : .timestamptzNs
    case .timestamp(_, let zone): self = zone == nil ? .timestamp : .timestamptz
    case .duration: throw unsupported("cast it to int64")
    case .utf8, .largeUtf8: self = .string
    case .binary, .largeBinary: self = .binary
    case .fixedSizeBinary(let size): self = .fixed(size)
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _):
      let element = try TableField(arrow: item, path: path + ".element", formatVersion)
      self = .list(
        ListType(elementID: 0, element: element.type, elementRequired: element.required))
    case .struct(let fields):
      var members: [TableField] = []
      for field in fields {
        members.append(try TableField(arrow: field, path: path + "." + field.name, formatVersion))
      }
      self = .struct(StructType(members))
    case .map(let entries, _):
      guard entries.type.children.count == 2 else { throw unsupported("a map has keys and values") }
      let key = try TableField(arrow: entries.type.children[0], path: path + ".key", formatVersion)
      let value = try TableField(
        arrow: entries.type.children[1], path: path + ".value", formatVersion)
      self = .map(
        MapType(
          keyID: 0, key: key.type, valueID: 0, value: value.type, valueRequired: value.required))
    case .dictionary(_, let value, _):
      self = try TableType(arrow: value, path: path, formatVersion: formatVersion)
    }
    if formatVersionMin > formatVersion {
      let remedy =
        switch self {
        case .timestampNs, .timestamptzNs: "cast it to microseconds, or use format version 3"
        default: "leave the column out, or use format version 3"
        }
      throw TableError(
        .unsupported,
        "\(type) needs Iceberg format version 3, the table has \(formatVersion); "
          + remedy, column: path)
    }
  }
}
