// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirStorage

/// A catalog that keeps metadata in files and one pointer a table in a `CatalogBackend`.
///
/// A commit works in these steps:
/// 1. Read the pointer and the metadata file behind it.
/// 2. Check the requirements against it, make the changes, write a metadata file of a new name.
/// 3. Swap the pointer, if it is still what step 1 read. All tables of a commit swap in one
///    transaction of the backend.
/// 4. Somebody was faster: remove the new file and start anew. A requirement that no longer holds
///    ends this with an error; else it goes on for a bounded number of attempts.
/// 5. Remove metadata files that fell out of the metadata log.
///
/// A process that dies in between leaves the old pointer or the new one, and files that nobody points
/// to, which the clean-up of orphans finds. When the backend cannot say whether a swap took place, the
/// same swap is tried again: it succeeds, or finds what happened instead.
public final class PointerCatalog: Catalog {
  /// What can be set about a catalog.
  public struct Options: Sendable {
    /// Bytes of metadata that are kept in memory, about.
    public var metadataCacheByteCountMax = 64 << 20
    /// How often a commit whose requirements hold tries to be first.
    public var attemptCountMax = 16
    /// Properties that new tables get unless they are made with others.
    public var tableDefaults: StringMap = [:]

    public init() {}
  }

  public let name: String
  public let backend: any CatalogBackend
  public let stores: ObjectStores
  /// The folder that new tables go to, as a location.
  public let warehouse: String
  public let options: Options
  public let environment: TableEnvironment
  let files: MetadataFiles
  /// Stored with the next change, once.
  let pendingRecord: Mutex<IdempotencyRecord?>

  /// - Parameters:
  ///   - name: for messages.
  ///   - warehouse: the location under which new tables get folders.
  public init(
    name: String, backend: any CatalogBackend, stores: ObjectStores, warehouse: String,
    options: Options = Options(), environment: TableEnvironment = TableEnvironment()
  ) throws(TableError) {
    do {
      _ = try StorageLocation(warehouse)
    } catch {
      throw TableError(
        .invalidArgument, "the catalog's warehouse is no location", file: warehouse,
        cause: error.description)
    }
    self.name = name
    self.backend = backend
    self.stores = stores
    self.warehouse = MetadataLocation.trimmed(warehouse)
    self.options = options
    self.environment = environment
    files = MetadataFiles(
      stores: stores, cacheByteCountMax: options.metadataCacheByteCountMax)
    pendingRecord = Mutex(nil)
  }

  private init(
    _ other: PointerCatalog, recording record: IdempotencyRecord?, stores: ObjectStores? = nil
  ) {
    name = other.name
    backend = other.backend
    self.stores = stores ?? other.stores
    warehouse = other.warehouse
    options = other.options
    environment = other.environment
    files =
      stores.map { MetadataFiles(stores: $0, cacheByteCountMax: 0) } ?? other.files
    pendingRecord = Mutex(record)
  }

  public var idempotency: (any IdempotencyStore)? { backend }

  public func recording(_ record: IdempotencyRecord) -> any Catalog {
    PointerCatalog(self, recording: record)
  }

  public func confined(to prefixes: [String]) throws(TableError) -> (any Catalog)? {
    do throws(StorageError) {
      return PointerCatalog(
        self, recording: pendingRecord.withLock { $0 }, stores: try stores.confined(to: prefixes))
    } catch {
      throw TableError(error, "the catalog cannot be confined to these locations")
    }
  }
}

// Namespaces.
extension PointerCatalog {
  public func listNamespaces(
    in parent: Namespace?, page: PageRequest
  ) throws(TableError) -> Page<Namespace> {
    try parent?.check()
    let limit = try page.cappedLimit()
    // One more than asked for, to know whether there is a next page.
    let found = try backend.listNamespaces(
      in: parent, after: try page.after(), limit: limit + 1)
    return Self.page(found, limit) { $0.levels.last ?? "" }
  }

  public func createNamespace(
    _ namespace: Namespace, properties: [String: String]
  ) throws(TableError) {
    try namespace.check()
    try backend.createNamespace(namespace, properties: properties)
    try recordPending()
  }

  public func namespaceProperties(
    _ namespace: Namespace
  ) throws(TableError) -> [String: String] {
    try namespace.check()
    guard let properties = try backend.namespaceProperties(namespace) else {
      throw .noNamespace(namespace)
    }
    return properties
  }

  public func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges {
    try namespace.check()
    if let both = removals.first(where: { updates[$0] != nil }) {
      throw TableError(
        .invalidArgument, "the property '\(both)' is both to be set and to be removed")
    }
    var seen: Set<String> = []
    let changes = try backend.updateNamespaceProperties(
      namespace, removals: removals.filter { seen.insert($0).inserted }, updates: updates)
    try recordPending()
    return changes
  }

