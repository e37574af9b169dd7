// SPDX-License-Identifier: Apache-2.0

/// Base64 (RFC 4648, section 4).
package enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// With padding.
  package static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      var group: UInt32 = 0
      for index in 0..<3 {
        group = group << 8 | (index < count ? UInt32(bytes[start + index]) : 0)
      }
      for index in 0..<4 {
        let digit = Int(group >> UInt32(18 - 6 * index)) & 63
        text.append(index <= count ? alphabet[digit] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Padding may lack, but nothing may follow it; `nil` when the text is no base64.
  package static func decode(_ text: some StringProtocol) -> [UInt8]? {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count / 4 * 3)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    var digitCount = 0
    var isPadded = false
    for letter in text.utf8 {
      if letter == UInt8(ascii: "=") {
        isPadded = true
        continue
      }
      let value = values[Int(letter)]
      guard value != 255, !isPadded else { return nil }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      digitCount += 1
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
      }
    }
    // One digit alone is less than a byte.
    return digitCount % 4 == 1 ? nil : bytes
  }
}
