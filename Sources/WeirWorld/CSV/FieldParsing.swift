// SPDX-License-Identifier: Apache-2.0

/// Values from the bytes of a field; `nil` when the whole field is not exactly one.
package enum FieldParsing {
  /// An optional sign and digits, within 64 bits.
  package static func int64(_ bytes: ArraySlice<UInt8>) -> Int64? {
    var index = bytes.startIndex
    var negative = false
    if let first = bytes.first, first == 0x2d || first == 0x2b {
      negative = first == 0x2d
      index += 1
    }
    guard index < bytes.endIndex else { return nil }
    var value: Int64 = 0
    while index < bytes.endIndex {
      let digit = bytes[index] &- 0x30
      guard digit <= 9 else { return nil }
      let (scaled, overflowed) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflowedToo) =
        negative
        ? scaled.subtractingReportingOverflow(Int64(digit))
        : scaled.addingReportingOverflow(Int64(digit))
      if overflowed || overflowedToo { return nil }
      value = sum
      index += 1
    }
    return value
  }

  /// A decimal number, rounded to the nearest double.
  package static func double(_ bytes: ArraySlice<UInt8>) -> Double? {
    if let quick = shortDecimal(bytes) { return quick }
    guard let first = bytes.first, bytes.count <= 400, first > 0x20,
      bytes.allSatisfy({ isNumberByte($0) })
    else { return nil }
    return Double(String(decoding: bytes, as: UTF8.self))
  }

  private static func isNumberByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x2b, 0x2d, 0x2e, 0x45, 0x65: true
    // inf, infinity, nan in any case.
    case 0x61...0x7a, 0x41...0x5a: true
    default: false
    }
  }

  /// Up to 15 digits without an exponent: digits and power of ten are exact doubles, so that one
  /// division rounds right (Clinger, 1990). `nil`: take the slow path.
  private static func shortDecimal(_ bytes: ArraySlice<UInt8>) -> Double? {
    var mantissa: Int64 = 0
    var digits = 0
    var decimals = -1
    var negative = false
    var index = bytes.startIndex
    if bytes.first == 0x2d {
      negative = true
      index += 1
    }
    while index < bytes.endIndex {
      let byte = bytes[index]
      if byte >= 0x30 && byte <= 0x39 {
        mantissa = mantissa * 10 + Int64(byte - 0x30)
        digits += 1
        if digits > 15 { return nil }
        if decimals >= 0 { decimals += 1 }
      } else if byte == 0x2e && decimals < 0 {
        decimals = 0
      } else {
        return nil
      }
      index += 1
    }
    guard digits > 0 else { return nil }
    let value = Double(mantissa) / powersOfTen[max(0, decimals)]
    return negative ? -value : value
  }

  private static let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]

  /// The elements of a Python list of strings and numbers as text: `['Beef', "D'Abruzzo", 2020]`.
  package static func pythonList(_ bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
    guard bytes.count >= 2, bytes.first == 0x5b, bytes.last == 0x5d else { return nil }
    var items: [ArraySlice<UInt8>] = []
    var rest = bytes.dropFirst().dropLast()
    while true {
      rest = rest.drop { $0 == 0x20 }
      guard let first = rest.first else { return items.isEmpty ? items : nil }
      if first == 0x27 || first == 0x22 {
        rest.removeFirst()
        guard let end = rest.firstIndex(of: first) else { return nil }
        items.append(rest[..<end])
        rest = rest[(end + 1)...]
      } else {
        let end = rest.firstIndex(of: 0x2c) ?? rest.endIndex
        items.append(rest[..<end])
        rest = rest[end...]
      }
      if rest.isEmpty { return items }
      guard rest.removeFirst() == 0x2c else { return nil }
    }
  }

  /// `true` and `false` in any case, `1` and `0`.
  package static func bool(_ bytes: ArraySlice<UInt8>) -> Bool? {
    switch bytes.count {
    case 1 where bytes.first == 0x31: true
    case 1 where bytes.first == 0x30: false
    case 4 where bytes.elementsEqual("true".utf8, by: { $0 | 0x20 == $1 }): true
    case 5 where bytes.elementsEqual("false".utf8, by: { $0 | 0x20 == $1 }): false
    default: nil
    }
  }

  /// Whether the bytes are text; nearly all are ASCII, which one pass settles.
  package static func isUTF8(_ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.allSatisfy { $0 < 0x80 } || String(validating: bytes, as: UTF8.self) != nil
  }
}
