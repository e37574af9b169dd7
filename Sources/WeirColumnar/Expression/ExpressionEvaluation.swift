// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

extension BoundExpression {
  /// The value for each row of `batch`, of `type`.
  ///
  /// The batch needs the columns that are read only, in any order; they are found by name. Cost: a few
  /// nanoseconds a row for each operator; 8 bytes a row for each that is open.
  ///
  /// - Throws: `invalidArgument` when a column is missing or of another type; `overflow` for integers
  ///   beyond their type, with the values.
  public func evaluate(_ batch: RecordBatch) throws(ColumnarError) -> ArrayData {
    var rows: [ColumnRows] = []
    for column in columns { rows.append(try ColumnRows(column, batch)) }
    if case .column(let index) = root {
      let plain = try rows[index].plainValues()
      guard let valid = rows[index].valid else { return plain }
      return try RowValues.others(plain, valid).array(of: type, count: batch.rowCount)
    }
    let evaluator = ExpressionEvaluator(columns: rows, batch: batch)
    let all = RowBits(repeating: true, count: batch.rowCount)
    return try evaluator.evaluate(root, all).array(of: type, count: batch.rowCount)
  }
}

/// The values of a batch's rows; where a row is not valid they mean nothing.
enum RowValues {
  case integers([Int64], RowBits)
  case doubles([Double], RowBits)
  /// Dictionaries are unpacked. Rows that are null count as such beside those that are not valid.
  case others(ArrayData, RowBits)
  case null

  func array(of type: DataType, count: Int) throws(ColumnarError) -> ArrayData {
    func array<T: PrimitiveValue>(_ values: [T], _ valid: RowBits) -> ArrayData {
      let builder = PrimitiveBuilder<T>(type)
      builder.reserve(count)
      if valid.ones == count {
        builder.append(contentsOf: values)
      } else {
        for row in 0..<count { builder.append(valid[row] ? values[row] : nil) }
      }
      return builder.finish()
    }
    switch self {
    case .integers(let values, let valid):
      // Casts have looked whether 32 bits are enough.
      if type == .int32 { return array(values.map { Int32(truncatingIfNeeded: $0) }, valid) }
      return array(values, valid)
    case .doubles(let values, let valid):
      if type == .float32 { return array(values.map { Float($0) }, valid) }
      return array(values, valid)
    case .others(let values, let valid):
      if valid.ones == count { return values }
      return try takeRows(values, (0..<count).map { valid[$0] ? $0 : -1 }, .null)
    case .null:
      let builder = makeBuilder(for: type)
      for _ in 0..<count { builder.appendNull() }
      return builder.finish()
    }
  }

  /// As numbers; nulls are integers, too.
  func integers(_ count: Int) -> ([Int64], RowBits)? {
    switch self {
    case .integers(let values, let valid): (values, valid)
    case .null:
      ([Int64](repeating: 0, count: count), RowBits(repeating: false, count: count))
    default: nil
    }
  }

  func doubles(_ count: Int) -> ([Double], RowBits) {
    if case .doubles(let values, let valid) = self { return (values, valid) }
    guard let (values, valid) = integers(count) else {
      preconditionFailure("binding lets numbers only come here")
    }
    return (values.map { Double($0) }, valid)
  }
}

/// One evaluation on one batch.
struct ExpressionEvaluator {
  let columns: [ColumnRows]
  let batch: RecordBatch
  var count: Int { batch.rowCount }

  init(columns: [ColumnRows], batch: RecordBatch) {
    self.columns = columns
    self.batch = batch
  }

  /// The values of the rows of `among`; for others they mean nothing, and nothing is an error.
  func evaluate(_ node: BoundValue, _ among: RowBits) throws(ColumnarError) -> RowValues {
    switch node {
    case .column(let index): return try values(columns[index])
    case .integer(let value): return .integers([Int64](repeating: value, count: count), all)
    case .double(let value): return .doubles([Double](repeating: value, count: count), all)
    case .other(let value, let type):
      let builder = makeBuilder(for: type)
      for _ in 0..<count { try builder.append(value) }
      return .others(builder.finish(), all)
    case .null: return .null
    case .negated(let inner):
      return try arithmetic(
        .subtract, .integers([Int64](repeating: 0, count: count), all),
        try evaluate(inner, among), among, isNegation: true)
    case .arithmetic(let op, let left, let right):
      return try arithmetic(op, try evaluate(left, among), try evaluate(right, among), among)
    case .call(.coalesce, let arguments, let kind):
      var open = among
      var parts: [(RowValues, RowBits)] = []
      for argument in arguments where !open.isEmpty {
        let values = try evaluate(argument, open)
        var taken = valid(values)
        taken.formAnd(open)
        open.subtract(taken)
        parts.append((values, taken))
      }
      return try merged(parts, kind)
    case .choice(let branches, let kind):
      var open = among
      var parts: [(RowValues, RowBits)] = []
      for branch in branches where !open.isEmpty {
        var taken = try branch.condition.selection(batch).bits
        taken.formAnd(open)
        open.subtract(taken)
        if !taken.isEmpty { parts.append((try evaluate(branch.value, taken), taken)) }
      }
      return try merged(parts, kind)
    case .call(let function, let arguments, let kind):
      var values: [RowValues] = []
      for argument in arguments { values.append(try evaluate(argument, among)) }
      return try call(function, values, kind, among)
    case .cast(let inner, let target): return try cast(try evaluate(inner, among), target, among)
    }
  }

