// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

// Iceberg, appendix D: JSON single-value serialization; used for default values and by the REST API.
extension Scalar {
  /// The value of `type` that `json` says; null is null.
  ///
  /// Structs may leave fields out (a default of `{}`).
  public init(json: JSONValue, _ type: TableType) throws(JSONError) {
    func invalid(_ wanted: String) -> JSONError {
      JSONError(.invalidValue, "\(json.text) is no value of type \(type): must be \(wanted)")
    }
    if json.isNull {
      self = .null
      return
    }
    switch type {
    case .boolean: self = .bool(try json.asBool())
    case .int: self = .int(Int64(try json.asInt32()))
    case .long: self = .int(try json.asInt64())
    case .float:
      let value = Float(try Scalar.number(json))
      self = .float32(value)
    case .double: self = .float64(try Scalar.number(json))
    case .string: self = .string(try json.asString())
    case .decimal(let precision, let scale):
      guard let value = DecimalText.unscaled(try json.asString(), precision, scale) else {
        throw invalid("a decimal number with \(scale) digits behind the point")
      }
      self = .decimal(value, scale: scale)
    case .date, .time, .timestamp, .timestamptz, .timestampNs, .timestamptzNs:
      guard let value = ISOTime.value(try json.asString(), type) else {
        throw invalid(Scalar.timeForm(type))
      }
      self = .int(value)
    case .uuid:
      guard let bytes = UUIDText.bytes(try json.asString()) else { throw invalid("a UUID") }
      self = .binary(bytes)
    case .fixed(let size):
      guard let bytes = Hexadecimal.decode(try json.asString()), bytes.count == size else {
        throw invalid("\(2 * size) hexadecimal digits")
      }
      self = .binary(bytes)
    case .binary:
      guard let bytes = Hexadecimal.decode(try json.asString()) else {
        throw invalid("hexadecimal digits")
      }
      self = .binary(bytes)
    case .unknown, .variant, .geometry, .geography:
      throw JSONError(.invalidValue, "a column of type \(type) has no value but null")
    case .struct(let type): self = try Scalar.structure(try json.asObject(), type)
    case .list(let type):
      self = .list(
        try json.asArray { value throws(JSONError) in try Scalar(json: value, type.element) })
    case .map(let type): self = try Scalar.mapping(try json.asObject(), type)
    }
  }

  private static func number(_ json: JSONValue) throws(JSONError) -> Double {
    if case .string(let text) = json {
      switch text {
      case "NaN": return .nan
      case "Infinity": return .infinity
      case "-Infinity": return -.infinity
      default: break
      }
    }
    return try json.asDouble()
  }

  private static func timeForm(_ type: TableType) -> String {
    switch type {
    case .date: "a date like 2026-01-31"
    case .time: "a time like 22:31:08.123456"
    case .timestamptz, .timestamptzNs: "a timestamp like 2026-01-31T22:31:08.123456+00:00"
    default: "a timestamp like 2026-01-31T22:31:08.123456"
    }
  }

  private static func structure(
    _ object: JSONObject, _ type: StructType
  ) throws(JSONError) -> Scalar {
    var members: [Member] = []
    for field in type.fields {
      guard let value = object[String(field.id)] else { continue }
      do {
        members.append(Member(field.name, try Scalar(json: value, field.type)))
      } catch {
        throw error.inside(String(field.id))
      }
    }
    return .struct(members)
  }

  private static func mapping(_ object: JSONObject, _ type: MapType) throws(JSONError) -> Scalar {
    let keys = try object.array("keys") { value throws(JSONError) in
      try Scalar(json: value, type.key)
    }
    let values = try object.array("values") { value throws(JSONError) in
      try Scalar(json: value, type.value)
    }
    guard keys.count == values.count else {
      throw JSONError(.invalidValue, "\(keys.count) keys, but \(values.count) values")
    }
    return .map(zip(keys, values).map { Entry($0, $1) })
  }

