// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

// Predicates as the Iceberg REST API has them: `Predicate` of its OpenAPI document. Read are the
// present form (child, left and right) and the one before it (term and value), which is what clients
// send and understand, and so what is written.

extension Predicate {
  /// - Parameters:
  ///   - schema: looks up columns, whose types say how strings are meant (binary in hexadecimal).
  ///     Columns that it does not have are left to binding, which names them.
  /// - Throws: `unsupported` for comparisons of two columns and for functions, with the place in the
  ///   document.
  public init(
    restJSON json: JSONValue, _ schema: TableSchema, caseSensitive: Bool = true
  ) throws(JSONError) {
    self = try PredicateReader(schema: schema, caseSensitive: caseSensitive).predicate(json, 0)
  }

  /// The REST form; `nil` when it has none, as for LIKE with a pattern that is more than a prefix.
  public var restJSON: JSONValue? {
    switch self {
    case .always(let value): return .bool(value)
    case .compare(let op, let term, let literal):
      return Self.json(op.restName, term, value: literal.restJSON)
    case .isIn(let term, let values): return Self.json("in", term, values: values)
    case .notIn(let term, let values): return Self.json("not-in", term, values: values)
    case .isNull(let term): return Self.json("is-null", term)
    case .notNull(let term): return Self.json("not-null", term)
    case .isNaN(let term): return Self.json("is-nan", term)
    case .notNaN(let term): return Self.json("not-nan", term)
    case .startsWith(let term, let text):
      return Self.json("starts-with", term, value: .string(text))
    case .notStartsWith(let term, let text):
      return Self.json("not-starts-with", term, value: .string(text))
    case .like, .notLike: return nil
    case .and(let parts): return Self.json("and", parts[...], empty: true)
    case .or(let parts): return Self.json("or", parts[...], empty: false)
    case .not(let inner):
      return inner.restJSON.map { ["type": "not", "child": $0] }
    }
  }

  /// A tree of pairs as flat as it can be: readers go down it recursively.
  private static func json(
    _ type: String, _ parts: ArraySlice<Predicate>, empty: Bool
  ) -> JSONValue? {
    guard let first = parts.first else { return .bool(empty) }
    if parts.count == 1 { return first.restJSON }
    let middle = parts.startIndex + parts.count / 2
    guard let left = json(type, parts[..<middle], empty: empty),
      let right = json(type, parts[middle...], empty: empty)
    else { return nil }
    return ["type": .string(type), "left": left, "right": right]
  }

  private static func json(
    _ type: String, _ term: Term, value: JSONValue? = nil, values: [Literal]? = nil
  ) -> JSONValue? {
    var object: JSONObject = ["type": .string(type), "term": .string(term.name)]
    if let transform = term.transform {
      let name = transform.argument.map { "\(transform.name)[\($0)]" } ?? transform.name
      object["term"] = [
        "type": "transform", "transform": .string(name), "term": .string(term.name),
      ]
    }
    object.set("value", value)
    object.set("values", values.map { .array($0.map(\.restJSON)) })
    return .object(object)
  }
}

extension Predicate.Operator {
  fileprivate var restName: String {
    switch self {
    case .equal: "eq"
    case .notEqual: "not-eq"
    case .less: "lt"
    case .lessOrEqual: "lt-eq"
    case .greater: "gt"
    case .greaterOrEqual: "gt-eq"
    }
  }

  fileprivate init?(restName: String) {
    guard let match = Self.allCases.first(where: { $0.restName == restName }) else { return nil }
    self = match
  }
}

