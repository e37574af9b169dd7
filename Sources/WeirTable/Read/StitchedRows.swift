// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

/// Rows of a data file with some of their columns from column files: those that come from the data file
/// say which rows, the others are read at the same places.
final class StitchedRows: StoredRows {
  let fields: [Field]
  private let base: any StoredRows
  /// Places of the base's columns that stay.
  private let kept: [Int]
  private let columns: [ColumnFileRows]
  private let schema: Schema

  /// - Parameter base: rows of the data file, without the columns of `files`.
  init(_ base: any StoredRows, _ columns: [ColumnFileRows]) {
    self.base = base
    self.columns = columns
    kept = base.fields.indices.filter { index in
      !columns.contains { $0.field.id == base.fields[index].id }
    }
    fields = kept.map { base.fields[$0] } + columns.map(\.field)
    schema = Schema(fields)
  }

  func next() throws(TableError) -> (batch: RecordBatch, places: RowPlaces)? {
    guard let (batch, places) = try base.next() else { return nil }
    var arrays = kept.map { batch.columns[$0] }
    for column in columns { arrays.append(try column.values(places)) }
    return (RecordBatch(trusted: schema, columns: arrays, rowCount: batch.rowCount), places)
  }
}

/// Values of a column file, by their places. Those behind the last ones are read fastest.
final class ColumnFileRows {
  /// The column as it is stored, with its id.
  let field: Field
  let rowCount: Int
  private let file: ColumnFile
  private let reader: WeirFileReader
  private let columns: FileColumns
  private let batches: WeirFileBatches

  init(_ file: ColumnFile, _ stores: ObjectStores) throws(TableError) {
    self.file = file
    let object: any ObjectReader
    do throws(StorageError) {
      object = try stores.open(file.path)
    } catch {
      throw TableError(
        error.code == .notFound ? .notFound : .storage,
        "a column file cannot be read; where it was removed (by another engine's removal of orphans?), "
          + "backfill the column again, or drop it",
        file: file.path, cause: error.message)
    }
    do throws(WeirFileError) {
      reader = try WeirFileReader(object)
      columns = try reader.columns(ids: [file.fieldID])
      guard columns.fields.count == 1, reader.rowCount == file.rowCount else {
        throw WeirFileError(
          .damaged,
          "a column file of \(reader.rowCount) rows and \(columns.fields.count) columns should have "
            + "\(file.rowCount) and 1")
      }
      batches = try reader.batches(
        of: columns, rows: 0..<file.rowCount, batchRows: max(1, file.rowCount))
    } catch { throw TableError(error) }
    field = columns.fields[0]
    rowCount = file.rowCount
  }

  func values(_ places: RowPlaces) throws(TableError) -> ArrayData {
    guard places.end <= rowCount else {
      throw TableError(
        .damaged, "the data file has more rows than its column file, which has \(rowCount)",
        file: file.path)
    }
    do throws(WeirFileError) {
      if let rows = places.list { return try reader.take(ascending: rows, of: columns).columns[0] }
      return try batches.values(of: places.range).columns[0]
    } catch { throw TableError(error) }
  }

  /// The values of rows that follow each other, in the form of a table's column.
  func values(_ rows: Range<Int>, as target: TableField) throws(TableError) -> ArrayData {
    let plan = try ColumnPlanner(matching: .ids, file: file.path)
      .plan(field.type, to: target, path: target.name)
    return try plan.apply(try values(RowPlaces(first: rows.lowerBound, count: rows.count)))
  }
}

extension StoredRequest {
  /// Begins to read, with columns from column files.
  func open(
    _ task: FileScanTask, _ stores: ObjectStores
  ) throws(TableError) -> any StoredRows {
    let files = task.columnFiles.filter { file in fields.contains { $0.id == file.fieldID } }
    guard !files.isEmpty else { return try open(task.dataFile, stores) }
    var request = self
    let ids = Set(files.map(\.fieldID))
    request.fields.removeAll { ids.contains($0.id) }
    request.replacedIDs = ids
    var columns: [ColumnFileRows] = []
    for file in files {
      guard file.rowCount == task.dataFile.recordCount else {
        throw TableError(
          .damaged,
          "a column file has \(file.rowCount) rows, its data file \(task.dataFile.recordCount)",
          file: file.path)
      }
      columns.append(try ColumnFileRows(file, stores))
    }
    return StitchedRows(try request.open(task.dataFile, stores), columns)
  }
}
