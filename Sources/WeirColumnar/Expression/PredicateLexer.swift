// SPDX-License-Identifier: Apache-2.0

/// Cuts the text of a predicate or an expression into tokens, one at a time.
struct PredicateLexer {
  struct Token {
    enum Kind: Equatable {
      /// A name or a keyword; `quoted` names are never keywords.
      case name(String, quoted: Bool)
      /// Digits with perhaps a point and an exponent, without a sign.
      case number(String)
      case string(String)
      case binary([UInt8])
      case symbol(String)
      case end
    }

    var kind: Kind
    /// Bytes of the text.
    var range: Range<Int>
  }

  private let text: [UInt8]
  private let what: String
  private var position = 0

  /// - Parameter what: what errors call the text.
  init(_ text: String, what: String = "predicate") {
    self.text = Array(text.utf8)
    self.what = what
  }

  /// Words that are never names of columns unless quoted. (`date`, `time` and the like are: they
  /// begin a literal only when a string follows.)
  private static let reserved: Set<String> = [
    "AND", "OR", "NOT", "IN", "IS", "NULL", "NAN", "LIKE", "ESCAPE", "BETWEEN", "TRUE", "FALSE",
    "STARTS", "WITH",
  ]

  static func isReserved(_ word: String) -> Bool { reserved.contains(word.uppercased()) }

  static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  /// ASCII letters, the underscore, and every byte of characters beyond ASCII.
  static func isNameStart(_ byte: UInt8) -> Bool {
    byte == 0x5f || byte >= 0x80 || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a)
  }

  private func byte(_ offset: Int = 0) -> UInt8 {
    position + offset < text.count ? text[position + offset] : 0
  }

  private func slice(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }

  mutating func next() throws(ColumnarError) -> Token {
    while position < text.count, byte() == 0x20 || (0x09...0x0d).contains(byte()) { position += 1 }
    let start = position
    guard position < text.count else { return Token(kind: .end, range: start..<start) }
    let first = byte()
    let kind: Token.Kind
    if first | 0x20 == UInt8(ascii: "x") && byte(1) == UInt8(ascii: "'") {
      kind = .binary(try hexadecimal())
    } else if Self.isNameStart(first) {
      while Self.isNameStart(byte()) || Self.isDigit(byte()) { position += 1 }
      kind = .name(slice(start..<position), quoted: false)
    } else if Self.isDigit(first) || (first == UInt8(ascii: ".") && Self.isDigit(byte(1))) {
      kind = .number(try number())
    } else if first == UInt8(ascii: "'") {
      kind = .string(try quoted("a string", by: first))
    } else if first == UInt8(ascii: "\"") || first == UInt8(ascii: "`") {
      let name = try quoted("a name", by: first)
      if name.isEmpty { throw error("a name in quotes is empty", at: start) }
      kind = .name(name, quoted: true)
    } else {
      kind = .symbol(try symbol())
    }
    return Token(kind: kind, range: start..<position)
  }

  private mutating func symbol() throws(ColumnarError) -> String {
    let start = position
    let first = slice(start..<start + 1)
    let pair = start + 1 < text.count && byte(1) < 0x80 ? slice(start..<start + 2) : first
    if let symbol = ["==", "!=", "<>", "<=", ">="].first(where: { $0 == pair }) {
      position += 2
      return symbol
    }
    if "=<>(),.+-*/%".contains(first) {
      position += 1
      return first
    }
    let advice =
      switch pair {
      case "&&": "write AND"
      case "||": "write OR"
      default:
        switch first {
        case "!": "write NOT"
        case "&": "write AND"
        case "|": "write OR"
        case ";": "there is one \(what), without ';'"
        case "[": "put names with unusual characters in double quotes"
        default: "names with unusual characters stand in double quotes, strings in single quotes"
        }
      }
    throw error("'\(first)' has no meaning here; \(advice)", at: start)
  }

  /// The text between two `quote` bytes; a doubled one stands for itself.
  private mutating func quoted(_ what: String, by quote: UInt8) throws(ColumnarError) -> String {
    let start = position
    var bytes: [UInt8] = []
    position += 1
    while position < text.count {
      let next = text[position]
      position += 1
      if next != quote {
        bytes.append(next)
      } else if byte() == quote && position < text.count {
        bytes.append(quote)
        position += 1
      } else {
        return String(decoding: bytes, as: UTF8.self)
      }
    }
    let mark = Character(UnicodeScalar(quote))
    throw error("\(what) that begins here has no closing \(mark)", at: start)
  }

  private mutating func hexadecimal() throws(ColumnarError) -> [UInt8] {
    let start = position
    position += 1
    let digits = Array(try quoted("a binary literal", by: UInt8(ascii: "'")).utf8)
    guard let bytes = Hexadecimal.decode(utf8: digits) else {
      throw error(
        "a binary literal holds pairs of hexadecimal digits, as in X'00ff'", at: start)
    }
    return bytes
  }

  private mutating func number() throws(ColumnarError) -> String {
    let start = position
    func digits(_ lexer: inout PredicateLexer) {
      while Self.isDigit(lexer.byte()) { lexer.position += 1 }
    }
    digits(&self)
    if byte() == UInt8(ascii: ".") {
      position += 1
      digits(&self)
    }
    if byte() | 0x20 == UInt8(ascii: "e") {
      let sign = byte(1) == UInt8(ascii: "+") || byte(1) == UInt8(ascii: "-") ? 1 : 0
      if Self.isDigit(byte(1 + sign)) {
        position += 1 + sign
        digits(&self)
      }
    }
    if Self.isNameStart(byte()) || byte() == UInt8(ascii: ".") {
      throw error(
        "'\(slice(start..<position + (byte() < 0x80 ? 1 : 0)))' is no number; a name that begins "
          + "with a digit stands in double quotes", at: start)
    }
    return slice(start..<position)
  }

  /// An error that says where: `character` counts from 1, as an editor does.
  func error(_ message: String, at offset: Int) -> ColumnarError {
    let before = text[..<min(offset, text.count)]
    let character = before.reduce(1) { $0 + ($1 & 0xc0 == 0x80 ? 0 : 1) }
    return ColumnarError(
      .invalidArgument, "\(what), character \(character): \(message)", position: offset)
  }

  /// What the person wrote, shortened, for messages.
  func quote(_ token: Token) -> String {
    if case .end = token.kind { return "the end of the text" }
    let shown = String(slice(token.range).prefix(40))
    return shown.utf8.count < token.range.count ? "\(shown)…" : shown
  }
}
