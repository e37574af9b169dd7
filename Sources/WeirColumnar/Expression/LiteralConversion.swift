// SPDX-License-Identifier: Apache-2.0

/// Where a literal stands among the values of a column's type. Nothing is rounded: a literal that the
/// type has no value for lies between two of its values, or beyond them all.
package enum ConvertedLiteral: Equatable, Sendable {
  /// A value of the type, as `ArrayData.scalar(at:)` gives it.
  case exact(Scalar)
  /// Above `floor`, a value of the type, and below the next one.
  case between(floor: Scalar)
  case belowAll
  case aboveAll
  /// NaN: unequal to every value.
  case unordered
}

extension Literal {
  /// The literal among the values of `type`, with the rules of the table at `Literal`.
  ///
  /// - Throws: `invalidArgument` when the two do not compare; the message has the remedy.
  package func converted(to type: DataType) throws(ColumnarError) -> ConvertedLiteral {
    switch type {
    case .bool: if case .bool(let value) = self { return .exact(.bool(value)) }
    case .int8, .int16, .int32, .int64, .duration: return try integer(type)
    case .uint8, .uint16, .uint32, .uint64: return try integer(type)
    case .float16: return try float(Float16.self, type) { .float16($0) }
    case .float32: return try float(Float.self, type) { .float32($0) }
    case .float64: return try float(Double.self, type) { .float64($0) }
    case .decimal128(_, let scale): return try decimal(type, scale)
    case .date32: return try days(type, perDay: 1, Int128(Int32.min)...Int128(Int32.max))
    case .date64:
      return try days(type, perDay: 86_400_000, Int128(Int64.min)...Int128(Int64.max))
    case .time32(let unit):
      return try time(type, unit, Int128(Int32.min)...Int128(Int32.max))
    case .time64(let unit):
      return try time(type, unit, Int128(Int64.min)...Int128(Int64.max))
    case .timestamp(let unit, let zone): return try timestamp(type, unit, zoned: zone != nil)
    case .utf8, .largeUtf8: if case .string(let value) = self { return .exact(.string(value)) }
    case .binary, .largeBinary: if case .binary(let bytes) = self { return .exact(.binary(bytes)) }
    case .fixedSizeBinary(let width): return try fixedBinary(type, width)
    case .dictionary(_, let value, _): return try converted(to: value)
    case .null, .list, .largeList, .fixedSizeList, .struct, .map: break
    }
    throw mismatch(type)
  }

  // MARK: Numbers

  private static func ranges(_ type: DataType) -> ClosedRange<Int128> {
    switch type {
    case .int8: Int128(Int8.min)...Int128(Int8.max)
    case .int16: Int128(Int16.min)...Int128(Int16.max)
    case .int32: Int128(Int32.min)...Int128(Int32.max)
    case .uint8: 0...Int128(UInt8.max)
    case .uint16: 0...Int128(UInt16.max)
    case .uint32: 0...Int128(UInt32.max)
    case .uint64: 0...Int128(UInt64.max)
    default: Int128(Int64.min)...Int128(Int64.max)
    }
  }

  /// A number whose largest integer that is not above it is `floor`, among integers of `range`.
  private static func place(
    _ floor: Int128, exact: Bool, _ range: ClosedRange<Int128>, _ make: (Int128) -> Scalar
  ) -> ConvertedLiteral {
    if floor < range.lowerBound { return .belowAll }
    if floor > range.upperBound { return .aboveAll }
    return exact ? .exact(make(floor)) : .between(floor: make(floor))
  }

  private static func place(
    _ rescaled: Rescaled, _ range: ClosedRange<Int128>, _ make: (Int128) -> Scalar
  ) -> ConvertedLiteral {
    switch rescaled {
    case .value(let floor, let exact): place(floor, exact: exact, range, make)
    case .tooSmall: .belowAll
    case .tooLarge: .aboveAll
    }
  }

