// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLineText.swift.

/// A number in JSON text: `digits * 10^exponent`.
struct JSONNumber {
  var isNegative = false
  /// The first 19 significant digits.
  var digits: UInt64 = 0
  var exponent = 0
  /// Whether `digits` are all that are not zero.
  var isExact = true
  var start: Int
  /// Behind the number; -1 when there is none.
  var next: Int

  private static let exponentMax = 1 << 20

  init(_ text: JSONText, _ position: Int, _ state: JSONLineState) {
    start = position
    next = -1
    var at = position
    if text[at] == 0x2d {
      isNegative = true
      at += 1
    }
    let whole = at
    var count = 0
    while text[at] &- 0x30 < 10 {
      take(text[at] &- 0x30, &count, isFraction: false)
      at += 1
    }
    guard at > whole else {
      _ = state.fail(text, position, wanted: "a value")
      return
    }
    guard at - whole == 1 || text[whole] != 0x30 else {
      _ = state.fail("a number with a leading zero: \(JSONLineState.token(text, position))")
      return
    }
    if text[at] == 0x2e {
      at += 1
      let fraction = at
      while text[at] &- 0x30 < 10 {
        take(text[at] &- 0x30, &count, isFraction: true)
        at += 1
      }
      guard at > fraction else {
        _ = state.fail(text, at, wanted: "a digit")
        return
      }
    }
    if text[at] | 0x20 == 0x65 {
      at = takeExponent(text, at + 1, state)
      if at < 0 { return }
    }
    next = at
  }

  @inline(__always)
  private mutating func take(_ digit: UInt8, _ count: inout Int, isFraction: Bool) {
    if count < 19 {
      digits = digits &* 10 &+ UInt64(digit)
      // Zeros in front are no digits.
      if digits != 0 { count += 1 }
      if isFraction { exponent -= 1 }
    } else {
      if digit != 0 { isExact = false }
      if !isFraction { exponent += 1 }
    }
  }

  private mutating func takeExponent(
    _ text: JSONText, _ position: Int, _ state: JSONLineState
  ) -> Int {
    var at = position
    let isMinus = text[at] == 0x2d
    if isMinus || text[at] == 0x2b { at += 1 }
    let first = at
    var value = 0
    while text[at] &- 0x30 < 10 {
      if value < Self.exponentMax { value = value * 10 + Int(text[at] &- 0x30) }
      at += 1
    }
    guard at > first else { return state.fail(text, at, wanted: "a digit") }
    exponent += isMinus ? -value : value
    return at
  }

  /// The number times `10^scale`, when that is whole and of at most 38 digits.
  func scaled(_ text: JSONText, by scale: Int, truncates: Bool = false) -> Int128? {
    var unscaled = Int128(digits)
    var power = exponent + scale
    if !isExact {
      // More than 19 digits: all of them again.
      guard let (value, exponent) = wide(text) else { return nil }
      unscaled = value
      power = exponent + scale
    }
    if unscaled == 0 { return 0 }
    if power > 0 {
      guard power <= 38, let factor = Decimal128Builder.powerOfTen(power) else { return nil }
      let (product, overflow) = unscaled.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      unscaled = product
    } else if power < 0 {
      guard power >= -38, let divisor = Decimal128Builder.powerOfTen(-power) else {
        return truncates && power < -38 ? 0 : nil
      }
      let (quotient, remainder) = unscaled.quotientAndRemainder(dividingBy: divisor)
      guard remainder == 0 || truncates else { return nil }
      // Towards the past, also before 1970.
      unscaled = remainder != 0 && isNegative ? quotient + 1 : quotient
    }
    return isNegative ? -unscaled : unscaled
  }

  /// All digits, up to 38 of them, and their exponent.
  private func wide(_ text: JSONText) -> (Int128, Int)? {
    var value: Int128 = 0
    var exponent = 0
    var zeros = 0
    var behindPoint = false
    var at = start + (isNegative ? 1 : 0)
    while true {
      let byte = text[at]
      if byte == 0x2e {
        behindPoint = true
      } else if byte &- 0x30 < 10 {
        if behindPoint { exponent -= 1 }
        if byte == 0x30 {
          // Zeros at the end need no place.
          zeros += 1
        } else {
          for digit in [Int128](repeating: 0, count: zeros) + [Int128(byte &- 0x30)] {
            let (ten, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = ten.addingReportingOverflow(digit)
            if overflow || sumOverflow { return nil }
            value = sum
          }
          zeros = 0
        }
      } else {
        break
      }
      at += 1
    }
    exponent += zeros
    if text[at] | 0x20 == 0x65 {
      var power = 0
      at += 1
      let isMinus = text[at] == 0x2d
      if isMinus || text[at] == 0x2b { at += 1 }
      while text[at] &- 0x30 < 10 {
        if power < Self.exponentMax { power = power * 10 + Int(text[at] &- 0x30) }
        at += 1
      }
      exponent += isMinus ? -power : power
    }
    return (value, exponent)
  }

  /// The nearest double.
  @inline(__always)
  func double(_ text: JSONText) -> Double {
    // Both exact in a double, and so is the rounding of one operation (Clinger 1990).
    if isExact, digits < 1 << 53, exponent >= -22, exponent <= 22 {
      let magnitude =
        exponent < 0
        ? Double(digits) / Self.powers[-exponent] : Double(digits) * Self.powers[exponent]
      return isNegative ? -magnitude : magnitude
    }
    return Double(lexeme(text)) ?? .nan
  }

  /// The nearest float: not of the nearest double where that lies between two floats.
  func float(_ text: JSONText) -> Float {
    let wide = double(text)
    if wide.bitPattern & 0x1fff_ffff != 0x1000_0000 && wide.magnitude >= 0x1p-126 {
      return Float(wide)
    }
    return Float(lexeme(text)) ?? .nan
  }

  @inline(never)
  private func lexeme(_ text: JSONText) -> String {
    String(decoding: UnsafeBufferPointer(start: text + start, count: next - start), as: UTF8.self)
  }

  private static let powers: InlineArray<23, Double> = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]
}
