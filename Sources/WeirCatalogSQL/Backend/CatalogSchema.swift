// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// The catalog's tables: made where they are missing, brought up to date where others made them.
enum CatalogSchema {
  /// The version of the layout that this code writes, kept in `weir_catalog_schema`.
  static let version: Int64 = 1

  static func prepareSQLite(_ database: SQLiteDatabase, path: String) throws(TableError) {
    try prepare(
      database, where: path,
      hasTable: "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
      columns: "SELECT name, NULL FROM pragma_table_info($1)", lock: nil)
  }

  static func preparePostgres(_ database: PostgresDatabase) throws(TableError) {
    try prepare(
      database, where: "PostgreSQL",
      // `to_regclass` would answer from what this connection knew before it waited for the lock.
      hasTable: "SELECT 1 FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid)",
      columns: """
        SELECT attname, CASE WHEN atttypmod > 4 THEN atttypmod - 4 END
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relname = $1 AND pg_table_is_visible(pg_class.oid) AND attnum > 0 AND NOT attisdropped
        """, lock: "SELECT pg_advisory_xact_lock(1466263890)")
  }

  private static func prepare(
    _ database: any SQLDatabase, where place: String, hasTable: String, columns: String,
    lock: String?
  ) throws(TableError) {
    let known = try database.read(hasTable, [.text("weir_catalog_schema")])
    if !known.isEmpty {
      let rows = try database.read("SELECT version FROM weir_catalog_schema", [])
      if try isCurrent(rows, place) { return }
    }
    try database.transaction { session throws(SQLFailure) in
      if let lock { _ = try session.execute(lock, []) }
      // Somebody else may have done it while we waited.
      if try !session.execute(hasTable, [.text("weir_catalog_schema")]).isEmpty {
        let rows = try session.execute("SELECT version FROM weir_catalog_schema", [])
        let isDone = try SQLCatalogBackend.inTransaction { () throws(TableError) in
          try isCurrent(rows, place)
        }
        if isDone { return }
      }
      for sql in creation(database.dialect) { _ = try session.execute(sql, []) }
      try migrate(session, columns: columns)
      for sql in indexes(database.dialect) { _ = try session.execute(sql, []) }
      try addMarkers(session)
      _ = try session.execute(
        "INSERT INTO weir_catalog_schema (version) VALUES ($1)", [.int(version)])
    }
  }

  /// Whether the version is ours; throws for a newer one.
  private static func isCurrent(_ rows: SQLRows, _ place: String) throws(TableError) -> Bool {
    guard !rows.isEmpty, let found = rows.int(0, 0) else { return false }
    guard found <= version else {
      throw TableError(
        .unsupported,
        "the catalog in \(place) was made by a newer Weir (layout \(found), this one knows "
          + "\(version)); update Weir")
    }
    return found == version
  }

  private static func creation(_ dialect: SQLDialect) -> [String] {
    let text = "TEXT \(dialect.byBytes)"
    return [
      "CREATE TABLE IF NOT EXISTS weir_catalog_schema (version BIGINT NOT NULL)",
      """
      CREATE TABLE IF NOT EXISTS iceberg_tables (
        catalog_name \(text) NOT NULL, table_namespace \(text) NOT NULL, table_name \(text) NOT NULL,
        metadata_location TEXT, previous_metadata_location TEXT, iceberg_type TEXT,
        PRIMARY KEY (catalog_name, table_namespace, table_name))
      """,
      """
      CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
        catalog_name \(text) NOT NULL, namespace \(text) NOT NULL, property_key \(text) NOT NULL,
        property_value TEXT NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))
      """,
      """
      CREATE TABLE IF NOT EXISTS weir_idempotency_keys (
        catalog_name \(text) NOT NULL, idempotency_key \(text) NOT NULL, fingerprint TEXT NOT NULL,
        status BIGINT, body \(dialect.bytesType), expires_milliseconds BIGINT NOT NULL,
        PRIMARY KEY (catalog_name, idempotency_key))
      """,
    ]
  }

