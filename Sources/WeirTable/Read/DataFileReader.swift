// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// What the files of a scan share.
struct ReadContext: Sendable {
  var schema: TableSchema
  /// The columns that callers get.
  var output: ColumnSelection
  var nameMapping: NameMapping?
  var stores: ObjectStores
  var deletes: DeleteLoader
  var batchRowsMax: Int
  /// Deleted rows come, too, marked in `_deleted`.
  var keepsDeleted: Bool
}

/// Which rows of a task's file are wanted, of those that the task's deletes leave.
struct RowChoice {
  /// Only these rows, and those that equal one of `wantedEquality`; all when `nil`.
  var wanted: DeletedRows?
  /// Equality delete files.
  var wantedEquality: [DataFile] = []
  /// Without these.
  var excluded = DeletedRows()
  /// The rows for which `_deleted` is true, in the place of the deleted ones.
  var marked: DeletedRows?
}

/// Reads the rows of one scan task: columns as the table's schema has them now, without deleted rows
/// and those that the residual filter excludes.
///
/// 1. Columns to read: those of the output, of the filter and of equality deletes.
/// 2. Each batch of the file is brought into the table's form (`ColumnPlan`).
/// 3. Rows go that are deleted by position, then by equality, then by the filter.
/// 4. Columns that only step 3 needed go.
final class DataFileReader {
  private let task: FileScanTask
  private let context: ReadContext
  private let batches: ParquetBatches
  private let columns: [Column]
  /// Schema of the columns as they are read.
  private let readSchema: Schema
  /// From those to the output; `nil` when they are the same.
  private let outputPlan: [ColumnPlan.Child]?
  private let outputSchema: Schema
  private let deletedRows: DeletedRows
  private let equality: [EqualityDeleteSet]
  private let residual: BoundPredicate?
  /// Rows that are wanted by their position, and those that equal one of a set; all without both.
  private let wantedRows: DeletedRows?
  private let wantedEquality: [EqualityDeleteSet]
  private let marked: DeletedRows

  /// Where a column comes from.
  private enum Column {
    case stored(ColumnPlan.Child)
    case metadata(MetadataColumn, DataType)
    /// Stored values (a position in the batch), inherited ones where there is none.
    case lineage(MetadataColumn, stored: Int?)
  }

  init(
    _ task: FileScanTask, _ context: ReadContext, choosing choice: RowChoice = RowChoice()
  ) throws(TableError) {
    self.task = task
    self.context = context
    let file = task.dataFile.path
    do throws(TableError) {
      guard task.dataFile.format == .parquet else {
        throw TableError(
          .unsupported,
          "data files of format \(task.dataFile.format) cannot be read; rewrite the "
            + "table with Parquet files")
      }
      var deletedRows = try context.deletes.positions(task)
      deletedRows.formUnion(choice.excluded)
      self.deletedRows = deletedRows
      marked = choice.marked ?? deletedRows
      equality = try context.deletes.equality(task.deletes, schema: context.schema)
      wantedEquality = try context.deletes.equality(
        TaskDeletes(equalityDeletes: choice.wantedEquality), schema: context.schema)
      wantedRows = choice.wanted
      residual = task.residual.isAlwaysTrue ? nil : task.residual
      var read = context.output
      let filterIDs = (residual?.columns ?? []).compactMap(\.field.id)
      read.add(
        filterIDs + (equality + wantedEquality).flatMap(\.fieldIDs), schema: context.schema)
      let parquet = try Self.open(file, context.stores)
      let fileFields = try Self.fields(parquet.schema, context.nameMapping)
      let names = Self.columnNames(read.fields, fileFields)
      let conditions =
        residual.map { PredicatePushdown.conditions($0, fields: parquet.schema.fields) } ?? []
      batches = try Self.scan(
        parquet, names, task.range, wantedEquality.isEmpty ? wantedRows : nil, conditions,
        context.batchRowsMax)
      let planner = ColumnPlanner(
        matching: .ids, constants: Self.constants(task, context.schema), file: file)
      let batchFields =
        context.nameMapping?.assigningIDs(batches.schema.fields)
        ?? batches.schema.fields
      columns = try Self.columns(read.fields, batchFields, planner)
      readSchema = Schema(read.fields.map(\.arrowField))
      outputSchema = Schema(context.output.fields.map(\.arrowField))
      outputPlan =
        read.fields == context.output.fields
        ? nil
        : try ColumnPlanner(matching: .ids)
          .children(context.output.fields, in: readSchema.fields, path: "")
    } catch { throw error.adding(file: file) }
  }

  // MARK: Opening

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

  /// Values of columns by which the partition was made as they are; used where a file lacks them.
  private static func constants(_ task: FileScanTask, _ schema: TableSchema) -> [Int32: Scalar] {
    var result: [Int32: Scalar] = [:]
    for (field, value) in zip(task.spec.fields, task.dataFile.partition)
    where field.transform == .identity {
      result[field.sourceID] = value
    }
    return result
  }

  private static func columns(
    _ targets: [TableField], _ fields: [Field], _ planner: ColumnPlanner
  ) throws(TableError) -> [Column] {
    var result: [Column] = []
    for target in targets {
      switch MetadataColumn(fieldID: target.id) {
      case nil:
        result.append(.stored(try planner.children([target], in: fields, path: "")[0]))
      case .rowID?, .lastUpdatedSequenceNumber?:
        let stored = planner.index(of: target, in: fields)
        if let stored, fields[stored].type != .int64 {
          throw TableError(.damaged, "the column must hold 64-bit integers", column: target.name)
        }
        result.append(.lineage(MetadataColumn(fieldID: target.id) ?? .rowID, stored: stored))
      case let column?: result.append(.metadata(column, target.type.arrowType))
      }
    }
    return result
  }