  private func integer(_ type: DataType) throws(ColumnarError) -> ConvertedLiteral {
    let range = Self.ranges(type)
    let unsigned = range.lowerBound == 0
    let make: (Int128) -> Scalar = { unsigned ? .uint(UInt64($0)) : .int(Int64($0)) }
    switch self {
    case .integer(let value): return Self.place(value, exact: true, range, make)
    case .decimal(let unscaled, let scale):
      return Self.place(Rescaled(unscaled, from: scale, to: 0), range, make)
    case .double(let value):
      if value.isNaN { return .unordered }
      let floor = value.rounded(.down)
      if floor < -0x1p126 { return .belowAll }
      if floor > 0x1p126 { return .aboveAll }
      return Self.place(Int128(floor), exact: floor == value, range, make)
    default: throw mismatch(type)
    }
  }

  private func decimal(_ type: DataType, _ scale: Int) throws(ColumnarError) -> ConvertedLiteral {
    let digits: (unscaled: Int128, scale: Int)?
    switch self {
    case .integer(let value): digits = (value, 0)
    case .decimal(let unscaled, let scale): digits = (unscaled, scale)
    case .double(let value):
      if value.isNaN { return .unordered }
      if value.isInfinite { return value < 0 ? .belowAll : .aboveAll }
      digits = LiteralText.decimal(value.description)
    case .string(let text): digits = LiteralText.decimal(text)
    default: digits = nil
    }
    guard let digits else { throw mismatch(type) }
    return Self.place(
      Rescaled(digits.unscaled, from: digits.scale, to: scale), Int128.min...Int128.max
    ) { .decimal($0, scale: scale) }
  }

  private func float<T: BinaryFloatingPoint & LosslessStringConvertible>(
    _ float: T.Type, _ type: DataType, _ make: (T) -> Scalar
  ) throws(ColumnarError) -> ConvertedLiteral {
    switch self {
    case .integer(let value):
      // Rounding through a double may be off by one value of T, hence the steps.
      return Self.floatPlace(T(Double(value)), make) { Self.order($0, to: value) }
    case .double(let value):
      if value.isNaN { return .unordered }
      return Self.floatPlace(T(value), make) { $0 < value ? -1 : $0 > value ? 1 : 0 }
    case .decimal(let unscaled, let scale):
      // Huge exponents are cut where they have long left T's range.
      let exponent = -min(max(scale, -100_000), 100_000)
      guard let nearest = T("\(unscaled)e\(exponent)") else { throw mismatch(type) }
      if nearest.isInfinite {
        return .between(floor: make(nearest < 0 ? nearest : T.greatestFiniteMagnitude))
      }
      return .exact(make(nearest))
    default: throw mismatch(type)
    }
  }

  /// The largest value of T that is not above the literal, beginning near it; `order` compares.
  private static func floatPlace<T: BinaryFloatingPoint>(
    _ near: T, _ make: (T) -> Scalar, _ order: (Double) -> Int
  ) -> ConvertedLiteral {
    var floor = near
    while order(Double(floor)) > 0 { floor = floor.nextDown }
    while floor.nextUp > floor && order(Double(floor.nextUp)) <= 0 { floor = floor.nextUp }
    return order(Double(floor)) == 0 ? .exact(make(floor)) : .between(floor: make(floor))
  }

  /// The order of `number` (not NaN) to `value`, without rounding.
  private static func order(_ number: Double, to value: Int128) -> Int {
    if number >= 0x1p127 { return 1 }
    if number < -0x1p127 { return -1 }
    let floor = Int128(number.rounded(.down))
    if floor != value { return floor < value ? -1 : 1 }
    return number == number.rounded(.down) ? 0 : 1
  }

  // MARK: Times

  private func days(
    _ type: DataType, perDay: Int128, _ range: ClosedRange<Int128>
  ) throws(ColumnarError) -> ConvertedLiteral {
    let nanosecondsPerUnit = 86_400_000_000_000 / perDay
    var literal = self
    if case .string(let text) = self {
      if let days = LiteralText.date(text) {
        literal = .date(days)
      } else if let (nanoseconds, zoned) = LiteralText.timestamp(text) {
        literal = .timestamp(nanoseconds, zoned: zoned)
      }
    }
    switch literal {
    case .date(let days):
      return Self.place(Int128(days) * perDay, exact: true, range) { .int(Int64($0)) }
    case .timestamp(let nanoseconds, zoned: false):
      let (units, exact) = Rescaled.floorDivide(nanoseconds, nanosecondsPerUnit)
      return Self.place(units, exact: exact, range) { .int(Int64($0)) }
    default: throw mismatch(type)
    }
  }