extension Literal {
  fileprivate var restJSON: JSONValue {
    switch self {
    case .bool(let value): return .bool(value)
    case .integer(let value):
      return Int64(exactly: value).map { .int($0) } ?? .number(String(value))
    case .decimal(let value, let scale): return .string(Scalar.decimalText(value, scale: scale))
    case .double(let value): return Scalar.float64(value).json(.double)
    case .string(let text): return .string(text)
    case .binary(let bytes): return Scalar.binary(bytes).json(.binary)
    case .date(let days): return Scalar.int(days).json(.date)
    case .time(let nanoseconds): return Scalar.int(nanoseconds / 1_000).json(.time)
    case .timestamp(let nanoseconds, let zoned):
      if nanoseconds % 1_000 == 0, let micros = Int64(exactly: nanoseconds / 1_000) {
        return Scalar.int(micros).json(zoned ? .timestamptz : .timestamp)
      }
      return Scalar.int(Int64(clamping: nanoseconds))
        .json(zoned ? .timestamptzNs : .timestampNs)
    case .uuid(let value):
      return .string(UUIDText.text(withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }))
    }
  }
}

private struct PredicateReader {
  let schema: TableSchema
  let caseSensitive: Bool

  func predicate(_ json: JSONValue, _ depth: Int) throws(JSONError) -> Predicate {
    guard depth < Predicate.depthMax else {
      throw JSONError(.limit, "the filter is nested more than \(Predicate.depthMax) deep")
    }
    if case .bool(let value) = json { return .always(value) }
    let object = try json.asObject()
    let type = try object.string("type")
    func part(_ name: String) throws(JSONError) -> Predicate {
      try object.required(name) { value throws(JSONError) in try predicate(value, depth + 1) }
    }
    switch type {
    case "true": return .always(true)
    case "false": return .always(false)
    case "and": return .all([try part("left"), try part("right")])
    case "or": return .any([try part("left"), try part("right")])
    case "not": return .not(try part("child"))
    case "is-null": return .isNull(try operand(object))
    case "not-null": return .notNull(try operand(object))
    case "is-nan": return .isNaN(try operand(object))
    case "not-nan": return .notNaN(try operand(object))
    case "in": return .isIn(try operand(object), try values(object))
    case "not-in": return .notIn(try operand(object), try values(object))
    default: return try comparison(type, object)
    }
  }

  private func comparison(_ type: String, _ object: JSONObject) throws(JSONError) -> Predicate {
    let isPrefix = type == "starts-with" || type == "not-starts-with"
    var op = Predicate.Operator(restName: type)
    guard isPrefix || op != nil else {
      throw JSONError(.unsupported, "'\(type)' is no kind of predicate that is known")
        .inside("type")
    }
    var names = ("term", "value")
    if object["left"] != nil || object["right"] != nil { names = ("left", "right") }
    guard let first = object[names.0] else {
      throw JSONError(.missing, "has no '\(names.0)'")
    }
    guard let second = object[names.1] else {
      throw JSONError(.missing, "has no '\(names.1)'")
    }
    var (column, value) = (first, second)
    if !isPrefix, names.0 == "left", !isReference(first), isReference(second) {
      (column, value) = (second, first)
      names = (names.1, names.0)
      op = op?.flipped
    }
    let term: Term
    let literal: Literal
    do { term = try self.term(column) } catch { throw error.inside(names.0) }
    do { literal = try self.literal(value, term) } catch { throw error.inside(names.1) }
    if let op { return .compare(op, term, literal) }
    guard case .string(let text) = literal else {
      throw JSONError(.wrongType, "must be a string").inside(names.1)
    }
    return type == "starts-with" ? .startsWith(term, text) : .notStartsWith(term, text)
  }

  private func isReference(_ json: JSONValue) -> Bool {
    guard case .object(let object) = json, case .string(let type)? = object["type"] else {
      return false
    }
    return type != "literal"
  }

  private func operand(_ object: JSONObject) throws(JSONError) -> Term {
    let name = object["child"] != nil ? "child" : "term"
    return try object.required(name) { value throws(JSONError) in try term(value) }
  }

