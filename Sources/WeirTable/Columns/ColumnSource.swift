// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Values of a column by key, in memory.
final class ColumnSource {
  /// What rows are told apart by: columns of the table, or its `_row_id`.
  let keyNames: [String]
  /// The values, in the table's type.
  private(set) var values: ArrayData
  private let keys: [ArrayData]
  private let table: RowHashTable

  /// Rows of it.
  var count: Int { values.length }

  /// - Throws: `invalidArgument` for keys that are null or come twice and for values that do not fit,
  ///   `limit` for more than `bytesMax` bytes.
  init(
    _ rows: some RecordBatchReader, _ layout: ColumnSourceLayout, bytesMax: Int
  ) throws(TableError) {
    keyNames = layout.keys.map(\.name)
    var conformer = RowConformer(layout.keys + [layout.column])
    var batches: [RecordBatch] = []
    var byteCount = 0
    while let batch = try Table.next(rows) {
      if batch.rowCount == 0 { continue }
      let conformed = try conformer.conformed(try layout.projected(batch))
      byteCount += RowBytes.count(conformed) + 24 * conformed.rowCount
      guard byteCount <= bytesMax else {
        throw TableError(
          .limit,
          "the keys and values of a backfill take more than the \(bytesMax) bytes that it may hold; do "
            + "it in several parts (rows that a part does not name keep what they have), or allow more",
          column: layout.column.name)
      }
      batches.append(conformed)
    }
    var columns: [ArrayData] = []
    for (index, field) in (layout.keys + [layout.column]).enumerated() {
      do throws(ColumnarError) {
        columns.append(
          batches.isEmpty
            ? makeBuilder(for: field.type.arrowType).finish()
            : try ArrayData.concatenate(batches.map { $0.columns[index] }))
      } catch { throw TableError(error).adding(column: field.name) }
    }
    values = columns.removeLast()
    keys = columns
    for (key, name) in zip(keys, keyNames) where key.nullCount > 0 {
      throw TableError(
        .invalidArgument, "a key is null; rows are told apart by their keys", column: name)
    }
    guard values.length < Int(Int32.max) else {
      throw TableError(.limit, "a backfill takes less than 2^31 rows; do it in several parts")
    }
    table = RowHashTable(keys)
    if let twice = table.duplicate {
      let text = keys.map { $0.scalar(at: twice.row).text(as: $0.type) }.joined(separator: ", ")
      throw TableError(
        .invalidArgument,
        "the key (\(text)) comes twice in the rows of the backfill, in rows \(twice.first) and "
          + "\(twice.row); each key must come once", column: keyNames[0])
    }
  }

  /// Brings the values into the form of the column as the table has it by now: ids within it are given
  /// when it is added.
  func conform(to column: TableField) throws(TableError) {
    let plan = try ColumnPlanner(matching: .names)
      .plan(values.type, to: column, path: column.name)
    values = try plan.apply(values)
  }

  /// For each row its value's place, or -1.
  ///
  /// - Parameter columns: those of the keys.
  func places(_ columns: [ArrayData], rows: Int) -> [Int] {
    table.find(columns, keys: keys, rows: rows)
  }
}

/// Which columns of a source are its keys, what its values are, and what they are in the table.
struct ColumnSourceLayout {
  var keys: [TableField]
  var column: TableField
  /// The value in terms of the source's columns.
  var value: BoundExpression

  /// The keys and values of a batch, by the table's names.
  func projected(_ batch: RecordBatch) throws(TableError) -> RecordBatch {
    var fields: [Field] = []
    var columns: [ArrayData] = []
    for key in keys {
      let index = try Self.index(of: key.name, in: batch.schema)
      fields.append(batch.schema.fields[index])
      columns.append(batch.columns[index])
    }
    do throws(ColumnarError) { columns.append(try value.evaluate(batch)) } catch {
      throw TableError(error).adding(column: column.name)
    }
    fields.append(value.field(named: column.name))
    return RecordBatch(trusted: Schema(fields), columns: columns, rowCount: batch.rowCount)
  }

  /// A column of that name, else an expression.
  ///
  /// - Throws: `notFound` for a name that the schema lacks, `invalidArgument` for what is no expression of
  ///   its columns.
  static func value(_ text: String, in schema: Schema) throws(TableError) -> BoundExpression {
    let isColumn = schema.fields.contains { $0.name == text }
    let expression = isColumn ? .column(Term(path: [text])) : try parsed(text)
    if let column = expression.plainColumn, column.path.count == 1 {
      _ = try index(of: column.path[0], in: schema)
    }
    do throws(ColumnarError) { return try expression.bind(to: schema) } catch {
      throw TableError(error)
    }
  }

  static func parsed(_ text: String) throws(TableError) -> ScalarExpression {
    do throws(ColumnarError) { return try ScalarExpression(parsing: text) } catch {
      throw TableError(error)
    }
  }

  /// - Throws: `notFound` with what may have been meant.
  static func index(of name: String, in schema: Schema) throws(TableError) -> Int {
    if let index = schema.fields.firstIndex(where: { $0.name == name }) { return index }
    let names = schema.fields.map(\.name)
    let close = NameSuggestion.closest(to: name, names)
    throw TableError(
      .notFound,
      "the rows of the backfill have no such column"
        + (close.map { "; did you mean \($0)? They" } ?? "; they")
        + " have \(names.prefix(20).joined(separator: ", "))", column: name)
  }
}
