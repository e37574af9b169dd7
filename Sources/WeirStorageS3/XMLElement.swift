// SPDX-License-Identifier: Apache-2.0

/// A small XML document in memory: elements, their text and their children.
///
/// It reads what S3 answers: no document types (so no entities but the five of XML), names without
/// their prefixes, attributes skipped. Depth and the number of elements are bounded; the caller bounds
/// the bytes.
struct XMLElement {
  static let depthMax = 16
  static let countMax = 100_000

  var name: String
  /// All text directly within the element.
  var text = ""
  var children: [XMLElement] = []

  /// The first child of that name.
  subscript(name: String) -> XMLElement? { children.first { $0.name == name } }

  /// The text of the first child of that name.
  func text(of name: String) -> String? { self[name]?.text }

  /// The root element of `bytes`; `nil` when they are no such document.
  static func parse(_ bytes: [UInt8]) -> XMLElement? {
    var parser = XMLParser(bytes: bytes)
    return parser.document()
  }
}

private struct XMLParser {
  let bytes: [UInt8]
  var position = 0
  var count = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() -> XMLElement? {
    guard skipProlog(), let root = element(depth: 0), skipProlog(), position == bytes.count else {
      return nil
    }
    return root
  }

  private func starts(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { bytes[position...].starts(with: $0) }
  }

  /// Moves behind the next `text`; false when there is none.
  private mutating func skip(past text: [UInt8]) -> Bool {
    while position + text.count <= bytes.count {
      if bytes[position..<(position + text.count)].elementsEqual(text) {
        position += text.count
        return true
      }
      position += 1
    }
    return false
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
  }

  /// Skips white space, comments, processing instructions and a byte order mark.
  private mutating func skipProlog() -> Bool {
    if position == 0, bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    while position < bytes.count {
      if Self.isSpace(bytes[position]) {
        position += 1
      } else if starts("<?") {
        guard skip(past: Array("?>".utf8)) else { return false }
      } else if starts("<!--") {
        guard skip(past: Array("-->".utf8)) else { return false }
      } else {
        break
      }
    }
    return true
  }

  /// The name at the position, without a prefix.
  private mutating func name() -> String? {
    let start = position
    while position < bytes.count, !Self.isSpace(bytes[position]),
      !">/=<&\"'".utf8.contains(bytes[position])
    {
      position += 1
    }
    guard position > start else { return nil }
    let local = bytes[start..<position].split(separator: UInt8(ascii: ":")).last ?? []
    return String(decoding: local, as: UTF8.self)
  }

  private mutating func element(depth: Int) -> XMLElement? {
    guard depth < XMLElement.depthMax, count < XMLElement.countMax, starts("<") else { return nil }
    count += 1
    position += 1
    guard let name = name(), let isEmpty = skipAttributes() else { return nil }
    var result = XMLElement(name: name)
    if isEmpty { return result }
    var text: [UInt8] = []
    while position < bytes.count {
      if starts("</") {
        position += 2
        guard self.name() == name else { return nil }
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">") else { return nil }
        position += 1
        result.text = String(decoding: text, as: UTF8.self)
        return result
      } else if starts("<!--") {
        guard skip(past: Array("-->".utf8)) else { return nil }
      } else if starts("<![CDATA[") {
        let start = position + 9
        guard skip(past: Array("]]>".utf8)) else { return nil }
        text += bytes[start..<(position - 3)]
      } else if starts("<") {
        guard let child = element(depth: depth + 1) else { return nil }
        result.children.append(child)
      } else if starts("&") {
        guard let scalar = reference() else { return nil }
        text += Array(String(Character(scalar)).utf8)
      } else {
        text.append(bytes[position])
        position += 1
      }
    }
    return nil
  }

  /// Skips to the end of a start tag: true when it ends the element, too. `nil` when it has no end.
  private mutating func skipAttributes() -> Bool? {
    var quote: UInt8?
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if byte == UInt8(ascii: ">") {
        return bytes[position - 2] == UInt8(ascii: "/")
      } else if byte == UInt8(ascii: "<") {
        return nil
      }
    }
    return nil
  }

  /// The character of `&name;` or `&#number;` at the position.
  private mutating func reference() -> Unicode.Scalar? {
    let start = position + 1
    guard let end = bytes[start...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return nil }
    position = end + 1
    let name = String(decoding: bytes[start..<end], as: UTF8.self)
    switch name {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    default:
      guard name.hasPrefix("#") else { return nil }
      let digits = name.dropFirst()
      let value = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
      return value.flatMap { Unicode.Scalar($0) }
    }
  }
}
