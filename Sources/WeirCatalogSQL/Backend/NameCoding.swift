// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// How names are kept in the tables that PyIceberg's and other SQL catalogs use, too.
///
/// A namespace is one text: its levels with dots between them. A dot inside a level becomes U+001F,
/// which no name holds (`CatalogName.check`), so that `["a.b"]` and `["a", "b"]` stay two.
enum NameCoding {
  /// Stands for a dot inside a level.
  static let dot: Character = "\u{1f}"
  /// Bytes of the longest encoded namespace. With the bounds below, a row of an index stays within
  /// what PostgreSQL allows, 2,704 bytes.
  static let namespaceByteCountMax = 1_500
  static let propertyKeyByteCountMax = 1_000
  static let catalogByteCountMax = 128
  static let idempotencyKeyByteCountMax = 2_000

  static func encode(_ namespace: Namespace) throws(TableError) -> String {
    let text = namespace.levels.map(encode(level:)).joined(separator: ".")
    guard text.utf8.count <= namespaceByteCountMax else {
      throw TableError(
        .limit,
        "a namespace's levels are \(text.utf8.count) bytes together; a SQL catalog keeps up to "
          + "\(namespaceByteCountMax)")
    }
    return text
  }

  static func encode(level: String) -> String { replacing(".", by: 0x1f, in: level) }

  /// By bytes: a combining character behind a dot would make one `Character` with it.
  private static func replacing(_ dot: Unicode.Scalar, by byte: UInt8, in text: String) -> String {
    let old = UInt8(ascii: dot)
    guard text.utf8.contains(old) else { return text }
    return String(decoding: text.utf8.map { $0 == old ? byte : $0 }, as: UTF8.self)
  }

  static func decode(_ text: String) -> Namespace {
    Namespace(
      text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
        String(decoding: $0.map { $0 == 0x1f ? UInt8(ascii: ".") : $0 }, as: UTF8.self)
      })
  }

  // MARK: - Properties

  /// The row that says that a namespace is there, as PyIceberg writes it.
  static let markerKey = "exists"
  static let markerValue = "true"

  /// A property's key as it is kept. `exists` is the marker's; a property of this name gets one
  /// U+001F behind it, and `exists` with some of them one more.
  static func encode(propertyKey key: String) throws(TableError) -> String {
    guard key.utf8.count <= propertyKeyByteCountMax else {
      throw TableError(
        .limit,
        "a property's name is \(key.utf8.count) bytes; a SQL catalog keeps up to "
          + "\(propertyKeyByteCountMax)")
    }
    return isMarkerLike(key) ? key + "\u{1f}" : key
  }

  /// `nil` for the marker itself.
  static func decode(propertyKey key: String) -> String? {
    guard isMarkerLike(key) else { return key }
    if key.utf8.count == markerKey.utf8.count { return nil }
    return String(decoding: key.utf8.dropLast(), as: UTF8.self)
  }

  private static func isMarkerLike(_ key: String) -> Bool {
    key.utf8.starts(with: markerKey.utf8)
      && key.utf8.dropFirst(markerKey.utf8.count).allSatisfy { $0 == 0x1f }
  }
}

/// An entry's name by its bytes: `String` takes different bytes for equal when they look the same.
struct EntryKey: Hashable, Comparable {
  let namespace: String
  let name: String
  private let bytes: [UInt8]

  init(_ identifier: TableIdentifier) throws(TableError) {
    try identifier.check()
    namespace = try NameCoding.encode(identifier.namespace)
    name = identifier.name
    bytes = Array(namespace.utf8) + [0] + Array(name.utf8)
  }

  static func == (a: EntryKey, b: EntryKey) -> Bool { a.bytes == b.bytes }
  static func < (a: EntryKey, b: EntryKey) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
  func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
