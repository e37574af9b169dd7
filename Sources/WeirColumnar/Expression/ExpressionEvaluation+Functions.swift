// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// Functions and casts.
extension ExpressionEvaluator {
  func call(
    _ function: ScalarExpression.Function, _ arguments: [RowValues], _ kind: ValueKind,
    _ among: RowBits
  ) throws(ColumnarError) -> RowValues {
    if kind == .null { return .null }
    switch function {
    case .coalesce: preconditionFailure("it is evaluated before its arguments")
    case .least, .greatest: return extreme(arguments, kind, isGreatest: function == .greatest)
    case .length, .epoch, .hour, .isodow:
      guard case .others(let values, let valid) = arguments[0] else { return .null }
      if function == .length { return .integers(values.lengths, valid) }
      return time(function, values, valid)
    case .power:
      let (base, validBase) = arguments[0].doubles(count)
      let (exponent, validExponent) = arguments[1].doubles(count)
      return .doubles(
        (0..<count).map { pow(base[$0], exponent[$0]) }, Self.both(validBase, validExponent))
    case .abs, .floor, .ceil, .round:
      if let (values, valid) = arguments[0].integers(count) {
        guard function == .abs else { return .integers(values, valid) }
        let asked = Self.both(valid, among)
        guard !(0..<count).contains(where: { values[$0] == .min && asked[$0] }) else {
          throw ColumnarError(
            .overflow, "abs(\(Int64.min)) does not fit an integer of 64 bits; CAST it AS double")
        }
        return .integers(values.map { $0 == .min ? $0 : Swift.abs($0) }, valid)
      }
    case .sqrt, .ln, .exp: break
    }
    let (values, known) = arguments[0].doubles(count)
    var valid = known
    switch function {
    case .abs: return .doubles(values.map { Swift.abs($0) }, valid)
    case .floor: return .doubles(values.map { $0.rounded(.down) }, valid)
    case .ceil: return .doubles(values.map { $0.rounded(.up) }, valid)
    case .round: return .doubles(values.map { $0.rounded() }, valid)
    case .sqrt:
      valid.subtract(RowBits(count: count) { values[$0] < 0 })
      return .doubles(values.map { $0.squareRoot() }, valid)
    case .ln:
      valid.subtract(RowBits(count: count) { values[$0] <= 0 })
      return .doubles(values.map { log($0) }, valid)
    default: return .doubles(values.map { Glibc.exp($0) }, valid)
    }
  }

  /// NaN is above all numbers.
  private func extreme(
    _ arguments: [RowValues], _ kind: ValueKind, isGreatest: Bool
  ) -> RowValues {
    var isThere = RowBits(repeating: false, count: count)
    func fold<T>(
      _ parts: [([T], RowBits)], _ zero: T, _ isBelow: (T, T) -> Bool
    ) -> [T] {
      var result = [T](repeating: zero, count: count)
      for (values, valid) in parts {
        for row in valid.indices
        where !isThere[row]
          || (isGreatest ? isBelow(result[row], values[row]) : isBelow(values[row], result[row]))
        {
          result[row] = values[row]
        }
        isThere.formOr(valid)
      }
      return result
    }
    if kind == .integer {
      let result = fold(arguments.compactMap { $0.integers(count) }, 0, <)
      return .integers(result, isThere)
    }
    let result = fold(arguments.map { $0.doubles(count) }, 0) {
      $0 < $1 || (!$0.isNaN && $1.isNaN)
    }
    return .doubles(result, isThere)
  }

  // MARK: Times

  private func time(
    _ function: ScalarExpression.Function, _ values: ArrayData, _ valid: RowBits
  ) -> RowValues {
    let perSecond: Int64 =
      switch values.type {
      case .date64: 1_000
      case .timestamp(let unit, _): unit.perSecond
      default: 0  // days
      }
    let numbers = values.integers
    func days(_ value: Int64) -> Int {
      perSecond == 0 ? Int(value) : CivilTime.floorDivide(Int(value), Int(perSecond) * 86_400)
    }
    switch function {
    case .epoch:
      return .doubles(
        numbers.map { perSecond == 0 ? Double($0) * 86_400 : Double($0) / Double(perSecond) }, valid
      )
    case .hour:
      return .integers(
        numbers.map { value in
          guard perSecond > 0 else { return 0 }
          let hours = CivilTime.floorDivide(Int(value), Int(perSecond) * 3_600)
          return Int64(hours - CivilTime.floorDivide(hours, 24) * 24)
        }, valid)
    default:
      // 1970-01-01 was a Thursday.
      return .integers(
        numbers.map { value in
          let shifted = days(value) + 3
          return Int64(shifted - CivilTime.floorDivide(shifted, 7) * 7 + 1)
        }, valid)
    }
  }

  // MARK: Casts

  func cast(
    _ values: RowValues, _ target: ScalarExpression.Target, _ among: RowBits
  ) throws(ColumnarError) -> RowValues {
    var values = values
    if case .others(let flags, let valid) = values { values = .integers(flags.integers, valid) }
    switch target {
    case .double:
      let (numbers, valid) = values.doubles(count)
      return .doubles(numbers, valid)
    case .float:
      let (numbers, valid) = values.doubles(count)
      return .doubles(numbers.map { Double(Float($0)) }, valid)
    case .int, .long:
      let range = target == .int ? Int64(Int32.min)...Int64(Int32.max) : Int64.min...Int64.max
      var result = [Int64](repeating: 0, count: count)
      if let (numbers, valid) = values.integers(count) {
        let asked = Self.both(valid, among)
        for row in 0..<count where asked[row] {
          guard range.contains(numbers[row]) else { throw Self.beyond("\(numbers[row])", target) }
          result[row] = numbers[row]
        }
        return .integers(result, valid)
      }
      let (numbers, valid) = values.doubles(count)
      let asked = Self.both(valid, among)
      for row in 0..<count where asked[row] {
        let whole = numbers[row].rounded(.toNearestOrEven)
        guard let value = Int64(exactly: whole), range.contains(value) else {
          throw Self.beyond("\(numbers[row])", target)
        }
        result[row] = value
      }
      return .integers(result, valid)
    }
  }

  private static func beyond(
    _ value: String, _ target: ScalarExpression.Target
  ) -> ColumnarError {
    ColumnarError(
      .overflow,
      "\(value) does not fit \(target.rawValue); take a wider type, or leave such rows out by CASE")
  }
}
