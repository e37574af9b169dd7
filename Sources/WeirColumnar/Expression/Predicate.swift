// SPDX-License-Identifier: Apache-2.0

/// A condition on the rows of a table, with the three-valued logic of SQL: for a row it is true,
/// false or null, and a filter keeps the rows for which it is true.
///
/// It names columns without knowing a schema; `bind(to:)` looks them up and converts the literals.
/// `Predicate(parsing:)` reads the SQL form, `description` writes it.
///
/// ```swift
/// let adults: Predicate = .and([.compare(.greaterOrEqual, "age", 18), .notNull("country")])
/// ```
public indirect enum Predicate: Hashable, Sendable {
  /// True or false whatever the row holds.
  case always(Bool)
  /// Null where the column is null. Of floating point values, NaN is unequal to everything, itself
  /// too, and neither below nor above anything (as in pyarrow and PyIceberg; IEEE 754).
  case compare(Operator, Term, Literal)
  /// Equal to one of the values. Null where the column is null.
  case isIn(Term, [Literal])
  case notIn(Term, [Literal])
  case isNull(Term)
  case notNull(Term)
  /// Null where the column is null (as in pyarrow, DuckDB). False for columns that have no NaN.
  case isNaN(Term)
  case notNaN(Term)
  /// Null where the column is null.
  case startsWith(Term, String)
  case notStartsWith(Term, String)
  /// SQL's LIKE: `%` stands for any text, `_` for one Unicode scalar, `\` takes the meaning off the
  /// character behind it. Patterns that are only a prefix are better written as `startsWith`.
  case like(Term, String)
  case notLike(Term, String)
  /// True when all are; with none, true.
  case and([Predicate])
  /// True when one is; with none, false.
  case or([Predicate])
  case not(Predicate)

  /// How a column's value stands to a literal.
  public enum Operator: String, Hashable, Sendable, CaseIterable {
    case equal = "="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="

    /// True exactly where this one is false; nulls stay null. For floating point only `equal` and
    /// `notEqual` are each other's opposite, since NaN is neither below nor above.
    public var negated: Operator {
      switch self {
      case .equal: .notEqual
      case .notEqual: .equal
      case .less: .greaterOrEqual
      case .lessOrEqual: .greater
      case .greater: .lessOrEqual
      case .greaterOrEqual: .less
      }
    }

    /// The same with the sides exchanged: `5 < x` is `x > 5`.
    public var flipped: Operator {
      switch self {
      case .equal, .notEqual: self
      case .less: .greater
      case .lessOrEqual: .greaterOrEqual
      case .greater: .less
      case .greaterOrEqual: .lessOrEqual
      }
    }
  }

  /// Levels of nesting that a parsed or bound predicate may have.
  public static let depthMax = 100
  /// Bytes of text that the parser takes.
  public static let textBytesMax = 1 << 20

  /// `a AND b`, without a level for what is an AND already.
  public static func && (a: Predicate, b: Predicate) -> Predicate { .all([a, b]) }
  /// `a OR b`, without a level for what is an OR already.
  public static func || (a: Predicate, b: Predicate) -> Predicate { .any([a, b]) }
  public static prefix func ! (a: Predicate) -> Predicate { .not(a) }

  /// All of `parts`, flattened by one level; the part itself when there is only one.
  public static func all(_ parts: [Predicate]) -> Predicate {
    var flat: [Predicate] = []
    for part in parts {
      if case .and(let inner) = part { flat += inner } else { flat.append(part) }
    }
    return flat.isEmpty ? .always(true) : flat.count == 1 ? flat[0] : .and(flat)
  }

  /// One of `parts`, flattened by one level; the part itself when there is only one.
  public static func any(_ parts: [Predicate]) -> Predicate {
    var flat: [Predicate] = []
    for part in parts {
      if case .or(let inner) = part { flat += inner } else { flat.append(part) }
    }
    return flat.isEmpty ? .always(false) : flat.count == 1 ? flat[0] : .or(flat)
  }

  /// The terms in the order of the text, each once.
  public var terms: [Term] {
    var seen: Set<Term> = []
    var result: [Term] = []
    visitTerms { if seen.insert($0).inserted { result.append($0) } }
    return result
  }

  private func visitTerms(_ body: (Term) -> Void) {
    switch self {
    case .always: break
    case .compare(_, let term, _), .isIn(let term, _), .notIn(let term, _), .isNull(let term),
      .notNull(let term), .isNaN(let term), .notNaN(let term), .startsWith(let term, _),
      .notStartsWith(let term, _), .like(let term, _), .notLike(let term, _):
      body(term)
    case .and(let parts), .or(let parts): for part in parts { part.visitTerms(body) }
    case .not(let inner): inner.visitTerms(body)
    }
  }
}

/// What a predicate tests: a column, or the outcome of a partition transform on it.
public struct Term: Hashable, Sendable, ExpressibleByStringLiteral {
  /// Names from the column down through structs.
  public var path: [String]
  /// Kept for Iceberg (`bucket(16, id) = 3`); binding to an Arrow schema refuses it.
  public var transform: Transform?

  /// A function of Iceberg's partitioning by its name, as `bucket` with 16 or `day`.
  public struct Transform: Hashable, Sendable {
    public var name: String
    public var argument: Int?
    public init(_ name: String, argument: Int? = nil) {
      self.name = name
      self.argument = argument
    }
  }

  public init(path: [String], transform: Transform? = nil) {
    self.path = path
    self.transform = transform
  }

  /// A dotted path; for names that contain dots, binding also finds the joined name.
  public init(_ dotted: String) {
    path = dotted.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }

  public init(stringLiteral value: String) { self.init(value) }

  /// The path with dots between the names, without quotes.
  public var name: String { path.joined(separator: ".") }
}
