// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A condition on one column that lets a scan pass over row groups and pages.
///
/// A scan yields every row that meets all of its predicates, and others beside them.
public struct ColumnPredicate: Sendable {
  public enum Comparison: Sendable {
    case equal, less, lessOrEqual, greater, greaterOrEqual
    /// Equal to one of the values.
    case isIn
    case isNull, isNotNull
  }

  /// Name of the column, or the dotted path of a field within structs.
  public var column: String
  public var comparison: Comparison
  /// One value; for `isIn` any number; for `isNull` and `isNotNull` none. Their case must fit the
  /// column's type: `.int` or `.uint` for integers and times, `.string` for utf8, and so on.
  public var values: [Scalar]

  public init(_ column: String, _ comparison: Comparison, _ values: [Scalar] = []) {
    self.column = column
    self.comparison = comparison
    self.values = values
  }
}

/// A value in the order of a column's statistics.
enum Bound {
  case integer(Int128)
  case number(Double)
  case bytes([UInt8])

  /// A predicate's value for a column of `type`; `nil` when it does not fit the type.
  init?(_ scalar: Scalar, type: DataType) {
    switch scalar {
    case .bool(let value) where type == .bool: self = .integer(value ? 1 : 0)
    case .int(let value) where !type.isFloatingPoint && !type.isVariableBinary:
      self = .integer(Int128(value))
    case .uint(let value) where !type.isFloatingPoint && !type.isVariableBinary:
      self = .integer(Int128(value))
    case .int(let value) where type.isFloatingPoint: self = .number(Double(value))
    case .float16(let value) where type.isFloatingPoint: self = .number(Double(value))
    case .float32(let value) where type.isFloatingPoint: self = .number(Double(value))
    case .float64(let value) where type.isFloatingPoint: self = .number(value)
    case .decimal(let value, let scale):
      guard case .decimal128(_, scale) = type else { return nil }
      self = .integer(value)
    case .string(let value) where type.isVariableBinary: self = .bytes(Array(value.utf8))
    case .binary(let value): self = .bytes(value)
    default: return nil
    }
  }

  /// A statistic's bytes; `nil` when they say nothing (wrong size, NaN, a type without an order).
  init?(statistic bytes: [UInt8], leaf: LeafColumn, type: DataType) {
    switch leaf.physicalType {
    case .boolean:
      guard bytes.count == 1 else { return nil }
      self = .integer(bytes[0] == 0 ? 0 : 1)
    case .int32, .int64:
      let width = leaf.physicalType == .int32 ? 4 : 8
      guard bytes.count == width else { return nil }
      var bits: UInt64 = 0
      for (index, byte) in bytes.enumerated() { bits |= UInt64(byte) << UInt64(8 * index) }
      switch type {
      case .uint8, .uint16, .uint32, .uint64: self = .integer(Int128(bits))
      default:
        self = .integer(
          width == 4
            ? Int128(Int32(truncatingIfNeeded: bits)) : Int128(Int64(bitPattern: bits)))
      }
    case .float:
      guard bytes.count == 4 else { return nil }
      var bits: UInt32 = 0
      for (index, byte) in bytes.enumerated() { bits |= UInt32(byte) << UInt32(8 * index) }
      let value = Float(bitPattern: bits)
      if value.isNaN { return nil }
      self = .number(Double(value))
    case .double:
      guard bytes.count == 8 else { return nil }
      var bits: UInt64 = 0
      for (index, byte) in bytes.enumerated() { bits |= UInt64(byte) << UInt64(8 * index) }
      let value = Double(bitPattern: bits)
      if value.isNaN { return nil }
      self = .number(value)
    case .int96: return nil
    case .byteArray, .fixedLenByteArray:
      if case .decimal128 = type {
        guard (1...16).contains(bytes.count) else { return nil }
        var value = Int128(Int8(bitPattern: bytes[0]))
        for byte in bytes.dropFirst() { value = value << 8 | Int128(byte) }
        self = .integer(value)
      } else if type == .float16 {
        guard bytes.count == 2 else { return nil }
        let value = Float16(bitPattern: UInt16(bytes[0]) | UInt16(bytes[1]) << 8)
        if value.isNaN { return nil }
        self = .number(Double(value))
      } else {
        self = .bytes(bytes)
      }
    }
  }

  /// Whether `a` comes before `b`; false for bounds of different kinds.
  static func isLess(_ a: Bound, _ b: Bound) -> Bool {
    switch (a, b) {
    case (.integer(let a), .integer(let b)): a < b
    case (.number(let a), .number(let b)): a < b
    case (.bytes(let a), .bytes(let b)): a.lexicographicallyPrecedes(b)
    default: false
    }
  }
}
