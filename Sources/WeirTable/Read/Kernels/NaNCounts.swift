// SPDX-License-Identifier: Apache-2.0
// Safe: loops run over values of an array that is held, within its length.

internal import WeirColumnar

/// Counts NaN in floating point columns, also those within structs.
enum NaNCounts {
  static func add(_ array: ArrayData, _ field: TableField, to counts: inout [Int32: Int]) {
    switch (field.type, array.type) {
    case (.float, .float32):
      counts[field.id, default: 0] += count(array, Float.self)
    case (.double, .float64):
      counts[field.id, default: 0] += count(array, Double.self)
    case (.struct(let type), .struct):
      for (child, inner) in zip(type.fields, array.children) {
        let rows = inner.slice(offset: array.offset, length: array.length)
        add(StructValidity.pushed(array, into: rows), child, to: &counts)
      }
    default: break
    }
  }

  private static func count<T: BinaryFloatingPoint & BitwiseCopyable>(
    _ array: ArrayData, _ type: T.Type
  ) -> Int {
    defer { withExtendedLifetime(array) {} }
    let values = array.values(as: T.self)
    var count = 0
    if array.nullCount == 0 {
      for row in 0..<values.count { count += values[row] != values[row] ? 1 : 0 }
    } else {
      for row in 0..<values.count where values[row] != values[row] {
        count += array.isValid(row) ? 1 : 0
      }
    }
    return count
  }
}
