// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension Transform {
  /// The transformed value; null gives null.
  ///
  /// - Throws: `invalidArgument` when the transform does not take values of `type` or `value` is none,
  ///   `unsupported` for an unknown transform.
  public func apply(_ value: Scalar, _ type: TableType) throws(TableError) -> Scalar {
    try check(type)
    if value.isNull || self == .void { return .null }
    let result: Scalar? =
      switch self {
      case .identity: value
      case .bucket(let count): Self.hash(value, type).map { .int(Int64(bucketNumber($0, count))) }
      case .truncate(let width): Self.truncated(value, type, width)
      case .year, .month, .day, .hour: Self.ordinal(value, type, self)
      case .void, .unknown: .null
      }
    guard let result else {
      throw TableError(.invalidArgument, "\(value) is no value of type \(type)")
    }
    return result
  }

  func check(_ type: TableType) throws(TableError) {
    if case .unknown(let name) = self {
      throw TableError(
        .unsupported, "the transform '\(name)' is not known to this version of Weir")
    }
    guard resultType(of: type) != nil else {
      throw TableError(.invalidArgument, "\(self) takes no \(type)")
    }
  }

  /// The 32-bit hash that buckets are made of (appendix B); `nil` for a value of another kind.
  static func hash(_ value: Scalar, _ type: TableType) -> UInt32? {
    switch (value, type) {
    case (.int(let value), .timestampNs), (.int(let value), .timestamptzNs):
      Murmur3.hash(Int64(CivilTime.floorDivide(Int(value), 1000)))
    case (.int(let value), _): Murmur3.hash(value)
    case (.decimal(let unscaled, _), .decimal): Murmur3.hash(unscaled)
    case (.string(let value), .string): Murmur3.hash(value)
    case (.binary(let value), .binary), (.binary(let value), .fixed), (.binary(let value), .uuid):
      Murmur3.hash(value)
    default: nil
    }
  }

  private static func truncated(_ value: Scalar, _ type: TableType, _ width: Int) -> Scalar? {
    switch (value, type) {
    case (.int(let value), .int):
      Int32(exactly: value).map { .int(Int64(truncatedDown($0, Int32(width)))) }
    case (.int(let value), .long): .int(truncatedDown(value, Int64(width)))
    case (.decimal(let value, let scale), .decimal):
      .decimal(truncatedDown(value, Int128(width)), scale: scale)
    case (.string(let value), .string):
      .string(String(String.UnicodeScalarView(value.unicodeScalars.prefix(width))))
    case (.binary(let value), .binary): .binary(Array(value.prefix(width)))
    default: nil
    }
  }

  private static func ordinal(_ value: Scalar, _ type: TableType, _ unit: Transform) -> Scalar? {
    guard case .int(let value) = value, let perDay = unitsPerDay(type) else { return nil }
    if unit == .hour { return .int(Int64(CivilTime.floorDivide(Int(value), Int(perDay / 24)))) }
    let days = CivilTime.floorDivide(Int(value), Int(perDay))
    let date = CivilTime.date(daysSinceEpoch: days)
    switch unit {
    case .year: return .int(Int64(date.year - 1970))
    case .month: return .int(Int64((date.year - 1970) * 12 + date.month - 1))
    default: return .int(Int64(days))
    }
  }

  static func unitsPerDay(_ type: TableType) -> Int64? {
    switch type {
    case .date: 1
    case .timestamp, .timestamptz: 86_400_000_000
    case .timestampNs, .timestamptzNs: 86_400_000_000_000
    default: nil
    }
  }
}

@inline(__always)
func bucketNumber(_ hash: UInt32, _ count: Int) -> Int32 {
  Int32(hash & 0x7fff_ffff) % Int32(truncatingIfNeeded: count)
}

/// Down to a multiple of `width`; wraps at the lower end of the type as the reference implementation.
@inline(__always)
func truncatedDown<T: FixedWidthInteger>(_ value: T, _ width: T) -> T {
  let remainder = value % width
  return value &- (remainder < 0 ? remainder + width : remainder)
}
