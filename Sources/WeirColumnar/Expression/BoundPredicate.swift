// SPDX-License-Identifier: Apache-2.0

/// A predicate on the columns of one schema, its literals converted to their types.
///
/// It is a value and cheap to copy; one binding serves all batches and files of the schema.
/// `evaluate` and `selection` test rows, `mayMatch` and `mustMatch` bounds of columns.
public struct BoundPredicate: Sendable {
  /// The columns that it reads, each once.
  public let columns: [BoundColumn]
  /// NOT has been moved down to the tests, constants have been folded.
  package let root: BoundNode

  package init(columns: [BoundColumn], root: BoundNode) {
    self.columns = columns
    self.root = root
  }

  /// True for every row of every table.
  public var isAlwaysTrue: Bool { root == .always(true) }
  /// True for no row of any table.
  public var isNeverTrue: Bool { root == .always(false) || root == .unknown }

  /// The predicate again, with the literals as they were converted.
  public var predicate: Predicate { root.predicate(columns) }
}

/// A column of a schema, or a field within its structs, that a predicate reads.
public struct BoundColumn: Hashable, Sendable {
  /// Positions in the schema and then in each struct.
  public let path: [Int]
  /// Names along the path.
  public let names: [String]
  /// The last field of the path; `field.id` is the table's number of it.
  public let field: Field

  package init(path: [Int], names: [String], field: Field) {
    self.path = path
    self.names = names
    self.field = field
  }

  /// The names with dots between.
  public var name: String { names.joined(separator: ".") }
  /// The type of the values: a dictionary's value type.
  public var type: DataType {
    if case .dictionary(_, let value, _) = field.type { value } else { field.type }
  }
}

/// One node of a bound predicate. There is no NOT: tests are negated instead.
package indirect enum BoundNode: Hashable, Sendable {
  case always(Bool)
  /// Null for every row.
  case unknown
  /// `negated` exchanges true and false and leaves null. (A comparison is negated by this flag, not
  /// by the opposite operator, because of NaN.) `column` is a position in `columns`.
  case test(column: Int, BoundTest, negated: Bool)
  case and([BoundNode])
  case or([BoundNode])
}

/// What is asked of one value. All tests but `isNull` are null for a null.
package enum BoundTest: Hashable, Sendable {
  case isNull
  /// True for every value.
  case any
  /// Never `notEqual`, which is `equal` negated.
  case compare(Predicate.Operator, Scalar)
  /// Two or more values.
  case isIn(ValueSet)
  case isNaN
  case startsWith([UInt8])
  case like(LikePattern)
}

extension BoundNode {
  func predicate(_ columns: [BoundColumn]) -> Predicate {
    switch self {
    case .always(let value): return .always(value)
    case .unknown: return .always(false)
    case .and(let parts): return .and(parts.map { $0.predicate(columns) })
    case .or(let parts): return .or(parts.map { $0.predicate(columns) })
    case .test(let index, let test, let negated):
      let column = columns[index]
      let term = Term(path: column.names)
      // Literals exist for all values that binding made.
      func literal(_ value: Scalar) -> Literal {
        Literal(value, as: column.type) ?? .string("")
      }
      switch test {
      case .isNull: return negated ? .notNull(term) : .isNull(term)
      case .any: return negated ? .always(false) : .notNull(term)
      case .compare(.equal, let value):
        return .compare(negated ? .notEqual : .equal, term, literal(value))
      case .compare(let op, let value):
        let positive = Predicate.compare(op, term, literal(value))
        if !negated { return positive }
        return column.type.isFloatingPoint
          ? .not(positive) : .compare(op.negated, term, literal(value))
      case .isIn(let set):
        let values = set.values.map(literal)
        return negated ? .notIn(term, values) : .isIn(term, values)
      case .isNaN: return negated ? .notNaN(term) : .isNaN(term)
      case .startsWith(let bytes):
        let prefix = String(decoding: bytes, as: UTF8.self)
        return negated ? .notStartsWith(term, prefix) : .startsWith(term, prefix)
      case .like(let pattern):
        return negated ? .notLike(term, pattern.text) : .like(term, pattern.text)
      }
    }
  }
}
