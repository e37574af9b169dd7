// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Field ids for data files that have none, by column names (Iceberg, "Column Projection"; the table
/// property `schema.name-mapping.default`).
public struct NameMapping: Hashable, Sendable {
  public static let property = "schema.name-mapping.default"

  /// The names of one field and of those within it.
  public struct Entry: Hashable, Sendable {
    public var names: [String]
    /// `nil`: a column of files that the table does not have.
    public var fieldID: Int32?
    public var fields: [Entry]
    public var extra: JSONObject

    public init(
      names: [String], fieldID: Int32?, fields: [Entry] = [], extra: JSONObject = JSONObject()
    ) {
      self.names = names
      self.fieldID = fieldID
      self.fields = fields
      self.extra = extra
    }
  }

  public var entries: [Entry]

  public init(_ entries: [Entry]) { self.entries = entries }

  /// Every field by its present name.
  public init(_ schema: TableSchema) { entries = Self.entries(schema.fields) }

  private static func entries(_ fields: [TableField]) -> [Entry] {
    fields.map {
      Entry(names: [$0.name], fieldID: $0.id, fields: entries($0.type.childFields))
    }
  }

  /// Arrow fields with ids by this mapping; those that have one keep it, those not in the mapping
  /// have none. A list's item is `element` and a map's children are `key` and `value`, whatever the
  /// file calls them.
  public func assigningIDs(_ fields: [Field]) -> [Field] {
    fields.map { Self.assign($0, in: entries, as: $0.name) }
  }

  private static func assign(_ field: Field, in entries: [Entry], as name: String) -> Field {
    guard let entry = entries.first(where: { $0.names.contains(name) }) else { return field }
    var result = field
    result.id = field.id ?? entry.fieldID
    func child(_ field: Field, _ name: String) -> Field {
      assign(field, in: entry.fields, as: name)
    }
    switch field.type {
    case .struct(let fields): result.type = .struct(fields.map { child($0, $0.name) })
    case .list(let item): result.type = .list(child(item, "element"))
    case .largeList(let item): result.type = .largeList(child(item, "element"))
    case .fixedSizeList(let item, let size):
      result.type = .fixedSizeList(child(item, "element"), size: size)
    case .map(var entries, let sorted):
      let children = entries.type.children
      if children.count == 2 {
        entries.type = .struct([child(children[0], "key"), child(children[1], "value")])
        result.type = .map(entries: entries, keysSorted: sorted)
      }
    default: break
    }
    return result
  }

  /// The mapping after a change of schema: fields also get their new names, new fields are added,
  /// and a name that now means another field is taken from its former one.
  public func updated(for schema: TableSchema) -> NameMapping {
    NameMapping(Self.merged(entries, schema.fields))
  }

  private static func merged(_ entries: [Entry], _ fields: [TableField]) -> [Entry] {
    var result = entries
    for field in fields {
      for index in result.indices where result[index].fieldID != field.id {
        result[index].names.removeAll { $0 == field.name }
      }
      if let index = result.firstIndex(where: { $0.fieldID == field.id }) {
        if !result[index].names.contains(field.name) { result[index].names.append(field.name) }
        result[index].fields = merged(result[index].fields, field.type.childFields)
      } else {
        result.append(
          Entry(
            names: [field.name], fieldID: field.id, fields: Self.entries(field.type.childFields)))
      }
    }
    return result
  }
}

extension NameMapping: JSONConvertible {
  /// Reads the property's text.
  public init(parsing text: String) throws(TableError) {
    do {
      self = try NameMapping(json: try JSONValue(parsing: text))
    } catch {
      throw TableError(
        .damaged, "the property \(Self.property) cannot be used: \(error.description)")
    }
  }

  public init(json: JSONValue) throws(JSONError) {
    entries = try json.asArray { value throws(JSONError) in try Entry(json: value) }
    try Self.checkNames(entries)
  }

  /// A name that means two fields is an error.
  private static func checkNames(_ entries: [Entry]) throws(JSONError) {
    var seen: Set<String> = []
    for entry in entries {
      for name in entry.names where !seen.insert(name).inserted {
        throw JSONError(.invalidValue, "the name '\(name)' is mapped twice")
      }
      try checkNames(entry.fields)
    }
  }

  public func json() -> JSONValue { .array(entries.map { $0.json() }) }
}

extension NameMapping.Entry: JSONConvertible {
  private static let known: JSONObject.Known = ["names", "field-id", "fields"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      names: try object.array("names") { value throws(JSONError) in try value.asString() },
      fieldID: try object.optionalInt32("field-id"),
      fields: try object.optionalArray("fields") { value throws(JSONError) in
        try NameMapping.Entry(json: value)
      } ?? [],
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [:]
    object.set("field-id", fieldID.map { .int(Int64($0)) })
    object["names"] = .array(names.map { .string($0) })
    if !fields.isEmpty { object["fields"] = .array(fields.map { $0.json() }) }
    object.merge(extra)
    return .object(object)
  }
}
