// SPDX-License-Identifier: Apache-2.0

/// A constant of a predicate, as it was written: binding converts it to the column's type.
///
/// | literal | columns that it may be compared with |
/// |---|---|
/// | bool | bool |
/// | integer, decimal, double | integers, floats, decimals; an integer also durations, in their unit |
/// | string | utf8; dates, times, timestamps, decimals and UUIDs when it reads as one |
/// | binary | binary, fixed-size binary |
/// | date | dates, timestamps (as midnight) |
/// | time | times |
/// | timestamp | timestamps, dates |
/// | uuid | fixed-size binary of 16 bytes |
public enum Literal: Sendable {
  case bool(Bool)
  case integer(Int128)
  /// `unscaled * 10^-scale`. Against floats it is the nearest value of the column's type.
  case decimal(Int128, scale: Int)
  /// Against decimals it is the shortest decimal number that reads back as it.
  case double(Double)
  case string(String)
  case binary([UInt8])
  /// Days since 1970-01-01.
  case date(Int64)
  /// Nanoseconds since midnight.
  case time(Int64)
  /// Nanoseconds since 1970-01-01T00:00:00: in UTC when `zoned`, else on the wall clock. A literal
  /// without a zone is read as UTC by a column with one; the reverse is refused.
  case timestamp(Int128, zoned: Bool)
  /// The number with the text's hexadecimal digits.
  case uuid(UInt128)

  /// The literal that stands for `value`, a value of a column of `type`; `nil` for nulls, lists,
  /// structs and maps.
  public init?(_ value: Scalar, as type: DataType) {
    switch value {
    case .null, .list, .struct, .map: return nil
    case .bool(let value): self = .bool(value)
    case .uint(let value): self = .integer(Int128(value))
    case .float16(let value): self = .double(Double(value))
    case .float32(let value): self = .double(Double(value))
    case .float64(let value): self = .double(value)
    case .decimal(let unscaled, let scale): self = .decimal(unscaled, scale: scale)
    case .string(let value): self = .string(value)
    case .binary(let bytes): self = .binary(bytes)
    case .int(let value):
      switch type {
      case .dictionary(_, let valueType, _):
        guard let literal = Literal(.int(value), as: valueType) else { return nil }
        self = literal
      case .date32: self = .date(value)
      case .date64 where value % 86_400_000 == 0: self = .date(value / 86_400_000)
      case .date64: self = .timestamp(Int128(value) * 1_000_000, zoned: false)
      case .time32(let unit), .time64(let unit):
        let (product, overflow) = value.multipliedReportingOverflow(by: unit.nanoseconds)
        if overflow { return nil }
        self = .time(product)
      case .timestamp(let unit, let zone):
        self = .timestamp(Int128(value) * Int128(unit.nanoseconds), zoned: zone != nil)
      default: self = .integer(Int128(value))
      }
    }
  }

  /// What it is, for messages.
  var kind: String {
    switch self {
    case .bool: "a boolean"
    case .integer: "an integer"
    case .decimal: "a decimal number"
    case .double: "a floating point number"
    case .string: "a string"
    case .binary: "binary"
    case .date: "a date"
    case .time: "a time"
    case .timestamp(_, let zoned): zoned ? "a timestamp with a zone" : "a timestamp"
    case .uuid: "a UUID"
    }
  }
}

extension TimeUnit {
  /// Nanoseconds in one unit.
  package var nanoseconds: Int64 { 1_000_000_000 / perSecond }
}

extension Literal: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral
{
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int64) { self = .integer(Int128(value)) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
}

/// Equal when written alike: 1.50 is not 1.5, -0.0 is not 0.0, and NaN is itself.
extension Literal: Hashable {
  public static func == (a: Literal, b: Literal) -> Bool {
    switch (a, b) {
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.decimal(let a, let aScale), .decimal(let b, let bScale)): a == b && aScale == bScale
    case (.double(let a), .double(let b)): doubleKey(a) == doubleKey(b)
    case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
    case (.binary(let a), .binary(let b)): a == b
    case (.date(let a), .date(let b)): a == b
    case (.time(let a), .time(let b)): a == b
    case (.timestamp(let a, let aZoned), .timestamp(let b, let bZoned)): a == b && aZoned == bZoned
    case (.uuid(let a), .uuid(let b)): a == b
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .bool(let value): hasher.combine(value)
    case .integer(let value), .timestamp(let value, _): hasher.combine(value)
    case .decimal(let unscaled, let scale):
      hasher.combine(unscaled)
      hasher.combine(scale)
    case .double(let value): hasher.combine(Self.doubleKey(value))
    case .string(let value): for byte in value.utf8 { hasher.combine(byte) }
    case .binary(let bytes): hasher.combine(bytes)
    case .date(let value), .time(let value): hasher.combine(value)
    case .uuid(let value): hasher.combine(value)
    }
  }

  private static func doubleKey(_ value: Double) -> UInt64 {
    value.isNaN ? Double.nan.bitPattern : value.bitPattern
  }
}
