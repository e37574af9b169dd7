// SPDX-License-Identifier: Apache-2.0

extension Scalar {
  /// The value for people: dates as `2026-01-31`, timestamps as `2026-01-31T13:05:09.000120` (with a
  /// `Z` when the type has a zone, whatever zone: the time shown is UTC), decimals in full, binary as
  /// hex, lists as `[1, 2]`, structs and maps as `{name: value}`. Strings are bare at the top level
  /// and quoted as in JSON within nested values.
  public func text(as type: DataType) -> String {
    if case .string(let value) = self { return value }
    var text = ""
    ScalarWriter(json: false).append(self, type, to: &text)
    return text
  }

  /// The value as JSON, always valid: integers and finite floats as numbers; decimals, dates, times,
  /// timestamps as strings in the form of `text(as:)`; binary as a hex string; NaN and the infinities
  /// as the strings "NaN", "Infinity", "-Infinity"; maps as arrays of `{"key":…,"value":…}`.
  public func json(as type: DataType) -> String {
    var text = ""
    ScalarWriter(json: true).append(self, type, to: &text)
    return text
  }

  /// Appends what `json(as:)` returns.
  public func appendJSON(as type: DataType, to text: inout String) {
    ScalarWriter(json: true).append(self, type, to: &text)
  }

  /// Appends `value` as a JSON string with its quotes. Control characters are escaped, as are U+2028
  /// and U+2029 (which break JavaScript); everything else stays UTF-8.
  public static func appendJSONString(_ value: String, to text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1f}", "\u{7f}", "\u{2028}", "\u{2029}":
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  /// `unscaled * 10^-scale` in plain digits, with exactly `scale` of them behind the point.
  public static func decimalText(_ unscaled: Int128, scale: Int) -> String {
    var digits = String(unscaled.magnitude)
    if scale > 0 {
      if digits.utf8.count <= scale {
        digits = String(repeating: "0", count: scale + 1 - digits.utf8.count) + digits
      }
      let point = digits.index(digits.endIndex, offsetBy: -scale)
      digits.insert(".", at: point)
    } else if scale < 0 && unscaled != 0 {
      digits += String(repeating: "0", count: -scale)
    }
    return unscaled < 0 ? "-" + digits : digits
  }
}

/// Writes scalars as text or as JSON; the two differ in quoting, maps and non-finite numbers.
private struct ScalarWriter {
  let json: Bool

  func append(_ scalar: Scalar, _ type: DataType, to text: inout String) {
    if case .dictionary(_, let valueType, _) = type {
      return append(scalar, valueType, to: &text)
    }
    switch scalar {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .int(let value): appendInteger(value, type, to: &text)
    case .uint(let value): text += String(value)
    case .float16(let value): appendFloat(value, to: &text)
    case .float32(let value): appendFloat(value, to: &text)
    case .float64(let value): appendFloat(value, to: &text)
    case .decimal(let value, let scale):
      appendQuoted(to: &text) { $0 += Scalar.decimalText(value, scale: scale) }
    case .string(let value): Scalar.appendJSONString(value, to: &text)
    case .binary(let bytes): appendQuoted(to: &text) { appendHex(bytes, to: &$0) }
    case .list(let items):
      let itemType = type.children.first?.type ?? .null
      appendSequence("[", items, "]", to: &text) { append($0, itemType, to: &$1) }
    case .struct(let members):
      let fields = type.children
      appendSequence("{", members.enumerated(), "}", to: &text) { item, text in
        appendName(item.element.name, to: &text)
        let fieldType = item.offset < fields.count ? fields[item.offset].type : .null
        append(item.element.value, fieldType, to: &text)
      }
    case .map(let entries): appendMap(entries, type, to: &text)
    }
  }

  private func appendMap(_ entries: [Scalar.Entry], _ type: DataType, to text: inout String) {
    let types = type.children.first?.type.children.map(\.type) ?? []
    let keyType = types.first ?? .null
    let valueType = types.count > 1 ? types[1] : .null
    appendSequence(json ? "[" : "{", entries, json ? "]" : "}", to: &text) { entry, text in
      if json { text += "{\"key\":" }
      append(entry.key, keyType, to: &text)
      text += json ? ",\"value\":" : ": "
      append(entry.value, valueType, to: &text)
      if json { text += "}" }
    }
  }

  private func appendSequence<S: Sequence>(
    _ open: String, _ items: S, _ close: String, to text: inout String,
    _ appendItem: (S.Element, inout String) -> Void
  ) {
    text += open
    var first = true
    for item in items {
      if !first { text += json ? "," : ", " }
      first = false
      appendItem(item, &text)
    }
    text += close
  }

  private func appendName(_ name: String, to text: inout String) {
    if json {
      Scalar.appendJSONString(name, to: &text)
      text += ":"
    } else {
      text += name
      text += ": "
    }
  }

  private func appendQuoted(to text: inout String, _ body: (inout String) -> Void) {
    if json { text += "\"" }
    body(&text)
    if json { text += "\"" }
  }

  private func appendInteger(_ value: Int64, _ type: DataType, to text: inout String) {
    switch type {
    case .date32:
      appendQuoted(to: &text) { CivilTime.appendDate(daysSinceEpoch: Int(value), to: &$0) }
    case .date64:
      appendQuoted(to: &text) { text in
        if value % 86_400_000 == 0 {
          CivilTime.appendDate(daysSinceEpoch: Int(value / 86_400_000), to: &text)
        } else {
          CivilTime.appendTimestamp(Int(value), .millisecond, to: &text)
        }
      }
    case .time32(let unit), .time64(let unit):
      appendQuoted(to: &text) { text in
        if value >= 0 && value / unit.perSecond < 86_400 {
          CivilTime.appendTimeOfDay(Int(value), unit, to: &text)
        } else {
          text += "\(value)\(unit.rawValue)"  // not a time of day, but what is there
        }
      }
    case .timestamp(let unit, let zone):
      appendQuoted(to: &text) { text in
        CivilTime.appendTimestamp(Int(value), unit, to: &text)
        if zone != nil { text += "Z" }
      }
    case .duration(let unit): appendQuoted(to: &text) { $0 += "\(value)\(unit.rawValue)" }
    default: text += String(value)
    }
  }

  private func appendFloat<T: BinaryFloatingPoint & LosslessStringConvertible>(
    _ value: T, to text: inout String
  ) {
    if value.isNaN {
      text += json ? "\"NaN\"" : "NaN"
    } else if value.isInfinite {
      let name = value < 0 ? "-Infinity" : "Infinity"
      appendQuoted(to: &text) { $0 += name }
    } else {
      text += value.description
    }
  }

  private func appendHex(_ bytes: [UInt8], to text: inout String) {
    let digits = Array("0123456789abcdef".unicodeScalars)
    text.reserveCapacity(text.utf8.count + 2 * bytes.count)
    for byte in bytes {
      text.unicodeScalars.append(digits[Int(byte >> 4)])
      text.unicodeScalars.append(digits[Int(byte & 15)])
    }
  }
}
