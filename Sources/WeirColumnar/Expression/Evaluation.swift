// SPDX-License-Identifier: Apache-2.0

/// The rows of a batch for which a predicate is true.
public struct RowSelection: Sendable {
  let bits: RowBits
  /// How many rows are selected.
  public let count: Int
  /// How many rows the batch has.
  public var rowCount: Int { bits.count }

  init(_ bits: RowBits) {
    self.bits = bits
    count = bits.ones
  }

  public var isEmpty: Bool { count == 0 }
  public var isAll: Bool { count == rowCount }

  /// A bool array without nulls, for `filter`.
  public var mask: ArrayData {
    ArrayData(type: .bool, length: rowCount, buffers: [bits.buffer])
  }

  /// The selected rows, ascending, for `take`.
  public var rows: [Int] { bits.indices }
}

extension BoundPredicate {
  /// The predicate for each row of `batch`: a bool array, null where three-valued logic says so.
  ///
  /// The batch needs the predicate's columns only, in any order; they are found by name.
  ///
  /// - Throws: `invalidArgument` when a column is missing or of another type.
  public func evaluate(_ batch: RecordBatch) throws(ColumnarError) -> ArrayData {
    let evaluator = try PredicateEvaluator(columns, batch, wantsNulls: true)
    let outcome = evaluator.evaluate(root, among: nil)
    return ArrayData(
      type: .bool, length: batch.rowCount, validity: outcome.nulls?.inverted.buffer,
      buffers: [outcome.trues.buffer])
  }

  /// The rows of `batch` for which the predicate is true (neither false nor null).
  ///
  /// Cost: about 0.2 ns a row for each comparison of numbers, less where the tests before leave no
  /// rows. AND and OR try cheap tests first and test strings only on rows that are still open.
  ///
  /// - Throws: as `evaluate`.
  public func selection(_ batch: RecordBatch) throws(ColumnarError) -> RowSelection {
    let evaluator = try PredicateEvaluator(columns, batch, wantsNulls: false)
    return RowSelection(evaluator.evaluate(root, among: nil).trues)
  }
}

extension RecordBatch {
  /// The rows for which `predicate` is true; the batch itself when all are.
  public func filter(_ predicate: BoundPredicate) throws(ColumnarError) -> RecordBatch {
    let selection = try predicate.selection(self)
    return selection.isAll ? self : try filter(selection.mask)
  }
}

/// One evaluation on one batch.
private struct PredicateEvaluator {
  /// Rows that are true, rows that are null (none, when nobody wants them); the rest is false.
  struct Outcome {
    var trues: RowBits
    var nulls: RowBits?
  }

  private let columns: [ColumnRows]
  private let rowCount: Int
  private let wantsNulls: Bool

  init(
    _ bound: [BoundColumn], _ batch: RecordBatch, wantsNulls: Bool
  ) throws(ColumnarError) {
    var columns: [ColumnRows] = []
    for column in bound { columns.append(try ColumnRows(column, batch)) }
    self.columns = columns
    rowCount = batch.rowCount
    self.wantsNulls = wantsNulls
  }

  // MARK: Nodes

  private func constant(_ value: Bool?) -> Outcome {
    Outcome(
      trues: RowBits(repeating: value ?? false, count: rowCount),
      nulls: wantsNulls && value == nil ? RowBits(repeating: true, count: rowCount) : nil)
  }

  /// The outcome for the rows of `among`; for others it means nothing.
  func evaluate(_ node: BoundNode, among: RowBits?) -> Outcome {
    switch node {
    case .always(let value): return constant(value)
    case .unknown: return constant(nil)
    case .test(let column, let test, let negated):
      return evaluate(test, columns[column], negated, among)
    case .and(let parts): return and(parts, among)
    case .or(let parts): return or(parts, among)
    }
  }

