// SPDX-License-Identifier: Apache-2.0

/// What is known of a column's values in some set of rows: a file, a row group, a partition.
///
/// Every part may be unknown. Bounds enclose all values that are neither null nor NaN; they need not
/// occur themselves, so truncated bounds (a prefix below; a prefix rounded up above) are fine.
public struct ColumnMetrics: Hashable, Sendable {
  /// At or below every value, in the column's type as `ArrayData.scalar(at:)` gives it. For strings
  /// `.binary` with the UTF-8 bytes does as well, and spares the decoding. NaN counts as unknown.
  public var lower: Scalar?
  /// At or above every value.
  public var upper: Scalar?
  /// Rows with nulls, a null struct around the column counted too.
  public var nullCount: Int64?
  /// Rows with NaN. Unknown means that there may be some in a floating point column.
  public var nanCount: Int64?
  /// All rows, nulls and NaNs included.
  public var valueCount: Int64?

  /// What nothing is known of.
  public init(
    lower: Scalar? = nil, upper: Scalar? = nil, nullCount: Int64? = nil, nanCount: Int64? = nil,
    valueCount: Int64? = nil
  ) {
    self.lower = lower
    self.upper = upper
    self.nullCount = nullCount
    self.nanCount = nanCount
    self.valueCount = valueCount
  }

  /// One value (perhaps null or NaN) in all of `rows` rows, as of a partition's identity field or of
  /// a column that a file lacks.
  public init(constant value: Scalar, rows: Int64 = 1) {
    let isNaN =
      switch value {
      case .float16(let number): number.isNaN
      case .float32(let number): number.isNaN
      case .float64(let number): number.isNaN
      default: false
      }
    let bound: Scalar? = value.isNull || isNaN ? nil : value
    self.init(
      lower: bound, upper: bound, nullCount: value.isNull ? rows : 0, nanCount: isNaN ? rows : 0,
      valueCount: rows)
  }
}

/// Where the metrics of columns come from, asked for the columns of a predicate only.
public protocol ColumnBounds {
  /// What is known of `column`; `ColumnMetrics()` where nothing is.
  func metrics(of column: BoundColumn) -> ColumnMetrics

  /// False only if no row has `value`, as hashed partitions and Bloom filters can tell. Asked for
  /// equality and IN, where bounds leave it open.
  func mayContain(_ value: Scalar, in column: BoundColumn) -> Bool
}

extension ColumnBounds {
  public func mayContain(_ value: Scalar, in column: BoundColumn) -> Bool { true }
}

extension BoundPredicate {
  /// False only if the predicate is true for none of the rows that `bounds` describe.
  ///
  /// A negated test (!=, NOT IN, NOT LIKE) of a column that holds only nulls counts as possible,
  /// though here it is null: other readers of the same table count a null as unequal.
  public func mayMatch(_ bounds: some ColumnBounds) -> Bool {
    root.decided(columns, bounds) != false
  }

  /// True only if the predicate is true for all of the rows that `bounds` describe.
  public func mustMatch(_ bounds: some ColumnBounds) -> Bool {
    root.decided(columns, bounds) == true
  }

  /// What is left to test on the rows that `bounds` describe: true for the same of them. Always true
  /// when they all match, never when none does.
  public func residual(_ bounds: some ColumnBounds) -> BoundPredicate {
    .compacted(columns, root.residual(columns, bounds))
  }
}

extension BoundNode {
  /// True when all rows match, false when none does, `nil` when that is open.
  fileprivate func decided(_ columns: [BoundColumn], _ bounds: some ColumnBounds) -> Bool? {
    switch self {
    case .always(let value): return value
    case .unknown: return false
    case .test(let index, let test, let negated):
      let column = columns[index]
      let metrics = bounds.metrics(of: column)
      if let decided = test.decided(metrics, column, negated: negated) { return decided }
      guard test.isAbsent(column, bounds) else { return nil }
      return negated ? (metrics.nullCount == 0 ? true : nil) : false
    case .and(let parts):
      var result: Bool? = true
      for part in parts {
        let decided = part.decided(columns, bounds)
        if decided == false { return false }
        if decided == nil { result = nil }
      }
      return result
    case .or(let parts):
      var result: Bool? = false
      for part in parts {
        let decided = part.decided(columns, bounds)
        if decided == true { return true }
        if decided == nil { result = nil }
      }
      return result
    }
  }

  fileprivate func residual(_ columns: [BoundColumn], _ bounds: some ColumnBounds) -> BoundNode {
    switch self {
    case .always: return self
    case .unknown: return .always(false)
    case .test:
      return decided(columns, bounds).map { .always($0) } ?? self
    case .and(let parts): return .joined(parts.map { $0.residual(columns, bounds) }, isAnd: true)
    case .or(let parts): return .joined(parts.map { $0.residual(columns, bounds) }, isAnd: false)
    }
  }
}

extension BoundTest {
  /// How the test comes out for the values that are not null.
  private enum Outcome {
    case trueForAll, trueForNone, open
  }

