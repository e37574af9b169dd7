// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension TableSchema: JSONConvertible {
  private static let known: JSONObject.Known = [
    "type", "schema-id", "identifier-field-ids", "fields",
  ]

  /// Iceberg, appendix C. The schema's rules (ids, names) are checked by `validate`.
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    if let type = try object.optionalString("type"), type != "struct" {
      throw JSONError(.invalidValue, "a schema must be a struct, is \(type)").inside("type")
    }
    self.init(
      try object.array("fields") { value throws(JSONError) in try TableField(json: value) },
      schemaID: try object.optionalID("schema-id") ?? 0,
      identifierFieldIDs: try object.optionalArray("identifier-field-ids") {
        value throws(JSONError) in try value.asInt32()
      } ?? [],
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = ["type": "struct", "schema-id": .int(Int64(schemaID))]
    if !identifierFieldIDs.isEmpty {
      object["identifier-field-ids"] = .array(identifierFieldIDs.map { .int(Int64($0)) })
    }
    object["fields"] = .array(fields.map { $0.json() })
    object.merge(extra)
    return .object(object)
  }
}

extension TableField: JSONConvertible {
  private static let known: JSONObject.Known = [
    "id", "name", "required", "type", "doc", "initial-default", "write-default",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let type = try object.required("type") { value throws(JSONError) in try TableType(json: value) }
    self.init(
      try object.int32("id"), try object.string("name"), type,
      required: try object.bool("required"), doc: try object.optionalString("doc"),
      initialDefault: try object.optional("initial-default") { value throws(JSONError) in
        try Scalar(json: value, type)
      },
      writeDefault: try object.optional("write-default") { value throws(JSONError) in
        try Scalar(json: value, type)
      },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "id": .int(Int64(id)), "name": .string(name), "required": .bool(required),
      "type": type.json(),
    ]
    object.set("doc", doc.map { .string($0) })
    object.set("initial-default", initialDefault.map { $0.json(type) })
    object.set("write-default", writeDefault.map { $0.json(type) })
    object.merge(extra)
    return .object(object)
  }
}

extension TableType: JSONConvertible {
  private static let structMembers: JSONObject.Known = ["type", "fields"]
  private static let listMembers: JSONObject.Known = [
    "type", "element-id", "element-required", "element",
  ]
  private static let mapMembers: JSONObject.Known = [
    "type", "key-id", "key", "value-id", "value-required", "value",
  ]

  public init(json: JSONValue) throws(JSONError) {
    if case .string(let name) = json {
      guard let type = TableType(named: name) else {
        throw JSONError(.unsupported, "no type '\(name)' is known")
      }
      self = type
      return
    }
    let object = try json.asObject()
    let kind = try object.string("type")
    switch kind {
    case "struct":
      self = .struct(
        StructType(
          try object.array("fields") { value throws(JSONError) in try TableField(json: value) },
          extra: object.members(besides: Self.structMembers)))
    case "list":
      self = .list(
        ListType(
          elementID: try object.int32("element-id"),
          element: try object.required("element") { value throws(JSONError) in
            try TableType(json: value)
          },
          elementRequired: try object.bool("element-required"),
          extra: object.members(besides: Self.listMembers)))
    case "map":
      self = .map(
        MapType(
          keyID: try object.int32("key-id"),
          key: try object.required("key") { value throws(JSONError) in try TableType(json: value) },
          valueID: try object.int32("value-id"),
          value: try object.required("value") { value throws(JSONError) in
            try TableType(json: value)
          },
          valueRequired: try object.bool("value-required"),
          extra: object.members(besides: Self.mapMembers)))
    default:
      throw JSONError(.unsupported, "no nested type '\(kind)' is known").inside("type")
    }
  }

  public func json() -> JSONValue {
    switch self {
    case .struct(let type):
      var object: JSONObject = [
        "type": "struct", "fields": .array(type.fields.map { $0.json() }),
      ]
      object.merge(type.extra)
      return .object(object)
    case .list(let type):
      var object: JSONObject = [
        "type": "list", "element-id": .int(Int64(type.elementID)), "element": type.element.json(),
        "element-required": .bool(type.elementRequired),
      ]
      object.merge(type.extra)
      return .object(object)
    case .map(let type):
      var object: JSONObject = [
        "type": "map", "key-id": .int(Int64(type.keyID)), "key": type.key.json(),
        "value-id": .int(Int64(type.valueID)), "value": type.value.json(),
        "value-required": .bool(type.valueRequired),
      ]
      object.merge(type.extra)
      return .object(object)
    default: return .string(description)
    }
  }
}