  /// The value, of `type`, as JSON. A value of another kind than the type's gives null.
  public func json(_ type: TableType) -> JSONValue {
    switch (self, type) {
    case (.null, _): return .null
    case (.bool(let value), _): return .bool(value)
    case (.int(let value), .date), (.int(let value), .time):
      return .string(Scalar.int(value).text(as: type.arrowType))
    case (.int, .timestamp), (.int, .timestampNs): return .string(text(as: type.arrowType))
    case (.int, .timestamptz), (.int, .timestamptzNs):
      return .string(text(as: type.arrowType).dropLast() + "+00:00")
    case (.int(let value), _): return .int(value)
    case (.uint(let value), _): return .int(Int64(clamping: value))
    case (.float16(let value), _): return Scalar.number(Double(value), Float(value).description)
    case (.float32(let value), _): return Scalar.number(Double(value), value.description)
    case (.float64(let value), _): return Scalar.number(value, value.description)
    case (.decimal(let value, let scale), _):
      return .string(Scalar.decimalText(value, scale: scale))
    case (.string(let value), _): return .string(value)
    case (.binary(let bytes), .uuid) where bytes.count == 16: return .string(UUIDText.text(bytes))
    case (.binary(let bytes), _): return .string(Hexadecimal.encode(bytes))
    case (.list(let items), .list(let type)): return .array(items.map { $0.json(type.element) })
    case (.map(let entries), .map(let type)):
      return [
        "keys": .array(entries.map { $0.key.json(type.key) }),
        "values": .array(entries.map { $0.value.json(type.value) }),
      ]
    case (.struct(let members), .struct(let type)):
      var object = JSONObject()
      for member in members {
        guard let field = type.fields.first(where: { $0.name == member.name }) else { continue }
        object[String(field.id)] = member.value.json(field.type)
      }
      return .object(object)
    default: return .null
    }
  }

  /// Shortest text of the value's own width, so that 0.1 of 32 bits stays `0.1`.
  private static func number(_ value: Double, _ text: String) -> JSONValue {
    guard value.isFinite else {
      return .string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
    return .double(Double(text) ?? value)
  }
}

/// UUIDs as 16 bytes and as `f79c3e09-677c-4bbd-a479-3f349cb785e7`.
package enum UUIDText {
  package static func bytes(_ text: String) -> [UInt8]? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
    return Hexadecimal.decode(parts.joined())
  }

  /// - Parameter bytes: 16 of them.
  package static func text(_ bytes: [UInt8]) -> String {
    let parts = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16]
    return parts.map { Hexadecimal.encode(bytes[$0]) }.joined(separator: "-")
  }

  /// Version 4 (RFC 9562) of 16 random bytes.
  package static func random(_ high: UInt64, _ low: UInt64) -> String {
    let high = high & 0xffff_ffff_ffff_0fff | 0x4000
    let low = low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
    func bytes(_ word: UInt64) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
    }
    return text(bytes(high) + bytes(low))
  }
}

/// Decimal numbers in text.
enum DecimalText {
  /// `text` times 10^scale when it has exactly the digits behind the point that the scale says, or
  /// fewer zeros; nil when it is no number or does not fit `precision` digits.
  static func unscaled(_ text: String, _ precision: Int, _ scale: Int) -> Int128? {
    var digits: [UInt8] = []
    var fraction = 0
    var seenPoint = false
    var bytes = Array(text.utf8)[...]
    var negative = false
    if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      negative = sign == UInt8(ascii: "-")
      bytes.removeFirst()
    }
    var exponent = 0
    if let mark = bytes.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }) {
      guard let value = Int(String(decoding: bytes[(mark + 1)...], as: UTF8.self)),
        abs(value) <= 100
      else { return nil }
      exponent = value
      bytes = bytes[..<mark]
    }
    for byte in bytes {
      if byte == UInt8(ascii: "."), !seenPoint {
        seenPoint = true
      } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
        digits.append(byte - UInt8(ascii: "0"))
        if seenPoint { fraction += 1 }
      } else {
        return nil
      }
    }
    guard !digits.isEmpty else { return nil }
    var shift = scale - fraction + exponent
    while shift < 0, digits.count > 1, digits.last == 0 {
      digits.removeLast()
      shift += 1
    }
    guard shift >= 0 else { return digits == [0] ? 0 : nil }
    let significant = digits.drop { $0 == 0 }
    if significant.isEmpty { return 0 }
    guard significant.count + shift <= precision, precision <= 38 else { return nil }
    var value: Int128 = 0
    for digit in significant { value = value * 10 + Int128(digit) }
    for _ in 0..<shift { value *= 10 }
    return negative ? -value : value
  }
}
