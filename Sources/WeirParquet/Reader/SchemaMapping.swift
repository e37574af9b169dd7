// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Turns a file's schema elements into a tree of Arrow fields with levels.
///
/// 1. The elements are a depth-first list; a group says how many children follow it.
/// 2. `optional` adds a definition level, `repeated` adds a definition and a repetition level.
/// 3. LIST and MAP groups collapse into one Arrow node, by the rules for old writers too.
///
/// Source: apache/parquet-format, LogicalTypes.md, "Nested Types".
struct SchemaMapping {
  private let elements: [SchemaElement]
  private let options: ParquetReadOptions
  private var next = 1
  private var leafCount = 0
  /// Bytes of all leaves' paths: each repeats the names above it, so a small footer can ask for many.
  private var pathByteCount = 0

  private static let pathByteCountMax = 256 << 20

  /// Groups within groups; deeper schemas are refused.
  private static let depthMax = 64

  /// The file's columns.
  static func columns(
    of elements: [SchemaElement], options: ParquetReadOptions
  ) throws(ParquetError) -> [SchemaNode] {
    var mapping = SchemaMapping(elements: elements, options: options)
    guard let root = elements.first else {
      throw ParquetError(.damaged, "the file's schema is empty")
    }
    let count = try mapping.childCount(root)
    var columns: [SchemaNode] = []
    for _ in 0..<count { columns.append(try mapping.node(Context(), path: [])) }
    guard mapping.next == elements.count else {
      throw ParquetError(
        .damaged, "the schema has \(elements.count) elements, its groups hold \(mapping.next)")
    }
    return columns
  }

  private init(elements: [SchemaElement], options: ParquetReadOptions) {
    self.elements = elements
    self.options = options
  }

  private struct Context {
    var definition = 0
    var repetition = 0
    var slotLevel = 0
    var depth = 0
  }

  private func childCount(_ element: SchemaElement) throws(ParquetError) -> Int {
    let count = Int(element.childCount ?? 0)
    guard count >= 0 && count <= elements.count else {
      throw ParquetError(.damaged, "group \(element.name) has an impossible number of children")
    }
    return count
  }

  private func isGroup(_ element: SchemaElement) -> Bool { element.type == nil }

  /// The next element and what is below it, as a field of its parent.
  private mutating func node(
    _ outer: Context, path outerPath: [String]
  ) throws(ParquetError) -> SchemaNode {
    guard next < elements.count else {
      throw ParquetError(.damaged, "the schema ends before its groups are complete")
    }
    let element = elements[next]
    guard element.repetition == .repeated else { return try single(outer, path: outerPath) }
    // A repeated field outside LIST and MAP is a list that cannot be null, of items that cannot.
    var inner = outer
    inner.definition += 1
    inner.repetition += 1
    inner.slotLevel = inner.definition
    let level = LevelInfo(
      slotLevel: outer.slotLevel, repetition: outer.repetition, definedLevel: outer.definition,
      itemLevel: inner.definition)
    let item = try body(element, inner, path: outerPath, nullable: false)
    let field = Field(element.name, .list(item.field), nullable: false, id: element.fieldID)
    return .list(field, item: item, level)
  }

  /// An element that is not repeated.
  private mutating func single(
    _ outer: Context, path outerPath: [String]
  ) throws(ParquetError) -> SchemaNode {
    let element = elements[next]
    var inner = outer
    let nullable = element.repetition != .required
    if nullable { inner.definition += 1 }
    return try body(element, inner, path: outerPath, nullable: nullable)
  }

  /// The element itself, its own repetition being accounted for.
  ///
  /// - Parameter isListItem: the element is the repeated child of a two-level list, whose own
  ///   annotation says what the items are.
  private mutating func body(
    _ element: SchemaElement, _ outer: Context, path outerPath: [String], nullable: Bool,
    isListItem: Bool = false
  ) throws(ParquetError) -> SchemaNode {
    var context = outer
    context.depth += 1
    guard context.depth <= Self.depthMax, context.definition <= 254 else {
      throw ParquetError(
        .unsupported, "the schema is nested more than \(Self.depthMax) levels deep")
    }
    let path = outerPath + [element.name]
    next += 1
    if !isGroup(element) {
      return try leaf(element, context, path: path, nullable: nullable)
    }
    if element.repetition != .repeated || isListItem {
      let isMap =
        element.logicalType == .map || element.convertedType == .map
        || element.convertedType == .mapKeyValue
      if isMap, let map = try map(element, context, path: path, nullable: nullable) { return map }
      if element.logicalType == .list || element.convertedType == .list {
        return try list(element, context, path: path, nullable: nullable)
      }
    }
    return try structure(element, context, path: path, nullable: nullable)
  }

