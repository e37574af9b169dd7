// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Lists that a schema says are all of one size, stored as ordinary lists.
enum FixedSizeLists {
  /// The items with `size` of them for every list: those of null lists, which the file does not hold,
  /// are put in.
  ///
  /// - Parameter offsets: `count + 1` of 8 bytes.
  static func items(
    _ items: ArrayData, offsets: Buffer, validity: Buffer?, count: Int, size: Int, field: Field,
    itemCountMax: Int
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
    let (total, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow && total <= itemCountMax,
      Double(total) * (field.type.children[0].type.fixedByteCount / 8) <= Double(itemCountMax)
    else {
      throw ParquetError(
        .limitExceeded,
        "\(count) lists of \(size) items do not fit a batch; ask for fewer rows a batch",
        column: field.name)
    }
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

extension DataType {
  /// Bytes that a row takes whatever is in it, also a null.
  var fixedByteCount: Double {
    switch self {
    case .fixedSizeList(let item, let size): Double(size) * item.type.fixedByteCount
    case .struct(let fields): fields.reduce(0) { $0 + $1.type.fixedByteCount }
    default:
      switch layout {
      case .fixedWidth(let width), .variableBinary(let width), .list(let width): Double(width)
      default: 0
      }
    }
  }
}
