// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one stream.
struct StreamReader {
  let table: TableIdentifier
  /// Where the stream's name stands.
  let key: Mark?
  let problems: ProblemList
  /// The policy of tables that say nothing else.
  var maintenance = MaintenancePolicy()

  private static let columnCountMax = 2_000

  /// The definition; without meaning when there were problems.
  func read(_ node: Node) -> StreamDefinition? {
    guard
      let section = Section(node, "the stream '\(table)'", keys: ProjectKeys.stream, problems)
    else { return nil }
    guard let columnsNode = section["columns"] else {
      problems.add(key, "the stream '\(table)' declares no columns", "add them under 'columns'")
      return nil
    }
    let all = readColumns(columnsNode)
    let columns = all.filter { !$0.isBroken }
    let schema = TableSchema(columns.map(\.field)).assigningFreshIDs().schema
    var definition = StreamDefinition(table: table, columns: schema.arrowSchema())
    for column in columns {
      if let value = column.value { definition.defaults[column.field.name] = value }
    }
    if let shards = section.int("shards", in: 1...StreamDefinition.shardCountMax) {
      definition.shardCount = shards
    }
    if let flush = section["flush"],
      let flush = Section(flush, "'flush'", keys: ProjectKeys.flush, problems)
    {
      readFlush(flush, &definition)
    }
    if let tombstones = section.duration("tombstones", in: 1_000...(3_650 * 86_400_000)) {
      definition.tombstoneRetentionSeconds = (tombstones + 999) / 1_000
    }
    if let log = section["log"],
      let log = Section(log, "'log'", keys: ProjectKeys.log, problems)
    {
      LogReader(problems: problems).read(log, &definition)
    }
    definition.format = section.format()
    readProperties(section, &definition)
    _ = section.text("doc")
    let checks = StreamChecks(
      table: table, schema: schema, columns: all.map(\.field.name),
      brokenColumns: Set(all.filter(\.isBroken).map(\.field.name)), problems: problems)
    definition.maintenance = maintenance
    if let node = section["maintenance"] {
      MaintenanceReader(problems: problems).read(node, checks, &definition.maintenance)
    }
    checks.readKeys(section, &definition)
    checks.readPartition(section, &definition)
    MergeReader(checks: checks, primaryKey: definition.primaryKey)
      .read(section, &definition)
    return definition
  }

  // MARK: Columns

  private struct Column {
    var field: TableField
    var value: Scalar?
    /// What it is was not understood, and was told.
    var isBroken = false

    static func broken(_ name: String) -> Column {
      Column(field: TableField(0, name, .unknown), isBroken: true)
    }
  }

  private func readColumns(_ node: Node) -> [Column] {
    guard case .mapping(let mapping) = node else {
      problems.add(
        node.mark, "'columns' must be a mapping, is \(node.kind)",
        "write 'name: type' for each column")
      return []
    }
    guard !mapping.isEmpty, mapping.count <= Self.columnCountMax else {
      problems.add(
        node.mark, "the stream '\(table)' declares \(mapping.count) columns",
        "declare 1 to \(Self.columnCountMax)")
      return []
    }
    var columns: [Column] = []
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let name = key.text, !name.isEmpty else {
        problems.add(key.mark, "\(key.kind) cannot name a column")
        continue
      }
      if StreamChecks.reservedNames.contains(name) {
        problems.add(
          key.mark, "'\(name)' is a column that Weir adds itself", "choose another name")
        continue
      }
      columns.append(readColumn(name, key.mark, value) ?? .broken(name))
    }
    return columns
  }

  private func readColumn(_ name: String, _ mark: Mark?, _ node: Node) -> Column? {
    if node.text != nil || node.isNull {
      return readType(node, name).map {
        Column(field: TableField(0, name, $0.type, required: $0.isRequired))
      }
    }
    guard
      let section = Section(node, "the column '\(name)'", keys: ProjectKeys.column, problems)
    else { return nil }
    guard let typeNode = section["type"] else {
      problems.add(mark, "the column '\(name)' has no type", "add 'type'")
      return nil
    }
    guard let (type, isRequired) = readType(typeNode, name) else { return nil }
    var field = TableField(0, name, type, required: isRequired)
    if let required = section.flag("required") { field.required = required }
    field.doc = section.text("doc")
    var column = Column(field: field)
    if let node = section["default"] { column.value = readDefault(node, type, name) }
    return column
  }

  private func readType(_ node: Node, _ name: String) -> (type: TableType, isRequired: Bool)? {
    do throws(TypeTextError) {
      let result = try TypeText.parse(node.text ?? "")
      return result
    } catch {
      problems.add(node.mark, "column '\(name)': \(error.message)", error.remedy)
      return nil
    }
  }

  private func readDefault(_ node: Node, _ type: TableType, _ name: String) -> Scalar? {
    guard let text = node.text, type.isPrimitive else {
      problems.add(
        node.mark, "column '\(name)': the default is \(node.kind)",
        type.isPrimitive ? "write one value" : "columns of type \(type) have no default but null")
      return nil
    }
    let json: JSONValue =
      switch type {
      case .boolean: text == "true" ? true : text == "false" ? false : .string(text)
      case .int, .long, .float, .double:
        (try? JSONValue(parsing: text.replacing("_", with: ""))) ?? .string(text)
      default: .string(text)
      }
    do throws(JSONError) {
      return try Scalar(json: json, type)
    } catch {
      problems.add(
        node.mark, "column '\(name)': '\(text)' is no value of type \(type)",
        Self.defaultRemedy(type))
      return nil
    }
  }

  private static func defaultRemedy(_ type: TableType) -> String {
    switch type {
    case .boolean: "write true or false"
    case .int, .long: "write a whole number that fits"
    case .float, .double: "write a number"
    case .decimal(_, let scale): "write a number with exactly \(scale) digits behind the point"
    case .date: "write a date like 2026-01-31"
    case .time: "write a time like 22:31:08"
    case .timestamptz, .timestamptzNs: "write a time like 2026-01-31T22:31:08+00:00"
    case .timestamp, .timestampNs: "write a time like 2026-01-31T22:31:08"
    case .uuid: "write a UUID"
    default: "write hexadecimal digits"
    }
  }

  // MARK: Others

  private func readFlush(_ section: Section, _ definition: inout StreamDefinition) {
    if let interval = section.duration("interval", in: 100...86_400_000) {
      definition.flush.intervalMilliseconds = interval
    }
    if let bytes = section.size("bytes", in: (64 << 10)...(16 << 30)) {
      definition.flush.bytes = Int(bytes)
    }
  }

  private func readProperties(_ section: Section, _ definition: inout StreamDefinition) {
    guard let node = section["properties"] else { return }
    guard case .mapping(let mapping) = node else {
      problems.add(node.mark, "'properties' must be a mapping, is \(node.kind)")
      return
    }
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let name = key.text, let text = value.text else {
        problems.add(value.mark, "a property is \(value.kind)", "write text")
        continue
      }
      if name.hasPrefix("weir.stream.") {
        problems.add(key.mark, "the property '\(name)' is Weir's own", "take it out")
      }
      if name == DataFormat.property {
        problems.add(
          key.mark, "the property '\(name)' is what 'format' says", "write 'format: \(text)'")
      }
      if name == DataFormat.profileProperty, !DataFormat.profiles.contains(text) {
        problems.add(
          value.mark, "there is no profile '\(text)' of Weir files",
          "write \(DataFormat.profiles.joined(separator: " or "))")
      }
      definition.properties[name] = text
    }
  }
}
