// SPDX-License-Identifier: Apache-2.0
// Length: one grammar, whose parts call each other.

extension Predicate {
  /// Reads the SQL form of a predicate; keywords in any case, with SQL's precedence (NOT, AND, OR).
  ///
  /// ```text
  /// country = 'de' AND ts >= timestamp '2026-01-01 00:00:00Z' AND NOT (price > 9.5 OR tag IN ('a', 'b'))
  /// ```
  ///
  /// - Tests: `= == != <> < <= > >=` with the column on either side, `[NOT] IN (…)`,
  ///   `[NOT] BETWEEN a AND b`, `IS [NOT] NULL|NAN|TRUE|FALSE`, `[NOT] LIKE 'a%_'` (escape `\`, or as
  ///   `ESCAPE '…'` says), `[NOT] STARTS WITH 'a'`, a boolean column alone, TRUE, FALSE.
  /// - Columns: `plain`, `"any name"`, `` `any name` ``, `struct.field`.
  /// - Literals: `42`, `1.50` (decimal), `1e3` (double), `'text'` (`''` for a quote), `X'00ff'`, TRUE,
  ///   `date '2026-01-31'`, `time '13:05:09.25'`, `timestamp '2026-01-31 13:05:09+02:00'`,
  ///   `uuid '…'`, `decimal '…'`, `double 'NaN'`.
  ///
  /// - Throws: `invalidArgument` with the position and what was expected there; also for text longer
  ///   than `textBytesMax` or nested deeper than `depthMax`.
  public init(parsing text: String) throws(ColumnarError) {
    var parser = try PredicateParser(text)
    self = try parser.parse()
  }
}

/// Recursive descent, one token ahead. AND and OR chains become one node; what stands in
/// parentheses keeps a node of its own.
struct PredicateParser {
  typealias Token = PredicateLexer.Token

  private var lexer: PredicateLexer
  private(set) var token: Token
  private var depth = 0
  /// Operators of an expression.
  var chainLength = 0
  /// An expression's operators are nested as deep as there are of them.
  static let chainMax = 1_000
  /// Where each term came first, for errors of binding.
  private(set) var positions: [Term: Int] = [:]

  /// - Parameter what: what errors call the text.
  init(_ text: String, what: String = "predicate") throws(ColumnarError) {
    guard text.utf8.count <= Predicate.textBytesMax else {
      throw ColumnarError(
        .invalidArgument,
        "the \(what) has \(text.utf8.count) bytes, more than \(Predicate.textBytesMax); "
          + "say it with fewer conditions, and the rest afterwards")
    }
    lexer = PredicateLexer(text, what: what)
    token = try lexer.next()
  }

  mutating func parse() throws(ColumnarError) -> Predicate {
    let predicate = try disjunction()
    guard token.kind == .end else { throw unexpected("AND, OR or the end") }
    return predicate
  }

  /// An error at `term`'s place in the text.
  func located(_ error: ColumnarError, at term: Term) -> ColumnarError {
    guard let position = positions[term] else { return error }
    var located = lexer.error(error.message, at: position)
    located.code = error.code
    located.column = error.column
    return located
  }

  // MARK: Logic

  mutating func disjunction() throws(ColumnarError) -> Predicate {
    var parts = [try conjunction()]
    while try skip("OR") { parts.append(try conjunction()) }
    return parts.count == 1 ? parts[0] : .or(parts)
  }

  private mutating func conjunction() throws(ColumnarError) -> Predicate {
    var parts: [Predicate] = []
    repeat {
      let isGroup = token.kind == .symbol("(")
      let part = try negation()
      // BETWEEN makes an AND that was not written as a group.
      if case .and(let bounds) = part, !isGroup { parts += bounds } else { parts.append(part) }
    } while try skip("AND")
    return parts.count == 1 ? parts[0] : .and(parts)
  }

  private mutating func negation() throws(ColumnarError) -> Predicate {
    try enter()
    defer { leave() }
    if try skip("NOT") { return .not(try negation()) }
    if try skip(symbol: "(") {
      let inner = try disjunction()
      try expect(symbol: ")", "AND, OR or a closing parenthesis")
      return inner
    }
    return try test()
  }

