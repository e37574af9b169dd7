// SPDX-License-Identifier: Apache-2.0

/// Expressions that give values. Conditions within CASE are those of predicates.
extension PredicateParser {
  mutating func parseExpression() throws(ColumnarError) -> ScalarExpression {
    let expression = try sum()
    guard token.kind == .end else { throw unexpected("an operator or the end") }
    return expression
  }

  private mutating func sum() throws(ColumnarError) -> ScalarExpression {
    try enter()
    defer { leave() }
    var result = try product()
    while let op = try arithmetic([.add, .subtract]) {
      result = .arithmetic(op, result, try product())
    }
    return result
  }

  private mutating func product() throws(ColumnarError) -> ScalarExpression {
    var result = try factor()
    while let op = try arithmetic([.multiply, .divide, .remainder]) {
      result = .arithmetic(op, result, try factor())
    }
    return result
  }

  private mutating func arithmetic(
    _ allowed: [ScalarExpression.Arithmetic]
  ) throws(ColumnarError) -> ScalarExpression.Arithmetic? {
    guard case .symbol(let symbol) = token.kind,
      let op = ScalarExpression.Arithmetic(rawValue: symbol), allowed.contains(op)
    else { return nil }
    chainLength += 1
    guard chainLength <= Self.chainMax else {
      throw unexpected("at most \(Self.chainMax) operators")
    }
    try advance()
    return op
  }

  private mutating func factor() throws(ColumnarError) -> ScalarExpression {
    try enter()
    defer { leave() }
    // A sign before digits is the literal's: so the least integer can be written.
    if !isSignedNumber {
      if try skip(symbol: "-") { return .negated(try factor()) }
      if try skip(symbol: "+") { return try factor() }
    }
    if let literal = try literal() { return .literal(literal) }
    if try skip(symbol: "(") {
      let inner = try sum()
      try expect(symbol: ")", "an operator or a closing parenthesis")
      return inner
    }
    if try skip("NULL") { return .null }
    if try skip("CASE") { return try choice() }
    if try skip("CAST") { return try cast() }
    return try columnOrCall()
  }

  private mutating func columnOrCall() throws(ColumnarError) -> ScalarExpression {
    let start = token.range.lowerBound
    guard case .name(let word, let quoted) = token.kind, !quoted, isFollowedByParenthesis else {
      return .column(try plainTerm("a column, a value, a function or an opening parenthesis"))
    }
    let function = ScalarExpression.Function(rawValue: word.lowercased())
    guard let function else {
      let names = ScalarExpression.Function.allCases.map(\.rawValue)
      let close = NameSuggestion.closest(to: word.lowercased(), names)
      throw error(
        "there is no function \(word); " + (close.map { "did you mean \($0)? " } ?? "")
          + "The functions are \(names.joined(separator: ", ")) and CAST", at: start)
    }
    try advance()
    try expect(symbol: "(", "an opening parenthesis")
    var arguments = [try sum()]
    while try skip(symbol: ",") { arguments.append(try sum()) }
    try expect(symbol: ")", "a comma or a closing parenthesis")
    guard function.argumentCounts.contains(arguments.count) else {
      let wanted = function.argumentCounts
      throw error(
        "\(function.rawValue) takes \(wanted.count == 1 ? "\(wanted.lowerBound)" : "\(wanted.lowerBound) to \(wanted.upperBound)") "
          + "argument\(wanted.upperBound == 1 ? "" : "s"), not \(arguments.count)", at: start)
    }
    return .call(function, arguments)
  }

  /// Behind CASE.
  private mutating func choice() throws(ColumnarError) -> ScalarExpression {
    var branches: [ScalarExpression.Branch] = []
    while try skip("WHEN") {
      let condition = try disjunction()
      guard try skip("THEN") else { throw unexpected("AND, OR or THEN") }
      branches.append(ScalarExpression.Branch(condition, try sum()))
    }
    guard !branches.isEmpty else { throw unexpected("WHEN and a condition after CASE") }
    let otherwise = try skip("ELSE") ? try sum() : .null
    guard try skip("END") else { throw unexpected("WHEN, ELSE or END") }
    return .choice(branches, otherwise: otherwise)
  }

  /// Behind CAST.
  private mutating func cast() throws(ColumnarError) -> ScalarExpression {
    try expect(symbol: "(", "an opening parenthesis after CAST")
    let value = try sum()
    guard try skip("AS") else { throw unexpected("an operator or AS and a type") }
    guard case .name(let word, quoted: false) = token.kind,
      let target = Self.targets[word.lowercased()]
    else { throw unexpected("int, long, float or double") }
    try advance()
    try expect(symbol: ")", "a closing parenthesis")
    return .cast(value, target)
  }

  private static let targets: [String: ScalarExpression.Target] = [
    "int": .int, "integer": .int, "long": .long, "bigint": .long, "float": .float, "real": .float,
    "double": .double,
  ]
}
