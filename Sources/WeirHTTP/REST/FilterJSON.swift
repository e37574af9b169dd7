// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Reads a scan's filter in the JSON form of the REST catalog specification (`Predicate`), in its
/// present and in its older form.
///
/// The outcome is for passing over files only: what it cannot say (functions and transforms of columns,
/// columns compared with each other) becomes true, so that the filter keeps at least the rows that it
/// should. Clients apply the filter itself to the rows.
struct FilterJSON {
  private let schema: TableSchema

  init(schema: TableSchema) { self.schema = schema }

  /// Bounds the recursion; what is deeper cannot be bound either.
  private static let depthMax = Predicate.depthMax
  /// The most values of one `in`.
  private static let valueCountMax = 100_000

  func predicate(_ json: JSONValue) throws(JSONError) -> Predicate {
    try predicate(json, negated: false, depth: 0)
  }

  private func predicate(
    _ json: JSONValue, negated: Bool, depth: Int
  ) throws(JSONError) -> Predicate {
    guard depth < Self.depthMax else {
      throw JSONError(.limit, "the filter is nested deeper than \(Self.depthMax) levels")
    }
    if case .bool(let value) = json { return .always(value != negated) }
    let object = try json.asObject()
    let type = try object.string("type").lowercased()
    switch type {
    case "true": return .always(!negated)
    case "false": return .always(negated)
    case "not":
      return try object.required("child") { child throws(JSONError) in
        try predicate(child, negated: !negated, depth: depth + 1)
      }
    case "and", "or":
      var sides: [Predicate] = []
      for name in ["left", "right"] {
        sides.append(
          try object.required(name) { side throws(JSONError) in
            try predicate(side, negated: negated, depth: depth + 1)
          })
      }
      return (type == "and") != negated ? .all(sides) : .any(sides)
    default:
      guard let leaf = try leaf(type, object) else { return .always(true) }
      return negated ? .not(leaf) : leaf
    }
  }

  /// A test of one column; `nil` for one that cannot be told from a column's values.
  private func leaf(_ type: String, _ object: JSONObject) throws(JSONError) -> Predicate? {
    switch type {
    case "is-null", "not-null", "is-nan", "not-nan":
      guard case .column(let column) = try operand(object, "child", "term") else { return nil }
      switch type {
      case "is-null": return .isNull(column.term)
      case "not-null": return .notNull(column.term)
      case "is-nan": return .isNaN(column.term)
      default: return .notNaN(column.term)
      }
    case "in", "not-in":
      guard case .column(let column) = try operand(object, "child", "term") else { return nil }
      let values = try object.required("values") { value throws(JSONError) in
        if case .object(let typed) = value { return try typed.array("values") }
        return try value.asArray()
      }
      guard values.count <= Self.valueCountMax else {
        throw JSONError(.limit, "\(values.count) values; the most is \(Self.valueCountMax)")
          .inside("values")
      }
      var literals: [Literal] = []
      for value in values {
        guard let literal = try literal(Self.bare(value), of: column) else { return nil }
        literals.append(literal)
      }
      return type == "in" ? .isIn(column.term, literals) : .notIn(column.term, literals)
    case "lt", "lt-eq", "gt", "gt-eq", "eq", "not-eq", "starts-with", "not-starts-with":
      return try comparison(type, object)
    default:
      throw JSONError(.unsupported, "no predicate '\(type)' is known").inside("type")
    }
  }

  private func comparison(_ type: String, _ object: JSONObject) throws(JSONError) -> Predicate? {
    let left = try operand(object, "left", "term")
    let right = try operand(object, "right", "value")
    let column: Column
    let value: JSONValue
    let isFlipped: Bool
    switch (left, right) {
    case (.column(let found), .value(let other)): (column, value, isFlipped) = (found, other, false)
    case (.value(let other), .column(let found)): (column, value, isFlipped) = (found, other, true)
    default: return nil
    }
    if type == "starts-with" || type == "not-starts-with" {
      guard !isFlipped, case .string(let prefix) = value, case .string = column.type else {
        return nil
      }
      return type == "starts-with"
        ? .startsWith(column.term, prefix) : .notStartsWith(column.term, prefix)
    }
    guard let literal = try literal(value, of: column) else { return nil }
    let comparison: Predicate.Operator =
      switch type {
      case "lt": .less
      case "lt-eq": .lessOrEqual
      case "gt": .greater
      case "gt-eq": .greaterOrEqual
      case "eq": .equal
      default: .notEqual
      }
    return .compare(isFlipped ? comparison.flipped : comparison, column.term, literal)
  }

  private struct Column {
    var term: Term
    var type: TableType
  }

  private enum Operand {
    case column(Column)
    case value(JSONValue)
    /// A function or a transform.
    case other
  }

  /// What stands on one side of a test, by its present name or its older one.
  private func operand(
    _ object: JSONObject, _ name: String, _ olderName: String
  ) throws(JSONError) -> Operand {
    let isOlder = object[name] == nil && object[olderName] != nil
    let found = isOlder ? olderName : name
    return try object.required(found) { value throws(JSONError) in
      if isOlder && found == "term", case .string(let column) = value {
        return .column(try self.column(named: column))
      }
      guard case .object(let expression) = value else { return .value(value) }
      switch try expression.string("type") {
      case "reference":
        if let id = try expression.optionalInt32("id") { return .column(try column(id: id)) }
        return .column(try column(named: try expression.string("name")))
      case "literal": return .value(Self.bare(value))
      default: return .other
      }
    }
  }

  private static func bare(_ value: JSONValue) -> JSONValue {
    if case .object(let literal) = value, let inner = literal["value"] { return inner }
    return value
  }

  private func column(named name: String) throws(JSONError) -> Column {
    // A name that is not there is found out when the filter is bound, with what there is instead.
    Column(term: Term(name), type: schema.field(path: name)?.type ?? .unknown)
  }

  private func column(id: Int32) throws(JSONError) -> Column {
    guard let name = schema.path(ofFieldID: id), let field = schema.field(id: id) else {
      throw JSONError(.invalidValue, "the table has no field \(id)")
    }
    return Column(term: Term(name), type: field.type)
  }

  /// A value as one of the column's type, where JSON cannot say by itself what it is; `nil` for null.
  private func literal(_ value: JSONValue, of column: Column) throws(JSONError) -> Literal? {
    switch value {
    case .bool(let value): return .bool(value)
    case .double(let value): return .double(value)
    case .number(let text):
      guard let value = Int128(text) else { return .double(Double(text) ?? .nan) }
      return .integer(value)
    case .int(let value):
      // Some clients write times as the numbers that stand for them.
      switch column.type {
      case .date, .time, .timestamp, .timestamptz, .timestampNs, .timestamptzNs:
        return Literal(.int(value), as: column.type.arrowType)
      default: return .integer(Int128(value))
      }
    case .string(let text):
      switch column.type {
      case .binary, .fixed:
        guard let found = bytes(hex: text) else {
          throw JSONError(.invalidValue, "'\(text.prefix(64))' are no hexadecimal digits")
        }
        return .binary(found)
      default: return .string(text)
      }
    case .null, .array, .object: return nil
    }
  }
}
