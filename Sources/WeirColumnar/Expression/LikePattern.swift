// SPDX-License-Identifier: Apache-2.0

/// A pattern of SQL's LIKE, cut into the pieces between its `%`.
///
/// Matching is greedy: the first piece must stand at the start and the last at the end (unless a `%`
/// comes before or after), each one between at its first place after the one before. Cost: at most
/// the product of the two lengths.
package struct LikePattern: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// No wildcard.
    case text(String)
    /// Nothing but one `%` at the end.
    case prefix(String)
    case general
  }

  package let kind: Kind
  /// The pattern with `\` as the escape character, and no more of it than needed.
  package let text: String
  /// Pieces between the `%`; `oneByte` stands for any one scalar. Never empty.
  package let pieces: [[UInt8]]

  /// Stands for `_` in pieces: a byte that UTF-8 never has.
  package static let oneByte: UInt8 = 0xff

  /// `nil` when the pattern ends with its escape character.
  package init?(_ pattern: String, escape: UnicodeScalar? = "\\") {
    var pieces: [[UInt8]] = [[]]
    var text = String.UnicodeScalarView()
    var plain = String.UnicodeScalarView()
    var ones = 0
    var scalars = pattern.unicodeScalars.makeIterator()
    while var scalar = scalars.next() {
      let escaped = scalar == escape
      if escaped {
        guard let next = scalars.next() else { return nil }
        scalar = next
      } else if scalar == "%" {
        if text.isEmpty || !(pieces.count > 1 && pieces[pieces.count - 1].isEmpty) {
          text.append(scalar)
          pieces.append([])
        }
        continue
      } else if scalar == "_" {
        text.append(scalar)
        pieces[pieces.count - 1].append(Self.oneByte)
        ones += 1
        continue
      }
      if scalar == "%" || scalar == "_" || scalar == "\\" { text.append("\\") }
      text.append(scalar)
      plain.append(scalar)
      pieces[pieces.count - 1] += Array(String(scalar).utf8)
    }
    self.pieces = pieces
    self.text = String(text)
    if ones == 0 && pieces.count == 1 {
      kind = .text(String(plain))
    } else if ones == 0 && pieces.count == 2 && pieces[1].isEmpty {
      kind = .prefix(String(plain))
    } else {
      kind = .general
    }
  }

  /// The bytes that every match begins with.
  package var prefix: [UInt8] { Array(pieces[0].prefix { $0 != Self.oneByte }) }
}
