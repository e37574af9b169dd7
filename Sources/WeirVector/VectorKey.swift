// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What a vector belongs to: an item, a user. Streams of embeddings hold keys as text; a text that is the
/// plain decimal form of a long is that long, so that keys of both kinds of columns meet.
public enum VectorKey: Hashable, Sendable, Comparable, CustomStringConvertible {
  case integer(Int64)
  case text(String)

  public init(_ text: String) {
    // "007" and "+7" are not what a long is written as.
    if let value = Int64(text), value.description == text {
      self = .integer(value)
    } else {
      self = .text(text)
    }
  }

  /// The key that a column's value means; `nil` for null and for values that are no keys.
  public init?(_ scalar: Scalar) {
    switch scalar {
    case .int(let value): self = .integer(value)
    case .uint(let value): self.init(value.description)
    case .string(let text): self.init(text)
    default: return nil
    }
  }

  /// As streams of embeddings hold it.
  public var description: String {
    switch self {
    case .integer(let value): value.description
    case .text(let text): text
    }
  }

  /// As a column holds it.
  public var scalar: Scalar {
    switch self {
    case .integer(let value): .int(value)
    case .text(let text): .string(text)
    }
  }

  /// Longs by value, then texts by their bytes.
  public static func < (a: VectorKey, b: VectorKey) -> Bool {
    switch (a, b) {
    case (.integer(let a), .integer(let b)): a < b
    case (.integer, .text): true
    case (.text, .integer): false
    case (.text(let a), .text(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    }
  }
}
