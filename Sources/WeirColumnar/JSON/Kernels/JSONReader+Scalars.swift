// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONReader.swift.

internal import CWeirKernels

// Strings and numbers.
extension JSONReader {
  // MARK: Strings

  /// The string whose opening quote is at `position`.
  mutating func readString() throws(JSONError) -> String {
    let start = position + 1
    var index = start
    var highBits: UInt64 = 0
    scan: while true {
      while end - index >= 8 {
        let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        let stops = Self.stops(word)
        if stops != 0 {
          let count = stops.trailingZeroBitCount >> 3
          if count > 0 { highBits |= word << UInt64(64 - 8 * count) }
          index += count
          break
        }
        highBits |= word
        index += 8
      }
      while index < end {
        let next = byte(index)
        if next == UInt8(ascii: "\"") { break scan }
        if next == UInt8(ascii: "\\") || next < 0x20 { break scan }
        highBits |= UInt64(next)
        index += 1
        if end - index >= 8 { continue scan }
      }
      break
    }
    guard index < end else {
      position = end
      throw failure("the JSON text ends within a string")
    }
    if byte(index) != UInt8(ascii: "\"") { return try readEscapedString(start, index) }
    if highBits & 0x8080_8080_8080_8080 != 0 { try checkUTF8(start, index) }
    position = index + 1
    return String(
      decoding: UnsafeRawBufferPointer(start: base + start, count: index - start), as: UTF8.self)
  }

  /// A 1 in the highest bit of every byte that is a quote, a backslash or a control character; bits
  /// above the lowest such byte may be wrong.
  @inline(__always)
  private static func stops(_ word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quotes = word ^ (ones &* 0x22)
    let slashes = word ^ (ones &* 0x5c)
    let isQuote = (quotes &- ones) & ~quotes
    let isSlash = (slashes &- ones) & ~slashes
    let isControl = (word &- ones &* 0x20) & ~word
    return (isQuote | isSlash | isControl) & 0x8080_8080_8080_8080
  }

  private mutating func checkUTF8(_ start: Int, _ stop: Int) throws(JSONError) {
    guard weir_is_utf8((base + start).assumingMemoryBound(to: UInt8.self), stop - start) != 0 else {
      position = start
      throw failure("a string that is not UTF-8")
    }
  }

  @inline(never)
  private mutating func readEscapedString(
    _ start: Int, _ firstStop: Int
  ) throws(JSONError) -> String {
    var text: [UInt8] = []
    var copied = start
    var index = firstStop
    while true {
      guard index < end else {
        position = end
        throw failure("the JSON text ends within a string")
      }
      let next = byte(index)
      if next >= 0x20 && next != UInt8(ascii: "\"") && next != UInt8(ascii: "\\") {
        index += 1
        continue
      }
      try checkUTF8(copied, index)
      text.append(contentsOf: UnsafeRawBufferPointer(start: base + copied, count: index - copied))
      position = index
      switch next {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        try readEscape(&text)
        index = position
        copied = index
      default: throw failure("a control character within a string; it must be escaped")
      }
    }
  }

  /// The escape whose backslash is at `position`.
  private mutating func readEscape(_ text: inout [UInt8]) throws(JSONError) {
    guard end - position >= 2 else { throw failure("the JSON text ends within a string") }
    let kind = byte(position + 1)
    let plain: UInt8
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = kind
    case UInt8(ascii: "b"): plain = 8
    case UInt8(ascii: "f"): plain = 12
    case UInt8(ascii: "n"): plain = 10
    case UInt8(ascii: "r"): plain = 13
    case UInt8(ascii: "t"): plain = 9
    case UInt8(ascii: "u"):
      var code = try readHex4(position + 2)
      var length = 6
      if code & 0xfc00 == 0xd800, end - position >= 8, byte(position + 6) == UInt8(ascii: "\\"),
        byte(position + 7) == UInt8(ascii: "u")
      {
        let low = try readHex4(position + 8)
        if low & 0xfc00 == 0xdc00 {
          code = 0x10000 + (code & 0x3ff) << 10 + (low & 0x3ff)
          length = 12
        }
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw failure("an escape that is half a surrogate pair")
      }
      text.append(contentsOf: UTF8.encode(scalar)!)
      position += length
      return
    default: throw failure("an escape that JSON does not have")
    }
    text.append(plain)
    position += 2
  }

  private func readHex4(_ start: Int) throws(JSONError) -> UInt32 {
    guard end - start >= 4 else { throw failure("the JSON text ends within a string") }
    var code: UInt32 = 0
    for index in start..<start + 4 {
      guard let digit = Character(UnicodeScalar(byte(index))).hexDigitValue, byte(index) < 0x80
      else { throw failure("'\\u' without four hexadecimal digits") }
      code = code << 4 | UInt32(digit)
    }
    return code
  }

  // MARK: Numbers

  mutating func readNumber() throws(JSONError) -> JSONValue {
    let start = position
    var index = position
    let negative = byte(index) == UInt8(ascii: "-")
    if negative { index += 1 }
    let digitsStart = index
    var magnitude: UInt64 = 0
    while index < end, byte(index) &- 0x30 < 10 {
      if index - digitsStart < 19 { magnitude = magnitude &* 10 &+ UInt64(byte(index) &- 0x30) }
      index += 1
    }
    let digitCount = index - digitsStart
    position = index
    guard digitCount > 0 else { throw unexpected("a digit") }
    if digitCount > 1 && byte(digitsStart) == UInt8(ascii: "0") {
      throw failure("a number with a leading zero")
    }
    let isWhole =
      index == end
      || (byte(index) != UInt8(ascii: ".") && byte(index) | 0x20 != UInt8(ascii: "e"))
    if isWhole {
      if digitCount <= 19 && !(negative && magnitude == 0) {
        if negative, magnitude <= 1 << 63 { return .int(Int64(truncatingIfNeeded: 0 &- magnitude)) }
        if !negative, magnitude < 1 << 63 { return .int(Int64(magnitude)) }
      } else if digitCount == 1 {
        return .double(-0.0)
      }
      return .number(text(start))
    }
    return try readFraction(start)
  }

  @inline(never)
  private mutating func readFraction(_ start: Int) throws(JSONError) -> JSONValue {
    if byte(position) == UInt8(ascii: ".") {
      position += 1
      try readDigits()
    }
    if position < end, byte(position) | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < end, byte(position) == UInt8(ascii: "+") || byte(position) == UInt8(ascii: "-")
      {
        position += 1
      }
      try readDigits()
    }
    let lexeme = text(start)
    guard let value = Double(lexeme), value.isFinite else { return .number(lexeme) }
    // Fifteen digits always survive; with more, the double must print as what was read.
    if position - start <= 16 || value.description == lexeme {
      return value == 0 && lexeme.utf8.contains(where: { $0 > 0x30 && $0 < 0x3a })
        ? .number(lexeme) : .double(value)
    }
    return .number(lexeme)
  }

  private mutating func readDigits() throws(JSONError) {
    guard position < end, byte(position) &- 0x30 < 10 else { throw unexpected("a digit") }
    while position < end, byte(position) &- 0x30 < 10 { position += 1 }
  }

  private func text(_ start: Int) -> String {
    String(
      decoding: UnsafeRawBufferPointer(start: base + start, count: position - start), as: UTF8.self)
  }
}