  private func evaluate(
    _ test: BoundTest, _ column: ColumnRows, _ negated: Bool, _ among: RowBits?
  ) -> Outcome {
    if test == .isNull {
      var valid = column.valid ?? RowBits(repeating: true, count: rowCount)
      if case .dictionary = column.values.type, let dictionary = column.values.dictionary,
        let known = ColumnRows.validity(dictionary)
      {
        valid.formAnd(gathered(known, column.values, among))
      }
      return Outcome(trues: negated ? valid : valid.inverted, nulls: nil)
    }
    var trues: RowBits
    var valid = column.valid
    if case .dictionary = column.values.type, let dictionary = column.values.dictionary {
      // Each value of the dictionary is tested once; rows look up the outcome.
      let used = column.values.usedValues(dictionary.length, among: among)
      trues = gathered(dictionary.passing(test, among: used), column.values, among)
      if let known = ColumnRows.validity(dictionary) {
        let knownRows = gathered(known, column.values, among)
        valid?.formAnd(knownRows)
        valid = valid ?? knownRows
      }
    } else {
      trues = column.values.passing(test, among: among)
    }
    if negated { trues.invert() }
    guard let valid else { return Outcome(trues: trues, nulls: nil) }
    trues.formAnd(valid)
    return Outcome(trues: trues, nulls: wantsNulls ? valid.inverted : nil)
  }

  /// The bit of each row's dictionary index.
  private func gathered(_ bits: RowBits, _ array: ArrayData, _ among: RowBits?) -> RowBits {
    array.gatheringByIndex(bits, among: among)
  }

  // MARK: Kleene's logic

  /// True where all are, false where one is, else null: with trues T and nulls N, T is the
  /// intersection, and N the rows that are true or null everywhere, without T.
  private func and(_ parts: [BoundNode], _ among: RowBits?) -> Outcome {
    var result = constant(true)
    var open = among
    for part in Self.cheapFirst(parts) {
      let next = evaluate(part, among: open)
      if result.nulls != nil || next.nulls != nil {
        var possible = result.trues
        if let nulls = result.nulls { possible.formOr(nulls) }
        var nextPossible = next.trues
        if let nulls = next.nulls { nextPossible.formOr(nulls) }
        possible.formAnd(nextPossible)
        result.trues.formAnd(next.trues)
        open = possible
        if let among { open?.formAnd(among) }
        possible.subtract(result.trues)
        result.nulls = possible
      } else {
        result.trues.formAnd(next.trues)
        open = result.trues
        if let among { open?.formAnd(among) }
      }
      if open?.isEmpty ?? false { break }
    }
    return result
  }

  /// True where one is, false where all are, else null.
  private func or(_ parts: [BoundNode], _ among: RowBits?) -> Outcome {
    var result = constant(false)
    var open = among
    for part in Self.cheapFirst(parts) {
      let next = evaluate(part, among: open)
      result.trues.formOr(next.trues)
      if let nulls = next.nulls {
        result.nulls?.formOr(nulls)
        result.nulls = result.nulls ?? nulls
      }
      result.nulls?.subtract(result.trues)
      open = result.trues.inverted
      if let among { open?.formAnd(among) }
      if open?.isEmpty ?? false { break }
    }
    return result
  }

  private static func cheapFirst(_ parts: [BoundNode]) -> [BoundNode] {
    parts.map { (cost: $0.cost, node: $0) }.enumerated()
      .sorted { ($0.element.cost, $0.offset) < ($1.element.cost, $1.offset) }
      .map { $0.element.node }
  }
}

extension BoundNode {
  /// Roughly how long a row takes, in tenths of nanoseconds.
  fileprivate var cost: Int {
    switch self {
    case .always, .unknown: 0
    case .and(let parts), .or(let parts): parts.reduce(0) { $0 + $1.cost }
    case .test(_, let test, _):
      switch test {
      case .isNull, .any: 1
      case .compare(_, .string), .compare(_, .binary), .startsWith: 40
      case .compare, .isNaN: 2
      case .isIn: 60
      case .like: 200
      }
    }
  }
}
