// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar

/// The columns of a table at some time. Values never change; a new schema is a new value.
///
/// Look-ups build an index at the first call (linear in all fields) and share it between copies.
public struct TableSchema: Hashable, Sendable {
  public let schemaID: Int
  public let fields: [TableField]
  /// Fields that say which rows are the same; not in order.
  public let identifierFieldIDs: [Int32]
  public let extra: JSONObject

  private let index: LazySchemaIndex

  public init(
    _ fields: [TableField], schemaID: Int = 0, identifierFieldIDs: [Int32] = [],
    extra: JSONObject = JSONObject()
  ) {
    self.fields = fields
    self.schemaID = schemaID
    self.identifierFieldIDs = identifierFieldIDs
    self.extra = extra
    self.index = LazySchemaIndex(fields)
  }

  /// The same columns under another id.
  public func with(schemaID: Int) -> TableSchema {
    schemaID == self.schemaID
      ? self
      : TableSchema(
        fields, schemaID: schemaID, identifierFieldIDs: identifierFieldIDs, extra: extra)
  }

  /// True when the two differ in their id at most.
  public func hasSameColumns(as other: TableSchema) -> Bool {
    fields == other.fields && Set(identifierFieldIDs) == Set(other.identifierFieldIDs)
  }

  public var structType: StructType { StructType(fields) }

  /// Any field, nested ones too (also `element`, `key` and `value`).
  public func field(id: Int32) -> TableField? { index.get().fields[id] }

  /// A field by its path with dots between the names: `address.city`, `tags.element`,
  /// `prices.value`. The elements of a list of structs may be left out: `items.price`.
  ///
  /// - Parameter caseSensitive: without, names that differ in case only find the first.
  public func field(path: String, caseSensitive: Bool = true) -> TableField? {
    index.get().field(path, caseSensitive: caseSensitive)
  }

  /// The full path of a field, as `field(path:)` takes it.
  public func path(ofFieldID id: Int32) -> String? { index.get().paths[id] }

  /// The field that holds the one with this id (a struct, list or map); `nil` for top-level columns.
  public func parentID(ofFieldID id: Int32) -> Int32? { index.get().parents[id] }

  /// Ids of all fields, nested ones too, in order of their appearance.
  public var allFieldIDs: [Int32] { index.get().ids }

  /// The highest field id in use; 0 without fields.
  public var highestFieldID: Int32 { index.get().ids.max() ?? 0 }

  /// Paths of all fields in order of their appearance.
  public var allPaths: [String] { allFieldIDs.compactMap { path(ofFieldID: $0) } }

  public static func == (a: TableSchema, b: TableSchema) -> Bool {
    a.schemaID == b.schemaID && a.fields == b.fields
      && a.identifierFieldIDs == b.identifierFieldIDs && a.extra == b.extra
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(schemaID)
    hasher.combine(fields)
    hasher.combine(identifierFieldIDs)
  }
}

extension TableSchema: CustomStringConvertible {
  /// One line for each column.
  public var description: String { fields.map(\.description).joined(separator: "\n") }
}

/// Look-ups of a schema by id and by path.
struct SchemaIndex: Sendable {
  private(set) var ids: [Int32] = []
  private(set) var fields: [Int32: TableField] = [:]
  private(set) var paths: [Int32: String] = [:]
  private(set) var parents: [Int32: Int32] = [:]
  private var idsByPath: [String: Int32] = [:]
  /// Paths without a list's `element` or a map's `value` above struct fields.
  private var idsByShortPath: [String: Int32] = [:]
  private var idsByLowercasePath: [String: Int32] = [:]
  /// Two fields of one id or one path, as found first.
  private(set) var duplicateID: Int32?
  private(set) var duplicatePath: String?

  init(_ topLevel: [TableField]) {
    for field in topLevel { add(field, parent: nil, path: field.name, shortPath: field.name) }
    for (path, id) in idsByShortPath where idsByPath[path] == nil { idsByPath[path] = id }
    for id in ids {
      guard let path = paths[id] else { continue }
      let lower = path.lowercased()
      if idsByLowercasePath[lower] == nil { idsByLowercasePath[lower] = id }
    }
    for (path, id) in idsByShortPath.sorted(by: { $0.value < $1.value }) {
      let lower = path.lowercased()
      if idsByLowercasePath[lower] == nil { idsByLowercasePath[lower] = id }
    }
  }

  func field(_ path: String, caseSensitive: Bool) -> TableField? {
    let id =
      caseSensitive ? idsByPath[path] : idsByPath[path] ?? idsByLowercasePath[path.lowercased()]
    return id.flatMap { fields[$0] }
  }

  private mutating func add(_ field: TableField, parent: Int32?, path: String, shortPath: String) {
    ids.append(field.id)
    if fields.updateValue(field, forKey: field.id) != nil { duplicateID = duplicateID ?? field.id }
    paths[field.id] = path
    if let parent { parents[field.id] = parent }
    if idsByPath.updateValue(field.id, forKey: path) != nil {
      duplicatePath = duplicatePath ?? path
    }
    if shortPath != path && idsByShortPath[shortPath] == nil {
      idsByShortPath[shortPath] = field.id
    }
    for child in field.type.childFields {
      let omitted =
        switch (field.type, child.name) {
        case (.list, "element"), (.map, "value"):
          if case .struct = child.type { true } else { false }
        default: false
        }
      add(
        child, parent: field.id, path: path + "." + child.name,
        shortPath: omitted ? shortPath : shortPath + "." + child.name)
    }
  }
}

/// Builds a schema's index at its first use.
final class LazySchemaIndex: Sendable {
  private let fields: [TableField]
  private let built = Mutex<SchemaIndex?>(nil)

  init(_ fields: [TableField]) { self.fields = fields }

  func get() -> SchemaIndex {
    built.withLock { built in
      if let built { return built }
      let made = SchemaIndex(fields)
      built = made
      return made
    }
  }
}

extension TableSchema {
  var duplicateFieldID: Int32? { index.get().duplicateID }
  var duplicatePath: String? { index.get().duplicatePath }
}
