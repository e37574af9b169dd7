// SPDX-License-Identifier: Apache-2.0
// Safe: loops run over values of an array that is held, within its length.

internal import WeirColumnar

/// Where the least and the largest value of an array are: numbers by value, texts and bytes by
/// their bytes. Nulls and NaN do not count.
enum ColumnExtremes {
  /// `nil` without values, and for types that have no order.
  static func rows(_ array: ArrayData) -> (least: Int, most: Int)? {
    defer { withExtendedLifetime(array) {} }
    if array.nullCount == array.length { return nil }
    switch array.type {
    case .bool: return booleans(array)
    case .int32, .date32, .time32: return numbers(array, Int32.self)
    case .int64, .time64, .timestamp: return numbers(array, Int64.self)
    case .float32: return numbers(array, Float.self)
    case .float64: return numbers(array, Double.self)
    case .decimal128: return numbers(array, Int128.self)
    case .utf8, .binary: return texts(array)
    case .fixedSizeBinary(let width): return fixed(array, width)
    default: return nil
    }
  }

  private static func booleans(_ array: ArrayData) -> (least: Int, most: Int)? {
    var least = -1
    var most = -1
    for row in 0..<array.length where array.isValid(row) {
      if Bitmap.get(array.buffers[0].base, array.offset + row) { most = row } else { least = row }
      if least >= 0 && most >= 0 { break }
    }
    return least < 0 ? (most, most) : (least, most < 0 ? least : most)
  }

  @inline(__always)
  private static func numbers<T: Comparable & BitwiseCopyable>(
    _ array: ArrayData, _ type: T.Type
  ) -> (least: Int, most: Int)? {
    let values = array.values(as: type)
    let hasNulls = array.nullCount > 0
    var least = -1
    var most = -1
    for row in 0..<values.count {
      let value = values[row]
      // NaN is not equal to itself.
      if value != value || hasNulls && !array.isValid(row) { continue }
      if least < 0 {
        least = row
        most = row
      } else if value < values[least] {
        least = row
      } else if values[most] < value {
        most = row
      }
    }
    return least < 0 ? nil : (least, most)
  }

  private static func texts(_ array: ArrayData) -> (least: Int, most: Int)? {
    let offsets = array.offsets(as: Int32.self)
    let bytes = array.buffers[1].base
    return extremes(array) { row in
      UnsafeRawBufferPointer(
        start: bytes + Int(offsets[row]), count: Int(offsets[row + 1] - offsets[row]))
    }
  }

  private static func fixed(_ array: ArrayData, _ width: Int) -> (least: Int, most: Int)? {
    let bytes = array.buffers[0].base + array.offset * width
    return extremes(array) { row in
      UnsafeRawBufferPointer(start: bytes + row * width, count: width)
    }
  }

  @inline(__always)
  private static func extremes(
    _ array: ArrayData, _ bytes: (Int) -> UnsafeRawBufferPointer
  ) -> (least: Int, most: Int)? {
    let hasNulls = array.nullCount > 0
    var least = -1
    var most = -1
    for row in 0..<array.length {
      if hasNulls && !array.isValid(row) { continue }
      let value = bytes(row)
      if least < 0 {
        least = row
        most = row
      } else if value.lexicographicallyPrecedes(bytes(least)) {
        least = row
      } else if bytes(most).lexicographicallyPrecedes(value) {
        most = row
      }
    }
    return least < 0 ? nil : (least, most)
  }
}

/// The items of an array of lists or maps.
enum ListItems {
  /// Those of lists that are not null, in order, and the number of lists that have none.
  static func of(
    _ array: ArrayData
  ) throws(ColumnarError) -> (items: ArrayData, empty: Int) {
    if array.length == 0 { return (array.children[0].slice(offset: 0, length: 0), 0) }
    defer { withExtendedLifetime(array) {} }
    let offsets = array.offsets(as: Int32.self)
    var empty = 0
    var parts: [Range<Int>] = []
    for row in 0..<array.length {
      let range = Int(offsets[row])..<Int(offsets[row + 1])
      if range.isEmpty || !array.isValid(row) {
        empty += 1
      } else if let last = parts.last, last.upperBound == range.lowerBound {
        parts[parts.count - 1] = last.lowerBound..<range.upperBound
      } else {
        parts.append(range)
      }
    }
    let child = array.children[0]
    if parts.count <= 1 {
      let range = parts.first ?? 0..<0
      return (child.slice(offset: range.lowerBound, length: range.count), empty)
    }
    return (
      try ArrayData.concatenate(
        parts.map { child.slice(offset: $0.lowerBound, length: $0.count) }), empty
    )
  }
}
