// SPDX-License-Identifier: Apache-2.0

/// Writes JSON text piece by piece; commas come by themselves.
///
/// Values are written whole (`write`), or as objects and arrays whose parts a closure writes. The
/// caller writes a `key` before every value within an object, and none within an array.
public struct JSONWriter {
  /// Bytes written so far.
  public var count: Int { bytes.count }

  private var bytes: [UInt8] = []
  private var needsComma = false
  private var followsKey = false

  public init() {}

  /// What was written; the writer is empty afterwards.
  public mutating func finish() -> [UInt8] {
    defer { self = JSONWriter() }
    return bytes
  }

  /// What was written, as text; the writer is empty afterwards.
  public mutating func finishText() -> String { String(decoding: finish(), as: UTF8.self) }

  public mutating func key(_ name: String) {
    separate()
    JSONWriter.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    followsKey = true
  }

  public mutating func write(_ value: JSONValue) {
    switch value {
    case .null: writeNull()
    case .bool(let value): write(value)
    case .int(let value): write(value)
    case .double(let value): write(value)
    case .number(let lexeme): writeRaw(lexeme)
    case .string(let value): write(value)
    case .array(let items): array(items) { $0.write($1) }
    case .object(let members): object { $0.writeMembers(members) }
    }
  }

  /// The members of `object`, within an object that the caller writes.
  public mutating func writeMembers(_ object: JSONObject) {
    for (name, value) in object {
      key(name)
      write(value)
    }
  }

  public mutating func write(_ value: String) {
    separate()
    JSONWriter.append(value, to: &bytes)
  }

  public mutating func write<T: FixedWidthInteger>(_ value: T) {
    separate()
    bytes.append(contentsOf: String(value).utf8)
  }

  public mutating func write(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  /// JSON has no numbers that are not finite: those are written as the strings "NaN", "Infinity" and
  /// "-Infinity".
  public mutating func write(_ value: Double) {
    guard value.isFinite else {
      return write(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
    separate()
    bytes.append(contentsOf: value.description.utf8)
  }

  public mutating func writeNull() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// A member of the object being written.
  public mutating func pair(_ name: String, _ value: String?) {
    key(name)
    if let value { write(value) } else { writeNull() }
  }

  /// A member of the object being written.
  public mutating func pair(_ name: String, _ value: Int?) {
    key(name)
    if let value { write(value) } else { writeNull() }
  }

  /// A member of the object being written.
  public mutating func pair(_ name: String, _ value: Bool?) {
    key(name)
    if let value { write(value) } else { writeNull() }
  }

  /// A value of a column in the form of `Scalar.json(as:)`.
  public mutating func write(_ value: Scalar?, as type: DataType) {
    if let value { writeRaw(value.json(as: type)) } else { writeNull() }
  }

  /// JSON text that was made elsewhere, as it is.
  public mutating func writeRaw(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
  }

  public mutating func object(_ body: (inout JSONWriter) -> Void) {
    nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
  }

  public mutating func array<S: Sequence>(
    _ elements: S, _ body: (inout JSONWriter, S.Element) -> Void
  ) {
    nest(UInt8(ascii: "["), UInt8(ascii: "]")) { writer in
      for element in elements { body(&writer, element) }
    }
  }

  private mutating func nest(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
    separate()
    bytes.append(open)
    needsComma = false
    body(&self)
    bytes.append(close)
    needsComma = true
  }

  /// What comes between two values.
  private mutating func separate() {
    if followsKey {
      followsKey = false
      needsComma = true
      return
    }
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  /// Appends `value` as a JSON string with its quotes. Control characters are escaped, as are U+2028
  /// and U+2029 (which break JavaScript); everything else stays UTF-8.
  public static func append(_ value: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    if !appendPlain(value, to: &bytes) { appendEscaped(value, to: &bytes) }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Appends text that needs no escapes at once; false when it has some (or characters that begin
  /// like U+2028) and nothing was appended.
  private static func appendPlain(_ value: String, to bytes: inout [UInt8]) -> Bool {
    let done: Bool? = value.utf8.withContiguousStorageIfAvailable { text in
      if needsEscapes(text) { return false }
      bytes.append(contentsOf: text)
      return true
    }
    return done ?? false
  }

  private static func appendEscaped(_ value: String, to bytes: inout [UInt8]) {
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": bytes.append(contentsOf: "\\\"".utf8)
      case "\\": bytes.append(contentsOf: "\\\\".utf8)
      case "\n": bytes.append(contentsOf: "\\n".utf8)
      case "\r": bytes.append(contentsOf: "\\r".utf8)
      case "\t": bytes.append(contentsOf: "\\t".utf8)
      case "\u{0}"..."\u{1f}", "\u{7f}", "\u{2028}", "\u{2029}":
        let hex = String(scalar.value, radix: 16)
        bytes.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - hex.utf8.count)).utf8)
        bytes.append(contentsOf: hex.utf8)
      default: bytes.append(contentsOf: UTF8.encode(scalar)!)
      }
    }
  }
}
