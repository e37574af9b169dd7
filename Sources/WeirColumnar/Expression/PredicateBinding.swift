// SPDX-License-Identifier: Apache-2.0

extension Predicate {
  /// Looks up the columns in `schema` and converts the literals to their types, exactly: what a type
  /// has no value for (300 for int8, 1.5 for integers) changes the test to one with the same outcome.
  ///
  /// A dotted path leads into structs; a value in a null struct is null. Where no field `a` with a
  /// field `b` exists, `a.b` also finds a column whose name holds the dot.
  ///
  /// - Throws: `invalidArgument` for an unknown or ambiguous column (with the closest name), for a
  ///   literal that does not compare with its column, for a nested column in anything but
  ///   IS [NOT] NULL; `unsupported` for terms with a transform.
  public func bind(
    to schema: Schema, caseSensitive: Bool = true
  ) throws(ColumnarError) -> BoundPredicate {
    do throws(BindingError) {
      return try bound(to: schema, caseSensitive: caseSensitive)
    } catch { throw error.error }
  }

  fileprivate func bound(
    to schema: Schema, caseSensitive: Bool
  ) throws(BindingError) -> BoundPredicate {
    var binder = PredicateBinder(schema, caseSensitive)
    let root = try binder.bind(self, negated: false, depth: 0)
    return BoundPredicate.compacted(binder.columns, root)
  }
}

extension BoundPredicate {
  /// Parses and binds at once, so that errors of binding also say where in the text.
  public init(
    parsing text: String, schema: Schema, caseSensitive: Bool = true
  ) throws(ColumnarError) {
    var parser = try PredicateParser(text)
    let predicate = try parser.parse()
    do throws(BindingError) {
      self = try predicate.bound(to: schema, caseSensitive: caseSensitive)
    } catch {
      guard let term = error.term else { throw error.error }
      throw parser.located(error.error, at: term)
    }
  }

  /// Without the columns that folding left unused.
  static func compacted(_ columns: [BoundColumn], _ root: BoundNode) -> BoundPredicate {
    var places: [Int: Int] = [:]
    var used: [BoundColumn] = []
    func renumbered(_ node: BoundNode) -> BoundNode {
      switch node {
      case .always, .unknown: return node
      case .and(let parts): return .and(parts.map(renumbered))
      case .or(let parts): return .or(parts.map(renumbered))
      case .test(let column, let test, let negated):
        if places[column] == nil {
          places[column] = used.count
          used.append(columns[column])
        }
        return .test(column: places[column] ?? 0, test, negated: negated)
      }
    }
    let renamed = renumbered(root)
    return BoundPredicate(columns: used, root: renamed)
  }

  /// The tests that every row must pass and that read only columns (by their positions in `columns`)
  /// for which `isKnown`: true wherever the predicate is.
  package func readingOnly(where isKnown: (Int) -> Bool) -> BoundPredicate {
    func isReadable(_ node: BoundNode) -> Bool {
      switch node {
      case .always, .unknown: true
      case .and(let parts), .or(let parts): parts.allSatisfy(isReadable)
      case .test(let column, _, _): isKnown(column)
      }
    }
    let parts: [BoundNode]
    if case .and(let all) = root { parts = all } else { parts = [root] }
    return .compacted(columns, .joined(parts.filter(isReadable), isAnd: true))
  }
}

/// An error with the term it is about.
private struct BindingError: Error {
  var error: ColumnarError
  var term: Term?
}

private struct PredicateBinder {
  private let lookup: ColumnLookup
  private(set) var columns: [BoundColumn] = []
  private var indices: [Term: Int] = [:]

  init(_ schema: Schema, _ caseSensitive: Bool) {
    lookup = ColumnLookup(schema: schema, caseSensitive: caseSensitive)
  }

