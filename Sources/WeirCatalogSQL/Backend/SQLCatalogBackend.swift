// SPDX-License-Identifier: Apache-2.0

public import WeirTable

/// A catalog's names in a SQL database: a SQLite file or PostgreSQL.
///
/// The layout is the one of PyIceberg's `SqlCatalog`, whose clients may use the same database:
///
/// - `iceberg_tables`: an entry a row, by catalog, namespace (`NameCoding`) and name.
/// - `iceberg_namespace_properties`: a property a row. A namespace is there when it has a row; the row
///   `exists` = `true` is the one that every namespace has.
/// - `weir_idempotency_keys` and `weir_catalog_schema` (the layout's version) are ours.
///
/// Why calls are linearizable: SQLite runs one writing transaction at a time. In PostgreSQL, a
/// transaction first locks the rows of all entries that it looks at, in the order of their names, and
/// then acts on what it reads under these locks (read committed). Names that are not there yet are
/// guarded by the primary key. Transactions that give a namespace an entry hold a lock that those
/// which make or remove namespaces hold alone. Reads are single statements, each of one snapshot.
public final class SQLCatalogBackend: CatalogBackend {
  let database: any SQLDatabase
  /// Which catalog of the database this is.
  public let catalogName: String
  let dialect: SQLDialect
  let statements: CatalogStatements
  private let sqlite: SQLiteDatabase?
  private let postgres: PostgresDatabase?

  /// Opens a SQLite file, and makes the catalog's tables where they are missing.
  ///
  /// Throws `unsupported` when a newer Weir has made them, `damaged` for a file that is no database.
  public init(_ options: SQLiteCatalogOptions) throws(TableError) {
    let database = try SQLiteDatabase(options)
    self.database = database
    sqlite = database
    postgres = nil
    dialect = database.dialect
    statements = CatalogStatements(dialect)
    try CatalogSchema.prepareSQLite(database, path: options.path)
    catalogName = try CatalogSchema.catalogName(options.catalogName, in: database)
  }

  /// Connects to PostgreSQL, and makes the catalog's tables where they are missing.
  ///
  /// Throws `unsupported` without libpq or when a newer Weir has made the tables.
  public init(_ options: PostgresCatalogOptions) throws(TableError) {
    let database = try PostgresDatabase(options)
    self.database = database
    sqlite = nil
    postgres = database
    dialect = database.dialect
    statements = CatalogStatements(dialect)
    try CatalogSchema.preparePostgres(database)
    catalogName = try CatalogSchema.catalogName(options.catalogName, in: database)
  }

  /// Beside the SQLite file.
  public var turnsFile: String? { sqlite.map { $0.path + "-turns" } }

  /// Closes connections that are not in use; every later call fails.
  public func close() {
    sqlite?.close()
    postgres?.close()
  }

  /// Looks for damage in a SQLite file and throws `damaged`; costs a read of the file. PostgreSQL
  /// checks its pages by itself.
  public func checkIntegrity() throws(TableError) { try sqlite?.checkIntegrity() }

  // MARK: - Entries

  public func entry(_ identifier: TableIdentifier) throws(TableError) -> CatalogEntry? {
    let key = try EntryKey(identifier)
    let rows = try database.read(statements.entry, parameters(key))
    return try rows.isEmpty ? nil : entry(identifier, rows)
  }

  public func listEntries(
    in namespace: Namespace, kind: CatalogEntryKind, after: String?, limit: Int
  ) throws(TableError) -> [String] {
    let encoded = try NameCoding.encode(namespace)
    let rows = try database.read(
      statements.entryNames,
      [
        .text(catalogName), .text(encoded), .text(after ?? ""), .text(Self.type(kind)),
        .int(Int64(max(0, limit))),
      ])
    // A namespace seen after an empty list was there without entries at some moment in between.
    if rows.isEmpty, try !hasNamespace(encoded) { throw .noNamespace(namespace) }
    return (0..<rows.count).compactMap { rows.text($0, 0) }
  }

