// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Chooses columns of a table by name, and fields within them.
struct ColumnSelection {
  /// What was chosen, in the order of the names; structs hold the chosen fields only.
  private(set) var fields: [TableField]

  /// - Parameters:
  ///   - names: columns, dotted paths of fields within structs, or metadata columns; all columns of
  ///     the schema when `nil`.
  /// - Throws: `notFound` for a name that is no column.
  init(
    _ names: [String]?, schema: TableSchema, partitionType: StructType, caseSensitive: Bool
  ) throws(TableError) {
    guard let names else {
      fields = schema.fields
      return
    }
    var order: [Int32] = []
    var wanted: Set<Int32> = []
    var metadata: [Int32: TableField] = [:]
    for name in names {
      if let field = schema.field(path: name, caseSensitive: caseSensitive) {
        wanted.insert(field.id)
        var top = field.id
        while let parent = schema.parentID(ofFieldID: top) { top = parent }
        if !order.contains(top) { order.append(top) }
      } else if let column = MetadataColumn(rawValue: caseSensitive ? name : name.lowercased()) {
        let field = column.field(partitionType: partitionType)
        if metadata.updateValue(field, forKey: field.id) == nil { order.append(field.id) }
      } else {
        throw .noColumn(name, schema)
      }
    }
    fields = order.compactMap { id in
      metadata[id] ?? schema.fields.first { $0.id == id }.flatMap { Self.prune($0, wanted) }
    }
  }

  /// Adds fields of the schema by id, nested ones within their structs, behind what is there.
  mutating func add(_ ids: some Sequence<Int32>, schema: TableSchema) {
    var wanted = Set(ids)
    if wanted.isEmpty { return }
    for field in fields { Self.collect(field, into: &wanted) }
    let known = Set(fields.map(\.id))
    for index in fields.indices {
      guard let full = schema.fields.first(where: { $0.id == fields[index].id }) else { continue }
      fields[index] = Self.prune(full, wanted) ?? fields[index]
    }
    for field in schema.fields where !known.contains(field.id) {
      if let pruned = Self.prune(field, wanted) { fields.append(pruned) }
    }
  }

  /// Ids of a selection's ends: of fields without fields below them.
  private static func collect(_ field: TableField, into ids: inout Set<Int32>) {
    let children = field.type.childFields
    if children.isEmpty { ids.insert(field.id) }
    for child in children { collect(child, into: &ids) }
  }

  /// The field with those below it that are wanted; `nil` without any. Maps are kept whole.
  private static func prune(_ field: TableField, _ wanted: Set<Int32>) -> TableField? {
    if wanted.contains(field.id) { return field }
    var result = field
    switch field.type {
    case .struct(var type):
      type.fields = type.fields.compactMap { prune($0, wanted) }
      if type.fields.isEmpty { return nil }
      result.type = .struct(type)
    case .list(var type):
      guard let element = prune(type.elementField, wanted) else { return nil }
      type.element = element.type
      result.type = .list(type)
    case .map(let type):
      guard prune(type.keyField, wanted) != nil || prune(type.valueField, wanted) != nil else {
        return nil
      }
    default: return nil
    }
    return result
  }
}

extension TableError {
  /// Says what may have been meant.
  static func noColumn(_ name: String, _ schema: TableSchema) -> TableError {
    let paths = schema.allPaths
    let shown = paths.prefix(20).joined(separator: ", ")
    let close = NameSuggestion.closest(to: name, paths)
    return TableError(
      .notFound,
      "there is no such column" + (close.map { "; did you mean \($0)? The" } ?? "; the")
        + " table has \(shown)"
        + (paths.count > 20 ? " and \(paths.count - 20) more" : ""), column: name)
  }
}
