// SPDX-License-Identifier: Apache-2.0
// Safe: values are viewed in place while their array is held.

public import WeirColumnar

extension ThetaSketch {
  /// Adds every value of a column that is not null, as its single-value serialization.
  ///
  /// - Parameter type: the column's; the array has its Arrow form (`TableType.arrowType`).
  /// - Throws: `invalidArgument` for nested types and for arrays of another form.
  public func add(_ column: ArrayData, as type: TableType) throws(TableError) {
    guard !type.isNested, column.type == type.arrowType else {
      throw TableError(
        .invalidArgument, "distinct values of a \(column.type) cannot be counted as \(type)")
    }
    switch type {
    case .int, .date, .float: addValues(column, UInt32.self)
    case .long, .double, .time, .timestamp, .timestamptz, .timestampNs, .timestamptzNs:
      addValues(column, UInt64.self)
    case .string, .binary, .uuid, .fixed:
      for row in 0..<column.length where column.isValid(row) { column.withBytes(row) { add($0) } }
    case .boolean, .decimal:
      for row in 0..<column.length where column.isValid(row) {
        add(try SingleValue.encode(column.scalar(at: row), as: type))
      }
    default: break
    }
  }

  /// Little-endian numbers are their own serialization.
  private func addValues<T: FixedWidthInteger & BitwiseCopyable>(_ column: ArrayData, _: T.Type) {
    defer { withExtendedLifetime(column) {} }
    let values = column.values(as: T.self)
    for row in 0..<column.length where column.isValid(row) {
      withUnsafeBytes(of: values[row].littleEndian) { add($0) }
    }
  }
}
