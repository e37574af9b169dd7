// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Changes of a table's columns. They are made in the order in which they are asked for, each on what
/// those before it have made; names are dotted paths (`address.city`, `tags.element`).
///
/// No data is rewritten: columns are known by their ids. Only changes that leave all data readable
/// are allowed. When somebody else changes the schema first, the changes are made on theirs, if they
/// still can be.
public final class UpdateSchema: TransactionStep {
  /// Where a column moves to, among the fields of its struct.
  public enum Position: Sendable, Hashable {
    case first
    /// By their names, not paths.
    case before(String)
    case after(String)
  }

  private typealias Change = (inout SchemaTree) throws(TableError) -> Void
  private var list: [Change] = []

  private func add(_ change: @escaping Change) -> Self {
    list.append(change)
    return self
  }

  /// Adds a column at the end, or a field in the struct `parent` (also the elements of a list or the
  /// values of a map of structs).
  ///
  /// - Parameters:
  ///   - type: ids within are given anew.
  ///   - required: needs `defaultValue` (v3), for the rows that are there.
  ///   - defaultValue: what the rows that are there hold, and what writers put where nothing is said.
  @discardableResult
  public func addColumn(
    _ name: String, _ type: TableType, in parent: String? = nil, required: Bool = false,
    doc: String? = nil, defaultValue: Scalar? = nil
  ) -> Self {
    add { tree throws(TableError) in
      if required && (defaultValue == nil || defaultValue!.isNull) {
        throw TableError(
          .invalidArgument,
          "a required column needs a default for the rows that are there; add it as optional, or "
            + "give one (format version 3)", column: name)
      }
      let parentID: Int32? = if let parent { try tree.structID(parent) } else { nil }
      let field = try tree.withFreshIDs(
        TableField(
          0, name, type, required: required, doc: doc, initialDefault: defaultValue,
          writeDefault: defaultValue))
      try tree.changeFields(of: parentID) { fields throws(TableError) in
        guard !fields.contains(where: { $0.name == name }) else {
          throw TableError(
            .alreadyExists, "a column of this name is already there", column: name)
        }
        fields.append(field)
      }
    }
  }

  /// Removes a column, with all within. Its data stays in the files and is not read any more.
  @discardableResult
  public func dropColumn(_ path: String) -> Self {
    add { tree throws(TableError) in
      let field = try tree.field(path)
      if tree.identifierFieldIDs.contains(where: { id in
        id == field.id || TableSchema([field]).allFieldIDs.contains(id)
      }) {
        throw TableError(
          .invalidArgument,
          "the column identifies rows; take it out of the identifier columns first", column: path)
      }
      let parent = tree.parentID(of: field.id)
      try tree.changeFields(of: parent) { fields throws(TableError) in
        fields.removeAll { $0.id == field.id }
        if fields.isEmpty {
          throw TableError(.invalidArgument, "the last field cannot be dropped", column: path)
        }
      }
    }
  }

  /// - Parameter name: the new last name, not a path; dots are part of it.
  @discardableResult
  public func renameColumn(_ path: String, to name: String) -> Self {
    add { tree throws(TableError) in
      let field = try tree.field(path)
      try tree.changeFields(of: tree.parentID(of: field.id)) { fields throws(TableError) in
        if name.isEmpty || fields.contains(where: { $0.name == name && $0.id != field.id }) {
          throw TableError(
            .alreadyExists, "a column cannot be renamed to '\(name)': the name is taken or empty",
            column: path)
        }
        guard let index = fields.firstIndex(where: { $0.id == field.id }) else {
          throw TableError(
            .invalidArgument, "elements, keys and values have fixed names", column: path)
        }
        fields[index].name = name
      }
    }
  }

  /// Widens a column: int to long, float to double, decimal to more digits, date to timestamp (v3).
  @discardableResult
  public func changeType(_ path: String, to type: TableType) -> Self {
    add { tree throws(TableError) in
      let field = try tree.field(path)
      let version = tree.formatVersion
      guard field.type.isPrimitive, field.type.canPromote(to: type, formatVersion: version) else {
        throw TableError(
          .invalidArgument,
          "a \(field.type) cannot become a \(type) without rewriting the data; add a new column",
          column: path)
      }
      try tree.change(field.id) { field throws(TableError) in field.type = type }
    }
  }

  /// Lets a required column hold nulls.
  @discardableResult
  public func makeOptional(_ path: String) -> Self {
    add { tree throws(TableError) in
      let field = try tree.field(path)
      if tree.identifierFieldIDs.contains(field.id) {
        throw TableError(
          .invalidArgument,
          "the column identifies rows and must be required; take it out of the identifier columns "
            + "first", column: path)
      }
      try tree.change(field.id) { field throws(TableError) in field.required = false }
    }
  }

  @discardableResult
  public func setDoc(_ path: String, _ doc: String?) -> Self {
    add { tree throws(TableError) in
      try tree.change(try tree.field(path).id) { field throws(TableError) in field.doc = doc }
    }
  }

  /// What writers put from now on where nothing is said (v3). Rows that are there keep what they hold.
  @discardableResult
  public func setDefault(_ path: String, _ value: Scalar?) -> Self {
    add { tree throws(TableError) in
      try tree.change(try tree.field(path).id) { field throws(TableError) in
        field.writeDefault = value
      }
    }
  }

