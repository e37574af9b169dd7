// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The Arrow schema that Arrow's writers store beside Parquet's own (key `ARROW:schema`, base64 of an
/// IPC schema message): it tells types that Parquet has no name for.
///
/// It is a hint. What does not fit the Parquet schema, and a stored schema that cannot be read, is
/// passed over. Dictionary types are read as their values.
enum StoredSchema {
  static let key = "ARROW:schema"

  /// Columns and schema metadata with what the stored schema adds.
  static func apply(
    to columns: [SchemaNode], _ metadata: FileMetaData
  ) throws(ParquetError) -> ([SchemaNode], Metadata) {
    var entries: [Metadata.Entry] = []
    var stored: Schema?
    for pair in metadata.keyValues {
      if pair.key == key {
        stored = pair.value.flatMap(parse)
      } else {
        entries.append(Metadata.Entry(key: pair.key, value: pair.value ?? ""))
      }
    }
    guard let stored, stored.fields.count == columns.count else {
      return (columns, Metadata(entries))
    }
    let refined = zip(columns, stored.fields).map { refine($0, $1) }
    return (refined, Metadata(entries))
  }

  private static func parse(_ text: String) -> Schema? {
    guard let bytes = Base64.decode(text) else { return nil }
    return try? ArrowStreamReader(Buffer(bytes)).schema
  }

  /// The node with the stored field's type where that is only another view of the same data.
  private static func refine(_ node: SchemaNode, _ stored: Field) -> SchemaNode {
    guard node.field.name == stored.name else { return node }
    return refineUnnamed(node, stored)
  }

  private static func refineUnnamed(_ node: SchemaNode, _ stored: Field) -> SchemaNode {
    var field = node.field
    field.metadata = stored.metadata
    switch node {
    case .leaf(_, let leaf):
      field.type = leafType(field.type, stored.type)
      return .leaf(field, leaf)
    case .structure(_, let children, let info):
      guard case .struct(let fields) = stored.type, fields.count == children.count else {
        return node
      }
      let refined = zip(children, fields).map { refine($0, $1) }
      field.type = .struct(refined.map(\.field))
      return .structure(field, children: refined, info)
    case .list(_, let item, let info):
      return refineList(field, item, info, stored) ?? node
    }
  }

  private static func refineList(
    _ original: Field, _ item: SchemaNode, _ info: LevelInfo, _ stored: Field
  ) -> SchemaNode? {
    var field = original
    func renamed(_ stored: Field) -> SchemaNode {
      let refined = refineUnnamed(item, stored)
      var inner = refined.field
      inner.name = stored.name
      return refined.with(inner)
    }
    switch (field.type, stored.type) {
    case (.list, .list(let storedItem)):
      let refined = renamed(storedItem)
      field.type = .list(refined.field)
      return .list(field, item: refined, info)
    case (.list, .largeList(let storedItem)):
      let refined = renamed(storedItem)
      field.type = .largeList(refined.field)
      return .list(field, item: refined, info)
    case (.list, .fixedSizeList(let storedItem, let size)):
      let refined = renamed(storedItem)
      field.type = .fixedSizeList(refined.field, size: size)
      return .list(field, item: refined, info)
    case (.map, .map(let storedEntries, let sorted)):
      guard case .structure(let entries, let members, let entriesInfo) = item,
        case .struct(let storedMembers) = storedEntries.type, members.count == 2,
        storedMembers.count == 2
      else { return nil }
      let refined = zip(members, storedMembers).map { member, stored -> SchemaNode in
        let refined = refineUnnamed(member, stored)
        var inner = refined.field
        inner.name = stored.name
        return refined.with(inner)
      }
      var entriesField = entries
      entriesField.name = storedEntries.name
      entriesField.type = .struct(refined.map(\.field))
      field.type = .map(entries: entriesField, keysSorted: sorted)
      return .list(
        field, item: .structure(entriesField, children: refined, entriesInfo), info)
    default: return nil
    }
  }

  private static func leafType(_ inferred: DataType, _ stored: DataType) -> DataType {
    switch (inferred, stored) {
    case (_, .dictionary(_, let value, _)): return leafType(inferred, value)
    case (.utf8, .largeUtf8), (.binary, .largeBinary), (.int64, .duration), (.date32, .date64):
      return stored
    // Writers that annotate no strings.
    case (.binary, .utf8), (.binary, .largeUtf8): return inferred
    case (.timestamp(let unit, _?), .timestamp(let storedUnit, let zone?)):
      return unit == storedUnit ? .timestamp(unit, timeZone: zone) : inferred
    case (.fixedSizeBinary(let width), .fixedSizeBinary(let storedWidth)) where width == storedWidth:
      return stored
    default: return inferred
    }
  }
}
