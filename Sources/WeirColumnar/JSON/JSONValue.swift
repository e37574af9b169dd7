// SPDX-License-Identifier: Apache-2.0

/// One JSON value. Equality is that of the values: the order of an object's members does not matter,
/// and `1` is not `1.0`.
public enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  /// A number with a fraction or an exponent that survives the way through a double.
  case double(Double)
  /// Any other number, as it was written: more digits than `int` or `double` hold.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// What the value is, for messages: "a string", "an object".
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .int, .double, .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  public var isNull: Bool { if case .null = self { true } else { false } }

  /// Compact UTF-8 text.
  public var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.write(self)
    return writer.finish()
  }

  /// Compact text.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// A number.
  @_disfavoredOverload
  public static func int(_ value: Int) -> JSONValue { .int(Int64(value)) }

  /// An object of these members; the last of a name counts.
  @_disfavoredOverload
  public static func object(_ members: [(String, JSONValue)]) -> JSONValue {
    .object(JSONObject(members))
  }

  /// A string, or null.
  public static func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

  /// A number, or null.
  public static func optional<T: BinaryInteger>(_ value: T?) -> JSONValue {
    value.map { .int(Int64($0)) } ?? .null
  }
}

extension JSONValue: CustomStringConvertible {
  public var description: String { text }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByFloatLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements))
  }
}

/// Something that JSON says.
public protocol JSONConvertible {
  /// - Throws: `JSONError` with the path from this value inwards.
  init(json: JSONValue) throws(JSONError)
  func json() -> JSONValue
}

// The value as something; each throws `wrongType` (or `invalidValue` when a number does not fit).
extension JSONValue {
  @inline(never)
  func mismatch(_ wanted: String) -> JSONError {
    JSONError(.wrongType, "must be \(wanted), is \(kind)")
  }

  public func asString() throws(JSONError) -> String {
    if case .string(let value) = self { return value }
    throw mismatch("a string")
  }

  public func asBool() throws(JSONError) -> Bool {
    if case .bool(let value) = self { return value }
    throw mismatch("a boolean")
  }

  public func asInt64() throws(JSONError) -> Int64 {
    switch self {
    case .int(let value): return value
    case .double(let value):
      if let exact = Int64(exactly: value) { return exact }
      throw JSONError(.invalidValue, "must be a whole number of 64 bits, is \(text)")
    case .number:
      throw JSONError(.invalidValue, "must be a whole number of 64 bits, is \(text)")
    default: throw mismatch("a number")
    }
  }

  public func asInt() throws(JSONError) -> Int { Int(try asInt64()) }

  public func asInt32() throws(JSONError) -> Int32 {
    let wide = try asInt64()
    guard let value = Int32(exactly: wide) else {
      throw JSONError(.invalidValue, "must be a whole number of 32 bits, is \(wide)")
    }
    return value
  }

  public func asDouble() throws(JSONError) -> Double {
    switch self {
    case .int(let value): return Double(value)
    case .double(let value): return value
    case .number(let text): return Double(text) ?? .nan
    default: throw mismatch("a number")
    }
  }

  public func asObject() throws(JSONError) -> JSONObject {
    if case .object(let value) = self { return value }
    throw mismatch("an object")
  }

  public func asArray() throws(JSONError) -> [JSONValue] {
    if case .array(let value) = self { return value }
    throw mismatch("an array")
  }

  /// Every element by `convert`; errors name the element's index.
  public func asArray<T>(
    of convert: (JSONValue) throws(JSONError) -> T
  ) throws(JSONError) -> [T] {
    let items = try asArray()
    var result: [T] = []
    result.reserveCapacity(items.count)
    for index in items.indices {
      do { result.append(try convert(items[index])) } catch { throw error.inside(index) }
    }
    return result
  }
}
