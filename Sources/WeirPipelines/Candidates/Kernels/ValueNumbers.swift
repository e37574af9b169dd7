// SPDX-License-Identifier: Apache-2.0
// Safe: pointers into arrays are used while the array is a parameter, within its bounds.

internal import WeirColumnar

/// Gives the values of one column numbers, in the order in which they come.
struct ValueNumbers: Sendable {
  /// What values are.
  enum Kind: Sendable {
    case whole
    case bytes
  }

  let kind: Kind
  private var byWhole: [Int64: UInt32] = [:]
  private var byBytes: [[UInt8]: UInt32] = [:]
  private(set) var wholes: [Int64] = []
  private(set) var bytes: [[UInt8]] = []
  /// About what it takes in memory.
  private(set) var byteCount = 0

  /// In arrays of numbers: a null.
  static let none = UInt32.max

  init(_ kind: Kind) { self.kind = kind }

  /// - Returns: `nil` for types whose values have no numbers here.
  init?(_ type: DataType) {
    switch type {
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32: self.init(.whole)
    case .utf8, .largeUtf8, .binary, .largeBinary, .fixedSizeBinary: self.init(.bytes)
    default: return nil
    }
  }

  var count: Int { kind == .whole ? wholes.count : bytes.count }

  mutating func number(_ value: Int64) -> UInt32 {
    if let number = byWhole[value] { return number }
    let number = UInt32(wholes.count)
    precondition(number < Self.none, "more values than numbers")
    byWhole[value] = number
    wholes.append(value)
    byteCount += 40
    return number
  }

  mutating func number(_ value: [UInt8]) -> UInt32 {
    if let number = byBytes[value] { return number }
    let number = UInt32(bytes.count)
    precondition(number < Self.none, "more values than numbers")
    byBytes[value] = number
    bytes.append(value)
    byteCount += 80 + value.count
    return number
  }

  /// The number of a value that has one.
  func known(_ value: [UInt8]) -> UInt32? { byBytes[value] }

  /// The numbers of all rows, `none` for nulls. The column has a type of this kind.
  mutating func numbers(of column: ArrayData) -> [UInt32] {
    switch column.type {
    case .int64: return wholes(column, Int64.self)
    case .int32: return wholes(column, Int32.self)
    case .int16: return wholes(column, Int16.self)
    case .int8: return wholes(column, Int8.self)
    case .uint32: return wholes(column, UInt32.self)
    case .uint16: return wholes(column, UInt16.self)
    case .uint8: return wholes(column, UInt8.self)
    default:
      return (0..<column.length).map { row in
        column.isValid(row) ? number(column.withBytes(row) { [UInt8]($0) }) : Self.none
      }
    }
  }

  private mutating func wholes<T: FixedWidthInteger & BitwiseCopyable>(
    _ column: ArrayData, _ type: T.Type
  ) -> [UInt32] {
    defer { withExtendedLifetime(column) {} }
    let values = column.values(as: type)
    let hasNulls = column.nullCount > 0
    var result: [UInt32] = []
    result.reserveCapacity(values.count)
    for row in values.indices {
      result.append(
        hasNulls && column.isNull(row) ? Self.none : number(Int64(truncatingIfNeeded: values[row])))
    }
    return result
  }

  /// Whether the value of one number comes before that of another: numbers by their worth, others by
  /// their bytes.
  func precedes(_ one: UInt32, _ other: UInt32) -> Bool {
    switch kind {
    case .whole: wholes[Int(one)] < wholes[Int(other)]
    case .bytes: bytes[Int(one)].lexicographicallyPrecedes(bytes[Int(other)])
    }
  }

  /// The value of a number, for a column of a type.
  func scalar(_ number: UInt32, _ type: DataType) -> Scalar {
    switch kind {
    case .whole: return .int(wholes[Int(number)])
    case .bytes:
      let value = bytes[Int(number)]
      switch type {
      case .utf8, .largeUtf8: return .string(String(decoding: value, as: UTF8.self))
      default: return .binary(value)
      }
    }
  }

  /// A hash of the value, the same in every process.
  func digest(_ number: UInt32) -> UInt64 {
    switch kind {
    case .whole: RowDigest.mix(UInt64(bitPattern: wholes[Int(number)]))
    case .bytes: RowDigest.hash(bytes[Int(number)])
    }
  }
}

/// 64-bit hashes that are the same in every process, to see whether a row changed.
struct RowDigest {
  private(set) var value: UInt64

  init(seed: UInt64) { value = seed }

  mutating func add(_ part: UInt64) { value = Self.mix(value ^ part) &+ part }

  static func mix(_ value: UInt64) -> UInt64 {
    let (high, low) = (value ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(
      by: 0xa076_1d64_78bd_642f)
    return (high ^ low) &+ 0xe703_7ed1_a0b4_28db
  }

  static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return mix(hash)
  }
}

/// Doubles and whole numbers of columns, row by row.
enum ColumnValues {
  /// The rows as doubles; NaN for nulls and for what is no number.
  static func doubles(_ column: ArrayData) -> [Double] {
    defer { withExtendedLifetime(column) {} }
    if column.type == .float64, column.nullCount == 0 {
      return Array(column.values(as: Double.self))
    }
    return (0..<column.length).map { FeaturePlan.double(column.scalar(at: $0)) ?? .nan }
  }

  /// The rows of a timestamp as microseconds, cut to what fits; `nil` for nulls.
  static func microseconds(_ column: ArrayData) -> [Int64?] {
    guard case .timestamp(let unit, _) = column.type else {
      return [Int64?](repeating: nil, count: column.length)
    }
    return (0..<column.length).map { row in
      guard case .int(let time) = column.scalar(at: row) else { return nil }
      return CivilMicroseconds.convert(time, perSecond: unit.perSecond)
    }
  }
}

/// Times of all units in microseconds.
enum CivilMicroseconds {
  /// Rounded down; times before and behind what fits are cut to it.
  static func convert(_ time: Int64, perSecond unit: Int64) -> Int64 {
    if unit == 1_000_000 { return time }
    if unit > 1_000_000 {
      let (whole, rest) = time.quotientAndRemainder(dividingBy: unit / 1_000_000)
      return rest < 0 ? whole - 1 : whole
    }
    let (micros, isBeyond) = time.multipliedReportingOverflow(by: 1_000_000 / unit)
    return isBeyond ? (time < 0 ? .min : .max) : micros
  }
}
