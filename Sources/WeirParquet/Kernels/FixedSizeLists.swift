// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Lists that a schema says are all of one size, stored as ordinary lists.
enum FixedSizeLists {
  /// The items with `size` of them for every list: those of null lists, which the file does not hold,
  /// are put in.
  ///
  /// - Parameter offsets: `count + 1` of 8 bytes.
  static func items(
    _ items: ArrayData, offsets: Buffer, validity: Buffer?, count: Int, size: Int, field: Field
  ) throws(ParquetError) -> ArrayData {
    // Safe: the buffer holds count + 1 offsets.
    let starts = offsets.elements(of: Int64.self)
    var missing = 0
    for index in 0..<count {
      let length = Int(starts[index + 1] - starts[index])
      if length == size { continue }
      let isNull = validity.map { !Bitmap.get($0.base, index) } ?? false
      guard isNull && length == 0 else {
        throw ParquetError(
          .damaged, "a list of \(length) items in a column of lists of \(size)", column: field.name)
      }
      missing += 1
    }
    if missing == 0 { return items }
    var indices: [Int] = []
    indices.reserveCapacity(count * size)
    for index in 0..<count {
      let start = Int(starts[index])
      let isFull = Int(starts[index + 1]) > start
      for item in 0..<size { indices.append(isFull ? start + item : -1) }
    }
    // An item that cannot be null gets a placeholder under its null list.
    let isNullable = field.type.children[0].nullable
    do throws(ColumnarError) {
      return try takeRows(items, indices, isNullable ? .null : .placeholder)
    } catch {
      throw ParquetError(.limitExceeded, "\(error)", column: field.name)
    }
  }
}
