// SPDX-License-Identifier: Apache-2.0

internal import WeirCatalogREST
internal import WeirCatalogSQL
public import WeirStorage
public import WeirTable

/// A catalog and the stores of its tables, opened by an address.
///
/// Properties have the names that Iceberg's clients use:
/// - `warehouse`: where new tables go. A folder's catalog has the folder itself, a SQLite file the
///   folder that it is in; PostgreSQL needs the property; a REST catalog gives it to the server.
/// - `name`: which catalog of a database; the only one when it is left out.
/// - `s3.endpoint`, `s3.region`, `s3.access-key-id`, `s3.secret-access-key`, `s3.session-token`,
///   `s3.path-style-access`: the object store; the usual AWS variables and files where they are missing.
/// - `token`, `credential`, `oauth2-server-uri`, `scope`, `header.NAME`: a REST catalog.
///
/// Threads may share a connection.
public final class Connection: Sendable {
  /// The address, without a password.
  public let address: String
  public let catalog: any Catalog
  /// Opens files by their location. A table of a REST catalog may come with stores of its own, see
  /// `LoadedTable.stores`.
  public let stores: ObjectStores
  /// Where new tables go; `nil` for a REST catalog, whose server knows.
  public let warehouse: String?

  /// The catalog file of a folder.
  public static let catalogFileName = "catalog.db"

  private init(
    _ address: String, _ catalog: any Catalog, _ stores: ObjectStores, warehouse: String?
  ) {
    self.address = CatalogAddress.shown(address)
    self.catalog = catalog
    self.stores = stores
    self.warehouse = warehouse
  }

  /// Opens the catalog at `address`: a folder, `sqlite:FILE`, `postgresql://…`, `http(s)://…`, or
  /// `memory:`.
  public static func open(
    _ address: String, properties: [String: String] = [:],
    options: ConnectionOptions = ConnectionOptions()
  ) throws(TableError) -> Connection {
    let stores = try options.stores(properties)
    func pointers(
      _ backend: any CatalogBackend, warehouse: String
    ) throws(TableError) -> Connection {
      let catalog = try PointerCatalog(
        name: properties["name"] ?? CatalogAddress.shown(address), backend: backend,
        stores: stores, warehouse: warehouse, options: options.catalog,
        environment: options.environment)
      return Connection(address, catalog, stores, warehouse: catalog.warehouse)
    }
    let warehouse = properties["warehouse"].flatMap { $0.isEmpty ? nil : $0 }
    switch try CatalogAddress(address) {
    case .folder(let path):
      let root = try folder(path, creates: options.creates)
      return try pointers(
        try sqlite("\(root)/\(catalogFileName)", properties, options),
        warehouse: warehouse ?? "file://\(root)")
    case .sqlite(let path):
      let backend = try sqlite(path, properties, options)
      return try pointers(backend, warehouse: warehouse ?? "file://\(parent(of: path))")
    case .postgres(let address):
      guard let warehouse else {
        throw TableError(
          .invalidArgument,
          "a catalog in PostgreSQL does not say where its tables' files are: give the property "
            + "'warehouse', such as s3://bucket/warehouse or /data/warehouse")
      }
      return try pointers(try postgres(address, properties), warehouse: warehouse)
    case .rest(let address):
      let settings = RESTSettings(address: address, properties: properties)
      let catalog = try RESTCatalog(
        settings: settings, transport: options.transport, clock: options.clock
      ) { properties throws(TableError) in try options.stores(properties) }
      return Connection(address, catalog, stores, warehouse: nil)
    case .memory:
      return try pointers(
        MemoryCatalogBackend(), warehouse: warehouse ?? "memory://warehouse/tables")
    }
  }

  private static func sqlite(
    _ path: String, _ properties: [String: String], _ options: ConnectionOptions
  ) throws(TableError) -> any CatalogBackend {
    var settings = SQLiteCatalogOptions(path: path, catalogName: properties["name"])
    settings.createsFile = options.creates
    return try SQLCatalogBackend(settings)
  }

  private static func postgres(
    _ address: String, _ properties: [String: String]
  ) throws(TableError) -> any CatalogBackend {
    try SQLCatalogBackend(
      PostgresCatalogOptions(address: address, catalogName: properties["name"]))
  }

  /// The folder as an absolute path without links.
  private static func folder(_ path: String, creates: Bool) throws(TableError) -> String {
    do {
      return try LocalObjectStore(root: path, createsRoot: creates).root
    } catch {
      throw TableError(
        error.code == .notFound ? .notFound : .storage,
        "the folder of the catalog cannot be opened", file: path, cause: error.description)
    }
  }

  private static func parent(of path: String) -> String {
    let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? ""
    return folder.isEmpty ? "/" : folder
  }
}
