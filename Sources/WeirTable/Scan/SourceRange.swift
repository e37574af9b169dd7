// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The values of a column that a range of partition values can come from.
///
/// Partition pruning needs no second form of the predicate: what a partition says about a column are
/// bounds of the column's values, as a file's metrics are, and `mayMatch`, `mustMatch` and `residual`
/// take them alike. A transform that keeps the order maps the bounds of its results back to bounds of
/// its sources; one that does not (a bucket) can only answer whether a given value may occur.
struct SourceRange {
  /// At or below every source; `nil` when unknown.
  var lower: Scalar?
  /// At or above every source.
  var upper: Scalar?

  /// - Parameters:
  ///   - lower: Partition value at or below all of the partitions', in the transform's result type.
  ///   - upper: At or above all.
  ///   - type: The column's type, of which the scalars of the result are.
  init(_ transform: Transform, _ type: TableType, lower: Scalar?, upper: Scalar?) {
    switch transform {
    case .identity:
      self.lower = lower
      self.upper = upper
    case .truncate(let width):
      guard !Self.mayHaveWrapped(upper, type, width) else { return }
      self.lower = lower
      self.upper = upper.flatMap { Self.lastTruncated($0, type, width) }
    case .year, .month, .day, .hour:
      self.lower = lower.flatMap { Self.start($0, of: transform, type) }
      self.upper = upper.flatMap { Self.end($0, of: transform, type) }
    case .bucket, .void, .unknown: break
    }
  }

  /// Whether a partition this high can hold the least integers, whose multiple lies below the type's
  /// range and comes out at its upper end.
  private static func mayHaveWrapped(
    _ upper: Scalar?, _ type: TableType, _ width: Int
  ) -> Bool {
    guard case .int(let value)? = upper else { return false }
    let last = type == .int ? Int64(Int32.max) : .max
    return value > last - Int64(width)
  }

  /// At or above every source that truncates to `value` or less.
  private static func lastTruncated(_ value: Scalar, _ type: TableType, _ width: Int) -> Scalar? {
    switch value {
    case .int(let number):
      let (last, overflow) = number.addingReportingOverflow(Int64(width) - 1)
      return overflow ? nil : .int(last)
    case .decimal(let unscaled, let scale):
      let (last, overflow) = unscaled.addingReportingOverflow(Int128(width) - 1)
      return overflow ? nil : .decimal(last, scale: scale)
    case .string(let text):
      // A text shorter than the width was not cut, but the texts before it may have been.
      return afterPrefix(Array(text.utf8))
    case .binary(let bytes): return afterPrefix(bytes)
    default: return nil
    }
  }

  /// The first bytes behind all that begin with `prefix`; `nil` when there are none.
  private static func afterPrefix(_ prefix: [UInt8]) -> Scalar? {
    var bytes = prefix
    while let last = bytes.last {
      if last < .max {
        bytes[bytes.count - 1] = last + 1
        return .binary(bytes)
      }
      bytes.removeLast()
    }
    return nil
  }

  /// The first value of `type` in the year, month, day or hour.
  private static func start(_ value: Scalar, of unit: Transform, _ type: TableType) -> Scalar? {
    guard case .int(let ordinal) = value else { return nil }
    return firstUnit(ordinal, of: unit, type).map { .int($0) }
  }

  private static func end(_ value: Scalar, of unit: Transform, _ type: TableType) -> Scalar? {
    guard case .int(let ordinal) = value, ordinal < .max else { return nil }
    return firstUnit(ordinal + 1, of: unit, type).map { .int($0 - 1) }
  }

  private static func firstUnit(_ ordinal: Int64, of unit: Transform, _ type: TableType) -> Int64? {
    guard let perDay = Transform.unitsPerDay(type) else { return nil }
    // Partition values are 32 bits; anything else is damage, and tells nothing.
    guard let ordinal = Int32(exactly: ordinal).map(Int.init) else { return nil }
    if unit == .hour {
      let (first, overflow) = Int64(ordinal).multipliedReportingOverflow(by: perDay / 24)
      return overflow ? nil : first
    }
    let days: Int
    switch unit {
    case .year:
      days = CivilTime.daysSinceEpoch(CivilTime.Date(year: 1970 + ordinal, month: 1, day: 1))
    case .month:
      let year = CivilTime.floorDivide(ordinal, 12)
      days = CivilTime.daysSinceEpoch(
        CivilTime.Date(year: 1970 + year, month: ordinal - year * 12 + 1, day: 1))
    default: days = ordinal
    }
    let (first, overflow) = Int64(days).multipliedReportingOverflow(by: perDay)
    return overflow ? nil : first
  }
}
