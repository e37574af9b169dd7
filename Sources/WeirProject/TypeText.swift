// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Why a type's text is none.
struct TypeTextError: Error {
  var message: String
  var remedy: String?
}

/// Reads Iceberg's types as people write them: `long`, `decimal(9, 2)`, `list<string not null>`,
/// `struct<x: double not null, y: double>`, `map<string, long>`, each with `not null` behind it.
struct TypeText {
  /// How deep types may lie in each other.
  private static let depthMax = 16

  /// What columns of streams may be, as regular expressions for the JSON Schema; nested types only by
  /// their begin.
  static let patterns =
    primitives + [
      "decimal\\([0-9]+, ?[0-9]+\\)", "fixed[\\[(][0-9]+[\\])]", "list<.+>", "map<.+>",
      "struct<.+>",
    ]

  private static let primitives = [
    "boolean", "int", "long", "float", "double", "date", "time", "timestamp", "timestamptz",
    "timestamp_ns", "timestamptz_ns", "string", "uuid", "binary",
  ]

  /// What others call Iceberg's types.
  private static let aliases: [String: String] = [
    "bool": "boolean", "integer": "int", "int32": "int", "int16": "int", "int8": "int",
    "smallint": "int", "tinyint": "int", "uint8": "int", "uint16": "int", "uint32": "long",
    "bigint": "long", "int64": "long", "uint64": "decimal(20, 0)", "float32": "float",
    "real": "float", "float64": "double", "number": "double", "str": "string", "text": "string",
    "varchar": "string", "char": "string", "utf8": "string", "bytes": "binary", "blob": "binary",
    "bytea": "binary", "datetime": "timestamptz", "timestamp_tz": "timestamptz",
    "date32": "date", "json": "string", "array": "list<…>", "object": "struct<…>",
    "numeric": "decimal(P, S)", "decimal": "decimal(P, S)", "list": "list<…>", "map": "map<…, …>",
    "struct": "struct<name: type, …>", "fixed": "fixed(N)",
  ]

  private var rest: Substring

  /// The type, and whether it is followed by `not null`. Field ids are placeholders.
  static func parse(
    _ text: String
  ) throws(TypeTextError) -> (type: TableType, isRequired: Bool) {
    var reader = TypeText(rest: text[...])
    let result = try reader.field(depth: 0)
    reader.skipSpace()
    guard reader.rest.isEmpty else {
      throw TypeTextError(
        message: "'\(reader.rest)' follows the type", remedy: "only 'not null' may stand there")
    }
    return result
  }

  private mutating func skipSpace() {
    while rest.first?.isWhitespace == true { rest.removeFirst() }
  }

  private mutating func take(_ word: String) -> Bool {
    skipSpace()
    guard rest.hasPrefix(word) else { return false }
    rest.removeFirst(word.count)
    return true
  }

  private mutating func expect(_ word: String, in what: String) throws(TypeTextError) {
    guard take(word) else {
      throw TypeTextError(
        message: rest.isEmpty
          ? "the type ends where '\(word)' should be"
          : "'\(rest.prefix(20))' where '\(word)' should be",
        remedy: "write \(what)")
    }
  }

  /// A type, and whether null is refused.
  private mutating func field(
    depth: Int
  ) throws(TypeTextError) -> (type: TableType, isRequired: Bool) {
    let type = try type(depth: depth)
    skipSpace()
    let before = rest
    let word = rest.prefix { $0.isLetter }.lowercased()
    if word == "not" {
      rest.removeFirst(3)
      skipSpace()
      if rest.prefix(4).lowercased() == "null" {
        rest.removeFirst(4)
        return (type, true)
      }
      rest = before
    } else if word == "required" {
      throw TypeTextError(
        message: "'required' follows the type", remedy: "write '\(type) not null'")
    }
    return (type, false)
  }

  private mutating func type(depth: Int) throws(TypeTextError) -> TableType {
    guard depth <= Self.depthMax else {
      throw TypeTextError(message: "types lie more than \(Self.depthMax) deep in each other")
    }
    skipSpace()
    let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
    rest.removeFirst(name.count)
    let word = name.lowercased()
    if rest.first == "<" {
      switch word {
      case "list", "array": return try list(depth)
      case "map": return try map(depth)
      case "struct", "row": return try structure(depth)
      default: throw unknown(String(name))
      }
    }
    if word == "decimal" || word == "fixed", rest.first == "(" || rest.first == "[" {
      return try numbered(word)
    }
    guard Self.primitives.contains(word), let type = TableType(named: word) else {
      throw unknown(String(name))
    }
    return type
  }

  private mutating func numbered(_ name: String) throws(TypeTextError) -> TableType {
    guard let close = rest.firstIndex(where: { $0 == ")" || $0 == "]" }) else {
      throw TypeTextError(message: "'\(name)\(rest)' lacks its ')'")
    }
    let numbers = rest[..<close].dropFirst()
    rest = rest[rest.index(after: close)...]
    let text = name == "fixed" ? "fixed[\(numbers)]" : "decimal(\(numbers))"
    guard let type = TableType(named: text) else {
      throw TypeTextError(
        message: "'\(text)' is no type",
        remedy: name == "fixed"
          ? "write fixed(N) with N bytes"
          : "write decimal(P, S) with P from 1 to 38 digits, S of them behind the point")
    }
    return type
  }

  private mutating func list(_ depth: Int) throws(TypeTextError) -> TableType {
    rest.removeFirst()
    let element = try field(depth: depth + 1)
    try expect(">", in: "list<type>")
    return .list(
      ListType(elementID: 0, element: element.type, elementRequired: element.isRequired))
  }

  private mutating func map(_ depth: Int) throws(TypeTextError) -> TableType {
    rest.removeFirst()
    let key = try field(depth: depth + 1)
    try expect(",", in: "map<key type, value type>")
    let value = try field(depth: depth + 1)
    try expect(">", in: "map<key type, value type>")
    return .map(
      MapType(
        keyID: 0, key: key.type, valueID: 0, value: value.type, valueRequired: value.isRequired))
  }

  private mutating func structure(_ depth: Int) throws(TypeTextError) -> TableType {
    rest.removeFirst()
    var fields: [TableField] = []
    repeat {
      skipSpace()
      let name = rest.prefix { $0 != ":" && $0 != "," && $0 != ">" && !$0.isWhitespace }
      guard !name.isEmpty else {
        throw TypeTextError(
          message: "a field of a struct without a name",
          remedy: "write struct<name: type, name: type>")
      }
      guard !fields.contains(where: { $0.name == name }) else {
        throw TypeTextError(message: "a struct has two fields called '\(name)'")
      }
      rest.removeFirst(name.count)
      try expect(":", in: "struct<name: type, name: type>")
      let member = try field(depth: depth + 1)
      fields.append(TableField(0, String(name), member.type, required: member.isRequired))
    } while take(",")
    try expect(">", in: "struct<name: type, name: type>")
    return .struct(StructType(fields))
  }

  private func unknown(_ name: String) -> TypeTextError {
    if name.isEmpty {
      return TypeTextError(
        message: rest.isEmpty ? "a type is missing" : "'\(rest.prefix(20))' is no type",
        remedy: "write one of Iceberg's types, like long or list<string>")
    }
    let known = Self.primitives + ["decimal", "fixed", "list", "map", "struct"]
    let close = Self.aliases[name.lowercased()] ?? NameSuggestion.closest(to: name, known)
    return TypeTextError(
      message: "there is no type '\(name)'",
      remedy: close.map { "did you mean \($0)?" }
        ?? "the types are \(known.joined(separator: ", "))")
  }
}
