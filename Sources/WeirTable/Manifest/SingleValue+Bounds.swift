// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Bounds that are cut, so that long texts do not fill manifests. A lower bound may be below, an upper
/// bound above every value. Source: Iceberg table specification, "Field-level Metrics and
/// Statistics"; the table property `write.metadata.metrics.default`.
extension SingleValue {
  /// Characters (Unicode scalars) or bytes that a bound keeps when nobody says otherwise.
  public static let boundLengthDefault = 16

  /// The first `length` characters of a text or bytes of a binary value; other values as they are.
  public static func truncatedLower(_ value: Scalar, length: Int = boundLengthDefault) -> Scalar {
    switch value {
    case .string(let text):
      guard let end = cut(text, length) else { return value }
      return .string(String(text.unicodeScalars[..<end]))
    case .binary(let bytes): return bytes.count > length ? .binary(Array(bytes[..<length])) : value
    default: return value
    }
  }

  /// A value of at most `length` characters or bytes that is at least `value`; `nil` when there is
  /// none, as for bytes that are all 255.
  public static func truncatedUpper(_ value: Scalar, length: Int = boundLengthDefault) -> Scalar? {
    switch value {
    case .string(let text):
      guard let end = cut(text, length) else { return value }
      return incremented(text.unicodeScalars[..<end]).map { .string($0) }
    case .binary(let bytes):
      guard bytes.count > length else { return value }
      guard let last = bytes[..<length].lastIndex(where: { $0 != 0xff }) else { return nil }
      return .binary(bytes[..<last] + [bytes[last] + 1])
    default: return value
    }
  }

  /// Where the text is to be cut; `nil` when it is short enough.
  private static func cut(_ text: String, _ length: Int) -> String.Index? {
    // Every character takes at least one byte.
    guard text.utf8.count > length else { return nil }
    let scalars = text.unicodeScalars
    guard
      let end = scalars.index(scalars.startIndex, offsetBy: length, limitedBy: scalars.endIndex),
      end < scalars.endIndex
    else { return nil }
    return end
  }

  /// The least text of at most as many characters that is above all texts that start with this one.
  private static func incremented(_ scalars: Substring.UnicodeScalarView) -> String? {
    var kept = String.UnicodeScalarView(scalars)
    while let last = kept.popLast() {
      // Surrogates are no characters.
      let next = last.value == 0xd7ff ? 0xe000 : last.value + 1
      if let scalar = Unicode.Scalar(next) {
        kept.append(scalar)
        return String(kept)
      }
    }
    return nil
  }
}

/// The order in which bounds are compared: numbers by value with -0.0 before 0.0, texts by their UTF-8
/// bytes, binary values by unsigned bytes.
enum BoundOrder {
  /// True when `a` comes before `b`; both are of one type, neither null nor NaN.
  static func precedes(_ a: Scalar, _ b: Scalar) -> Bool {
    switch (a, b) {
    case (.bool(let a), .bool(let b)): !a && b
    case (.int(let a), .int(let b)): a < b
    case (.float32(let a), .float32(let b)):
      a < b || (a == b && a.sign == .minus && b.sign == .plus)
    case (.float64(let a), .float64(let b)):
      a < b || (a == b && a.sign == .minus && b.sign == .plus)
    case (.decimal(let a, _), .decimal(let b, _)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    case (.binary(let a), .binary(let b)): a.lexicographicallyPrecedes(b)
    default: false
    }
  }

  static func isNaN(_ value: Scalar) -> Bool {
    switch value {
    case .float32(let value): value.isNaN
    case .float64(let value): value.isNaN
    default: false
    }
  }
}
