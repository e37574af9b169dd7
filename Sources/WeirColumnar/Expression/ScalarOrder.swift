// SPDX-License-Identifier: Apache-2.0

extension Scalar {
  /// The order of two values, as all predicates and column bounds see it: negative, zero or positive
  /// as `a` comes before, with or after `b`.
  ///
  /// Numbers compare by what they are worth, across widths, signedness and scales, without rounding;
  /// false before true; strings and binary by their unsigned bytes (UTF-8: the order of code
  /// points), also with each other; -0.0 equals 0.0.
  ///
  /// `nil` when there is no order: nulls, NaN, nested values, kinds that do not compare.
  public static func order(_ a: Scalar, _ b: Scalar) -> Int? {
    switch (a, b) {
    case (.bool(let a), .bool(let b)): return compare(a ? 1 : 0, b ? 1 : 0)
    case (.int(let a), .int(let b)): return compare(a, b)
    case (.string(let a), .string(let b)):
      return a.utf8.elementsEqual(b.utf8) ? 0 : a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1
    case (.binary(let a), .binary(let b)):
      return a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
    case (.string(let a), .binary(let b)):
      return a.utf8.elementsEqual(b) ? 0 : a.utf8.lexicographicallyPrecedes(b) ? -1 : 1
    case (.binary, .string): return order(b, a).map { -$0 }
    default: break
    }
    if let a = a.doubleValue, let b = b.doubleValue {
      return a.isNaN || b.isNaN ? nil : compare(a, b)
    }
    guard let (aUnits, aScale) = a.decimalValue, let (bUnits, bScale) = b.decimalValue else {
      return nil
    }
    return compareDecimals(aUnits, aScale, bUnits, bScale)
  }

  private static func compare<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a > b ? 1 : 0 }

  private var doubleValue: Double? {
    switch self {
    case .float16(let value): Double(value)
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: nil
    }
  }

  private var decimalValue: (Int128, Int)? {
    switch self {
    case .int(let value): (Int128(value), 0)
    case .uint(let value): (Int128(value), 0)
    case .decimal(let unscaled, let scale): (unscaled, scale)
    default: nil
    }
  }

  private static func compareDecimals(
    _ a: Int128, _ aScale: Int, _ b: Int128, _ bScale: Int
  ) -> Int {
    if aScale > bScale { return -compareDecimals(b, bScale, a, aScale) }
    // The number with fewer decimals is the one that may outgrow the other's unit.
    switch Rescaled(a, from: aScale, to: bScale) {
    case .value(let units, _): return compare(units, b)
    case .tooSmall: return -1
    case .tooLarge: return 1
    }
  }
}

/// A decimal number in units of another scale.
enum Rescaled: Equatable {
  /// The largest number of units that is not above it; `exact` when nothing was cut off.
  case value(Int128, exact: Bool)
  /// Below what 128 bits hold.
  case tooSmall
  case tooLarge

  /// `unscaled * 10^-scale` in units of `10^-newScale`. No scale is too large for it.
  init(_ unscaled: Int128, from scale: Int, to newScale: Int) {
    if unscaled == 0 || scale == newScale {
      self = .value(unscaled, exact: true)
      return
    }
    let (difference, overflow) = newScale.subtractingReportingOverflow(scale)
    let steps = overflow ? (newScale > scale ? Int.max : Int.min) : difference
    if steps > 0 {
      guard steps <= 38 else {
        self = unscaled < 0 ? .tooSmall : .tooLarge
        return
      }
      let (units, overflow) = unscaled.multipliedReportingOverflow(by: Self.powerOfTen(steps))
      self = overflow ? (unscaled < 0 ? .tooSmall : .tooLarge) : .value(units, exact: true)
    } else if steps >= -38 {
      let floor = Self.floorDivide(unscaled, Self.powerOfTen(-steps))
      self = .value(floor.quotient, exact: floor.exact)
    } else {
      self = .value(unscaled < 0 ? -1 : 0, exact: false)
    }
  }

  /// Division that rounds towards minus infinity; `divisor` is positive.
  static func floorDivide(_ value: Int128, _ divisor: Int128) -> (quotient: Int128, exact: Bool) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return (remainder < 0 ? quotient - 1 : quotient, remainder == 0)
  }

  private static func powerOfTen(_ exponent: Int) -> Int128 {
    var power: Int128 = 1
    for _ in 0..<exponent { power *= 10 }
    return power
  }
}

extension Predicate.Operator {
  /// Whether it holds for a value whose order to the literal is `order` (negative, zero, positive).
  @inline(__always)
  package func holds(_ order: Int) -> Bool {
    switch self {
    case .equal: order == 0
    case .notEqual: order != 0
    case .less: order < 0
    case .lessOrEqual: order <= 0
    case .greater: order > 0
    case .greaterOrEqual: order >= 0
    }
  }
}
