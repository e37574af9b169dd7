// SPDX-License-Identifier: Apache-2.0

/// An expression on the columns of one schema, whose type is known. It is a value and cheap to copy;
/// one binding serves all batches of the schema.
public struct BoundExpression: Sendable {
  /// What `evaluate` gives: int64 and float64 for computed numbers, what a cast says, or the type of the
  /// columns that it chooses from.
  public let type: DataType
  /// The columns that it reads, each once, but for those of its conditions.
  public let columns: [BoundColumn]
  let root: BoundValue

  /// What it gives as a column: of a plain column all that is known of that.
  package func field(named name: String) -> Field {
    guard case .column(let index) = root else { return Field(name, type) }
    var field = columns[index].field
    field.name = name
    field.type = type
    return field
  }
}

/// One node of a bound expression.
indirect enum BoundValue: Sendable {
  /// A position in `columns`.
  case column(Int)
  case integer(Int64)
  case double(Double)
  /// A string or boolean.
  case other(Scalar, DataType)
  case null
  case negated(BoundValue)
  case arithmetic(ScalarExpression.Arithmetic, BoundValue, BoundValue)
  case call(ScalarExpression.Function, [BoundValue], ValueKind)
  /// The condition of the last branch is always true.
  case choice([(condition: BoundPredicate, value: BoundValue)], ValueKind)
  case cast(BoundValue, ScalarExpression.Target)
}

/// How values are held while they are computed.
enum ValueKind: Hashable, Sendable {
  case integer
  case double
  /// Moved, never computed.
  case other(DataType)
  /// Null in every row.
  case null

  init(_ type: DataType) {
    switch type {
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32: self = .integer
    case .uint64, .float16, .float32, .float64, .decimal128: self = .double
    case .null: self = .null
    default: self = .other(type)
    }
  }

  var type: DataType {
    switch self {
    case .integer: .int64
    case .double: .float64
    case .other(let type): type
    case .null: .null
    }
  }

  /// The kind that holds the values of both; `nil` when there is none.
  func union(_ other: ValueKind) -> ValueKind? {
    switch (self, other) {
    case (.null, let kind), (let kind, .null): kind
    case (.integer, .double), (.double, .integer): .double
    default: self == other ? self : nil
    }
  }
}

extension ScalarExpression {
  /// Looks up the columns in `schema` and finds the type.
  ///
  /// - Throws: `invalidArgument` for unknown or ambiguous columns (with the closest name), for values of
  ///   types that an operator or a function does not take, and for branches of different types.
  public func bind(
    to schema: Schema, caseSensitive: Bool = true
  ) throws(ColumnarError) -> BoundExpression {
    var binder = ExpressionBinder(schema, caseSensitive)
    let (root, kind) = try binder.bind(self)
    var type = kind.type
    if case .cast(_, let target) = self { type = target.type }
    if case .column(let index) = root { type = binder.columns[index].type }
    return BoundExpression(type: type, columns: binder.columns, root: root)
  }
}

private struct ExpressionBinder {
  private let schema: Schema
  private let caseSensitive: Bool
  private(set) var columns: [BoundColumn] = []

  init(_ schema: Schema, _ caseSensitive: Bool) {
    self.schema = schema
    self.caseSensitive = caseSensitive
  }

  mutating func bind(
    _ expression: ScalarExpression
  ) throws(ColumnarError) -> (BoundValue, ValueKind) {
    switch expression {
    case .column(let term): return try bind(term)
    case .literal(let literal): return try bind(literal)
    case .null: return (.null, .null)
    case .negated(let inner):
      let (value, kind) = try number(inner, "'-'")
      return (.negated(value), kind)
    case .arithmetic(let op, let left, let right):
      let (a, kindA) = try number(left, "'\(op.rawValue)'")
      let (b, kindB) = try number(right, "'\(op.rawValue)'")
      let kind = op == .divide ? .double : kindA.union(kindB) ?? .double
      return (.arithmetic(op, a, b), kind)
    case .call(let function, let arguments): return try bind(function, arguments)
    case .choice(let branches, let otherwise):
      var bound: [(condition: BoundPredicate, value: BoundValue)] = []
      var kind = ValueKind.null
      for branch in branches + [Branch(.always(true), otherwise)] {
        let (value, own) = try bind(branch.value)
        kind = try union(kind, own, "the branches of CASE")
        bound.append((try branch.condition.bind(to: schema, caseSensitive: caseSensitive), value))
      }
      return (.choice(bound, kind), kind)
    case .cast(let inner, let target):
      let (value, kind) = try bind(inner)
      switch kind {
      case .integer, .double, .null, .other(.bool): break
      case .other(let type):
        throw ColumnarError(
          .invalidArgument, "CAST takes numbers and booleans, not \(type)",
          column: inner.terms.first?.name)
      }
      let result: ValueKind = target == .int || target == .long ? .integer : .double
      return (.cast(value, target), result)
    }
  }

