// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What percent-encoded text stands for; `nil` when an escape is cut or the bytes are not UTF-8.
///
/// `+` is a space, in paths as well: the reference client encodes names as HTML forms do.
func percentDecoded(_ text: some StringProtocol) -> String? {
  PercentEncoding.decode(text, plusIsSpace: true)
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