  private static func indexes(_ dialect: SQLDialect) -> [String] {
    [
      """
      CREATE INDEX IF NOT EXISTS weir_namespace_children ON iceberg_namespace_properties
        (catalog_name, \(CatalogStatements.parentExpression(dialect)),
         \(CatalogStatements.nameExpression(dialect)))
      """,
      """
      CREATE INDEX IF NOT EXISTS weir_idempotency_expiry
        ON weir_idempotency_keys (catalog_name, expires_milliseconds)
      """,
    ]
  }

  /// Tables that PyIceberg made: the column for views may be missing, and texts may have bounds.
  private static func migrate(
    _ session: any SQLSession, columns: String
  ) throws(SQLFailure) {
    for table in ["iceberg_tables", "iceberg_namespace_properties"] {
      let rows = try session.execute(columns, [.text(table)])
      let names = (0..<rows.count).compactMap { rows.text($0, 0) }
      if table == "iceberg_tables", !names.contains("iceberg_type") {
        _ = try session.execute("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type TEXT", [])
      }
      // Only PostgreSQL keeps to them. Without a bound nothing is rewritten.
      let bounded = (0..<rows.count).filter { rows.int($0, 1) != nil }
        .compactMap { rows.text($0, 0) }
      guard !bounded.isEmpty else { continue }
      let changes = bounded.map { "ALTER COLUMN \($0) TYPE TEXT" }.joined(separator: ", ")
      _ = try session.execute("ALTER TABLE \(table) \(changes)", [])
    }
  }

  /// Every namespace gets its marker, also those that were only there by what is in them.
  private static func addMarkers(_ session: any SQLSession) throws(SQLFailure) {
    let rows = try session.execute(
      """
      SELECT DISTINCT catalog_name, table_namespace FROM iceberg_tables
      UNION SELECT DISTINCT catalog_name, namespace FROM iceberg_namespace_properties
      """, [])
    for row in 0..<rows.count {
      guard let catalog = rows.text(row, 0), let text = rows.text(row, 1) else { continue }
      var namespace: Namespace? = NameCoding.decode(text)
      while let current = namespace {
        // Foreign names may be longer than ours; they stay as they are.
        guard let encoded = try? NameCoding.encode(current) else { break }
        _ = try session.execute(
          """
          INSERT INTO iceberg_namespace_properties
            (catalog_name, namespace, property_key, property_value)
          VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
          """,
          [
            .text(catalog), .text(encoded), .text(NameCoding.markerKey),
            .text(NameCoding.markerValue),
          ])
        namespace = current.parent
      }
    }
  }

  /// The catalog that is wanted, or the only one that is there.
  static func catalogName(
    _ wanted: String?, in database: any SQLDatabase
  ) throws(TableError) -> String {
    if let wanted {
      guard !wanted.isEmpty, wanted.utf8.count <= NameCoding.catalogByteCountMax else {
        throw TableError(
          .invalidArgument,
          "a catalog's name has 1 to \(NameCoding.catalogByteCountMax) bytes, this one "
            + "\(wanted.utf8.count)")
      }
      return wanted
    }
    var names: [String] = []
    let bytes = database.dialect.byBytes
    // One name after the other by the primary keys' indexes: there are as many rows as tables.
    while names.count < 5 {
      let rows = try database.read(
        """
        SELECT min(name) FROM (
          SELECT min(catalog_name \(bytes)) AS name FROM iceberg_tables
            WHERE catalog_name \(bytes) > $1
          UNION ALL SELECT min(catalog_name \(bytes)) FROM iceberg_namespace_properties
            WHERE catalog_name \(bytes) > $1) AS n
        """, [.text(names.last ?? "")])
      guard let name = rows.text(0, 0) else { break }
      names.append(name)
    }
    guard names.count > 1 else { return names.first ?? "default" }
    throw TableError(
      .invalidArgument,
      "the database holds several catalogs (\(names.joined(separator: ", "))); say which one")
  }
}