  private typealias Branch = ScalarExpression.Branch

  private mutating func bind(_ term: Term) throws(ColumnarError) -> (BoundValue, ValueKind) {
    if let transform = term.transform {
      throw ColumnarError(
        .unsupported, "\(transform.name)(…) is a partition transform", column: term.name)
    }
    let lookup = ColumnLookup(schema: schema, caseSensitive: caseSensitive)
    let column = try lookup.column(term.path)
    let index = columns.firstIndex { $0.path == column.path } ?? columns.count
    if index == columns.count { columns.append(column) }
    return (.column(index), ValueKind(column.type))
  }

  private func bind(_ literal: Literal) throws(ColumnarError) -> (BoundValue, ValueKind) {
    switch literal {
    case .integer(let value):
      guard let small = Int64(exactly: value) else { return (.double(Double(value)), .double) }
      return (.integer(small), .integer)
    case .decimal, .double:
      // To the nearest, as where a decimal literal is compared with a double.
      guard case .exact(.float64(let value)) = try literal.converted(to: .float64) else {
        return (.double(.nan), .double)
      }
      return (.double(value), .double)
    case .string(let text): return (.other(.string(text), .utf8), .other(.utf8))
    case .bool(let value): return (.other(.bool(value), .bool), .other(.bool))
    default:
      throw ColumnarError(
        .invalidArgument,
        "\(literal) stands in conditions only; an expression has numbers, strings and booleans")
    }
  }

  /// - Parameter place: what asks for a number.
  private mutating func number(
    _ expression: ScalarExpression, _ place: String
  ) throws(ColumnarError) -> (BoundValue, ValueKind) {
    let (value, kind) = try bind(expression)
    guard case .other(let type) = kind else { return (value, kind) }
    throw ColumnarError(
      .invalidArgument,
      "\(place) takes numbers, not \(type)"
        + (type == .bool ? "; CAST(… AS int) makes it one" : ""),
      column: expression.terms.first?.name)
  }

  private mutating func bind(
    _ function: ScalarExpression.Function, _ arguments: [ScalarExpression]
  ) throws(ColumnarError) -> (BoundValue, ValueKind) {
    var values: [BoundValue] = []
    var kind = ValueKind.null
    for argument in arguments {
      let (value, own) = try bind(argument)
      kind = try union(kind, own, "the arguments of \(function.rawValue)")
      values.append(value)
    }
    let result: ValueKind
    switch (function, kind) {
    case (.coalesce, _): result = kind
    case (.abs, .integer), (.floor, .integer), (.ceil, .integer), (.round, .integer),
      (.least, .integer), (.greatest, .integer):
      result = .integer
    case (.abs, .double), (.floor, .double), (.ceil, .double), (.round, .double),
      (.least, .double), (.greatest, .double), (.sqrt, .integer), (.sqrt, .double),
      (.ln, .integer), (.ln, .double), (.exp, .integer), (.exp, .double), (.power, .integer),
      (.power, .double):
      result = .double
    case (.length, .other(let type)) where Self.hasLength(type): result = .integer
    case (.epoch, .other(let type)) where Self.isTime(type): result = .double
    case (.hour, .other(let type)) where Self.isTime(type),
      (.isodow, .other(let type)) where Self.isTime(type):
      result = .integer
    case (_, .null): result = .null
    default:
      let wanted =
        switch function {
        case .length: "a string, binary values or a list"
        case .epoch, .hour, .isodow: "a date or a timestamp"
        default: "numbers"
        }
      throw ColumnarError(
        .invalidArgument, "\(function.rawValue) takes \(wanted), not \(kind.type)",
        column: arguments.first?.terms.first?.name)
    }
    return (.call(function, values, result), result)
  }

  private static func hasLength(_ type: DataType) -> Bool {
    switch type {
    case .utf8, .largeUtf8, .binary, .largeBinary, .fixedSizeBinary, .list, .largeList,
      .fixedSizeList, .map:
      true
    default: false
    }
  }

  private static func isTime(_ type: DataType) -> Bool {
    switch type {
    case .date32, .date64, .timestamp: true
    default: false
    }
  }

  private func union(
    _ a: ValueKind, _ b: ValueKind, _ place: String
  ) throws(ColumnarError) -> ValueKind {
    if let kind = a.union(b) { return kind }
    throw ColumnarError(
      .invalidArgument, "\(place) are of different types: \(a.type) and \(b.type)")
  }
}