  private mutating func structure(
    _ element: SchemaElement, _ context: Context, path: [String], nullable: Bool
  ) throws(ParquetError) -> SchemaNode {
    let count = try childCount(element)
    guard count > 0 else {
      throw ParquetError(
        .unsupported, "a group without fields has no column to read", column: element.name)
    }
    var children: [SchemaNode] = []
    for _ in 0..<count { children.append(try node(context, path: path)) }
    let level = LevelInfo(
      slotLevel: context.slotLevel, repetition: context.repetition,
      definedLevel: context.definition, itemLevel: 0)
    let field = Field(
      element.name, .struct(children.map(\.field)), nullable: nullable, id: element.fieldID)
    return .structure(field, children: children, level)
  }

  private mutating func list(
    _ element: SchemaElement, _ context: Context, path: [String], nullable: Bool
  ) throws(ParquetError) -> SchemaNode {
    guard try childCount(element) == 1, next < elements.count,
      elements[next].repetition == .repeated
    else {
      throw ParquetError(
        .damaged, "a list must have exactly one repeated child", column: element.name)
    }
    let repeated = elements[next]
    var inner = context
    inner.definition += 1
    inner.repetition += 1
    inner.slotLevel = inner.definition
    let level = LevelInfo(
      slotLevel: context.slotLevel, repetition: context.repetition,
      definedLevel: context.definition, itemLevel: inner.definition)
    let item: SchemaNode
    if isTwoLevel(repeated, listName: element.name) {
      item = try body(repeated, inner, path: path, nullable: false, isListItem: true)
    } else {
      next += 1
      inner.depth += 1
      item = try node(inner, path: path + [repeated.name])
    }
    let field = Field(
      element.name, .list(item.field), nullable: nullable, id: element.fieldID)
    return .list(field, item: item, level)
  }

  /// Whether the repeated child of a list is itself the item, as older writers had it.
  private func isTwoLevel(_ repeated: SchemaElement, listName: String) -> Bool {
    if !isGroup(repeated) { return true }
    if (repeated.childCount ?? 0) > 1 { return true }
    if repeated.name == "array" || repeated.name == listName + "_tuple" { return true }
    // A repeated group whose only child is repeated is an item that is a struct or a list.
    return next + 1 < elements.count && elements[next + 1].repetition == .repeated
  }

  /// `nil` when the group is annotated as a map but has no such shape.
  private mutating func map(
    _ element: SchemaElement, _ context: Context, path: [String], nullable: Bool
  ) throws(ParquetError) -> SchemaNode? {
    guard try childCount(element) == 1, next < elements.count,
      elements[next].repetition == .repeated, isGroup(elements[next])
    else { return nil }
    let entries = elements[next]
    let count = try childCount(entries)
    var inner = context
    inner.definition += 1
    inner.repetition += 1
    inner.slotLevel = inner.definition
    inner.depth += 1
    let level = LevelInfo(
      slotLevel: context.slotLevel, repetition: context.repetition,
      definedLevel: context.definition, itemLevel: inner.definition)
    guard count == 2 else {
      // A map without values is a list of its keys.
      guard count == 1 else { return nil }
      next += 1
      let key = try node(inner, path: path + [entries.name])
      let field = Field(element.name, .list(key.field), nullable: nullable, id: element.fieldID)
      return .list(field, item: key, level)
    }
    next += 1
    let entriesPath = path + [entries.name]
    var key = try node(inner, path: entriesPath)
    let value = try node(inner, path: entriesPath)
    // Some writers mark keys as optional; the type says that they are not.
    var keyField = key.field
    keyField.nullable = false
    key = key.with(keyField)
    let entriesLevel = LevelInfo(
      slotLevel: inner.definition, repetition: inner.repetition, definedLevel: inner.definition,
      itemLevel: 0)
    let entriesField = Field(entries.name, .struct([key.field, value.field]), nullable: false)
    let item = SchemaNode.structure(entriesField, children: [key, value], entriesLevel)
    let field = Field(
      element.name, .map(entries: entriesField, keysSorted: false), nullable: nullable,
      id: element.fieldID)
    return .list(field, item: item, level)
  }

  private mutating func leaf(
    _ element: SchemaElement, _ context: Context, path: [String], nullable: Bool
  ) throws(ParquetError) -> SchemaNode {
    guard let physicalType = element.type else { preconditionFailure("a leaf has a type") }
    let dotted = path.joined(separator: ".")
    pathByteCount += dotted.utf8.count
    guard pathByteCount <= Self.pathByteCountMax else {
      throw ParquetError(
        .limitExceeded, "the columns' paths take more than \(Self.pathByteCountMax) bytes")
    }
    let length = Int(element.typeLength ?? 0)
    if physicalType == .fixedLenByteArray && (length < 0 || length > 1 << 24) {
      throw ParquetError(.damaged, "fixed-length values of \(length) bytes", column: dotted)
    }
    let leaf = LeafColumn(
      index: leafCount, path: dotted, physicalType: physicalType, typeLength: length,
      logicalType: element.logicalType, convertedType: element.convertedType,
      definitionMax: context.definition, repetitionMax: context.repetition,
      slotLevel: context.slotLevel)
    leafCount += 1
    let type = LeafTypes.arrowType(of: element, int96Unit: options.int96Unit)
    return .leaf(Field(element.name, type, nullable: nullable, id: element.fieldID), leaf)
  }
}
