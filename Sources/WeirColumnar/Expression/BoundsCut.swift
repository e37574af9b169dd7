// SPDX-License-Identifier: Apache-2.0

/// Cuts the bounds of byte arrays short.
package enum BoundsCut {
  /// The first bytes: a lower bound. Of UTF-8 only whole characters.
  package static func lower(_ bytes: [UInt8], max limit: Int, isText: Bool) -> (
    bytes: [UInt8], exact: Bool
  ) {
    if bytes.count <= limit { return (bytes, true) }
    return (Array(bytes[0..<cut(bytes, limit, isText)]), false)
  }

  /// The first bytes, increased by one in the last place that can be: an upper bound. All of them
  /// when none can.
  package static func upper(_ bytes: [UInt8], max limit: Int, isText: Bool) -> (
    bytes: [UInt8], exact: Bool
  ) {
    if bytes.count <= limit { return (bytes, true) }
    let kept = Array(bytes[0..<cut(bytes, limit, isText)])
    guard let increased = isText ? increasedText(kept) : increased(kept) else {
      return (bytes, true)
    }
    return (increased, false)
  }

  private static func cut(_ bytes: [UInt8], _ limit: Int, _ isText: Bool) -> Int {
    var end = limit
    // A byte 10xxxxxx continues a character: do not begin behind the cut with one.
    if isText { while end > 0 && bytes[end] & 0xc0 == 0x80 { end -= 1 } }
    return end
  }

  private static func increased(_ bytes: [UInt8]) -> [UInt8]? {
    var result = bytes
    while let last = result.last {
      if last < 0xff {
        result[result.count - 1] = last + 1
        return result
      }
      result.removeLast()
    }
    return nil
  }

  /// The next character in the last place that has one. UTF-8's byte order is that of the scalars.
  private static func increasedText(_ bytes: [UInt8]) -> [UInt8]? {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    var scalars = Array(text.unicodeScalars)
    while let last = scalars.last {
      var next = last.value + 1
      if next == 0xd800 { next = 0xe000 }
      if let scalar = Unicode.Scalar(next) {
        scalars[scalars.count - 1] = scalar
        return scalars.flatMap { Array(String($0).utf8) }
      }
      scalars.removeLast()
    }
    return nil
  }
}
