// SPDX-License-Identifier: Apache-2.0

/// What an entry of a catalog is.
public enum CatalogEntryKind: String, Sendable, Hashable, CaseIterable {
  case table, view
}

/// A table or view as a catalog keeps it: a name and where its metadata is.
public struct CatalogEntry: Sendable, Hashable {
  public var identifier: TableIdentifier
  public var kind: CatalogEntryKind
  /// The current metadata file.
  public var metadataLocation: String
  /// The one before; kept for other clients of the same database.
  public var previousMetadataLocation: String?

  public init(
    identifier: TableIdentifier, kind: CatalogEntryKind, metadataLocation: String,
    previousMetadataLocation: String? = nil
  ) {
    self.identifier = identifier
    self.kind = kind
    self.metadataLocation = metadataLocation
    self.previousMetadataLocation = previousMetadataLocation
  }
}

/// One change of a catalog's entries. Tables and views of a namespace share their names.
public enum CatalogChange: Sendable, Hashable {
  /// Adds the entry. Refused when its name is taken or its namespace is missing.
  case insert(CatalogEntry)
  /// Points the entry from one metadata file, which becomes the previous one, to another. Refused
  /// when there is no such entry of that kind or it points somewhere else.
  case swap(TableIdentifier, CatalogEntryKind, from: String, to: String)
  /// Removes the entry. Refused when there is none of that kind, or when `location` is given and the
  /// entry points somewhere else.
  case delete(TableIdentifier, CatalogEntryKind, ifLocation: String?)
  /// Gives the entry another name. Refused when there is no such entry of that kind, the new name is
  /// taken (also by itself), or the new namespace is missing.
  case rename(TableIdentifier, CatalogEntryKind, to: TableIdentifier)
}

/// Why a change was not made.
public enum CatalogRefusal: Sendable, Hashable {
  /// The name is taken by this entry.
  case taken(by: CatalogEntry)
  /// No entry of the name and kind; `found` is what has the name, a table instead of a view.
  case missing(TableIdentifier, found: CatalogEntryKind?)
  /// The entry points somewhere else.
  case moved(CatalogEntry)
  /// The namespace is not there.
  case namespaceMissing(Namespace)
}

/// What became of a list of changes.
public enum CatalogOutcome: Sendable, Hashable {
  /// All were made.
  case applied
  /// None was made, because of the change at `index`.
  case refused(index: Int, CatalogRefusal)
}

/// What a change of namespace properties did.
public struct NamespacePropertyChanges: Sendable, Hashable {
  /// Keys that were added or set.
  public var updated: [String]
  public var removed: [String]
  /// Keys to remove that were not there.
  public var missing: [String]

  public init(updated: [String], removed: [String], missing: [String]) {
    self.updated = updated
    self.removed = removed
    self.missing = missing
  }
}

/// Where a catalog keeps its names: namespaces, and entries that point to metadata files.
///
/// All of Iceberg's logic is in `PointerCatalog`; a backend is a small transactional map. Each call is
/// one transaction, atomic, durable when it returns, and linearizable with all calls of all processes
/// on the same database. Calls block; threads may share a backend. It does no object-store I/O, so
/// that no lock or transaction is held over any.
///
/// Names come checked (`TableIdentifier.check`, `Namespace.check`) and are compared by their bytes.
/// Errors: `catalog` when the database failed and nothing was changed, `unknownOutcome` when it is
/// not known whether a change took place, and those named at each call.
public protocol CatalogBackend: IdempotencyStore {
  /// Adds a namespace. `alreadyExists` when it is there, `notFound` when its parent is not.
  func createNamespace(_ namespace: Namespace, properties: [String: String]) throws(TableError)

  /// The namespace's properties; `nil` when it is not there.
  func namespaceProperties(_ namespace: Namespace) throws(TableError) -> [String: String]?

  /// Removes and sets properties. `notFound` without the namespace. A key in both lists is the
  /// caller's mistake and checked above.
  func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges

  /// Removes an empty namespace. `notFound` when it is not there, `notEmpty` when it holds entries or
  /// namespaces.
  func dropNamespace(_ namespace: Namespace) throws(TableError)

  /// The namespaces directly in `parent` (the outermost ones when `nil`) whose last name comes behind
  /// `after` in the order of UTF-8 bytes, the first `limit` of them in this order. `notFound` when
  /// `parent` is not there.
  func listNamespaces(
    in parent: Namespace?, after: String?, limit: Int
  ) throws(TableError) -> [Namespace]

  /// The entry with this name, whatever its kind.
  func entry(_ identifier: TableIdentifier) throws(TableError) -> CatalogEntry?

  /// The names of the entries of a kind directly in the namespace, as `listNamespaces` does.
  /// `notFound` when the namespace is not there.
  func listEntries(
    in namespace: Namespace, kind: CatalogEntryKind, after: String?, limit: Int
  ) throws(TableError) -> [String]

  /// Makes all changes or none. Changes are looked at in their order, each against what those before
  /// it have made.
  ///
  /// - Parameter recording: stored in the same transaction when the changes are made.
  func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome

  /// A file on a disk of this machine by which the processes that use this catalog take turns, so that
  /// none of them overtakes the others for ever; `nil` when there is no such place.
  var turnsFile: String? { get }
}

extension CatalogBackend {
  public var turnsFile: String? { nil }

  /// As `apply(_:recording:)` with nothing to record.
  public func apply(_ changes: [CatalogChange]) throws(TableError) -> CatalogOutcome {
    try apply(changes, recording: nil)
  }
}
