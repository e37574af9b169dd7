// SPDX-License-Identifier: Apache-2.0

/// The rows of a column that something was bound to, in one batch.
struct ColumnRows {
  /// May be a dictionary.
  var values: ArrayData
  /// Which rows have a value, also by the structs around it; `nil` for all.
  var valid: RowBits?

  /// - Throws: `invalidArgument` when the batch has no such column, or one of another type.
  init(_ column: BoundColumn, _ batch: RecordBatch) throws(ColumnarError) {
    guard
      var index = Self.position(of: column.names[0], column.path[0], batch.schema.fields)
    else { throw Self.missing(column) }
    values = batch.columns[index]
    valid = Self.validity(values)
    for level in 1..<column.path.count {
      guard case .struct(let fields) = values.type else { throw Self.missing(column) }
      guard let child = Self.position(of: column.names[level], column.path[level], fields) else {
        throw Self.missing(column)
      }
      index = child
      values = values.children[index].slice(offset: values.offset, length: values.length)
      if let own = Self.validity(values) {
        valid?.formAnd(own)
        valid = valid ?? own
      }
    }
    var type = values.type
    if case .dictionary(_, let value, _) = type { type = value }
    guard Self.sameKind(type, column.type) else {
      throw ColumnarError(
        .invalidArgument,
        "the column was bound as one of \(column.type), the batch has \(values.type)",
        column: column.name)
    }
  }

  /// Nested types may differ in their fields: only their nulls are tested.
  private static func sameKind(_ a: DataType, _ b: DataType) -> Bool {
    a == b || (!a.children.isEmpty && !b.children.isEmpty)
  }

  private static func position(of name: String, _ bound: Int, _ fields: [Field]) -> Int? {
    if bound < fields.count, fields[bound].name == name { return bound }
    return fields.firstIndex { $0.name == name }
  }

  private static func missing(_ column: BoundColumn) -> ColumnarError {
    ColumnarError(
      .invalidArgument, "the batch lacks a column that is to be read", column: column.name)
  }

  /// `nil` when no row is null.
  static func validity(_ array: ArrayData) -> RowBits? {
    if array.type == .null { return RowBits(repeating: false, count: array.length) }
    guard let validity = array.validity else { return nil }
    return RowBits(validity, offset: array.offset, count: array.length)
  }

  /// The values without a dictionary; null rows mean nothing.
  func plainValues() throws(ColumnarError) -> ArrayData {
    guard case .dictionary(let index, _, _) = values.type, let dictionary = values.dictionary else {
      return values
    }
    return try dictionary.take(
      ArrayData(
        type: index, length: values.length, offset: values.offset, validity: values.validity,
        buffers: values.buffers))
  }
}
