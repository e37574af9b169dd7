// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// A stream's columns in its files and in memory, and how its rows become one per key: what a
/// definition means, checked.
///
/// Rows in files, called *stored rows*, have the declared columns (aggregated ones in the type of their
/// state, see docs/streams.md), then `StreamColumns.added`, then `_merge_state` where the merge engine
/// needs it. In keyed tables only the key is required.
public struct StreamLayout: Sendable {
  public let definition: StreamDefinition
  /// The columns of files in Arrow, in order; with the table's field ids when a table was given.
  public let fileSchema: Schema
  /// Places of the primary key's columns in `fileSchema`, in the key's order.
  public let keyColumns: [Int]
  /// Encodes the primary key of stored rows. Without primary key all keys are empty.
  public let keyEncoder: KeyEncoder

  let tableFields: [TableField]
  let merger: any Merger
  /// What is sent, before aggregated values are lifted; and how they are, by column of files.
  let inputFields: [TableField]
  let lifts: [AggregateLift]

  /// - Parameter table: the schema of the table as it is; without, the one that it should be created
  ///   with is in `fileSchema`.
  /// - Throws: `invalidArgument` or `unsupported`, naming the column.
  public init(
    _ definition: StreamDefinition, table: TableSchema? = nil
  ) throws(StreamError) {
    self.definition = definition
    let schema: TableSchema
    if let table { schema = table } else { schema = try Self.tableSchema(definition) }
    var fields = schema.fields
    if definition.isKeyed {
      for index in fields.indices where !definition.primaryKey.contains(fields[index].name) {
        fields[index].required = false
      }
    }
    tableFields = fields
    let arrow = Schema(fields.map(\.arrowField))
    fileSchema = arrow
    for field in StreamColumns.added where arrow[field.name]?.type != field.type {
      throw StreamError(
        .invalidArgument, "the table has no column \(field.name) of type \(field.type)",
        column: field.name)
    }
    keyColumns = try Self.places(definition.primaryKey, arrow, "primary key")
    for name in definition.shardKey where definition.isKeyed {
      guard definition.primaryKey.contains(name) else {
        throw StreamError(
          .invalidArgument,
          "the shard key of a keyed table is part of its primary key: versions of a row must be in "
            + "one shard", column: name)
      }
    }
    keyEncoder = try KeyEncoder(arrow, columns: keyColumns)
    if case .aggregation(let functions) = definition.merge, definition.isKeyed {
      (merger, lifts) = try Self.aggregation(functions, definition, arrow)
      inputFields = try Self.inputFields(definition, fields, lifts)
    } else {
      merger = try Self.merger(definition, arrow)
      lifts = []
      inputFields = fields
    }
  }

  /// The columns of files, aggregated ones in the type that is sent.
  private static func inputFields(
    _ definition: StreamDefinition, _ fields: [TableField], _ lifts: [AggregateLift]
  ) throws(StreamError) -> [TableField] {
    var result = fields
    for (place, lift) in lifts.enumerated() {
      guard let sent = definition.columns[fields[place].name] else { continue }
      switch lift {
      case .same, .oneZero: continue
      case .count, .item, .sketch: break
      }
      do throws(TableError) {
        result[place].type = try TableSchema(arrow: Schema([sent])).fields[0].type
      } catch { throw StreamError(error) }
    }
    return result
  }

  /// Rows of these names, or the error that names the missing one.
  static func places(
    _ names: [String], _ schema: Schema, _ role: String
  ) throws(StreamError) -> [Int] {
    var result: [Int] = []
    for name in names {
      guard let place = schema.index(of: name) else {
        throw StreamError(
          .invalidArgument, "the \(role) names a column that the stream does not have",
          column: name)
      }
      result.append(place)
    }
    return result
  }

  /// The schema of a table for the stream, with fresh ids.
  private static func tableSchema(_ definition: StreamDefinition) throws(StreamError) -> TableSchema
  {
    var fields: [Field] = []
    for field in definition.columns.fields {
      guard !StreamColumns.reserved.contains(field.name) else {
        throw StreamError(
          .invalidArgument, "the name is reserved for a column that streams add",
          column: field.name)
      }
      var stored = field
      if case .aggregation(let functions) = definition.merge, definition.isKeyed,
        let function = functions[field.name]
      {
        stored = try Self.stored(field, function, definition)
      }
      if definition.isKeyed { stored.nullable = !definition.primaryKey.contains(field.name) }
      fields.append(stored)
    }
    fields += StreamColumns.added
    switch definition.merge {
    case .partialUpdate where definition.isKeyed, .aggregation where definition.isKeyed:
      fields.append(Field(StreamColumns.mergeState, .binary))
    default: break
    }
    do throws(TableError) {
      return try TableSchema(arrow: Schema(fields))
    } catch { throw StreamError(error) }
  }

  private static func merger(
    _ definition: StreamDefinition, _ schema: Schema
  ) throws(StreamError) -> any Merger {
    func encoder(_ names: [String]) throws(StreamError) -> KeyEncoder? {
      if names.isEmpty { return nil }
      return try KeyEncoder(schema, columns: places(names, schema, "sequence"), nulls: .first)
    }
    switch definition.merge {
    case .lastWrite(let sequence):
      return WinnerMerger(rule: .last, sequence: try encoder(sequence))
    case .firstRow(let sequence):
      return WinnerMerger(rule: .first, sequence: try encoder(sequence))
    case .partialUpdate(let groups) where definition.isKeyed:
      return try PartialUpdateMerger(groups, definition, schema)
    case .partialUpdate, .aggregation:
      return WinnerMerger(rule: .last, sequence: nil)  // Without key nothing is merged.
    }
  }
}
