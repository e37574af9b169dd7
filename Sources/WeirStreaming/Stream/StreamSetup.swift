// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Brings a stream's table to what was declared: creates it, or adds the columns that are new.
struct StreamSetup {
  let definition: StreamDefinition
  let catalog: any Catalog

  /// How many shards the stream of a table has.
  static let shardsProperty = "weir.stream.shards"
  /// The primary key, as names separated by commas; empty for a log table.
  static let keyProperty = "weir.stream.primary-key"

  func table() throws(StreamError) -> Table {
    do throws(TableError) {
      if let table = try found() { return try tiered(evolved(table)) }
      try create()
      guard let table = try found() else {
        throw TableError(
          .notFound, "the table was dropped while it was made", table: "\(definition.table)")
      }
      return try tiered(table)
    } catch { throw StreamError(error).adding(stream: "\(definition.table)") }
  }

  /// The declared columns with the types that the table has for them; aggregated ones as declared.
  static func declared(
    _ definition: StreamDefinition, _ metadata: TableMetadata
  ) throws(StreamError) -> [Field] {
    let fields = metadata.currentSchema.arrowSchema().fields
    var result: [Field] = []
    for column in definition.columns.fields {
      guard var field = fields.first(where: { $0.name == column.name }) else {
        throw StreamError(
          .table,
          "the table has no such column (any more); declare the stream without it, or add it "
            + "to the table", stream: "\(definition.table)", column: column.name)
      }
      if definition.isKeyed, case .aggregation(let functions) = definition.merge,
        functions[column.name] != nil
      {
        // The table has the state of the aggregate; values are sent.
        field.type = column.type
      }
      result.append(field)
    }
    return result
  }

  private func found() throws(TableError) -> Table? {
    do throws(TableError) {
      return try catalog.table(definition.table)
    } catch {
      if error.code == .notFound { return nil }
      throw error
    }
  }

  private func create() throws(TableError) {
    do throws(TableError) {
      try catalog.createNamespace(definition.table.namespace, properties: [:])
    } catch { if error.code != .alreadyExists { throw error } }
    let columnsOnly = try TableSchema(arrow: try wantedSchema())
    let schema = TableSchema(
      columnsOnly.fields,
      identifierFieldIDs: definition.primaryKey.compactMap { columnsOnly.field(path: $0)?.id })
    var columns: [TransformedColumn] = []
    for text in definition.partition { columns.append(try TransformedColumn(parsing: text)) }
    var properties = definition.properties
    if let format = definition.format { properties[DataFormat.property] = format.rawValue }
    properties["format-version"] = properties["format-version"] ?? "3"
    properties[Self.shardsProperty] = String(definition.shardCount)
    properties[Self.keyProperty] = definition.primaryKey.joined(separator: ",")
    properties[StreamOffsets.property] =
      StreamOffsets(Array(repeating: 0, count: definition.shardCount)).text
    do throws(TableError) {
      _ = try catalog.createTable(
        definition.table,
        TableCreation(
          schema: schema, partitionSpec: try PartitionSpec(columns, of: schema),
          properties: properties))
    } catch { if error.code != .alreadyExists { throw error } }
  }

  /// The table with the declared columns; those that it lacks are added.
  private func evolved(_ table: Table) throws(TableError) -> Table {
    let metadata = table.metadata
    try check(metadata)
    // Rows that are there have no value for new columns: those are optional, whatever was declared.
    let transaction = table.transaction()
    transaction.updateSchema().unionByName(
      try wantedSchema())
    if let format = definition.format,
      metadata.properties[DataFormat.property] ?? DataFormat.parquet.rawValue != format.rawValue
    {
      transaction.setProperties([DataFormat.property: format.rawValue])
    }
    try transaction.commit()
    return table
  }

  /// The table with the declared tier; without a declaration it keeps what it has.
  private func tiered(_ table: Table) throws(TableError) -> Table {
    guard let tier = definition.maintenance.tier else { return table }
    do throws(TableError) {
      if try TableTier(table.metadata.properties) != tier { try tier.set(on: table) }
    } catch { throw error.adding(table: "\(definition.table)") }
    return table
  }

  private func wantedSchema() throws(TableError) -> Schema {
    do throws(StreamError) {
      return try StreamLayout(definition).fileSchema
    } catch { throw TableError(.invalidArgument, error.message, column: error.column) }
  }

  private func check(_ metadata: TableMetadata) throws(TableError) {
    guard metadata.formatVersion >= 3 else {
      throw TableError(
        .unsupported, "streams need a table of format version 3; upgrade it first",
        table: "\(definition.table)")
    }
    guard let shards = metadata.properties[Self.shardsProperty] else {
      throw TableError(
        .alreadyExists,
        "a table of that name is there, which is not a stream's; give the stream another table",
        table: "\(definition.table)")
    }
    guard shards == String(definition.shardCount) else {
      throw TableError(
        .invalidArgument,
        "the stream has \(shards) shards, and \(definition.shardCount) are declared: the number cannot "
          + "change while there are rows; declare \(shards)", table: "\(definition.table)")
    }
    let key = definition.primaryKey.joined(separator: ",")
    guard metadata.properties[Self.keyProperty] ?? "" == key else {
      throw TableError(
        .invalidArgument,
        "the stream's primary key is (\(metadata.properties[Self.keyProperty] ?? "")), and (\(key)) is "
          + "declared: it cannot change; make a new table", table: "\(definition.table)")
    }
  }
}
