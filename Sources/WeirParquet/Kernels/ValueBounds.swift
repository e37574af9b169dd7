// SPDX-License-Identifier: Apache-2.0

// Safe: all pointers come from an array that the caller holds, with the counts that it states.

internal import WeirColumnar

/// The smallest and the largest of some values, in the order that a column's statistics have.
struct ValueBounds {
  var low: Bound
  var high: Bound

  mutating func merge(_ other: ValueBounds) {
    if Bound.isLess(other.low, low) { low = other.low }
    if Bound.isLess(high, other.high) { high = other.high }
  }

  /// Of the valid values of `array` that are not NaN; `nil` when there is none, or the type has no
  /// order that statistics follow.
  static func of(_ array: ArrayData) -> ValueBounds? {
    defer { withExtendedLifetime(array) {} }
    switch array.type {
    case .bool: return booleans(array)
    case .int8: return integers(array, Int8.self)
    case .int16: return integers(array, Int16.self)
    case .int32, .date32, .time32: return integers(array, Int32.self)
    case .int64, .date64, .time64, .timestamp, .duration: return integers(array, Int64.self)
    case .uint8: return integers(array, UInt8.self)
    case .uint16: return integers(array, UInt16.self)
    case .uint32: return integers(array, UInt32.self)
    case .uint64: return integers(array, UInt64.self)
    case .float16: return floats(array, Float16.self)
    case .float32: return floats(array, Float.self)
    case .float64: return floats(array, Double.self)
    case .decimal128: return decimals(array)
    case .utf8, .largeUtf8, .binary, .largeBinary, .fixedSizeBinary: return bytes(array)
    case .dictionary: return dictionary(array)
    default: return nil
    }
  }

  private static func booleans(_ array: ArrayData) -> ValueBounds? {
    var hasFalse = false
    var hasTrue = false
    for index in 0..<array.length where array.isValid(index) {
      if Bitmap.get(array.buffers[0].base, array.offset + index) {
        hasTrue = true
      } else {
        hasFalse = true
      }
    }
    guard hasFalse || hasTrue else { return nil }
    return ValueBounds(low: .integer(hasFalse ? 0 : 1), high: .integer(hasTrue ? 1 : 0))
  }

  private static func integers<T: FixedWidthInteger & BitwiseCopyable>(
    _ array: ArrayData, _ type: T.Type
  ) -> ValueBounds? {
    guard let (low, high) = extremes(array, type, isIncluded: { _ in true }) else { return nil }
    return ValueBounds(low: .integer(Int128(low)), high: .integer(Int128(high)))
  }

  private static func floats<T: BinaryFloatingPoint & BitwiseCopyable>(
    _ array: ArrayData, _ type: T.Type
  ) -> ValueBounds? {
    guard let (low, high) = extremes(array, type, isIncluded: { !$0.isNaN }) else { return nil }
    return ValueBounds(low: .number(Double(low)), high: .number(Double(high)))
  }

  @inline(__always)
  private static func extremes<T: Comparable & BitwiseCopyable>(
    _ array: ArrayData, _ type: T.Type, isIncluded: (T) -> Bool
  ) -> (T, T)? {
    let values = array.values(as: type)
    var found: (T, T)?
    for index in 0..<array.length {
      let value = values[index]
      guard isIncluded(value), array.validity == nil || array.isValid(index) else { continue }
      if let (low, high) = found {
        if value < low { found = (value, high) }
        if high < value { found = (low, value) }
      } else {
        found = (value, value)
      }
    }
    return found
  }

  private static func decimals(_ array: ArrayData) -> ValueBounds? {
    var found: (Int128, Int128)?
    for index in 0..<array.length where array.isValid(index) {
      let value = array.withBytes(index) { Int128(littleEndian: $0.loadUnaligned(as: Int128.self)) }
      found = found.map { (min($0.0, value), max($0.1, value)) } ?? (value, value)
    }
    return found.map { ValueBounds(low: .integer($0.0), high: .integer($0.1)) }
  }

  private static func bytes(_ array: ArrayData) -> ValueBounds? {
    var low = -1
    var high = -1
    func precedes(_ a: Int, _ b: Int) -> Bool {
      array.withBytes(a) { first in
        array.withBytes(b) { second in first.lexicographicallyPrecedes(second) }
      }
    }
    for index in 0..<array.length where array.isValid(index) {
      if low < 0 || precedes(index, low) { low = index }
      if high < 0 || precedes(high, index) { high = index }
    }
    guard low >= 0 else { return nil }
    return ValueBounds(
      low: .bytes(array.withBytes(low) { [UInt8]($0) }),
      high: .bytes(array.withBytes(high) { [UInt8]($0) }))
  }

  /// Of the dictionary's values that are used.
  private static func dictionary(_ array: ArrayData) -> ValueBounds? {
    guard case .dictionary(let indexType, _, _) = array.type, let values = array.dictionary else {
      return nil
    }
    var used = [Bool](repeating: false, count: values.length)
    func mark<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) {
      let indices = array.values(as: type)
      for index in 0..<array.length where array.isValid(index) {
        let code = Int(truncatingIfNeeded: indices[index])
        if used.indices.contains(code) { used[code] = true }
      }
    }
    switch indexType.layout {
    case .fixedWidth(1): mark(UInt8.self)
    case .fixedWidth(2): mark(UInt16.self)
    case .fixedWidth(4): mark(UInt32.self)
    default: mark(UInt64.self)
    }
    var result: ValueBounds?
    for (code, isUsed) in used.enumerated() where isUsed {
      guard let one = of(values.slice(offset: code, length: 1)) else { continue }
      if result == nil { result = one } else { result?.merge(one) }
    }
    return result
  }
}
