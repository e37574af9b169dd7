// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Names and values that are text, in order, each name once: properties and snapshot summaries.
public struct StringMap: Hashable, Sendable {
  private var object: JSONObject

  public init() { object = JSONObject() }

  /// The last value of a name that comes twice counts.
  public init(_ pairs: some Sequence<(String, String)>) {
    object = JSONObject(pairs.map { ($0.0, JSONValue.string($0.1)) })
  }

  public init(_ dictionary: [String: String]) {
    self.init(dictionary.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }

  public subscript(name: String) -> String? {
    get { if case .string(let value)? = object[name] { value } else { nil } }
    set { object[name] = newValue.map { .string($0) } }
  }

  public var keys: [String] { object.keys }

  public mutating func merge(_ other: StringMap) { object.merge(other.object) }
}

extension StringMap: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { object.count }
  public subscript(position: Int) -> (String, String) {
    let (name, value) = object[position]
    guard case .string(let text) = value else { preconditionFailure("a string map holds strings") }
    return (name, text)
  }
}

extension StringMap: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) { self.init(elements) }
}

extension StringMap: JSONConvertible {
  /// Numbers and booleans, which some writers put there, become their text.
  public init(json: JSONValue) throws(JSONError) {
    let read = try json.asObject()
    if read.allSatisfy({ if case .string = $0.1 { true } else { false } }) {
      object = read
      return
    }
    var converted = read
    for (name, value) in read {
      switch value {
      case .string: break
      case .bool, .int, .double, .number: converted[name] = .string(value.text)
      default: throw JSONError(.wrongType, "must be a string, is \(value.kind)").inside(name)
      }
    }
    object = converted
  }

  public func json() -> JSONValue { .object(object) }
}

extension StringMap {
  /// A property that is a whole number; `nil` when it is not there or not a number.
  public func int(_ name: String) -> Int? { self[name].flatMap { Int($0) } }

  /// A property that is `true` or `false` in any case; `nil` when it is neither.
  public func bool(_ name: String) -> Bool? {
    switch self[name]?.lowercased() {
    case "true": true
    case "false": false
    default: nil
    }
  }
}
