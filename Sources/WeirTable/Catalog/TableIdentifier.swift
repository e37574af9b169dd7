// SPDX-License-Identifier: Apache-2.0

/// A namespace: one name or several nested ones, `["sales", "eu"]`.
public struct Namespace: Hashable, Sendable, CustomStringConvertible {
  /// The names from the outermost inwards; not empty, and none of them empty.
  public var levels: [String]

  public init(_ levels: [String]) { self.levels = levels }

  /// The names with dots between them.
  public var description: String { levels.joined(separator: ".") }
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
}