  /// One level deeper; `leave()` comes back.
  mutating func enter() throws(ColumnarError) {
    depth += 1
    guard depth <= Predicate.depthMax else {
      throw lexer.error(
        "nested deeper than \(Predicate.depthMax) levels; write it flatter, with IN for lists",
        at: token.range.lowerBound)
    }
  }

  mutating func leave() { depth -= 1 }

  // MARK: Tests

  private mutating func test() throws(ColumnarError) -> Predicate {
    let start = token.range.lowerBound
    guard let literal = try literal() else { return try testOfTerm() }
    guard let op = try comparison() else {
      if case .bool(let value) = literal { return .always(value) }
      throw unexpected("a comparison (=, <, …) after \(literal)")
    }
    if let other = try self.literal() {
      if case .integer(let a) = literal, case .integer(let b) = other {
        return .always(op.holds(a == b ? 0 : a < b ? -1 : 1))
      }
      throw lexer.error("neither side of the comparison names a column", at: start)
    }
    return .compare(op.flipped, try term("a column to compare \(literal) with"), literal)
  }

  private mutating func testOfTerm() throws(ColumnarError) -> Predicate {
    let term = try term("a column, a value, NOT or an opening parenthesis")
    if let op = try comparison() {
      return .compare(op, term, try value("a value after \(op.rawValue)"))
    }
    if try skip("IS") { return try testOfState(term) }
    let negated = try skip("NOT")
    if try skip("IN") {
      let values = try list()
      return negated ? .notIn(term, values) : .isIn(term, values)
    }
    if try skip("BETWEEN") {
      let low = try value("the lower bound of BETWEEN")
      guard try skip("AND") else { throw unexpected("AND and the upper bound of BETWEEN") }
      let high = try value("the upper bound of BETWEEN")
      return negated
        ? .or([.compare(.less, term, low), .compare(.greater, term, high)])
        : .and([.compare(.greaterOrEqual, term, low), .compare(.lessOrEqual, term, high)])
    }
    if try skip("LIKE") { return try like(term, negated) }
    if try skip("STARTS") {
      guard try skip("WITH") else { throw unexpected("WITH after STARTS") }
      let prefix = try string("a string in single quotes after STARTS WITH")
      return negated ? .notStartsWith(term, prefix) : .startsWith(term, prefix)
    }
    if negated { throw unexpected("IN, BETWEEN, LIKE or STARTS WITH after NOT") }
    return .compare(.equal, term, .bool(true))
  }

  private mutating func testOfState(_ term: Term) throws(ColumnarError) -> Predicate {
    let negated = try skip("NOT")
    if try skip("NULL") { return negated ? .notNull(term) : .isNull(term) }
    if try skip("NAN") { return negated ? .notNaN(term) : .isNaN(term) }
    for (word, value) in [("TRUE", true), ("FALSE", false)] where try skip(word) {
      return negated
        ? .or([.compare(.notEqual, term, .bool(value)), .isNull(term)])
        : .and([.compare(.equal, term, .bool(value)), .notNull(term)])
    }
    throw unexpected(negated ? "NULL, NAN, TRUE or FALSE" : "NULL, NAN, TRUE, FALSE or NOT")
  }

  private mutating func like(_ term: Term, _ negated: Bool) throws(ColumnarError) -> Predicate {
    let start = token.range.lowerBound
    let written = try string("a pattern in single quotes after LIKE")
    var escape: UnicodeScalar? = "\\"
    if try skip("ESCAPE") {
      let escapeStart = token.range.lowerBound
      let text = try string("one character in single quotes after ESCAPE").unicodeScalars
      guard text.count <= 1 else {
        throw lexer.error("ESCAPE takes one character, or '' for none", at: escapeStart)
      }
      escape = text.first
    }
    guard let pattern = LikePattern(written, escape: escape) else {
      throw lexer.error(
        "the pattern ends with its escape character, which must stand before another", at: start)
    }
    switch pattern.kind {
    case .text(let text):
      return .compare(negated ? .notEqual : .equal, term, .string(text))
    case .prefix(let text): return negated ? .notStartsWith(term, text) : .startsWith(term, text)
    case .general:
      return negated ? .notLike(term, pattern.text) : .like(term, pattern.text)
    }
  }

