// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirStorage

/// A table: its metadata as it was last seen, and the way to change it. Threads may share it.
public final class Table: Sendable {
  public let identifier: TableIdentifier
  public let catalog: any Catalog
  public let environment: TableEnvironment
  private let state: Mutex<LoadedTable>

  /// - Parameter loaded: as `catalog` gave it.
  public init(
    _ loaded: LoadedTable, catalog: any Catalog, environment: TableEnvironment = TableEnvironment()
  ) {
    identifier = loaded.identifier
    self.catalog = catalog
    self.environment = environment
    state = Mutex(loaded)
  }

  /// The metadata as it was last seen.
  public var metadata: TableMetadata { state.withLock { $0.metadata } }
  /// The metadata file last seen; `nil` for a staged table.
  public var metadataLocation: String? { state.withLock { $0.metadataLocation } }
  /// Opens the table's files.
  public var stores: ObjectStores { state.withLock { $0.stores } }

  public var schema: TableSchema { metadata.currentSchema }
  public var spec: PartitionSpec { metadata.defaultSpec }
  public var currentSnapshot: Snapshot? { metadata.currentSnapshot }

  /// Asks the catalog for the current metadata, and returns it.
  @discardableResult
  public func refresh() throws(TableError) -> TableMetadata {
    let etag = state.withLock { $0.etag }
    if let loaded = try catalog.loadTable(identifier, ifNot: etag) { adopt(loaded) }
    return metadata
  }

  /// Keeps what a commit or a load gave, unless something newer is there.
  func adopt(_ loaded: LoadedTable) {
    state.withLock { state in
      let isOlder =
        loaded.metadata.uuid == state.metadata.uuid
        && loaded.metadata.lastSequenceNumber < state.metadata.lastSequenceNumber
      if !isOlder { state = loaded }
    }
  }

  /// A new transaction on the metadata last seen.
  public func transaction() -> Transaction { Transaction(self) }

  /// The manifests of a snapshot, in the order of its list. They are kept in memory within a bound.
  public func manifests(of snapshot: Snapshot) throws(TableError) -> [ManifestFile] {
    try TableFiles(self, metadata).manifests(of: snapshot)
  }
}

extension Catalog {
  /// The table, for reading and changing it.
  public func table(_ identifier: TableIdentifier) throws(TableError) -> Table {
    Table(
      try loadTable(identifier), catalog: self,
      environment: (self as? PointerCatalog)?.environment ?? TableEnvironment())
  }
}
