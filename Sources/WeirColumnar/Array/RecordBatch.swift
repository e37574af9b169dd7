// SPDX-License-Identifier: Apache-2.0

/// Columns of equal length under one schema.
public struct RecordBatch: Sendable {
  public let schema: Schema
  public let columns: [ArrayData]
  public let rowCount: Int

  /// - Throws: `ColumnarError.invalidArgument` when a column's type or length does not fit.
  public init(schema: Schema, columns: [ArrayData], rowCount: Int? = nil) throws(ColumnarError) {
    guard schema.fields.count == columns.count else {
      throw ColumnarError(
        .invalidArgument,
        "the schema has \(schema.fields.count) fields, the batch \(columns.count) columns")
    }
    let rows = rowCount ?? columns.first?.length ?? 0
    for (field, column) in zip(schema.fields, columns) {
      guard column.length == rows else {
        throw ColumnarError(
          .invalidArgument, "the column has \(column.length) rows, the batch \(rows)",
          column: field.name)
      }
      guard column.type == field.type else {
        throw ColumnarError(
          .invalidArgument, "the schema says \(field.type), the column is \(column.type)",
          column: field.name)
      }
    }
    self.schema = schema
    self.columns = columns
    self.rowCount = rows
  }

  /// For parts that made schema and columns together and know that they fit.
  package init(trusted schema: Schema, columns: [ArrayData], rowCount: Int) {
    self.schema = schema
    self.columns = columns
    self.rowCount = rowCount
  }

  /// The column called `name`, the first of that name.
  public subscript(name: String) -> ArrayData? { schema.index(of: name).map { columns[$0] } }

  /// Rows `start ..< start + count`, sharing all memory.
  public func slice(offset start: Int, length count: Int) -> RecordBatch {
    precondition(
      start >= 0 && count >= 0 && start <= rowCount - count, "slice lies outside its batch")
    return RecordBatch(
      trusted: schema, columns: columns.map { $0.slice(offset: start, length: count) },
      rowCount: count)
  }

  /// The batch as one struct array without nulls, as the Arrow C stream carries it.
  public var structArray: ArrayData {
    ArrayData(type: .struct(schema.fields), length: rowCount, children: columns)
  }
}