  public func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome {
    if recording == nil, changes.count == 1,
      case .swap(let identifier, let kind, let from, let to) = changes[0]
    {
      return try swap(identifier, kind, from: from, to: to)
    }
    if changes.isEmpty && recording == nil { return .applied }
    // Names are checked before there is a transaction.
    var keys: Set<EntryKey> = []
    var identifiers: [EntryKey: TableIdentifier] = [:]
    for change in changes {
      for identifier in EntryPlan.identifiers(of: change) {
        let key = try EntryKey(identifier)
        keys.insert(key)
        identifiers[key] = identifier
      }
    }
    var receiving: [String] = []
    for change in changes {
      guard let namespace = EntryPlan.receivingNamespace(of: change) else { continue }
      receiving.append(try NameCoding.encode(namespace))
    }
    let sorted = keys.sorted()
    let record = try recording.map { (record) throws(TableError) in try parameters(record) }
    return try database.transaction { session throws(SQLFailure) in
      var namespaces: Set<[UInt8]> = []
      if !receiving.isEmpty, let lock = self.dialect.lockNamespacesShared {
        _ = try session.execute(lock, [.text(self.catalogName)])
      }
      var before: [EntryKey: CatalogEntry] = [:]
      for key in sorted {
        let rows = try session.execute(self.statements.lockedEntry, self.parameters(key))
        if !rows.isEmpty {
          before[key] = try Self.inTransaction { () throws(TableError) in
            try self.entry(identifiers[key]!, rows)
          }
        }
      }
      for namespace in receiving where !namespaces.contains(Array(namespace.utf8)) {
        if try self.hasNamespace(namespace, session) { namespaces.insert(Array(namespace.utf8)) }
      }
      var plan = EntryPlan(before: before, namespaces: namespaces)
      for (index, change) in changes.enumerated() {
        let refusal = try Self.inTransaction { () throws(TableError) in try plan.apply(change) }
        if let refusal { return .refused(index: index, refusal) }
      }
      for write in plan.writes { try self.write(write, session) }
      if let record { _ = try session.execute(self.statements.recordIdempotency, record) }
      return .applied
    }
  }

  /// The usual commit: one statement, whose condition is the comparison.
  private func swap(
    _ identifier: TableIdentifier, _ kind: CatalogEntryKind, from: String, to: String
  ) throws(TableError) -> CatalogOutcome {
    let key = try EntryKey(identifier)
    for attempt in 0..<8 {
      let rows = try database.write(
        statements.swap,
        parameters(key) + [.text(Self.type(kind)), .text(from), .text(to)])
      if rows.changedCount == 1 { return .applied }
      guard let entry = try entry(identifier), entry.kind == kind else {
        return .refused(index: 0, .missing(identifier, found: try self.entry(identifier)?.kind))
      }
      guard entry.metadataLocation.utf8.elementsEqual(from.utf8) else {
        return .refused(index: 0, .moved(entry))
      }
      // It has come back to `from` since: look again.
      SQLClock.waitBeforeRetry(attempt)
    }
    throw TableError(
      .catalog, "the entry changed back and forth; nothing was changed; try again",
      table: identifier.description)
  }

  private func write(
    _ write: (key: EntryKey, old: CatalogEntry?, new: CatalogEntry?), _ session: any SQLSession
  ) throws(SQLFailure) {
    let rows: SQLRows
    if let new = write.new {
      let values: [SQLValue] = [
        .text(new.metadataLocation), new.previousMetadataLocation.map { .text($0) } ?? .null,
        .text(Self.type(new.kind)),
      ]
      let sql = write.old == nil ? statements.insertEntry : statements.updateEntry
      rows = try session.execute(sql, parameters(write.key) + values)
    } else {
      rows = try session.execute(statements.deleteEntry, parameters(write.key))
    }
    // Somebody has made an entry of this name since we looked for it.
    guard rows.changedCount == 1 else {
      throw SQLFailure(
        .again, TableError(.retryableConflict, "another transaction was in the way; try again"))
    }
  }

  // MARK: - Rows

  func parameters(_ key: EntryKey) -> [SQLValue] {
    [.text(catalogName), .text(key.namespace), .text(key.name)]
  }

  private static func type(_ kind: CatalogEntryKind) -> String {
    switch kind {
    case .table: "TABLE"
    case .view: "VIEW"
    }
  }

  /// The entry in the first of `rows`: type, location, previous location.
  private func entry(
    _ identifier: TableIdentifier, _ rows: SQLRows
  ) throws(TableError) -> CatalogEntry {
    let kind: CatalogEntryKind
    switch rows.text(0, 0) {
    // Catalogs from before views left the type out.
    case nil, "TABLE": kind = .table
    case "VIEW": kind = .view
    case .some(let other):
      throw TableError(
        .unsupported, "the catalog's database says that this is a '\(other.prefix(40))'",
        table: identifier.description)
    }
    guard let location = rows.text(0, 1) else {
      throw TableError(
        .damaged, "the catalog's database has no metadata location for it",
        table: identifier.description)
    }
    return CatalogEntry(
      identifier: identifier, kind: kind, metadataLocation: location,
      previousMetadataLocation: rows.text(0, 2))
  }

  /// An error of ours within a transaction, which ends it.
  static func inTransaction<Result>(
    _ body: () throws(TableError) -> Result
  ) throws(SQLFailure) -> Result {
    do throws(TableError) {
      return try body()
    } catch {
      throw SQLFailure(error)
    }
  }
}