  @discardableResult
  public func move(_ path: String, _ position: Position) -> Self {
    add { tree throws(TableError) in
      let field = try tree.field(path)
      try tree.changeFields(of: tree.parentID(of: field.id)) { fields throws(TableError) in
        guard let from = fields.firstIndex(where: { $0.id == field.id }) else {
          throw TableError(.invalidArgument, "elements, keys and values do not move", column: path)
        }
        let moved = fields.remove(at: from)
        func index(_ name: String) throws(TableError) -> Int {
          guard let index = fields.firstIndex(where: { $0.name == name }) else {
            throw TableError(
              .notFound, "there is no '\(name)' beside it to move it to", column: path)
          }
          return index
        }
        switch position {
        case .first: fields.insert(moved, at: 0)
        case .before(let name): fields.insert(moved, at: try index(name))
        case .after(let name): fields.insert(moved, at: try index(name) + 1)
        }
      }
    }
  }

  /// The columns that tell one row from another; they must be required.
  @discardableResult
  public func setIdentifiers(_ paths: [String]) -> Self {
    add { tree throws(TableError) in
      var ids: [Int32] = []
      for path in paths { ids.append(try tree.field(path).id) }
      tree.setIdentifiers(ids)
    }
  }

  /// Makes the table take rows of `other`: adds what it lacks (as optional), widens what is narrower
  /// and lets be null what may be. Nothing is dropped; columns are matched by their names.
  @discardableResult
  public func unionByName(_ other: TableSchema) -> Self {
    add { tree throws(TableError) in
      try SchemaUnion.add(other.fields, to: nil, &tree, path: "")
    }
  }

  /// As `unionByName(_:)` of the table schema that fits the Arrow schema.
  @discardableResult
  public func unionByName(_ arrow: Schema) -> Self {
    add { tree throws(TableError) in
      let other = try TableSchema(arrow: arrow, formatVersion: tree.formatVersion)
      try SchemaUnion.add(other.fields, to: nil, &tree, path: "")
    }
  }

  func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    var tree = SchemaTree(
      base.currentSchema, lastColumnID: base.lastColumnID, formatVersion: base.formatVersion)
    for change in list { try change(&tree) }
    let schema = tree.current
    guard !schema.hasSameColumns(as: base.currentSchema) else { return [] }
    try checkPromotions(base, schema)
    var updates: [TableUpdate] = [
      .addSchema(schema, lastColumnID: tree.lastColumnID), .setCurrentSchema(-1),
    ]
    if let text = base.properties["schema.name-mapping.default"] {
      let mapping = try NameMapping(parsing: text).updated(for: schema)
      updates.append(
        .setProperties(["schema.name-mapping.default": mapping.json().text]))
    }
    return updates
  }

  /// Partition values of files that are there must stay right.
  private func checkPromotions(
    _ base: TableMetadata, _ schema: TableSchema
  ) throws(TableError) {
    for spec in base.specs {
      for part in spec.fields {
        guard let old = base.currentSchema.field(id: part.sourceID),
          let new = schema.field(id: part.sourceID)
        else { continue }
        guard part.transform.survivesPromotion(from: old.type, to: new.type) else {
          throw TableError(
            .invalidArgument,
            "the column is a source of partition field '\(part.name)' (\(part.transform)), whose "
              + "values would change",
            column: new.name)
        }
      }
    }
  }
}

/// Adds to a schema what another one has beyond it.
private enum SchemaUnion {
  static func add(
    _ fields: [TableField], to parent: Int32?, _ tree: inout SchemaTree, path: String
  ) throws(TableError) {
    for field in fields {
      let name = path.isEmpty ? field.name : "\(path).\(field.name)"
      var existing: TableField?
      try tree.changeFields(of: parent) { fields throws(TableError) in
        existing = fields.first { $0.name == field.name }
      }
      if let existing {
        try merge(field, into: existing, &tree, path: name)
        continue
      }
      var new = field
      new.required = false
      let fresh = try tree.withFreshIDs(new)
      try tree.changeFields(of: parent) { fields throws(TableError) in fields.append(fresh) }
    }
  }

  private static func merge(
    _ field: TableField, into existing: TableField, _ tree: inout SchemaTree, path: String
  ) throws(TableError) {
    // Columns that identify rows stay required: their data is checked when it is written.
    if existing.required && !field.required && !tree.identifierFieldIDs.contains(existing.id) {
      try tree.change(existing.id) { field throws(TableError) in field.required = false }
    }
    switch (existing.type, field.type) {
    case (.struct, .struct(let type)):
      try add(type.fields, to: existing.id, &tree, path: path)
    case (.list(let old), .list(let new)):
      try merge(new.elementField, into: old.elementField, &tree, path: path + ".element")
    case (.map(let old), .map(let new)):
      if old.key != new.key && old.key.isPrimitive != new.key.isPrimitive {
        throw mismatch(old.key, new.key, path + ".key")
      }
      try merge(new.valueField, into: old.valueField, &tree, path: path + ".value")
    case (let old, let new) where old.isPrimitive && new.isPrimitive:
      if old == new || new.canPromote(to: old, formatVersion: tree.formatVersion) { return }
      guard old.canPromote(to: new, formatVersion: tree.formatVersion) else {
        throw mismatch(old, new, path)
      }
      try tree.change(existing.id) { field throws(TableError) in field.type = new }
    case (let old, let new): throw mismatch(old, new, path)
    }
  }

  private static func mismatch(_ old: TableType, _ new: TableType, _ path: String) -> TableError {
    TableError(
      .invalidArgument,
      "the table has the type \(old) and the data \(new), which neither widens to; cast the data",
      column: path)
  }
}
