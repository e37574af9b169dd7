// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A column, or a field of a nested struct.
public struct TableField: Hashable, Sendable, CustomStringConvertible {
  /// Stays the same when the field is renamed or moved; unique in its table for ever.
  public var id: Int32
  public var name: String
  public var required: Bool
  public var type: TableType
  public var doc: String?
  /// What rows hold that were written before the field was added (v3).
  public var initialDefault: Scalar?
  /// What a writer puts where its caller says nothing (v3).
  public var writeDefault: Scalar?
  /// Members of the JSON that this version does not know.
  public var extra: JSONObject

  public init(
    _ id: Int32, _ name: String, _ type: TableType, required: Bool = false, doc: String? = nil,
    initialDefault: Scalar? = nil, writeDefault: Scalar? = nil, extra: JSONObject = JSONObject()
  ) {
    self.id = id
    self.name = name
    self.type = type
    self.required = required
    self.doc = doc
    self.initialDefault = initialDefault
    self.writeDefault = writeDefault
    self.extra = extra
  }

  public var description: String {
    "\(id): \(name): \(required ? "required" : "optional") \(type)"
  }
}

/// Fields of a struct, in order.
public struct StructType: Hashable, Sendable {
  public var fields: [TableField]
  public var extra: JSONObject

  public init(_ fields: [TableField], extra: JSONObject = JSONObject()) {
    self.fields = fields
    self.extra = extra
  }
}

/// A list; its elements have a field id of their own.
public struct ListType: Hashable, Sendable {
  public var elementID: Int32
  public var elementRequired: Bool
  public var element: TableType
  public var extra: JSONObject

  public init(
    elementID: Int32, element: TableType, elementRequired: Bool = false,
    extra: JSONObject = JSONObject()
  ) {
    self.elementID = elementID
    self.elementRequired = elementRequired
    self.element = element
    self.extra = extra
  }

  /// The element as a field called `element`.
  public var elementField: TableField {
    TableField(elementID, "element", element, required: elementRequired)
  }
}

/// A map; keys are never null.
public struct MapType: Hashable, Sendable {
  public var keyID: Int32
  public var key: TableType
  public var valueID: Int32
  public var valueRequired: Bool
  public var value: TableType
  public var extra: JSONObject

  public init(
    keyID: Int32, key: TableType, valueID: Int32, value: TableType, valueRequired: Bool = false,
    extra: JSONObject = JSONObject()
  ) {
    self.keyID = keyID
    self.key = key
    self.valueID = valueID
    self.valueRequired = valueRequired
    self.value = value
    self.extra = extra
  }

  /// The keys as a required field called `key`.
  public var keyField: TableField { TableField(keyID, "key", key, required: true) }

  /// The values as a field called `value`.
  public var valueField: TableField {
    TableField(valueID, "value", value, required: valueRequired)
  }
}

extension TableType {
  /// The fields directly within: a struct's, a list's `element`, a map's `key` and `value`.
  public var childFields: [TableField] {
    switch self {
    case .struct(let type): type.fields
    case .list(let type): [type.elementField]
    case .map(let type): [type.keyField, type.valueField]
    default: []
    }
  }
}