  mutating func bind(
    _ predicate: Predicate, negated: Bool, depth: Int
  ) throws(BindingError) -> BoundNode {
    guard depth <= Predicate.depthMax * 2 else {
      throw BindingError(
        error: ColumnarError(
          .invalidArgument,
          "the predicate is nested deeper than \(Predicate.depthMax * 2) levels; write it flatter"))
    }
    switch predicate {
    case .always(let value): return .always(value != negated)
    case .not(let inner): return try bind(inner, negated: !negated, depth: depth + 1)
    case .and(let parts):
      return .joined(try bindAll(parts, negated, depth), isAnd: !negated)
    case .or(let parts):
      return .joined(try bindAll(parts, negated, depth), isAnd: negated)
    case .compare(let op, let term, let literal):
      return try compare(op, term, literal, negated)
    case .isIn(let term, let values): return try isIn(term, values, negated)
    case .notIn(let term, let values): return try isIn(term, values, !negated)
    case .isNull(let term): return .test(column: try column(term), .isNull, negated: negated)
    case .notNull(let term): return .test(column: try column(term), .isNull, negated: !negated)
    case .isNaN(let term): return try isNaN(term, negated)
    case .notNaN(let term): return try isNaN(term, !negated)
    case .startsWith(let term, let prefix): return try startsWith(term, prefix, negated)
    case .notStartsWith(let term, let prefix): return try startsWith(term, prefix, !negated)
    case .like(let term, let pattern): return try like(term, pattern, negated)
    case .notLike(let term, let pattern): return try like(term, pattern, !negated)
    }
  }

  private mutating func bindAll(
    _ parts: [Predicate], _ negated: Bool, _ depth: Int
  ) throws(BindingError) -> [BoundNode] {
    var nodes: [BoundNode] = []
    nodes.reserveCapacity(parts.count)
    for part in parts { nodes.append(try bind(part, negated: negated, depth: depth + 1)) }
    return nodes
  }

  // MARK: Tests

  private mutating func compare(
    _ op: Predicate.Operator, _ term: Term, _ literal: Literal, _ negated: Bool
  ) throws(BindingError) -> BoundNode {
    let (index, type) = try valueColumn(term)
    if type == .null { return .unknown }
    if op == .notEqual { return try compare(.equal, term, literal, !negated) }
    func test(_ test: BoundTest) -> BoundNode { .test(column: index, test, negated: negated) }
    func always(_ value: Bool) -> BoundNode {
      .test(column: index, .any, negated: value == negated)
    }
    switch try converted(literal, type, term) {
    case .exact(let value):
      if case .fixedSizeBinary(let width) = type, op == .equal, case .binary(let bytes) = value,
        bytes.count != width
      {
        return always(false)
      }
      return test(.compare(op, value))
    case .unordered: return always(false)
    case .belowAll: return always(op == .greater || op == .greaterOrEqual)
    case .aboveAll: return always(op == .less || op == .lessOrEqual)
    case .between(let floor):
      switch op {
      case .equal, .notEqual: return always(false)
      case .less, .lessOrEqual: return test(.compare(.lessOrEqual, floor))
      case .greater, .greaterOrEqual: return test(.compare(.greater, floor))
      }
    }
  }

  private mutating func isIn(
    _ term: Term, _ literals: [Literal], _ negated: Bool
  ) throws(BindingError) -> BoundNode {
    let (index, type) = try valueColumn(term)
    if type == .null { return .unknown }
    var values: [Scalar] = []
    for literal in literals {
      // What the type has no value for equals none.
      guard case .exact(let value) = try converted(literal, type, term) else { continue }
      if case .fixedSizeBinary(let width) = type, case .binary(let bytes) = value,
        bytes.count != width
      {
        continue
      }
      values.append(value)
    }
    let distinct = BoundNode.sortedDistinct(values)
    switch distinct.count {
    case 0: return .test(column: index, .any, negated: !negated)
    case 1: return .test(column: index, .compare(.equal, distinct[0]), negated: negated)
    default: return .test(column: index, .isIn(ValueSet(sorted: distinct)), negated: negated)
    }
  }

  private mutating func isNaN(_ term: Term, _ negated: Bool) throws(BindingError) -> BoundNode {
    let (index, type) = try valueColumn(term)
    if type == .null { return .unknown }
    return type.isFloatingPoint
      ? .test(column: index, .isNaN, negated: negated)
      : .test(column: index, .any, negated: !negated)
  }

  private mutating func startsWith(
    _ term: Term, _ prefix: String, _ negated: Bool
  ) throws(BindingError) -> BoundNode {
    let index = try textColumn(term, "STARTS WITH or LIKE", binary: true)
    return .test(
      column: index, prefix.isEmpty ? .any : .startsWith(Array(prefix.utf8)), negated: negated)
  }

  private mutating func like(
    _ term: Term, _ text: String, _ negated: Bool
  ) throws(BindingError) -> BoundNode {
    let index = try textColumn(term, "LIKE", binary: false)
    guard let pattern = LikePattern(text) else {
      throw BindingError(
        error: ColumnarError(
          .invalidArgument, "the pattern '\(text)' ends with a lone escape character",
          column: term.name), term: term)
    }
    let test: BoundTest
    switch pattern.kind {
    case .text(let text): test = .compare(.equal, .string(text))
    case .prefix(let prefix): test = prefix.isEmpty ? .any : .startsWith(Array(prefix.utf8))
    case .general: test = .like(pattern)
    }
    return .test(column: index, test, negated: negated)
  }

