// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What is known of the values of one page (section 6 of the specification).
struct PageStatistics: Sendable, Equatable {
  /// 16 bytes of a bound, as a little-endian number.
  typealias Bound = UInt128

  struct Bounds: Sendable, Equatable {
    var lower: Bound
    var upper: Bound
    var isLowerExact = true
    var isUpperExact = true
  }

  var nullCount = 0
  /// `nil` where the column has no floating point values, or nobody counted.
  var nanCount: Int?
  /// `nil` without a value that is neither null nor NaN, and of types without bounds.
  var bounds: Bounds?

  static let recordByteCount = 40
  /// Bytes of a byte string that a bound holds.
  static let prefixByteCountMax = 15

  private static let boundsFlag: UInt8 = 1
  private static let lowerExactFlag: UInt8 = 2
  private static let upperExactFlag: UInt8 = 4
  private static let nanFlag: UInt8 = 8

  /// Whether values of the type have bounds.
  static func hasBounds(_ type: DataType) -> Bool {
    switch type {
    case .null, .list, .largeList, .fixedSizeList, .struct, .map: false
    case .dictionary(_, let value, _): hasBounds(value)
    default: true
    }
  }

  func encode(into out: MutableBuffer) {
    var flags: UInt8 = 0
    var (lower, upper): (Bound, Bound) = (0, 0)
    if let bounds {
      flags |= Self.boundsFlag
      if bounds.isLowerExact { flags |= Self.lowerExactFlag }
      if bounds.isUpperExact { flags |= Self.upperExactFlag }
      (lower, upper) = (bounds.lower, bounds.upper)
    }
    if let nanCount {
      flags |= Self.nanFlag
      lower |= Bound(nanCount) << 64
    }
    out.put(UInt32(nullCount))
    out.put(flags)
    out.appendZeros(3)
    out.put(lower)
    out.put(upper)
  }

  init(nullCount: Int = 0, nanCount: Int? = nil, bounds: Bounds? = nil) {
    self.nullCount = nullCount
    self.nanCount = nanCount
    self.bounds = bounds
  }

  /// - Parameter bytes: has 40 from `at` on.
  init(_ bytes: Buffer, at: Int, rowCount: Int) throws(WeirFileError) {
    nullCount = Int(bytes.number(UInt32.self, at: at))
    let flags = bytes.number(UInt8.self, at: at + 4)
    var lower = bytes.number(Bound.self, at: at + 8)
    let upper = bytes.number(Bound.self, at: at + 24)
    if flags & Self.nanFlag != 0 {
      let count = UInt64(truncatingIfNeeded: lower >> 64)
      guard count <= UInt64(rowCount) else {
        throw .damaged("statistics of \(count) NaNs in \(rowCount) rows")
      }
      nanCount = Int(count)
      lower &= Bound(UInt64.max)
    }
    guard nullCount + (nanCount ?? 0) <= rowCount else {
      throw .damaged("statistics of \(nullCount) nulls in \(rowCount) rows")
    }
    if flags & Self.boundsFlag != 0 {
      bounds = Bounds(
        lower: lower, upper: upper, isLowerExact: flags & Self.lowerExactFlag != 0,
        isUpperExact: flags & Self.upperExactFlag != 0)
    }
  }

  // MARK: bounds as values

  /// The bound of a byte string that has at most 15 bytes.
  static func bound(_ prefix: [UInt8]) -> Bound {
    precondition(prefix.count <= prefixByteCountMax, "a bound holds 15 bytes")
    var result = Bound(prefix.count) << 120
    for (index, byte) in prefix.enumerated() { result |= Bound(byte) << Bound(8 * index) }
    return result
  }

  /// The bound as a value of the type; `nil` when it says nothing. Byte strings are `binary`.
  static func scalar(_ bound: Bound, _ type: DataType) -> Scalar? {
    let bits = UInt64(truncatingIfNeeded: bound)
    switch type {
    case .bool: return .bool(bits & 1 == 1)
    case .int8: return .int(Int64(Int8(truncatingIfNeeded: bits)))
    case .int16: return .int(Int64(Int16(truncatingIfNeeded: bits)))
    case .int32, .date32, .time32: return .int(Int64(Int32(truncatingIfNeeded: bits)))
    case .int64, .date64, .time64, .timestamp, .duration: return .int(Int64(bitPattern: bits))
    case .uint8: return .uint(bits & 0xff)
    case .uint16: return .uint(bits & 0xffff)
    case .uint32: return .uint(bits & 0xffff_ffff)
    case .uint64: return .uint(bits)
    case .float16:
      let value = Float16(bitPattern: UInt16(truncatingIfNeeded: bits))
      return value.isNaN ? nil : .float16(value)
    case .float32:
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
      return value.isNaN ? nil : .float32(value)
    case .float64:
      let value = Double(bitPattern: bits)
      return value.isNaN ? nil : .float64(value)
    case .decimal128(_, let scale): return .decimal(Int128(truncatingIfNeeded: bound), scale: scale)
    case .utf8, .largeUtf8, .binary, .largeBinary, .fixedSizeBinary:
      let count = Int(bound >> 120)
      guard count <= prefixByteCountMax else { return nil }
      return .binary((0..<count).map { UInt8(truncatingIfNeeded: bound >> Bound(8 * $0)) })
    case .dictionary(_, let value, _): return scalar(bound, value)
    case .null, .list, .largeList, .fixedSizeList, .struct, .map: return nil
    }
  }

  /// What a page of that many rows says of a column's values.
  func metrics(_ type: DataType, rowCount: Int) -> ColumnMetrics {
    ColumnMetrics(
      lower: bounds.flatMap { Self.scalar($0.lower, type) },
      upper: bounds.flatMap { Self.scalar($0.upper, type) }, nullCount: Int64(nullCount),
      nanCount: nanCount.map(Int64.init), valueCount: Int64(rowCount))
  }
}