  private mutating func list() throws(ColumnarError) -> [Literal] {
    try expect(symbol: "(", "a list of values in parentheses after IN")
    var values: [Literal] = []
    repeat { values.append(try value("a value of the list")) } while try skip(symbol: ",")
    try expect(symbol: ")", "a comma or a closing parenthesis")
    return values
  }

  private mutating func comparison() throws(ColumnarError) -> Predicate.Operator? {
    guard case .symbol(let symbol) = token.kind else { return nil }
    let found: Predicate.Operator?
    switch symbol {
    case "==": found = .equal
    case "<>": found = .notEqual
    default: found = Predicate.Operator(rawValue: symbol)
    }
    if found != nil { try advance() }
    return found
  }

  // MARK: Columns

  /// A path, or `transform(column)`, or `transform(argument, column)`.
  private mutating func term(_ expected: String) throws(ColumnarError) -> Term {
    let start = token.range.lowerBound
    var path = [try name(expected)]
    var transform: Term.Transform?
    if try skip(symbol: "(") {
      var argument: Int?
      if case .number(let digits) = token.kind {
        guard let number = Int(digits) else { throw unexpected("a whole number") }
        argument = number
        try advance()
        try expect(symbol: ",", "a comma and a column")
      }
      transform = Term.Transform(path[0], argument: argument)
      path = [try name("the name of a column")]
      path += try restOfPath()
      try expect(symbol: ")", "a closing parenthesis")
    } else {
      path += try restOfPath()
    }
    let term = Term(path: path, transform: transform)
    if positions[term] == nil { positions[term] = start }
    return term
  }

  /// A path.
  mutating func plainTerm(_ expected: String) throws(ColumnarError) -> Term {
    let start = token.range.lowerBound
    let first = try name(expected)
    let term = Term(path: [first] + (try restOfPath()))
    if positions[term] == nil { positions[term] = start }
    return term
  }

  private mutating func restOfPath() throws(ColumnarError) -> [String] {
    var path: [String] = []
    while try skip(symbol: ".") {
      path.append(try name("the name of a field after the dot"))
      guard path.count <= Predicate.depthMax else { throw unexpected("a shorter path") }
    }
    return path
  }

  private mutating func name(_ expected: String) throws(ColumnarError) -> String {
    guard case .name(let name, let quoted) = token.kind else { throw unexpected(expected) }
    guard quoted || !PredicateLexer.isReserved(name) else {
      throw unexpected("\(expected) (a column of that name stands in double quotes)")
    }
    try advance()
    return name
  }

  // MARK: Literals

  private mutating func value(_ expected: String) throws(ColumnarError) -> Literal {
    if let literal = try literal() { return literal }
    if case .name(let name, let quoted) = token.kind {
      if !quoted && name.uppercased() == "NULL" {
        throw lexer.error(
          "nothing equals NULL; test with IS NULL or IS NOT NULL", at: token.range.lowerBound)
      }
      if quoted || !PredicateLexer.isReserved(name) {
        throw lexer.error(
          "expected \(expected), found the name \(lexer.quote(token)); strings stand in single "
            + "quotes: \(Literal.string(name)); columns are compared with constants only",
          at: token.range.lowerBound)
      }
    }
    throw unexpected(expected)
  }

  /// The literal that begins here, if one does.
  mutating func literal() throws(ColumnarError) -> Literal? {
    switch token.kind {
    case .number(let digits): return try number(digits, negative: false)
    case .symbol(let sign) where sign == "-" || sign == "+":
      try advance()
      guard case .number(let digits) = token.kind else {
        throw unexpected("a number after '\(sign)'")
      }
      return try number(digits, negative: sign == "-")
    case .string(let value):
      try advance()
      return .string(value)
    case .binary(let bytes):
      try advance()
      return .binary(bytes)
    case .name(let name, quoted: false): return try keywordLiteral(name)
    case .name, .symbol, .end: return nil
    }
  }

