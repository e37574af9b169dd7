// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet

/// The part of a filter by which a file's row groups and pages can be passed over: on columns whose
/// values the file stores so that they compare with the filter's; of Parquet files, tests that all
/// rows must meet.
enum PredicatePushdown {
  /// Of a predicate bound to the table's Arrow schema, for a file with these fields (with ids).
  static func conditions(_ predicate: BoundPredicate, fields: [Field]) -> [ColumnPredicate] {
    let nodes: [BoundNode]
    switch predicate.root {
    case .and(let parts): nodes = parts
    default: nodes = [predicate.root]
    }
    return nodes.compactMap { condition($0, predicate.columns, fields) }
  }

  private static func condition(
    _ node: BoundNode, _ columns: [BoundColumn], _ fields: [Field]
  ) -> ColumnPredicate? {
    guard case .test(let index, let test, let negated) = node else { return nil }
    let column = columns[index]
    guard let id = column.field.id,
      let (path, type) = find(id, fields, prefix: "", depth: 0), fits(type, column.type)
    else { return nil }
    switch (test, negated) {
    case (.isNull, let negated): return ColumnPredicate(path, negated ? .isNotNull : .isNull)
    case (.any, false): return ColumnPredicate(path, .isNotNull)
    case (.compare(let op, let value), false):
      guard let comparison = comparison(op) else { return nil }
      return ColumnPredicate(path, comparison, [value])
    case (.compare(let op, let value), true) where !column.type.isFloatingPoint:
      guard let comparison = comparison(op.negated) else { return nil }
      return ColumnPredicate(path, comparison, [value])
    case (.isIn(let values), false): return ColumnPredicate(path, .isIn, values.values)
    case (.startsWith(let prefix), false):
      return ColumnPredicate(path, .greaterOrEqual, [.binary(prefix)])
    default: return nil
    }
  }

  private static func comparison(_ op: Predicate.Operator) -> ColumnPredicate.Comparison? {
    switch op {
    case .equal: .equal
    case .notEqual: nil
    case .less: .less
    case .lessOrEqual: .lessOrEqual
    case .greater: .greater
    case .greaterOrEqual: .greaterOrEqual
    }
  }

  /// Whether the file's values, as they are stored, compare with literals of the table's type.
  static func fits(_ stored: DataType, _ type: DataType) -> Bool {
    if stored == type { return true }
    switch (stored, type) {
    case (.int32, .int64), (.float32, .float64), (.largeUtf8, .utf8), (.largeBinary, .binary):
      return true
    case (.timestamp(let unit, _), .timestamp(let wanted, _)): return unit == wanted
    case (.decimal128(_, let scale), .decimal128(_, let wanted)): return scale == wanted
    default: return false
    }
  }

  /// The dotted path and type of the single-valued column with this id.
  private static func find(
    _ id: Int32, _ fields: [Field], prefix: String, depth: Int
  ) -> (String, DataType)? {
    guard depth < 64 else { return nil }
    for field in fields {
      if field.id == id { return (prefix + field.name, field.type) }
      if case .struct(let inner) = field.type,
        let found = find(id, inner, prefix: prefix + field.name + ".", depth: depth + 1)
      {
        return found
      }
    }
    return nil
  }
}
