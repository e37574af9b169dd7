// SPDX-License-Identifier: Apache-2.0

public import WeirStorage

/// A table to be made.
public struct TableCreation: Sendable {
  public var schema: TableSchema
  /// Field ids of the sources are those of `schema`; all ids are given anew, in order.
  public var partitionSpec: PartitionSpec
  public var sortOrder: SortOrder
  /// Where its files go; a new folder in the warehouse when `nil`.
  public var location: String?
  /// With `format-version` for another version than the newest.
  public var properties: StringMap

  public init(
    schema: TableSchema, partitionSpec: PartitionSpec = .unpartitioned,
    sortOrder: SortOrder = .unsorted, location: String? = nil, properties: StringMap = [:]
  ) {
    self.schema = schema
    self.partitionSpec = partitionSpec
    self.sortOrder = sortOrder
    self.location = location
    self.properties = properties
  }
}

/// A table as a catalog gives it.
public struct LoadedTable: Sendable {
  public var identifier: TableIdentifier
  public var metadata: TableMetadata
  /// The metadata file; `nil` for a table that is only staged.
  public var metadataLocation: String?
  /// What the catalog says about access to the table's files.
  public var config: [String: String]
  /// Opens the table's files.
  public var stores: ObjectStores

  public init(
    identifier: TableIdentifier, metadata: TableMetadata, metadataLocation: String?,
    config: [String: String] = [:], stores: ObjectStores
  ) {
    self.identifier = identifier
    self.metadata = metadata
    self.metadataLocation = metadataLocation
    self.config = config
    self.stores = stores
  }

  /// Changes whenever the metadata does: the metadata file's location, whose name is never used twice.
  public var etag: String? { metadataLocation }
}

/// Changes of one table, and what must be so for them to be made.
public struct TableCommit: Sendable, Hashable {
  public var identifier: TableIdentifier
  public var requirements: [TableRequirement]
  public var updates: [TableUpdate]

  public init(
    _ identifier: TableIdentifier, requirements: [TableRequirement], updates: [TableUpdate]
  ) {
    self.identifier = identifier
    self.requirements = requirements
    self.updates = updates
  }
}

/// Namespaces, tables and views by name.
///
/// Calls block and threads may share a catalog. All changes are atomic and linearizable. Errors carry
/// the code that says what to do: `notFound`, `alreadyExists`, `notEmpty`; `retryableConflict` when a
/// requirement does not hold (any more) and `conflict` when it never will; `unknownOutcome` when a
/// change may or may not have been made.
public protocol Catalog: AnyObject, Sendable {
  /// What people call it, for messages.
  var name: String { get }

  // Namespaces

  /// The namespaces directly in `parent`, the outermost ones when `nil`.
  func listNamespaces(
    in parent: Namespace?, page: PageRequest
  ) throws(TableError) -> Page<Namespace>
  func createNamespace(_ namespace: Namespace, properties: [String: String]) throws(TableError)
  /// `notFound` when there is none.
  func namespaceProperties(_ namespace: Namespace) throws(TableError) -> [String: String]
  func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges
  /// `notEmpty` while it holds anything.
  func dropNamespace(_ namespace: Namespace) throws(TableError)

  // Tables

  func listTables(
    in namespace: Namespace, page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier>
  /// Makes a table.
  ///
  /// - Parameter staged: only works out its metadata; a commit with `assertCreate` makes it.
  func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation, staged: Bool
  ) throws(TableError) -> LoadedTable
  /// - Parameter etag: of what the caller has; the answer is `nil` when that is still right.
  func loadTable(_ identifier: TableIdentifier, ifNot etag: String?) throws(TableError)
    -> LoadedTable?
  func tableExists(_ identifier: TableIdentifier) throws(TableError) -> Bool
  /// Adds a table whose metadata file is there already.
  ///
  /// - Parameter overwrite: points a table that has the name to the file instead of failing.
  func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String, overwrite: Bool
  ) throws(TableError) -> LoadedTable
  func renameTable(_ identifier: TableIdentifier, to target: TableIdentifier) throws(TableError)
  /// - Parameter purge: removes the table's files, too.
  func dropTable(_ identifier: TableIdentifier, purge: Bool) throws(TableError)
  /// Makes the changes of all commits or none, each table at most once. The answers are in their
  /// order.
  func commit(_ commits: [TableCommit]) throws(TableError) -> [LoadedTable]

  // Views; they share their names with tables

  func listViews(
    in namespace: Namespace, page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier>
  func createView(
    _ identifier: TableIdentifier, _ creation: ViewCreation
  ) throws(TableError) -> LoadedView
  func loadView(_ identifier: TableIdentifier) throws(TableError) -> LoadedView
  func viewExists(_ identifier: TableIdentifier) throws(TableError) -> Bool
  /// Makes the changes of one view.
  func commit(_ commit: ViewCommit) throws(TableError) -> LoadedView
  /// Adds a view whose metadata file is there already. `unsupported` where a catalog cannot.
  func registerView(
    _ identifier: TableIdentifier, metadataLocation: String
  ) throws(TableError) -> LoadedView
  func renameView(_ identifier: TableIdentifier, to target: TableIdentifier) throws(TableError)
  func dropView(_ identifier: TableIdentifier) throws(TableError)

  // Requests that may come twice

  /// Keeps answers by key; `nil` when the catalog cannot.
  var idempotency: (any IdempotencyStore)? { get }
  /// This catalog, with `record` stored in the transaction of the next change that succeeds; itself
  /// when it cannot.
  func recording(_ record: IdempotencyRecord) -> any Catalog

  /// This catalog, opening files in these locations and below only; `nil` when it cannot.
  func confined(to prefixes: [String]) throws(TableError) -> (any Catalog)?
}

extension Catalog {
  public var idempotency: (any IdempotencyStore)? { nil }
  public func recording(_ record: IdempotencyRecord) -> any Catalog { self }
  public func confined(to prefixes: [String]) throws(TableError) -> (any Catalog)? { nil }

  public func registerView(
    _ identifier: TableIdentifier, metadataLocation: String
  ) throws(TableError) -> LoadedView {
    throw TableError(
      .unsupported, "the catalog \(name) registers no views", table: identifier.description)
  }

  public func createNamespace(_ namespace: Namespace) throws(TableError) {
    try createNamespace(namespace, properties: [:])
  }

  /// Makes a table.
  public func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation
  ) throws(TableError) -> LoadedTable {
    try createTable(identifier, creation, staged: false)
  }

  /// The table's current metadata; `notFound` when there is no such table.
  public func loadTable(_ identifier: TableIdentifier) throws(TableError) -> LoadedTable {
    guard let loaded = try loadTable(identifier, ifNot: nil) else {
      throw TableError(
        .catalog, "the catalog \(name) said 'not modified' without being asked for it",
        table: identifier.description)
    }
    return loaded
  }

  public func dropTable(_ identifier: TableIdentifier) throws(TableError) {
    try dropTable(identifier, purge: false)
  }

  /// Makes the changes of one table.
  public func commit(_ commit: TableCommit) throws(TableError) -> LoadedTable {
    let loaded = try self.commit([commit])
    guard loaded.count == 1 else {
      throw TableError(
        .catalog, "the catalog \(name) gave \(loaded.count) answers to one commit",
        table: commit.identifier.description)
    }
    return loaded[0]
  }
}