  private func converted(
    _ literal: Literal, _ type: DataType, _ term: Term
  ) throws(BindingError) -> ConvertedLiteral {
    do throws(ColumnarError) {
      return try literal.converted(to: type)
    } catch {
      throw BindingError(error: error.inColumn(term.name), term: term)
    }
  }

  // MARK: Columns

  private mutating func column(_ term: Term) throws(BindingError) -> Int {
    if let index = indices[term] { return index }
    let found: BoundColumn
    do throws(ColumnarError) {
      if let transform = term.transform {
        throw ColumnarError(
          .unsupported,
          "\(transform.name)(…) is a partition transform; rows are tested on columns only: write a "
            + "condition on the column itself", column: term.name)
      }
      found = try lookup.column(term.path)
    } catch { throw BindingError(error: error, term: term) }
    let index = columns.firstIndex { $0.path == found.path } ?? columns.count
    if index == columns.count { columns.append(found) }
    indices[term] = index
    return index
  }

  /// A column that has values to compare, and their type.
  private mutating func valueColumn(_ term: Term) throws(BindingError) -> (Int, DataType) {
    let index = try column(term)
    return (index, columns[index].type)
  }

  private mutating func textColumn(
    _ term: Term, _ what: String, binary: Bool
  ) throws(BindingError) -> Int {
    let (index, type) = try valueColumn(term)
    switch type {
    case .utf8, .largeUtf8: return index
    case .binary where binary, .largeBinary where binary: return index
    default:
      throw BindingError(
        error: ColumnarError(
          .invalidArgument, "\(what) needs a string column, this one is \(type)",
          column: term.name), term: term)
    }
  }
}

extension BoundNode {
  /// The parts joined by AND or OR: flattened, without repetition, constants folded, equalities of one
  /// column joined to a list (`a = 1 OR a = 2`; `a != 1 AND a != 2`).
  static func joined(_ parts: [BoundNode], isAnd: Bool) -> BoundNode {
    var flat: [BoundNode] = []
    var seen: Set<BoundNode> = []
    func add(_ node: BoundNode) { if seen.insert(node).inserted { flat.append(node) } }
    for part in parts {
      switch part {
      case .always(let value): if value != isAnd { return .always(value) }
      case .and(let inner) where isAnd: for node in inner { add(node) }
      case .or(let inner) where !isAnd: for node in inner { add(node) }
      default: add(part)
      }
    }
    flat = withLists(flat, negated: isAnd)
    if flat.isEmpty { return .always(isAnd) }
    return flat.count == 1 ? flat[0] : isAnd ? .and(flat) : .or(flat)
  }

  /// The values that `self` compares its column with by equality, if it is such a test.
  private func equals(negated wanted: Bool) -> (column: Int, values: [Scalar])? {
    switch self {
    case .test(let column, .compare(.equal, let value), wanted): (column, [value])
    case .test(let column, .isIn(let set), wanted): (column, set.values)
    default: nil
    }
  }

  private static func withLists(_ parts: [BoundNode], negated: Bool) -> [BoundNode] {
    var values: [Int: [Scalar]] = [:]
    var tests: [Int: Int] = [:]
    for part in parts {
      guard let test = part.equals(negated: negated) else { continue }
      values[test.column, default: []] += test.values
      tests[test.column, default: 0] += 1
    }
    var result: [BoundNode] = []
    for part in parts {
      guard let (column, _) = part.equals(negated: negated), let count = tests[column], count != 1
      else {
        result.append(part)
        continue
      }
      // The list stands where the first of its tests stood.
      if count > 1 {
        tests[column] = 0
        let distinct = sortedDistinct(values[column] ?? [])
        result.append(.test(column: column, .isIn(ValueSet(sorted: distinct)), negated: negated))
      }
    }
    return result
  }

  fileprivate static func sortedDistinct(_ values: [Scalar]) -> [Scalar] {
    var distinct: [Scalar] = []
    for value in values.sorted(by: { (Scalar.order($0, $1) ?? 0) < 0 })
    where distinct.last.map({ Scalar.order($0, value) != 0 }) ?? true {
      distinct.append(value)
    }
    return distinct
  }
}
