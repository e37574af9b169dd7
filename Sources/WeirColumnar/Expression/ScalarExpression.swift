// SPDX-License-Identifier: Apache-2.0

/// A value that is computed from the columns of a row, as in SQL: `clicks / (views + 10)`.
///
/// It names columns without knowing a schema; `bind(to:)` looks them up and finds its type.
/// `docs/expressions.md` lists what there is and what it means.
public indirect enum ScalarExpression: Hashable, Sendable {
  case column(Term)
  /// Integers, decimals (doubles here), doubles, strings, booleans.
  case literal(Literal)
  case null
  case negated(ScalarExpression)
  case arithmetic(Arithmetic, ScalarExpression, ScalarExpression)
  case call(Function, [ScalarExpression])
  /// The value behind the first condition that is true; null where none is and there is no `otherwise`.
  case choice([Branch], otherwise: ScalarExpression)
  case cast(ScalarExpression, Target)

  public struct Branch: Hashable, Sendable {
    public var condition: Predicate
    public var value: ScalarExpression

    public init(_ condition: Predicate, _ value: ScalarExpression) {
      self.condition = condition
      self.value = value
    }
  }

  /// Of two integers the result is one (64 bits), but for `/`; else doubles.
  public enum Arithmetic: String, Hashable, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    /// Always a double; null where the divisor is 0.
    case divide = "/"
    /// With the dividend's sign; null where the divisor is 0.
    case remainder = "%"
  }

  /// Functions by their names in SQL. All are null where an argument is, but for `coalesce`, `least` and
  /// `greatest`, which pass over nulls.
  public enum Function: String, Hashable, Sendable, CaseIterable {
    case abs, floor, ceil, round, exp
    /// Null for numbers below 0.
    case sqrt
    /// Natural logarithm; null for numbers that are not above 0.
    case ln
    case power, least, greatest, coalesce
    /// Characters (Unicode scalars) of a string, bytes of a binary value, items of a list.
    case length
    /// Seconds since 1970-01-01 of a date or timestamp, as a double.
    case epoch
    /// 0 ... 23, in UTC (or as written, for timestamps without a zone).
    case hour
    /// 1 (Monday) ... 7.
    case isodow

    var argumentCounts: ClosedRange<Int> {
      switch self {
      case .power: 2...2
      case .least, .greatest, .coalesce: 1...100
      default: 1...1
      }
    }
  }

  /// What a number or boolean may be made to. Doubles become integers by rounding half to even.
  public enum Target: String, Hashable, Sendable, CaseIterable {
    case int, long, float, double

    var type: DataType {
      switch self {
      case .int: .int32
      case .long: .int64
      case .float: .float32
      case .double: .float64
      }
    }
  }
}

extension ScalarExpression {
  /// Reads the SQL form, see `docs/expressions.md`; keywords and functions in any case.
  ///
  /// - Throws: `invalidArgument` with the position and what was expected there; also for text longer
  ///   than `Predicate.textBytesMax` or nested deeper than `Predicate.depthMax`.
  public init(parsing text: String) throws(ColumnarError) {
    var parser = try PredicateParser(text, what: "expression")
    self = try parser.parseExpression()
  }

  /// The plain column that this is, if it is one.
  public var plainColumn: Term? {
    if case .column(let term) = self { term } else { nil }
  }

  /// The columns that it reads, conditions included, in the order of the text, each once.
  public var terms: [Term] {
    var seen: Set<Term> = []
    return allTerms.filter { seen.insert($0).inserted }
  }

  private var allTerms: [Term] {
    switch self {
    case .column(let term): [term]
    case .literal, .null: []
    case .negated(let inner), .cast(let inner, _): inner.allTerms
    case .arithmetic(_, let a, let b): a.allTerms + b.allTerms
    case .call(_, let arguments): arguments.flatMap(\.allTerms)
    case .choice(let branches, let otherwise):
      branches.flatMap { $0.condition.terms + $0.value.allTerms } + otherwise.allTerms
    }
  }
}
