// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// Rows of a Parquet file; row groups and pages that the request does not need are passed over.
final class ParquetRows: StoredRows {
  let fields: [Field]
  private let batches: ParquetBatches

  init(_ path: String, _ request: StoredRequest, _ stores: ObjectStores) throws(TableError) {
    let parquet = try Self.open(path, stores)
    let fileFields = try Self.fields(parquet.schema, request.nameMapping)
    let names = Self.columnNames(request.fields, fileFields)
    let known = parquet.schema.fields.filter { field in
      !(field.id.map(request.replacedIDs.contains) ?? false)
    }
    let conditions = request.filter.map { PredicatePushdown.conditions($0, fields: known) } ?? []
    batches = try Self.scan(
      parquet, names, request.range, request.wanted, conditions, request.batchRowsMax)
    fields =
      request.nameMapping?.assigningIDs(batches.schema.fields) ?? batches.schema.fields
  }

  func next() throws(TableError) -> (batch: RecordBatch, places: RowPlaces)? {
    do throws(ParquetError) {
      guard let batch = try batches.next() else { return nil }
      return (batch, RowPlaces(first: batches.firstRow, count: batch.rowCount))
    } catch { throw TableError(error) }
  }

  static func open(
    _ path: String, _ stores: ObjectStores
  ) throws(TableError) -> ParquetReader {
    let source: any ObjectReader
    do throws(StorageError) {
      source = try stores.open(path)
    } catch { throw TableError(error, file: path) }
    var options = ParquetReadOptions()
    options.int96Unit = .microsecond
    do throws(ParquetError) {
      return try ParquetReader(source, options: options)
    } catch { throw TableError(error) }
  }

  /// The file's fields, with ids.
  static func fields(
    _ schema: Schema, _ mapping: NameMapping?
  ) throws(TableError) -> [Field] {
    if let mapping { return mapping.assigningIDs(schema.fields) }
    guard schema.fields.isEmpty || schema.fields.contains(where: { $0.id != nil }) else {
      throw TableError(
        .unsupported,
        "the file's columns have no field ids; set the table property \(NameMapping.property), which "
          + "maps their names to the table's fields")
    }
    return schema.fields
  }

  private static func scan(
    _ parquet: ParquetReader, _ names: [String], _ range: Range<Int64>?,
    _ rows: DeletedRows?, _ conditions: [ColumnPredicate], _ batchRowsMax: Int
  ) throws(TableError) -> ParquetBatches {
    var groups: [Int]?
    if range != nil || rows != nil {
      var firstRow = 0
      groups = parquet.metadata.rowGroups.indices.filter { index in
        let group = parquet.metadata.rowGroups[index]
        defer { firstRow += group.rowCount }
        if let rows, !rows.intersects(firstRow..<firstRow + group.rowCount) { return false }
        guard let range else { return true }
        guard let column = group.columns.first?.metaData else { return false }
        let start = min(column.dataPageOffset, column.dictionaryPageOffset ?? .max)
        return range.contains(Int64(start))
      }
    }
    do throws(ParquetError) {
      return try parquet.batches(
        columns: names, rowGroups: groups, predicates: conditions, batchRows: batchRowsMax)
    } catch { throw TableError(error) }
  }

  /// Names by which the Parquet reader finds the columns: of structs only the fields that are asked
  /// for, where the file has some of them.
  static func columnNames(_ targets: [TableField], _ fields: [Field]) -> [String] {
    var names: [String] = []
    for target in targets {
      guard let field = fields.first(where: { $0.id == target.id }) else { continue }
      let parts = paths(target, field)
      // A dot within a name would be read as a level.
      if let parts, parts.allSatisfy({ !$0.contains { $0.contains(".") } }) {
        names += parts.map { ([field.name] + $0).joined(separator: ".") }
      } else {
        names.append(field.name)
      }
    }
    return names
  }

  /// Paths below `field` that hold what `target` asks for; `nil` for all of it.
  private static func paths(_ target: TableField, _ field: Field) -> [[String]]? {
    switch (target.type, field.type) {
    case (.struct(let type), .struct(let fields)):
      var result: [[String]] = []
      for child in type.fields {
        guard let found = fields.first(where: { $0.id == child.id }) else { continue }
        result += (paths(child, found) ?? [[]]).map { [found.name] + $0 }
      }
      return result.isEmpty ? nil : result
    case (.list(let type), .list(let item)), (.list(let type), .largeList(let item)):
      return paths(type.elementField, item)
    default: return nil
    }
  }
}
