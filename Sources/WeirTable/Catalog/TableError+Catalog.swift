// SPDX-License-Identifier: Apache-2.0

public import WeirStorage

// The errors that all catalogs share, in the same words.
extension TableError {
  package static func noNamespace(_ namespace: Namespace) -> TableError {
    TableError(.notFound, "there is no namespace \(namespace); create it first")
  }

  package static func namespaceExists(_ namespace: Namespace) -> TableError {
    TableError(.alreadyExists, "the namespace \(namespace) is already there and was kept")
  }

  package static func namespaceNotEmpty(_ namespace: Namespace) -> TableError {
    TableError(
      .notEmpty,
      "the namespace \(namespace) still holds tables, views or namespaces; drop them first")
  }

  package static func noEntry(
    _ identifier: TableIdentifier, _ kind: CatalogEntryKind, found: CatalogEntryKind? = nil
  ) -> TableError {
    let other = found.map { "; \(identifier) is a \($0.rawValue)" } ?? ""
    return TableError(
      .notFound, "there is no \(kind.rawValue) \(identifier)\(other)",
      table: identifier.description)
  }

  package static func entryExists(_ entry: CatalogEntry) -> TableError {
    TableError(
      .alreadyExists, "a \(entry.kind.rawValue) of this name is already there and was kept",
      table: entry.identifier.description)
  }

  /// An object store's error as one of a table.
  public init(_ error: StorageError, _ message: String, table: String? = nil) {
    let code: Code =
      switch error.code {
      case .notFound: .notFound
      case .permissionDenied: .forbidden
      case .invalidPath, .pathConflict: .invalidArgument
      default: .storage
      }
    self.init(code, message, table: table, file: error.path, cause: error.description)
  }
}
