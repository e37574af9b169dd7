// SPDX-License-Identifier: Apache-2.0

/// Percent-encoding of addresses (RFC 3986).
package enum PercentEncoding {
  /// `text` with everything encoded but letters, digits, `-`, `.`, `_`, `~` and the bytes `keeping`.
  package static func encode(_ text: some StringProtocol, keeping: String = "") -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.append(byte)
      case _ where keeping.utf8.contains(byte): result.append(byte)
      default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// The text that `encoded` stands for, `+` for a space when `plusIsSpace`; `nil` when a `%` is not
  /// followed by two digits, or the bytes are not UTF-8.
  package static func decode(
    _ encoded: some StringProtocol, plusIsSpace: Bool = false
  ) -> String? {
    var result: [UInt8] = []
    result.reserveCapacity(encoded.utf8.count)
    var bytes = encoded.utf8.makeIterator()
    while let byte = bytes.next() {
      if byte == UInt8(ascii: "%") {
        guard let high = bytes.next().flatMap(Hexadecimal.digitValue),
          let low = bytes.next().flatMap(Hexadecimal.digitValue)
        else { return nil }
        result.append(high << 4 | low)
      } else {
        result.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
      }
    }
    return String(validating: result, as: UTF8.self)
  }
}
