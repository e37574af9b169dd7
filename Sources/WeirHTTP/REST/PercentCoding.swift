// SPDX-License-Identifier: Apache-2.0

/// What percent-encoded text stands for; `nil` when an escape is cut or the bytes are not UTF-8.
///
/// `+` is a space, in paths as well: the reference client encodes names as HTML forms do.
func percentDecoded(_ text: some StringProtocol) -> String? {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(text.utf8.count)
  var rest = text.utf8.makeIterator()
  while let byte = rest.next() {
    switch byte {
    case UInt8(ascii: "%"):
      guard let high = rest.next().flatMap(hexDigitValue),
        let low = rest.next().flatMap(hexDigitValue)
      else { return nil }
      bytes.append(high << 4 | low)
    case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
    default: bytes.append(byte)
    }
  }
  return String(validating: bytes, as: UTF8.self)
}

/// The pairs of an HTML form or of a query, in order; `nil` when one cannot be decoded.
func formFields(_ text: some StringProtocol) -> [(name: String, value: String)]? {
  var fields: [(name: String, value: String)] = []
  for part in text.split(separator: "&") {
    let equals = part.firstIndex(of: "=") ?? part.endIndex
    let rest = equals == part.endIndex ? part[equals...] : part[part.index(after: equals)...]
    guard let name = percentDecoded(part[..<equals]), let value = percentDecoded(rest) else {
      return nil
    }
    fields.append((name, value))
  }
  return fields
}
