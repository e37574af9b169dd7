// SPDX-License-Identifier: Apache-2.0

/// A namespace: one name or several nested ones, `["sales", "eu"]`.
public struct Namespace: Hashable, Sendable, CustomStringConvertible {
  /// The most levels.
  public static let levelCountMax = 32

  /// The names from the outermost inwards; not empty, and none of them empty.
  public var levels: [String]

  public init(_ levels: [String]) { self.levels = levels }

  /// The names with dots between them.
  public var description: String { levels.joined(separator: ".") }

  /// The namespace that holds this one; `nil` for an outermost one.
  public var parent: Namespace? {
    levels.count > 1 ? Namespace(Array(levels.dropLast())) : nil
  }

  /// The namespace `name` in this one.
  public func child(_ name: String) -> Namespace { Namespace(levels + [name]) }

  /// Throws `invalidArgument` when a level is no valid name or there are none or too many.
  public func check() throws(TableError) {
    guard !levels.isEmpty, levels.count <= Self.levelCountMax else {
      throw TableError(
        .invalidArgument,
        "a namespace has 1 to \(Self.levelCountMax) levels, this one \(levels.count)")
    }
    for level in levels { try CatalogName.check(level, "the namespace's level") }
  }
}

/// The name of a table or view in a catalog.
public struct TableIdentifier: Hashable, Sendable, CustomStringConvertible {
  public var namespace: Namespace
  public var name: String

  public init(_ namespace: Namespace, _ name: String) {
    self.namespace = namespace
    self.name = name
  }

  /// `namespace.name`.
  public var description: String { "\(namespace).\(name)" }

  /// Throws `invalidArgument` when the namespace or the name is not valid.
  public func check() throws(TableError) {
    try namespace.check()
    try CatalogName.check(name, "the name")
  }
}

/// The rules of names in a catalog: 1 to 255 bytes of UTF-8 without control characters. Two names
/// are the same when their bytes are.
package enum CatalogName {
  package static let byteCountMax = 255

  package static func check(_ name: String, _ what: String) throws(TableError) {
    let utf8 = name.utf8
    guard !utf8.isEmpty else { throw TableError(.invalidArgument, "\(what) is empty") }
    guard utf8.count <= byteCountMax else {
      throw TableError(
        .invalidArgument,
        "\(what) '\(name.prefix(40))…' is longer than \(byteCountMax) bytes")
    }
    guard !utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw TableError(.invalidArgument, "\(what) holds a control character")
    }
  }
}