  fileprivate func decided(
    _ metrics: ColumnMetrics, _ column: BoundColumn, negated: Bool
  ) -> Bool? {
    let onlyNulls = metrics.nullCount != nil && metrics.nullCount == metrics.valueCount
    if self == .isNull {
      if onlyNulls { return !negated }
      return metrics.nullCount == 0 ? negated : nil
    }
    // An empty set of rows may be called either.
    if onlyNulls { return negated ? nil : false }
    let isComplete = metrics.nullCount == 0
    switch outcome(metrics, column.type.isFloatingPoint) {
    case .trueForAll: return negated ? false : isComplete ? true : nil
    case .trueForNone: return negated ? (isComplete ? true : nil) : false
    case .open: return nil
    }
  }

  /// Whether it asks for values none of which occur.
  fileprivate func isAbsent(_ column: BoundColumn, _ bounds: some ColumnBounds) -> Bool {
    switch self {
    case .compare(.equal, let value): !bounds.mayContain(value, in: column)
    case .isIn(let set): !set.values.contains { bounds.mayContain($0, in: column) }
    default: false
    }
  }

  private func outcome(_ metrics: ColumnMetrics, _ isFloatingPoint: Bool) -> Outcome {
    let mayBeNaN = isFloatingPoint && metrics.nanCount != 0
    var onlyNaN = false
    if let nans = metrics.nanCount, let values = metrics.valueCount, let nulls = metrics.nullCount {
      onlyNaN = isFloatingPoint && nans > 0 && nans == values &- nulls
    }
    let outcome: Outcome
    switch self {
    case .isNull: return .open
    case .any: return .trueForAll
    case .isNaN: return onlyNaN ? .trueForAll : mayBeNaN ? .open : .trueForNone
    case .compare(let op, let value):
      outcome = Self.compare(op, value, metrics.lower, metrics.upper)
    case .isIn(let set): outcome = Self.isIn(set.values, metrics.lower, metrics.upper)
    case .startsWith(let prefix): outcome = Self.startsWith(prefix, metrics.lower, metrics.upper)
    case .like(let pattern):
      let prefix = pattern.prefix
      guard !prefix.isEmpty,
        Self.startsWith(prefix, metrics.lower, metrics.upper) == .trueForNone
      else { return .open }
      return .trueForNone
    }
    // All of these are false for NaN.
    if onlyNaN { return .trueForNone }
    return outcome == .trueForAll && mayBeNaN ? .open : outcome
  }

  private static func compare(
    _ op: Predicate.Operator, _ value: Scalar, _ lower: Scalar?, _ upper: Scalar?
  ) -> Outcome {
    let low = lower.flatMap { Scalar.order($0, value) }
    let high = upper.flatMap { Scalar.order($0, value) }
    let (all, none): (Bool, Bool)
    switch op {
    case .equal, .notEqual:
      all = low == 0 && high == 0
      none = low.map { $0 > 0 } ?? false || high.map { $0 < 0 } ?? false
    case .less, .lessOrEqual:
      all = high.map { op.holds($0) } ?? false
      none = low.map { !op.holds($0) } ?? false
    case .greater, .greaterOrEqual:
      all = low.map { op.holds($0) } ?? false
      none = high.map { !op.holds($0) } ?? false
    }
    return none ? .trueForNone : all ? .trueForAll : .open
  }

  private static func isIn(_ values: [Scalar], _ lower: Scalar?, _ upper: Scalar?) -> Outcome {
    // The first value that is not below the lower bound: does it lie within the upper one?
    var first = 0
    var isExact = false
    if let lower {
      var end = values.count
      while first < end {
        let middle = (first + end) / 2
        guard let order = Scalar.order(values[middle], lower) else { return .open }
        if order < 0 { first = middle + 1 } else { end = middle }
      }
      guard first < values.count else { return .trueForNone }
      isExact = Scalar.order(values[first], lower) == 0
    }
    guard let upper, let order = Scalar.order(values[first], upper) else { return .open }
    if order > 0 { return .trueForNone }
    return isExact && order == 0 ? .trueForAll : .open
  }

  private static func startsWith(
    _ prefix: [UInt8], _ lower: Scalar?, _ upper: Scalar?
  ) -> Outcome {
    let low = lower.flatMap { order(startOf: $0, to: prefix) }
    let high = upper.flatMap { order(startOf: $0, to: prefix) }
    if low.map({ $0 > 0 }) ?? false || high.map({ $0 < 0 }) ?? false { return .trueForNone }
    return low == 0 && high == 0 ? .trueForAll : .open
  }

  /// The order of as many first bytes of `bound` as `prefix` has to `prefix`.
  private static func order(startOf bound: Scalar, to prefix: [UInt8]) -> Int? {
    switch bound {
    case .string(let text): order(text.utf8.prefix(prefix.count), prefix)
    case .binary(let bytes): order(bytes.prefix(prefix.count), prefix)
    default: nil
    }
  }

  private static func order(_ start: some Sequence<UInt8>, _ prefix: [UInt8]) -> Int {
    start.elementsEqual(prefix) ? 0 : start.lexicographicallyPrecedes(prefix) ? -1 : 1
  }
}
