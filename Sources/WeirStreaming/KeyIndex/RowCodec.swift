// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Rows of one schema as bytes, one value of `binary` for each row, and back.
///
/// A row, numbers little-endian:
///
/// 1. the number of its layout, 2 bytes: which columns it has (`KeyIndex.layout(for:)`);
/// 2. one bit for each column, from the lowest of the first byte on: 1 for a null;
/// 3. for each column a slot: the value itself where it has a fixed width (1 byte for bool), zeros for
///    a null; else 4 bytes, where its bytes end, counted from the end of the slots;
/// 4. the bytes of the columns without a fixed width: text and binary as they are, nested values as
///    `SegmentEncoder` writes them.
///
/// Rows are a cache in the key index: the format may change with any version of Weir, and the index is
/// then rebuilt.
public struct RowCodec: Sendable {
  public let schema: Schema
  public let layoutNumber: UInt16
  let plan: RowPlan

  /// - Throws: `unsupported` for dictionaries; give the values.
  public init(_ schema: Schema, layoutNumber: UInt16) throws(StreamError) {
    self.schema = schema
    self.layoutNumber = layoutNumber
    for field in schema.fields {
      guard !Self.hasDictionary(field.type) else {
        throw StreamError(
          .unsupported, "a dictionary cannot be part of a row; use the type of its values",
          column: field.name)
      }
    }
    plan = RowPlan(schema)
  }

  private static func hasDictionary(_ type: DataType) -> Bool {
    if case .dictionary = type { return true }
    return type.children.contains { hasDictionary($0.type) }
  }

  /// One value of `binary` for each row.
  ///
  /// Cost: two passes over the columns, in blocks of rows that stay in the cache.
  /// - Throws: `invalidArgument` for columns of other types, or rows of 2 GiB together.
  public func encode(_ batch: RecordBatch) throws(StreamError) -> ArrayData {
    for (field, column) in zip(schema.fields, batch.columns) where field.type != column.type {
      throw StreamError(
        .invalidArgument, "the column has type \(column.type), not \(field.type)",
        column: field.name)
    }
    guard batch.columns.count == schema.fields.count else {
      throw StreamError(
        .invalidArgument,
        "the rows have \(batch.columns.count) columns, not \(schema.fields.count)")
    }
    guard let rows = RowEncoder(plan, layoutNumber).encode(batch) else {
      throw StreamError(
        .invalidArgument, "the rows of a batch have more than 2 GiB; use smaller batches")
    }
    return rows
  }

  /// The rows of an array that `encode` made, from the first to the last; a null gives a row of nulls.
  ///
  /// Bytes may come from anywhere; text is not checked to be UTF-8.
  /// - Parameter columns: places in the schema, all by default.
  /// - Throws: `damaged` for bytes that are no row of this layout.
  public func decode(
    _ rows: ArrayData, columns: [Int]? = nil
  ) throws(StreamError) -> RecordBatch {
    precondition(rows.type == .binary, "encoded rows are binary")
    let wanted = columns ?? Array(schema.fields.indices)
    let decoder = RowDecoder(plan, layoutNumber)
    if let row = decoder.firstDamagedRow(rows) {
      throw StreamError(.damaged, "row \(row) of the key index is no row of its layout")
    }
    var result: [ArrayData] = []
    for column in wanted {
      guard let array = decoder.column(column, rows) else {
        throw StreamError(
          .damaged, "a value in the key index breaks its format",
          column: schema.fields[column].name)
      }
      result.append(array)
    }
    return RecordBatch(
      trusted: Schema(wanted.map { schema.fields[$0] }, metadata: schema.metadata),
      columns: result, rowCount: rows.length)
  }
}
