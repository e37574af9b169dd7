// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
  /// Text for people: on several lines, indented by two spaces; arrays and small objects that hold
  /// nothing nested are on one line.
  public var prettyText: String {
    var text = ""
    write(to: &text, indent: 0)
    return text
  }

  private static let flatMemberCountMax = 4

  private var isFlat: Bool {
    switch self {
    case .array(let items): items.allSatisfy(\.isSimple)
    case .object(let members):
      members.count <= Self.flatMemberCountMax && members.values.allSatisfy(\.isSimple)
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
    case .array(let items):
      writeParts("[", "]", items.count, indent, to: &text) { index, text in
        items[index].write(to: &text, indent: indent + 2)
      }
    case .object(let members):
      writeParts("{", "}", members.count, indent, to: &text) { index, text in
        let (name, value) = members[index]
        Scalar.appendJSONString(name, to: &text)
        text += ": "
        value.write(to: &text, indent: indent + 2)
      }
    default: text += self.text
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

extension Scalar {
  /// The value as JSON in the form of `json(as:)`, for small results.
  public func jsonValue(as type: DataType) -> JSONValue {
    // Always valid, as `json(as:)` says; deeper than the parser goes, the text stays.
    let text = json(as: type)
    return (try? JSONValue(parsing: text)) ?? .string(text)
  }
}