  public func dropNamespace(_ namespace: Namespace) throws(TableError) {
    try namespace.check()
    try backend.dropNamespace(namespace)
    try recordPending()
  }

  /// Stores the pending record of a change that was not one of entries.
  private func recordPending() throws(TableError) {
    let record = pendingRecord.withLock { record in
      defer { record = nil }
      return record
    }
    if let record { try backend.recordIdempotency(record) }
  }

  static func page<Item>(
    _ found: [Item], _ limit: Int, _ name: (Item) -> String
  ) -> Page<Item> {
    guard found.count > limit, limit > 0 else { return Page(items: found, next: nil) }
    let items = Array(found.prefix(limit))
    return Page(items: items, next: PageToken.encode(lastName: name(items[limit - 1])))
  }
}

// Tables, but for commits.
extension PointerCatalog {
  public func listTables(
    in namespace: Namespace, page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier> {
    try listEntries(.table, in: namespace, page)
  }

  func listEntries(
    _ kind: CatalogEntryKind, in namespace: Namespace, _ page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier> {
    try namespace.check()
    let limit = try page.cappedLimit()
    let names = try backend.listEntries(
      in: namespace, kind: kind, after: try page.after(), limit: limit + 1)
    let found = Self.page(names, limit) { $0 }
    return Page(items: found.items.map { TableIdentifier(namespace, $0) }, next: found.next)
  }

  public func tableExists(_ identifier: TableIdentifier) throws(TableError) -> Bool {
    try identifier.check()
    return try backend.entry(identifier)?.kind == .table
  }

  public func loadTable(
    _ identifier: TableIdentifier, ifNot etag: String?
  ) throws(TableError) -> LoadedTable? {
    try identifier.check()
    guard let (entry, metadata) = try current(identifier, ifNot: etag) else { return nil }
    return loaded(identifier, metadata, entry.metadataLocation)
  }

  /// The entry and the metadata that it points to; `nil` when it points to `etag`.
  func current(
    _ identifier: TableIdentifier, ifNot etag: String? = nil
  ) throws(TableError) -> (CatalogEntry, TableMetadata)? {
    var failure: TableError?
    var lastLocation: String?
    // A metadata file that is gone was trimmed by somebody who has moved the pointer on.
    for _ in 0..<options.attemptCountMax {
      guard let entry = try backend.entry(identifier), entry.kind == .table else {
        throw .noEntry(identifier, .table, found: try backend.entry(identifier)?.kind)
      }
      if let etag, etag == entry.metadataLocation { return nil }
      if entry.metadataLocation == lastLocation { break }
      do {
        return (entry, try files.table(entry.metadataLocation, identifier.description))
      } catch {
        guard error.code == .notFound else { throw error }
        failure = error
        lastLocation = entry.metadataLocation
      }
    }
    var error =
      failure ?? TableError(.damaged, "its metadata file is gone", table: identifier.description)
    // The table is there; that its file is not is another matter.
    error.code = .damaged
    error.message = "its metadata file is gone: register the table with an earlier one, or drop it"
    throw error
  }

  func loaded(
    _ identifier: TableIdentifier, _ metadata: TableMetadata, _ location: String?
  ) -> LoadedTable {
    LoadedTable(
      identifier: identifier, metadata: metadata, metadataLocation: location, stores: stores)
  }

  public func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation, staged: Bool
  ) throws(TableError) -> LoadedTable {
    try identifier.check()
    guard let namespace = try backend.namespaceProperties(identifier.namespace) else {
      throw .noNamespace(identifier.namespace)
    }
    if let entry = try backend.entry(identifier) { throw .entryExists(entry) }
    let metadata = try newMetadata(identifier, creation, namespace)
    if staged { return loaded(identifier, metadata, nil) }
    let location = newFile(for: metadata, after: nil)
    try files.write(metadata, to: location, identifier.description)
    try insert(identifier, .table, location)
    return loaded(identifier, metadata, location)
  }

  private func newMetadata(
    _ identifier: TableIdentifier, _ creation: TableCreation, _ namespace: [String: String]
  ) throws(TableError) -> TableMetadata {
    var properties = options.tableDefaults
    properties.merge(creation.properties)
    let location =
      creation.location.map(MetadataLocation.trimmed) ?? defaultLocation(identifier, namespace)
    try checkLocation(location, identifier)
    do {
      return try TableMetadata.new(
        schema: creation.schema, spec: creation.partitionSpec, sortOrder: creation.sortOrder,
        location: location, properties: properties, uuid: environment.uuid(),
        now: environment.nowMilliseconds)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  /// In the namespace's `location`, or in its folder of the warehouse.
  func defaultLocation(
    _ identifier: TableIdentifier, _ namespace: [String: String]
  ) -> String {
    let parent =
      namespace["location"]
      ?? MetadataLocation.namespaceLocation(warehouse: warehouse, identifier.namespace)
    return MetadataLocation.tableLocation(
      in: parent, name: identifier.name, unique: environment.random())
  }

  /// Throws when no store takes files at `location`.
  func checkLocation(_ location: String, _ identifier: TableIdentifier) throws(TableError) {
    let place: ResolvedLocation
    do {
      place = try stores.resolve(location)
    } catch {
      throw TableError(error, "no table can be there", table: identifier.description)
    }
    guard !place.path.isEmpty else {
      throw TableError(
        .invalidArgument, "a table cannot be the whole store; give it a folder",
        table: identifier.description, file: location)
    }
  }

  /// The name of the file that `metadata` is written to.
  func newFile(for metadata: TableMetadata, after location: String?) -> String {
    let folder = MetadataLocation.folder(
      tableLocation: metadata.location, properties: metadata.properties)
    let codec = metadata.properties["write.metadata.compression-codec"]?.lowercased()
    let name = MetadataLocation.fileName(
      version: location.map { MetadataLocation.version(of: $0) + 1 } ?? 0,
      uuid: environment.uuid(), isCompressed: codec == "gzip")
    return "\(folder)/\(name)"
  }

  /// Adds the entry, or removes the new file and says why not.
  func insert(
    _ identifier: TableIdentifier, _ kind: CatalogEntryKind, _ location: String
  ) throws(TableError) {
    let entry = CatalogEntry(identifier: identifier, kind: kind, metadataLocation: location)
    switch try apply([.insert(entry)], discarding: [location]) {
    case .applied: return
    case .refused(_, let refusal):
      files.discard([location])
      throw TableError(refusal, kind)
    }
  }

  public func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String, overwrite: Bool
  ) throws(TableError) -> LoadedTable {
    try identifier.check()
    let metadata = try files.table(metadataLocation, identifier.description)
    let entry = CatalogEntry(
      identifier: identifier, kind: .table, metadataLocation: metadataLocation)
    for _ in 0..<options.attemptCountMax {
      var change = CatalogChange.insert(entry)
      if overwrite, let old = try backend.entry(identifier), old.kind == .table {
        change = .swap(identifier, .table, from: old.metadataLocation, to: metadataLocation)
      }
      switch try apply([change], discarding: []) {
      case .applied: return loaded(identifier, metadata, metadataLocation)
      case .refused(_, .moved), .refused(_, .missing(_, found: nil)): continue
      case .refused(_, .taken(let taken)) where overwrite && taken.kind == .table: continue
      case .refused(_, let refusal): throw TableError(refusal, .table)
      }
    }
    throw .outrun(identifier, options.attemptCountMax)
  }

  public func renameTable(
    _ identifier: TableIdentifier, to target: TableIdentifier
  ) throws(TableError) {
    try rename(identifier, to: target, .table)
  }

  func rename(
    _ identifier: TableIdentifier, to target: TableIdentifier, _ kind: CatalogEntryKind
  ) throws(TableError) {
    try identifier.check()
    try target.check()
    if case .refused(_, let refusal) = try apply(
      [.rename(identifier, kind, to: target)], discarding: [])
    {
      throw TableError(refusal, kind)
    }
  }

  public func dropTable(_ identifier: TableIdentifier, purge: Bool) throws(TableError) {
    try identifier.check()
    var metadata: TableMetadata?
    var location: String?
    if purge {
      // Read first: without its metadata nobody could tell its files any more.
      let (entry, found) = try current(identifier)!
      guard found.properties.bool("gc.enabled") ?? true else {
        throw TableError(
          .forbidden,
          "its property gc.enabled is false: its files may belong to others, too; drop it without "
            + "purge",
          table: identifier.description)
      }
      metadata = found
      location = entry.metadataLocation
    }
    switch try apply([.delete(identifier, .table, ifLocation: location)], discarding: []) {
    case .applied: break
    case .refused(_, .moved):
      throw TableError(
        .retryableConflict, "somebody committed to the table while it was dropped; it was kept",
        table: identifier.description)
    case .refused(_, let refusal): throw TableError(refusal, .table)
    }
    if let metadata, let location {
      try TablePurge(stores: stores, metadata, metadataLocation: location)
        .run(identifier.description, environment)
    }
  }
}
