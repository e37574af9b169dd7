// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Rows of equality delete files that name the same fields: a data row that equals one of them in all
/// of these fields is deleted. Null equals null, NaN equals NaN, -0.0 is not 0.0 (as in the Java
/// implementation).
final class EqualityDeleteSet: Sendable {
  let fieldIDs: [Int32]
  /// One array for each field, all of `count` rows.
  private let keys: [ArrayData]
  /// The columns of `fieldIDs`.
  var keyColumns: [ArrayData] { keys }
  private let table: RowHashTable
  let count: Int

  /// - Parameter keys: the fields' values, in the table's types.
  init(fieldIDs: [Int32], keys: [ArrayData]) {
    self.fieldIDs = fieldIDs
    self.keys = keys
    count = keys.first?.length ?? 0
    table = RowHashTable(keys)
  }

  var byteCount: Int { keys.reduce(table.byteCount) { $0 + $1.byteCount } }

  /// Which rows are deleted (or, `negated`, are not); `nil` when none is.
  func mask(_ batch: RecordBatch, negated: Bool) throws(ColumnarError) -> ArrayData? {
    var columns: [ArrayData] = []
    for id in fieldIDs {
      guard let column = Self.column(id, batch) else {
        throw ColumnarError(.invalidArgument, "the batch lacks the field \(id) of its deletes")
      }
      columns.append(column)
    }
    return table.mask(columns, keys: keys, rows: batch.rowCount, negated: negated)
  }

  /// A column or a field within structs, null where a struct around it is.
  static func column(_ id: Int32, _ batch: RecordBatch) -> ArrayData? {
    func find(_ fields: [Field], _ arrays: [ArrayData], _ outer: ArrayData?) -> ArrayData? {
      for (field, array) in zip(fields, arrays) {
        let own =
          outer.map { outer in
            StructValidity.pushed(
              outer, into: array.slice(offset: outer.offset, length: outer.length))
          } ?? array
        if field.id == id { return own }
        if case .struct(let inner) = field.type,
          let found = find(inner, own.children, own)
        {
          return found
        }
      }
      return nil
    }
    return find(batch.schema.fields, batch.columns, nil)
  }
}