  private func time(
    _ type: DataType, _ unit: TimeUnit, _ range: ClosedRange<Int128>
  ) throws(ColumnarError) -> ConvertedLiteral {
    let nanoseconds: Int64?
    switch self {
    case .time(let value): nanoseconds = value
    case .string(let text): nanoseconds = LiteralText.time(text)
    default: nanoseconds = nil
    }
    guard let nanoseconds else { throw mismatch(type) }
    let (units, exact) = Rescaled.floorDivide(Int128(nanoseconds), Int128(unit.nanoseconds))
    return Self.place(units, exact: exact, range) { .int(Int64($0)) }
  }

  private func timestamp(
    _ type: DataType, _ unit: TimeUnit, zoned columnZoned: Bool
  ) throws(ColumnarError) -> ConvertedLiteral {
    let instant: (nanoseconds: Int128, zoned: Bool)?
    switch self {
    case .timestamp(let nanoseconds, let zoned): instant = (nanoseconds, zoned)
    case .date(let days): instant = (Int128(days) * 86_400_000_000_000, false)
    case .string(let text): instant = LiteralText.timestamp(text)
    default: instant = nil
    }
    guard let instant else { throw mismatch(type) }
    guard columnZoned || !instant.zoned else {
      throw ColumnarError(
        .invalidArgument,
        "\(self) has a zone, the column (\(type)) holds local times without one; "
          + "write the local time without Z or offset")
    }
    let (units, exact) = Rescaled.floorDivide(instant.nanoseconds, Int128(unit.nanoseconds))
    return Self.place(units, exact: exact, Int128(Int64.min)...Int128(Int64.max)) {
      .int(Int64($0))
    }
  }

  // MARK: Bytes

  private func fixedBinary(_ type: DataType, _ width: Int) throws(ColumnarError)
    -> ConvertedLiteral
  {
    switch self {
    case .binary(let bytes): return .exact(.binary(bytes))
    case .uuid(let value) where width == 16: return .exact(.binary(Self.bytes(value)))
    case .string(let text) where width == 16:
      guard let value = LiteralText.uuid(text) else { throw mismatch(type) }
      return .exact(.binary(Self.bytes(value)))
    default: throw mismatch(type)
    }
  }

  /// Most significant first, as UUIDs are stored.
  private static func bytes(_ uuid: UInt128) -> [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: uuid >> UInt128(120 - 8 * $0)) }
  }

  // MARK: Errors

  private func mismatch(_ type: DataType) -> ColumnarError {
    let advice: String
    switch type {
    case .null, .list, .largeList, .fixedSizeList, .struct, .map:
      return ColumnarError(
        .invalidArgument,
        "\(type) columns are not compared; test a field of a struct by its path (a.b), or use "
          + "IS [NOT] NULL")
    case .bool: advice = "write TRUE or FALSE"
    case .utf8, .largeUtf8: advice = "write it in single quotes"
    case .date32, .date64: advice = "write date '2026-01-31'"
    case .time32, .time64: advice = "write time '13:05:09.25'"
    case .timestamp(_, nil): advice = "write timestamp '2026-01-31 13:05:09.25'"
    case .timestamp: advice = "write timestamp '2026-01-31 13:05:09.25Z'"
    case .binary, .largeBinary: advice = "write X'00ff'"
    case .fixedSizeBinary(16):
      advice = "write uuid 'f79c3e09-677c-4bbd-a479-3f349cb785e7' or 16 bytes as X'…'"
    case .fixedSizeBinary: advice = "write X'00ff'"
    default: advice = "write a number"
    }
    return ColumnarError(
      .invalidArgument, "the column is \(type), \(shownForMessage) is \(kind); \(advice)")
  }

  private var shownForMessage: String {
    let text = description
    return text.utf8.count <= 60 ? text : String(text.prefix(40)) + "…"
  }
}
