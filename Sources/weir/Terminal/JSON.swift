// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A JSON value whose members keep their order.
indirect enum JSON {
  case null
  case bool(Bool)
  case int(Int)
  case string(String)
  /// JSON that was made elsewhere.
  case raw(String)
  case array([JSON])
  case object([(String, JSON)])

  static func optional(_ value: Int?) -> JSON { value.map { .int($0) } ?? .null }
  static func optional(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }

  /// On several lines, indented by two spaces; arrays and objects without nested ones on one line.
  func text() -> String {
    var text = ""
    write(to: &text, indent: 0)
    return text
  }

  /// On one line.
  func line() -> String {
    switch self {
    case .array(let items): "[" + items.map { $0.line() }.joined(separator: ",") + "]"
    case .object(let members):
      "{"
        + members.map { "\(JSON.string($0.0).text()):\($0.1.line())" }.joined(separator: ",") + "}"
    default: text()
    }
  }

  private var isFlat: Bool {
    switch self {
    case .array(let items): items.allSatisfy(\.isSimple)
    case .object(let members): members.count <= 4 && members.allSatisfy { $0.1.isSimple }
    default: true
    }
  }

  private var isSimple: Bool {
    switch self {
    case .array(let items): items.isEmpty
    case .object(let members): members.isEmpty
    default: true
    }
  }

  private func write(to text: inout String, indent: Int) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .int(let value): text += String(value)
    case .string(let value): Scalar.appendJSONString(value, to: &text)
    case .raw(let value): text += value
    case .array(let items):
      writeParts("[", "]", items.count, indent, to: &text) { index, text in
        items[index].write(to: &text, indent: indent + 2)
      }
    case .object(let members):
      writeParts("{", "}", members.count, indent, to: &text) { index, text in
        Scalar.appendJSONString(members[index].0, to: &text)
        text += ": "
        members[index].1.write(to: &text, indent: indent + 2)
      }
    }
  }

  private func writeParts(
    _ open: String, _ close: String, _ count: Int, _ indent: Int, to text: inout String,
    _ part: (Int, inout String) -> Void
  ) {
    text += open
    let flat = isFlat
    for index in 0..<count {
      if index > 0 { text += flat ? ", " : "," }
      if !flat { text += "\n" + String(repeating: " ", count: indent + 2) }
      part(index, &text)
    }
    if !flat && count > 0 { text += "\n" + String(repeating: " ", count: indent) }
    text += close
  }
}
