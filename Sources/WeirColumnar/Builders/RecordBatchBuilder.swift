// SPDX-License-Identifier: Apache-2.0

/// Builds record batches, row by row or column by column.
public final class RecordBatchBuilder {
  public let schema: Schema
  /// One builder for each field. Who appends to them directly gives each as many rows.
  public let columns: [any ArrayBuilder]

  public init(_ schema: Schema) {
    self.schema = schema
    self.columns = schema.fields.map { makeBuilder(for: $0.type) }
  }

  /// Rows so far, by the first column.
  public var rowCount: Int { columns.first?.length ?? 0 }

  public func reserve(_ additional: Int) {
    for column in columns { column.reserve(additional) }
  }

  /// Appends one value to each column.
  ///
  /// - Throws: as `ArrayBuilder.append`, with the column's path, and `invalidArgument` for a null in
  ///   a field that forbids it; the builder is then as before.
  public func append(row: [Scalar]) throws(ColumnarError) {
    guard row.count == columns.count else {
      throw ColumnarError(
        .invalidArgument, "the row has \(row.count) values, the schema \(columns.count) fields")
    }
    let start = rowCount
    do throws(ColumnarError) {
      for (index, value) in row.enumerated() {
        try columns[index].appendChild(value, schema.fields[index])
      }
    } catch {
      for column in columns where column.length > start { column.truncate(to: start) }
      throw error
    }
  }

  /// The rows so far as a batch; the builder starts again empty.
  ///
  /// - Throws: `invalidArgument` when the columns are not equally long.
  public func finish() throws(ColumnarError) -> RecordBatch {
    let rows = rowCount
    return try RecordBatch(schema: schema, columns: columns.map { $0.finish() }, rowCount: rows)
  }
}