  private mutating func number(_ digits: String, negative: Bool) throws(ColumnarError) -> Literal {
    let signed = negative ? "-" + digits : digits
    let literal: Literal
    if digits.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) {
      guard let value = LiteralText.double(signed) else {
        throw lexer.error(
          "\(lexer.quote(token)) is too large for a double; write double 'Infinity' if meant",
          at: token.range.lowerBound)
      }
      literal = .double(value)
    } else {
      guard let (unscaled, scale) = LiteralText.decimal(signed) else {
        throw lexer.error(
          "\(lexer.quote(token)) has more digits than a decimal holds (38); with an exponent, as in "
            + "1e40, it is a double", at: token.range.lowerBound)
      }
      literal = scale == 0 ? .integer(unscaled) : .decimal(unscaled, scale: scale)
    }
    try advance()
    return literal
  }

  /// TRUE, FALSE, or a type's name before a string. As other names are columns, looking at the string
  /// needs a second token ahead: the lexer is a value, so a copy of it looks.
  private mutating func keywordLiteral(_ name: String) throws(ColumnarError) -> Literal? {
    let word = name.uppercased()
    if word == "TRUE" || word == "FALSE" {
      try advance()
      return .bool(word == "TRUE")
    }
    guard let form = Self.typedForms[word] else { return nil }
    var ahead = lexer
    guard case .string(let text) = try ahead.next().kind else { return nil }
    try advance()
    let literal: Literal? =
      switch word {
      case "DATE": LiteralText.date(text).map { .date($0) }
      case "TIME": LiteralText.time(text).map { .time($0) }
      case "TIMESTAMP":
        LiteralText.timestamp(text).map { .timestamp($0.nanoseconds, zoned: $0.zoned) }
      case "TIMESTAMPTZ":
        LiteralText.timestamp(text).map { .timestamp($0.nanoseconds, zoned: true) }
      case "UUID": LiteralText.uuid(text).map { .uuid($0) }
      case "DECIMAL": LiteralText.decimal(text).map { .decimal($0.unscaled, scale: $0.scale) }
      default: LiteralText.double(text).map { .double($0) }
      }
    guard let literal else {
      throw lexer.error(
        "\(lexer.quote(token)) is no \(word.lowercased()); write it as \(word.lowercased()) \(form)",
        at: token.range.lowerBound)
    }
    try advance()
    return literal
  }

  private static let typedForms = [
    "DATE": "'2026-01-31'", "TIME": "'13:05:09.25'",
    "TIMESTAMP": "'2026-01-31 13:05:09.25' or '2026-01-31 13:05:09+02:00' (zones by offset)",
    "TIMESTAMPTZ": "'2026-01-31 13:05:09+02:00' (zones by offset)",
    "UUID": "'f79c3e09-677c-4bbd-a479-3f349cb785e7'", "DECIMAL": "'12.50'", "DOUBLE": "'1.5'",
  ]

  private mutating func string(_ expected: String) throws(ColumnarError) -> String {
    guard case .string(let text) = token.kind else { throw unexpected(expected) }
    try advance()
    return text
  }

  // MARK: Tokens

  mutating func advance() throws(ColumnarError) { token = try lexer.next() }

  /// Passes over the keyword if it comes next.
  mutating func skip(_ keyword: String) throws(ColumnarError) -> Bool {
    guard case .name(let name, quoted: false) = token.kind, name.uppercased() == keyword else {
      return false
    }
    try advance()
    return true
  }

  mutating func skip(symbol: String) throws(ColumnarError) -> Bool {
    guard token.kind == .symbol(symbol) else { return false }
    try advance()
    return true
  }

  mutating func expect(symbol: String, _ expected: String) throws(ColumnarError) {
    guard try skip(symbol: symbol) else { throw unexpected(expected) }
  }

  func unexpected(_ expected: String) -> ColumnarError {
    lexer.error("expected \(expected), found \(lexer.quote(token))", at: token.range.lowerBound)
  }

  func error(_ message: String, at position: Int) -> ColumnarError {
    lexer.error(message, at: position)
  }

  /// Whether the token is a sign with digits behind it.
  var isSignedNumber: Bool {
    guard token.kind == .symbol("-") || token.kind == .symbol("+") else { return false }
    var ahead = lexer
    if case .number = try? ahead.next().kind { return true }
    return false
  }

  /// Whether an opening parenthesis comes behind the token. The lexer is a value: a copy of it looks.
  var isFollowedByParenthesis: Bool {
    var ahead = lexer
    return (try? ahead.next().kind) == .symbol("(")
  }
}
