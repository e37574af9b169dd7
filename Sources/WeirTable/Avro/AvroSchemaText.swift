// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Avro schemas of Iceberg types, in the form of the Java implementation.
///
/// Source: Iceberg table specification, appendix A, "Avro". Optional fields are unions with null
/// first and have the default null; maps whose keys are no strings are arrays of records with the
/// logical type `map`; names that Avro does not allow are escaped, the true name kept beside.
struct AvroSchemaText {
  /// Names that were declared. Avro wants a reference where a type comes again, which PyIceberg does
  /// not read: types that come again get another name.
  private var declared: Set<String> = []

  /// The schema of a record of these fields.
  static func record(_ name: String, _ fields: [TableField]) -> String {
    var writer = AvroSchemaText()
    return writer.record(name, fields).text
  }

  private mutating func record(_ name: String, _ fields: [TableField]) -> JSONValue {
    [
      "type": "record", "name": .string(name), "fields": .array(fields.map { field($0) }),
    ]
  }

  private mutating func field(_ field: TableField) -> JSONValue {
    let name = Self.sanitized(field.name)
    let own = type(field.type, fieldID: field.id)
    var object: JSONObject = [
      "name": .string(name), "type": field.required ? own : optional(own),
    ]
    if !field.required { object["default"] = .null }
    if name != field.name { object["iceberg-field-name"] = .string(field.name) }
    object["field-id"] = .int(Int64(field.id))
    return .object(object)
  }

  private func optional(_ type: JSONValue) -> JSONValue {
    type == "null" ? type : ["null", type]
  }

  private mutating func type(_ type: TableType, fieldID: Int32) -> JSONValue {
    switch type {
    case .boolean: return "boolean"
    case .int: return "int"
    case .long: return "long"
    case .float: return "float"
    case .double: return "double"
    case .string: return "string"
    case .binary, .geometry, .geography: return "bytes"
    case .unknown: return "null"
    case .date: return ["type": "int", "logicalType": "date"]
    case .time: return ["type": "long", "logicalType": "time-micros"]
    case .timestamp: return timestamp("timestamp-micros", adjusted: false)
    case .timestamptz: return timestamp("timestamp-micros", adjusted: true)
    case .timestampNs: return timestamp("timestamp-nanos", adjusted: false)
    case .timestamptzNs: return timestamp("timestamp-nanos", adjusted: true)
    case .uuid: return fixed("uuid_fixed", 16, ["logicalType": "uuid"], fieldID)
    case .fixed(let count): return fixed("fixed_\(count)", count, [:], fieldID)
    case .decimal(let precision, let scale):
      return fixed(
        "decimal_\(precision)_\(scale)", SingleValue.decimalByteCount(precision: precision),
        [
          "logicalType": "decimal", "precision": .int(Int64(precision)),
          "scale": .int(Int64(scale)),
        ], fieldID)
    case .variant:
      return [
        "type": "record", "name": .string("r\(fieldID)"),
        "fields": [
          ["name": "metadata", "type": "bytes"], ["name": "value", "type": "bytes"],
        ], "logicalType": "variant",
      ]
    case .struct(let structure): return record("r\(fieldID)", structure.fields)
    case .list(let list):
      let element = self.type(list.element, fieldID: list.elementID)
      return [
        "type": "array", "items": list.elementRequired ? element : optional(element),
        "element-id": .int(Int64(list.elementID)),
      ]
    case .map(let map): return mapping(map)
    }
  }

  private mutating func mapping(_ map: MapType) -> JSONValue {
    if map.key == .string {
      let own = type(map.value, fieldID: map.valueID)
      return [
        "type": "map", "values": map.valueRequired ? own : optional(own),
        "key-id": .int(Int64(map.keyID)), "value-id": .int(Int64(map.valueID)),
      ]
    }
    let item = record(
      "k\(map.keyID)_v\(map.valueID)",
      [
        TableField(map.keyID, "key", map.key, required: true),
        TableField(map.valueID, "value", map.value, required: map.valueRequired),
      ])
    return ["type": "array", "items": item, "logicalType": "map"]
  }

  private func timestamp(_ logicalType: JSONValue, adjusted: Bool) -> JSONValue {
    ["type": "long", "logicalType": logicalType, "adjust-to-utc": .bool(adjusted)]
  }

  private mutating func fixed(
    _ name: String, _ count: Int, _ more: JSONObject, _ fieldID: Int32
  ) -> JSONValue {
    let name = declared.insert(name).inserted ? name : "\(name)_\(fieldID)"
    var object: JSONObject = [
      "type": "fixed", "name": .string(name), "size": .int(Int64(count)),
    ]
    object.merge(more)
    return .object(object)
  }

  /// A name that Avro allows: letters, digits and `_`, no digit first. A leading digit gets `_` before
  /// it; another character becomes `_x` and its UTF-16 code units in hexadecimal.
  static func sanitized(_ name: String) -> String {
    var result = ""
    for (index, scalar) in name.unicodeScalars.enumerated() {
      // Java looks at UTF-16 units one by one, and half a character is no letter.
      let isBasic = scalar.value < 0x1_0000
      let isDigit = isBasic && scalar.properties.generalCategory == .decimalNumber
      if (isBasic && scalar.properties.generalCategory.isLetter) || scalar == "_"
        || (isDigit && index > 0)
      {
        result.unicodeScalars.append(scalar)
      } else if isDigit {
        result += "_"
        result.unicodeScalars.append(scalar)
      } else {
        for unit in UTF16.encode(scalar)! {
          result += "_x" + String(unit, radix: 16, uppercase: true)
        }
      }
    }
    return result
  }
}

extension Unicode.GeneralCategory {
  fileprivate var isLetter: Bool {
    switch self {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }
}
