// SPDX-License-Identifier: Apache-2.0

/// A schema that is being changed: fields are found by path and changed by id.
struct SchemaTree {
  private(set) var fields: [TableField]
  private(set) var identifierFieldIDs: [Int32]
  private(set) var lastColumnID: Int32
  private let schema: TableSchema
  let formatVersion: Int

  init(_ schema: TableSchema, lastColumnID: Int32, formatVersion: Int) {
    self.schema = schema
    fields = schema.fields
    identifierFieldIDs = schema.identifierFieldIDs
    self.lastColumnID = lastColumnID
    self.formatVersion = formatVersion
  }

  /// The schema as it is now.
  var current: TableSchema {
    TableSchema(
      fields, schemaID: schema.schemaID, identifierFieldIDs: identifierFieldIDs,
      extra: schema.extra)
  }

  /// The field at a dotted path; `notFound` when there is none.
  func field(_ path: String) throws(TableError) -> TableField {
    guard let field = current.field(path: path) else {
      throw TableError(
        .notFound, "there is no column '\(path)'; there are \(names(fields))", column: path)
    }
    return field
  }

  private func names(_ fields: [TableField]) -> String {
    let names = fields.prefix(20).map(\.name).joined(separator: ", ")
    return fields.count > 20 ? names + ", …" : names
  }

  /// Changes one field.
  mutating func change(
    _ id: Int32, _ body: (inout TableField) throws(TableError) -> Void
  ) throws(TableError) {
    _ = try Self.change(id, &fields, body)
  }

  private static func change(
    _ id: Int32, _ fields: inout [TableField], _ body: (inout TableField) throws(TableError) -> Void
  ) throws(TableError) -> Bool {
    for index in fields.indices {
      if fields[index].id == id {
        try body(&fields[index])
        return true
      }
      if try change(id, &fields[index].type, body) { return true }
    }
    return false
  }

  private static func change(
    _ id: Int32, _ type: inout TableType, _ body: (inout TableField) throws(TableError) -> Void
  ) throws(TableError) -> Bool {
    switch type {
    case .struct(var inner):
      guard try change(id, &inner.fields, body) else { return false }
      type = .struct(inner)
    case .list(var inner):
      var children = [inner.elementField]
      guard try change(id, &children, body) else { return false }
      inner.element = children[0].type
      inner.elementRequired = children[0].required
      type = .list(inner)
    case .map(var inner):
      var children = [inner.keyField, inner.valueField]
      guard try change(id, &children, body) else { return false }
      guard children[0] == inner.keyField else {
        throw TableError(.invalidArgument, "the keys of a map cannot be changed")
      }
      inner.value = children[1].type
      inner.valueRequired = children[1].required
      type = .map(inner)
    default: return false
    }
    return true
  }

  /// Changes the fields of the struct `parent` (the element or value of a list or map of structs; the
  /// columns themselves when `nil`).
  mutating func changeFields(
    of parent: Int32?, _ body: (inout [TableField]) throws(TableError) -> Void
  ) throws(TableError) {
    guard let parent else {
      try body(&fields)
      return
    }
    try change(parent) { field throws(TableError) in
      guard case .struct(var inner) = field.type else {
        throw TableError(
          .invalidArgument, "'\(field.name)' is a \(field.type) and has no fields of its own")
      }
      try body(&inner.fields)
      field.type = .struct(inner)
    }
  }

  /// The struct that new fields under `path` go to: that of the column, or of the elements or values
  /// of a list or map.
  func structID(_ path: String) throws(TableError) -> Int32 {
    let field = try field(path)
    switch field.type {
    case .list(let type) where type.element.isStruct: return type.elementID
    case .map(let type) where type.value.isStruct: return type.valueID
    default: return field.id
    }
  }

  func parentID(of id: Int32) -> Int32? { current.parentID(ofFieldID: id) }

  mutating func setIdentifiers(_ ids: [Int32]) { identifierFieldIDs = ids }

  /// The field with new ids throughout.
  mutating func withFreshIDs(_ field: TableField) throws(TableError) -> TableField {
    guard lastColumnID < Int32.max - 1_000_000 else {
      throw TableError(.limit, "the table has no column ids left")
    }
    var assigner = FreshIDs(next: lastColumnID + 1)
    let fresh = assigner.assign([field])[0]
    lastColumnID = assigner.next - 1
    return fresh
  }
}

extension TableType {
  var isStruct: Bool { if case .struct = self { true } else { false } }
}
