// SPDX-License-Identifier: Apache-2.0

/// Which part of a listing is wanted.
public struct PageRequest: Sendable, Hashable {
  /// The most items of one page.
  public static let limitMax = 1_000

  /// `Page.next` of the page before; `nil` for the first.
  public var token: String?
  /// At most so many items; catalogs cap it at `limitMax`.
  public var limit: Int

  public init(token: String? = nil, limit: Int = PageRequest.limitMax) {
    self.token = token
    self.limit = limit
  }

  public static let first = PageRequest()
}

/// A part of a listing, in the order of the names' UTF-8 bytes. What is there from the first page to
/// the last is listed exactly once; what comes or goes meanwhile, at most once.
public struct Page<Item: Sendable>: Sendable {
  public var items: [Item]
  /// The token of the next page; `nil` when this is the last one.
  public var next: String?

  public init(items: [Item], next: String?) {
    self.items = items
    self.next = next
  }
}

/// Page tokens: opaque to clients, and the last name seen to the catalog. They hold no state of a
/// server, so that any server answers for any other and none expires.
package enum PageToken {
  /// A letter for the version, then the name's bytes as hexadecimal digits.
  private static let version = UInt8(ascii: "n")
  private static let digits = Array("0123456789abcdef".utf8)

  package static func encode(lastName: String) -> String {
    var text = [version]
    for byte in lastName.utf8 {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The name in the token; throws `invalidArgument` for a text that is none.
  package static func decode(_ token: String) throws(TableError) -> String {
    let text = Array(token.utf8.prefix(2 * CatalogName.byteCountMax + 2))
    var bytes: [UInt8] = []
    var isValid = text.first == version && text.count % 2 == 1
    for index in stride(from: 1, to: text.count - 1, by: 2) where isValid {
      guard let high = digits.firstIndex(of: text[index]),
        let low = digits.firstIndex(of: text[index + 1])
      else {
        isValid = false
        break
      }
      bytes.append(UInt8(high << 4 | low))
    }
    guard isValid, let name = String(validating: bytes, as: UTF8.self) else {
      throw TableError(
        .invalidArgument, "the page token is not one that this catalog gave; list from the start")
    }
    return name
  }
}

extension PageRequest {
  /// The name behind which the page starts.
  package func after() throws(TableError) -> String? {
    guard let token, !token.isEmpty else { return nil }
    return try PageToken.decode(token)
  }

  /// The limit that holds; throws `invalidArgument` when it is not positive.
  package func cappedLimit() throws(TableError) -> Int {
    guard limit > 0 else {
      throw TableError(.invalidArgument, "the page size \(limit) is not positive")
    }
    return min(limit, Self.limitMax)
  }
}