  // MARK: Reading

  /// The next rows, at least one; `nil` at the end.
  func next() throws(TableError) -> RecordBatch? {
    do throws(TableError) {
      while let batch = try nextOfFile() {
        if let result = try filtered(batch) { return result }
      }
      return nil
    } catch { throw error.adding(file: task.dataFile.path) }
  }

  /// A batch of the columns to read, and the deleted ones of its rows.
  private func nextOfFile() throws(TableError) -> (batch: RecordBatch, firstRow: Int)? {
    let stored: RecordBatch?
    do throws(ParquetError) {
      stored = try batches.next()
    } catch { throw TableError(error) }
    guard let stored else { return nil }
    var arrays: [ArrayData] = []
    for (column, field) in zip(columns, readSchema.fields) {
      do throws(TableError) {
        arrays.append(try array(column, stored))
        if !field.nullable, let array = arrays.last, array.nullCount > 0 {
          throw TableError(.damaged, "the column is required, and the file holds nulls")
        }
      } catch {
        // What the file holds is wrong, not what the caller asked for.
        var damage = error.adding(column: field.name)
        if damage.code == .invalidArgument { damage.code = .damaged }
        throw damage
      }
    }
    let batch = RecordBatch(trusted: readSchema, columns: arrays, rowCount: stored.rowCount)
    return (batch, batches.firstRow)
  }

  private func array(_ column: Column, _ stored: RecordBatch) throws(TableError) -> ArrayData {
    let rows = stored.rowCount
    switch column {
    case .stored(let child): return try child.apply(stored.columns, rows: rows)
    case .lineage(let column, let index):
      let inherited = try lineage(column, rows)
      guard let index else { return inherited }
      return Lineage.filled(stored.columns[index], inherited)
    case .metadata(let column, let type):
      let value: Scalar
      switch column {
      case .position: return Lineage.sequence(from: Int64(batches.firstRow), count: rows)
      case .deleted:
        if let mask = marked.mask(first: batches.firstRow, count: rows, negated: false) {
          return mask
        }
        value = .bool(false)
      case .file: value = .string(task.dataFile.path)
      case .specID: value = .int(Int64(task.spec.specID))
      case .partition: value = partition(type)
      case .rowID, .lastUpdatedSequenceNumber: return try lineage(column, rows)
      }
      return try ArrayData.constant(value, type: type, length: rows)
    }
  }

  private func lineage(_ column: MetadataColumn, _ rows: Int) throws(TableError) -> ArrayData {
    // Without row lineage (before v3) both are null.
    guard let first = task.dataFile.firstRowID else {
      return try ArrayData.constant(.null, type: .int64, length: rows)
    }
    guard column == .rowID else {
      return try ArrayData.constant(.int(task.sequenceNumber), type: .int64, length: rows)
    }
    let (start, overflow) = first.addingReportingOverflow(Int64(batches.firstRow))
    guard !overflow, start <= Int64.max - Int64(rows) else {
      throw TableError(.damaged, "the file's first row id \(first) is impossible")
    }
    return Lineage.sequence(from: start, count: rows)
  }

  /// The file's partition tuple among the fields of all specs.
  private func partition(_ type: DataType) -> Scalar {
    var values: [Int32: Scalar] = [:]
    for (field, value) in zip(task.spec.fields, task.dataFile.partition) {
      values[field.fieldID] = value
    }
    return .struct(
      type.children.map { Scalar.Member($0.name, $0.id.flatMap { values[$0] } ?? .null) })
  }

  /// The rows that are wanted by position or by equality, without the deleted ones; `nil` when there
  /// are none.
  private func wantedMask(
    _ wanted: DeletedRows, _ read: (batch: RecordBatch, firstRow: Int)
  ) throws(ColumnarError) -> ArrayData? {
    let rows = read.batch.rowCount
    var masks: [ArrayData] = []
    if let mask = wanted.mask(first: read.firstRow, count: rows, negated: false) {
      masks.append(mask)
    }
    for set in wantedEquality {
      if let mask = try set.mask(read.batch, negated: false) { masks.append(mask) }
    }
    return RowMasks.union(
      masks, without: deletedRows.mask(first: read.firstRow, count: rows, negated: false))
  }

  /// The rows that stay, with the output's columns; `nil` when none does.
  private func filtered(
    _ read: (batch: RecordBatch, firstRow: Int)
  ) throws(TableError) -> RecordBatch? {
    var batch = read.batch
    do throws(ColumnarError) {
      if let wanted = wantedRows {
        guard let mask = try wantedMask(wanted, read) else { return nil }
        batch = try batch.filter(mask)
      } else if !context.keepsDeleted,
        let kept = deletedRows.mask(
          first: read.firstRow, count: batch.rowCount, negated: true)
      {
        batch = try batch.filter(kept)
      }
      for set in equality where batch.rowCount > 0 {
        if let kept = try set.mask(batch, negated: true) { batch = try batch.filter(kept) }
      }
      if let residual, batch.rowCount > 0 { batch = try batch.filter(residual) }
    } catch { throw TableError(error) }
    guard batch.rowCount > 0 else { return nil }
    guard let outputPlan else { return batch }
    var arrays: [ArrayData] = []
    for child in outputPlan { arrays.append(try child.apply(batch.columns, rows: batch.rowCount)) }
    return RecordBatch(trusted: outputSchema, columns: arrays, rowCount: batch.rowCount)
  }
}
