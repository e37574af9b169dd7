// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
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
  private let rows: any StoredRows
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
      var request = StoredRequest(fields: read.fields, batchRowsMax: context.batchRowsMax)
      request.nameMapping = context.nameMapping
      request.range = task.range
      request.wanted = wantedEquality.isEmpty ? wantedRows : nil
      request.filter = residual
      rows = try request.open(task, context.stores)
      let planner = ColumnPlanner(
        matching: .ids, constants: Self.constants(task, context.schema), file: file)
      columns = try Self.columns(read.fields, rows.fields, planner)
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

  /// A batch of the columns to read, and where its rows are.
  private func nextOfFile() throws(TableError) -> (batch: RecordBatch, places: RowPlaces)? {
    guard let (stored, places) = try rows.next() else { return nil }
    var arrays: [ArrayData] = []
    for (column, field) in zip(columns, readSchema.fields) {
      do throws(TableError) {
        arrays.append(try array(column, stored, places))
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
    return (batch, places)
  }

  private func array(
    _ column: Column, _ stored: RecordBatch, _ places: RowPlaces
  ) throws(TableError) -> ArrayData {
    let rows = stored.rowCount
    switch column {
    case .stored(let child): return try child.apply(stored.columns, rows: rows)
    case .lineage(let column, let index):
      let inherited = try lineage(column, places)
      guard let index else { return inherited }
      return Lineage.filled(stored.columns[index], inherited)
    case .metadata(let column, let type):
      let value: Scalar
      switch column {
      case .position: return places.positions(from: 0)
      case .deleted:
        if let mask = places.mask(of: marked, negated: false) {
          return mask
        }
        value = .bool(false)
      case .file: value = .string(task.dataFile.path)
      case .specID: value = .int(Int64(task.spec.specID))
      case .partition: value = partition(type)
      case .rowID, .lastUpdatedSequenceNumber: return try lineage(column, places)
      }
      return try ArrayData.constant(value, type: type, length: rows)
    }
  }

  private func lineage(
    _ column: MetadataColumn, _ places: RowPlaces
  ) throws(TableError) -> ArrayData {
    // Without row lineage (before v3) both are null.
    guard let first = task.dataFile.firstRowID else {
      return try ArrayData.constant(.null, type: .int64, length: places.count)
    }
    guard column == .rowID else {
      return try ArrayData.constant(
        .int(task.sequenceNumber), type: .int64, length: places.count)
    }
    guard first <= Int64.max - Int64(places.end) else {
      throw TableError(.damaged, "the file's first row id \(first) is impossible")
    }
    return places.positions(from: first)
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
    _ wanted: DeletedRows, _ read: (batch: RecordBatch, places: RowPlaces)
  ) throws(ColumnarError) -> ArrayData? {
    var masks: [ArrayData] = []
    if let mask = read.places.mask(of: wanted, negated: false) { masks.append(mask) }
    for set in wantedEquality {
      if let mask = try set.mask(read.batch, negated: false) { masks.append(mask) }
    }
    return RowMasks.union(
      masks, without: read.places.mask(of: deletedRows, negated: false))
  }

  /// The rows that stay, with the output's columns; `nil` when none does.
  private func filtered(
    _ read: (batch: RecordBatch, places: RowPlaces)
  ) throws(TableError) -> RecordBatch? {
    var batch = read.batch
    do throws(ColumnarError) {
      if let wanted = wantedRows {
        guard let mask = try wantedMask(wanted, read) else { return nil }
        batch = try batch.filter(mask)
      } else if !context.keepsDeleted,
        let kept = read.places.mask(of: deletedRows, negated: true)
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