  private var all: RowBits { RowBits(repeating: true, count: count) }

  private func values(_ column: ColumnRows) throws(ColumnarError) -> RowValues {
    let plain = try column.plainValues()
    var valid = column.valid ?? all
    if case .dictionary = column.values.type, let own = ColumnRows.validity(plain) {
      valid.formAnd(own)
    }
    switch ValueKind(plain.type) {
    case .integer: return .integers(plain.integers, valid)
    case .double: return .doubles(plain.doubles, valid)
    case .other: return .others(plain, valid)
    case .null: return .null
    }
  }

  private func valid(_ values: RowValues) -> RowBits {
    switch values {
    case .integers(_, let valid), .doubles(_, let valid), .others(_, let valid): valid
    case .null: RowBits(repeating: false, count: count)
    }
  }

  // MARK: Choices

  /// Each row's value from the part that has it; null for rows of none.
  private func merged(
    _ parts: [(RowValues, RowBits)], _ kind: ValueKind
  ) throws(ColumnarError) -> RowValues {
    var isThere = RowBits(repeating: false, count: count)
    switch kind {
    case .null: return .null
    case .integer:
      var result = [Int64](repeating: 0, count: count)
      for (values, rows) in parts {
        guard let (numbers, valid) = values.integers(count) else { continue }
        for row in rows.indices { result[row] = numbers[row] }
        isThere.formOr(Self.both(rows, valid))
      }
      return .integers(result, isThere)
    case .double:
      var result = [Double](repeating: 0, count: count)
      for (values, rows) in parts {
        let (numbers, valid) = values.doubles(count)
        for row in rows.indices { result[row] = numbers[row] }
        isThere.formOr(Self.both(rows, valid))
      }
      return .doubles(result, isThere)
    case .other(let type):
      var places = [Int](repeating: -1, count: count)
      var arrays: [ArrayData] = []
      for (values, rows) in parts {
        guard case .others(let array, let valid) = values else { continue }
        let taken = Self.both(rows, valid)
        for row in taken.indices { places[row] = arrays.count * count + row }
        arrays.append(array)
        isThere.formOr(taken)
      }
      guard !arrays.isEmpty else { return try nulls(type) }
      return .others(try takeRows(try ArrayData.concatenate(arrays), places, .null), isThere)
    }
  }

  private func nulls(_ type: DataType) throws(ColumnarError) -> RowValues {
    let none = RowBits(repeating: false, count: count)
    return .others(try RowValues.null.array(of: type, count: count), none)
  }

  static func both(_ a: RowBits, _ b: RowBits) -> RowBits {
    var result = a
    result.formAnd(b)
    return result
  }

  // MARK: Numbers

  private func arithmetic(
    _ op: ScalarExpression.Arithmetic, _ left: RowValues, _ right: RowValues, _ among: RowBits,
    isNegation: Bool = false
  ) throws(ColumnarError) -> RowValues {
    if op != .divide, let (a, validA) = left.integers(count),
      let (b, validB) = right.integers(count)
    {
      var valid = Self.both(validA, validB)
      if op == .remainder { valid.subtract(RowBits(count: count) { b[$0] == 0 }) }
      var result = [Int64](repeating: 0, count: count)
      let asked = Self.both(valid, among)
      for row in 0..<count where asked[row] {
        let (value, isBeyond) =
          switch op {
          case .add: a[row].addingReportingOverflow(b[row])
          case .subtract: a[row].subtractingReportingOverflow(b[row])
          case .multiply: a[row].multipliedReportingOverflow(by: b[row])
          // The least integer has no opposite, but its remainder by -1 is 0.
          default: (b[row] == -1 ? 0 : a[row] % b[row], false)
          }
        guard !isBeyond else {
          throw ColumnarError(
            .overflow,
            (isNegation ? "-(\(b[row]))" : "\(a[row]) \(op.rawValue) \(b[row])")
              + " does not fit an integer of 64 bits; CAST one side AS double")
        }
        result[row] = value
      }
      return .integers(result, valid)
    }
    let (b, validB) = right.doubles(count)
    if isNegation { return .doubles(b.map { -$0 }, validB) }
    let (a, validA) = left.doubles(count)
    var valid = Self.both(validA, validB)
    if op == .divide || op == .remainder {
      valid.subtract(RowBits(count: count) { b[$0] == 0 })
    }
    let result = (0..<count).map { row in
      switch op {
      case .add: a[row] + b[row]
      case .subtract: a[row] - b[row]
      case .multiply: a[row] * b[row]
      case .divide: a[row] / b[row]
      case .remainder: fmod(a[row], b[row])
      }
    }
    return .doubles(result, valid)
  }
}
