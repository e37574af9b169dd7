// SPDX-License-Identifier: Apache-2.0

/// Readers of numbers, dates, times and UUIDs. They give `nil` for text that is
/// none of theirs, and never trap, whatever the text.
package enum LiteralText {
  /// `f79c3e09-677c-4bbd-a479-3f349cb785e7`, with or without the hyphens or braces.
  package static func uuid(_ text: String) -> UInt128? {
    var bytes = Array(text.utf8)
    if bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}"), bytes.count > 2 {
      bytes = Array(bytes[1..<bytes.count - 1])
    }
    if bytes.count == 36 {
      for place in [23, 18, 13, 8] {
        guard bytes[place] == UInt8(ascii: "-") else { return nil }
        bytes.remove(at: place)
      }
    }
    guard bytes.count == 32, let value = Hexadecimal.decode(utf8: bytes) else { return nil }
    return value.reduce(0) { $0 << 8 | UInt128($1) }
  }

  /// `[+-]digits[.digits][e[+-]digits]` as `unscaled * 10^-scale`: exactly the digits written, so
  /// that 1.50 has scale 2. `nil` also for numbers whose digits do not fit 128 bits.
  package static func decimal(_ text: String) -> (unscaled: Int128, scale: Int)? {
    var cursor = Cursor(text)
    let negative = cursor.sign() ?? false
    var unscaled: Int128 = 0
    var scale = 0
    var digits = 0
    var behindPoint = false
    while let byte = cursor.peek {
      if byte == UInt8(ascii: "."), !behindPoint {
        behindPoint = true
      } else if PredicateLexer.isDigit(byte) {
        let (product, overflow) = unscaled.multipliedReportingOverflow(by: 10)
        let digit = Int128(byte - 0x30)
        let (sum, overflow2) =
          negative
          ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
        if overflow || overflow2 { return nil }
        unscaled = sum
        digits += 1
        if behindPoint { scale += 1 }
      } else {
        break
      }
      cursor.advance()
    }
    guard digits > 0 else { return nil }
    if let byte = cursor.peek, byte | 0x20 == UInt8(ascii: "e") {
      cursor.advance()
      let down = cursor.sign() ?? false
      guard let exponent = cursor.digits(1...18) else { return nil }
      scale += down ? exponent : -exponent
    }
    return cursor.isAtEnd ? (unscaled, scale) : nil
  }

  /// A floating point number, or NaN, Infinity, -Infinity, inf (in any case); `nil` for numbers too
  /// large for a double.
  package static func double(_ text: String) -> Double? {
    switch text.lowercased() {
    case "nan": return .nan
    case "infinity", "+infinity", "inf", "+inf": return .infinity
    case "-infinity", "-inf": return -.infinity
    default:
      let allowed = text.utf8.allSatisfy {
        PredicateLexer.isDigit($0) || "+-.eE".utf8.contains($0)
      }
      guard allowed, let value = Double(text), value.isFinite else { return nil }
      return value
    }
  }

  /// `2026-01-31`, as days since 1970-01-01. Years have four digits, or a sign and 4 to 9.
  package static func date(_ text: String) -> Int64? {
    var cursor = Cursor(text)
    guard let days = date(&cursor), cursor.isAtEnd else { return nil }
    return days
  }

  /// `13:05[:09[.000120]]`, as nanoseconds since midnight.
  package static func time(_ text: String) -> Int64? {
    var cursor = Cursor(text)
    guard let time = time(&cursor), cursor.isAtEnd else { return nil }
    return time
  }

  /// `2026-01-31[T| ]13:05[:09[.123456789]][zone]` or a date alone, as nanoseconds since
  /// 1970-01-01T00:00:00 (in UTC when there is a zone). A zone is `Z`, `UTC`, `+02`, `+0200` or
  /// `+02:00`, perhaps behind a blank.
  package static func timestamp(_ text: String) -> (nanoseconds: Int128, zoned: Bool)? {
    var cursor = Cursor(text)
    guard let days = date(&cursor) else { return nil }
    var nanoseconds = Int128(days) * 86_400_000_000_000
    if cursor.isAtEnd { return (nanoseconds, false) }
    guard cursor.skip("T") || cursor.skip("t") || cursor.skip(" "), let time = time(&cursor) else {
      return nil
    }
    nanoseconds += Int128(time)
    if cursor.isAtEnd { return (nanoseconds, false) }
    _ = cursor.skip(" ")
    if cursor.skip("Z") || cursor.skip("z") || cursor.skip("UTC") {
      return cursor.isAtEnd ? (nanoseconds, true) : nil
    }
    guard let west = cursor.sign(), let hours = cursor.digits(2...2), hours <= 23 else {
      return nil
    }
    var minutes = 0
    if !cursor.isAtEnd {
      _ = cursor.skip(":")
      guard let value = cursor.digits(2...2), value <= 59, cursor.isAtEnd else { return nil }
      minutes = value
    }
    let offset = Int128(hours * 60 + minutes) * 60_000_000_000
    return (west ? nanoseconds + offset : nanoseconds - offset, true)
  }

  private static func date(_ cursor: inout Cursor) -> Int64? {
    let sign = cursor.sign()
    guard let magnitude = cursor.digits(sign == nil ? 4...4 : 4...9), cursor.skip("-"),
      let month = cursor.digits(2...2), (1...12).contains(month), cursor.skip("-"),
      let day = cursor.digits(2...2), day >= 1
    else { return nil }
    let year = sign == true ? -magnitude : magnitude
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard day <= lengths[month - 1] else { return nil }
    return Int64(CivilTime.daysSinceEpoch(CivilTime.Date(year: year, month: month, day: day)))
  }

  private static func time(_ cursor: inout Cursor) -> Int64? {
    guard let hour = cursor.digits(2...2), hour <= 23, cursor.skip(":"),
      let minute = cursor.digits(2...2), minute <= 59
    else { return nil }
    var nanoseconds = Int64(hour * 3_600 + minute * 60) * 1_000_000_000
    guard cursor.skip(":") else { return nanoseconds }
    guard let second = cursor.digits(2...2), second <= 59 else { return nil }
    nanoseconds += Int64(second) * 1_000_000_000
    guard cursor.skip(".") else { return nanoseconds }
    let start = cursor.position
    guard let fraction = cursor.digits(1...9) else { return nil }
    var scaled = Int64(fraction)
    for _ in 0..<9 - (cursor.position - start) { scaled *= 10 }
    return nanoseconds + scaled
  }

  /// A position in bytes.
  private struct Cursor {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { position == bytes.count }
    var peek: UInt8? { position < bytes.count ? bytes[position] : nil }
    mutating func advance() { position += 1 }

    /// True for a minus, false for a plus, `nil` for neither.
    mutating func sign() -> Bool? {
      guard let byte = peek, byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") else {
        return nil
      }
      position += 1
      return byte == UInt8(ascii: "-")
    }

    mutating func skip(_ text: StaticString) -> Bool {
      let count = text.utf8CodeUnitCount
      guard bytes.count - position >= count else { return false }
      let matches = text.withUTF8Buffer { bytes[position..<position + count].elementsEqual($0) }
      if matches { position += count }
      return matches
    }

    /// As many digits as there are up to the upper length, which is at most 18.
    mutating func digits(_ lengths: ClosedRange<Int>) -> Int? {
      var value = 0
      let start = position
      while let byte = peek, PredicateLexer.isDigit(byte), position - start < lengths.upperBound {
        value = value * 10 + Int(byte - 0x30)
        position += 1
      }
      return position - start >= lengths.lowerBound ? value : nil
    }
  }
}