  private func term(_ json: JSONValue) throws(JSONError) -> Term {
    if case .string(let name) = json { return Term(name) }
    let object = try json.asObject()
    switch try object.string("type") {
    case "reference":
      guard object["id"] != nil else { return Term(try object.string("name")) }
      let id = try object.int32("id")
      guard let path = schema.path(ofFieldID: id) else {
        throw JSONError(.invalidValue, "the table has no field \(id)").inside("id")
      }
      return Term(path)
    case "transform":
      var term = try object.required("term") { value throws(JSONError) in try self.term(value) }
      let text = try object.string("transform")
      if text == "identity" { return term }
      let parts = text.split(separator: "[")
      term.transform = Term.Transform(
        String(parts.first ?? ""),
        argument: parts.count > 1 ? Int(parts[1].prefix { $0 != "]" }) : nil)
      return term
    case "apply":
      throw JSONError(.unsupported, "functions of columns are not supported in a scan's filter")
    case let type:
      throw JSONError(.unsupported, "must be a reference to a column, is '\(type)'")
        .inside("type")
    }
  }

  private func values(_ object: JSONObject) throws(JSONError) -> [Literal] {
    let term = try operand(object)
    return try object.required("values") { json throws(JSONError) in
      if case .object(let typed) = json {
        let type = try dataType(typed)
        return try typed.array("values") { value throws(JSONError) in try literal(value, type) }
      }
      return try json.asArray { value throws(JSONError) in try literal(value, term) }
    }
  }

  private func dataType(_ object: JSONObject) throws(JSONError) -> TableType? {
    guard let name = try object.optionalString("data-type") else { return nil }
    guard let type = TableType(named: name) else {
      throw JSONError(.invalidValue, "'\(name)' is no type").inside("data-type")
    }
    return type
  }

  private func literal(_ json: JSONValue, _ term: Term) throws(JSONError) -> Literal {
    let type =
      term.transform == nil
      ? schema.field(path: term.name, caseSensitive: caseSensitive)?.type : nil
    guard case .object(let object) = json else { return try literal(json, type) }
    guard try object.string("type") == "literal" else {
      throw JSONError(.unsupported, "must be a literal: columns are compared with constants only")
    }
    let own = try dataType(object)
    return try object.required("value") { value throws(JSONError) in
      try literal(value, own ?? type)
    }
  }

  /// Numbers for dates and times are days and microseconds, as some clients send them.
  private func literal(_ json: JSONValue, _ type: TableType?) throws(JSONError) -> Literal {
    switch (json, type) {
    case (.int(let days), .date): return .date(days)
    case (.int(let micros), .time):
      let (nanos, overflow) = micros.multipliedReportingOverflow(by: 1_000)
      if !overflow { return .time(nanos) }
    case (.int(let micros), .timestamp): return .timestamp(Int128(micros) * 1_000, zoned: false)
    case (.int(let micros), .timestamptz): return .timestamp(Int128(micros) * 1_000, zoned: true)
    case (.int(let nanos), .timestampNs): return .timestamp(Int128(nanos), zoned: false)
    case (.int(let nanos), .timestamptzNs): return .timestamp(Int128(nanos), zoned: true)
    case (.string, .binary), (.string, .fixed):
      if let type, case .binary(let bytes) = try Scalar(json: json, type) { return .binary(bytes) }
    case (.string, .date), (.string, .time), (.string, .timestamp), (.string, .timestamptz),
      (.string, .timestampNs), (.string, .timestamptzNs):
      // Other spellings are left to binding, which knows more of them.
      if let type, let value = try? Scalar(json: json, type),
        let literal = Literal(value, as: type.arrowType)
      {
        return literal
      }
    case (.string("NaN"), .float), (.string("NaN"), .double): return .double(.nan)
    case (.string("Infinity"), .float), (.string("Infinity"), .double): return .double(.infinity)
    case (.string("-Infinity"), .float), (.string("-Infinity"), .double):
      return .double(-.infinity)
    default: break
    }
    switch json {
    case .bool(let value): return .bool(value)
    case .int(let value): return .integer(Int128(value))
    case .double(let value): return .double(value)
    case .number(let text):
      if let value = Int128(text) { return .integer(value) }
      if let value = Double(text) { return .double(value) }
    case .string(let text): return .string(text)
    default: break
    }
    throw JSONError(.wrongType, "must be a literal, is \(json.kind)")
  }
}
