// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// What a stream says about its columns, checked against them.
struct StreamChecks {
  let table: TableIdentifier
  let schema: TableSchema
  /// The names of all columns.
  let columns: [String]
  /// Those that are not in the schema, because what they are was not understood.
  let brokenColumns: Set<String>
  let problems: ProblemList

  static let reservedNames: Set<String> = [
    StreamColumns.operation, StreamColumns.knownAt, StreamColumns.ingestTime, StreamColumns.shard,
    StreamColumns.offset, "_merge_state",
  ]

  /// The column called `name`, which `role` refers to.
  func column(_ name: String, _ mark: Mark?, _ role: String) -> TableField? {
    if let field = schema.fields.first(where: { $0.name == name }) { return field }
    if brokenColumns.contains(name) { return nil }
    let close = NameSuggestion.closest(to: name, columns)
    problems.add(
      mark, "'\(role)' names '\(name)', which is no column of '\(table)'",
      close.map { "did you mean '\($0)'?" }
        ?? "the columns are \(columns.joined(separator: ", "))")
    return nil
  }

  /// Columns by which versions are ordered.
  func sequence(_ names: [(name: String, mark: Mark?)], _ role: String) -> [String] {
    names.compactMap { name, mark in
      guard let field = column(name, mark, role) else { return nil }
      guard Self.isOrdered(field.type) else {
        problems.add(
          mark, "'\(role)' names '\(name)' of type \(field.type), which has no order for versions",
          "take a whole number or a timestamp")
        return nil
      }
      return name
    }
  }

  func readKeys(_ section: Section, _ definition: inout StreamDefinition) {
    if let name = section.text("event_time"),
      let field = column(name, section["event_time"]?.mark, "event_time")
    {
      switch field.type {
      case .timestamp, .timestamptz, .timestampNs, .timestamptzNs: definition.eventTime = name
      default:
        problems.add(
          section["event_time"]?.mark, "'event_time' names '\(name)', which is a \(field.type)",
          "declare it as timestamptz")
      }
    }
    for (name, mark) in section.names("primary_key") {
      guard let field = column(name, mark, "primary_key") else { continue }
      if !Self.isKey(field.type) {
        problems.add(
          mark, "'primary_key' names '\(name)' of type \(field.type), whose values cannot be keys",
          "take columns of whole numbers, strings, uuids, decimals, dates or times")
      } else if !field.required {
        problems.add(
          mark, "'primary_key' names '\(name)', which may be null",
          "declare it as '\(name): \(field.type) not null'")
      }
      definition.primaryKey.append(name)
    }
    for (name, mark) in section.names("shard_key") {
      guard let field = column(name, mark, "shard_key") else { continue }
      if !Self.isKey(field.type) {
        problems.add(
          mark, "'shard_key' names '\(name)' of type \(field.type), whose values cannot be keys",
          "take columns of whole numbers, strings, uuids, decimals, dates or times")
      } else if definition.isKeyed && !definition.primaryKey.contains(name) {
        problems.add(
          mark, "'shard_key' names '\(name)', which is not in the primary key",
          "all versions of a row must be in one shard: take columns of the primary key")
      }
      definition.shardKey.append(name)
    }
  }

  func readPartition(_ section: Section, _ definition: inout StreamDefinition) {
    var seen: [TransformedColumn] = []
    for (text, mark) in section.names("partition") {
      let term: TransformedColumn
      do throws(TableError) { term = try TransformedColumn(parsing: text) } catch {
        problems.add(
          mark, "'partition' holds '\(text)', which is no term",
          "write a column, year(c), month(c), day(c), hour(c), bucket(N, c) or truncate(N, c)")
        continue
      }
      let parts = term.path.split(separator: ".").map(String.init)
      guard let first = parts.first,
        parts.count > 1 || column(first, mark, "partition") != nil
      else { continue }
      guard let field = schema.field(path: term.path) else {
        problems.add(mark, "'partition' names '\(term.path)', which is no column of '\(table)'")
        continue
      }
      if term.transform.resultType(of: field.type) == nil {
        problems.add(
          mark, "\(term.transform) does not take '\(term.path)', which is a \(field.type)",
          Self.partitionRemedy(term.transform))
      }
      if seen.contains(term) { problems.add(mark, "'partition' names '\(text)' twice") }
      seen.append(term)
      definition.partition.append(text)
    }
  }

  private static func partitionRemedy(_ transform: Transform) -> String {
    switch transform {
    case .year, .month, .day: "take a date or a timestamp"
    case .hour: "take a timestamp"
    case .truncate: "take a whole number, a decimal, a string or binary"
    default: "take a column of another type"
    }
  }

  /// Whether values may be keys: equal ones have equal bytes.
  static func isKey(_ type: TableType) -> Bool {
    switch type {
    case .boolean, .int, .long, .decimal, .date, .time, .timestamp, .timestamptz, .timestampNs,
      .timestamptzNs, .string, .uuid, .fixed, .binary:
      true
    default: false
    }
  }

  static func isOrdered(_ type: TableType) -> Bool {
    switch type {
    case .int, .long, .decimal, .date, .time, .timestamp, .timestamptz, .timestampNs,
      .timestamptzNs, .string, .uuid, .fixed, .binary:
      true
    default: false
    }
  }

  static func isNumber(_ type: TableType) -> Bool {
    switch type {
    case .int, .long, .float, .double, .decimal: true
    default: false
    }
  }
}
