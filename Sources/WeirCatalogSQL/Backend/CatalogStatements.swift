// SPDX-License-Identifier: Apache-2.0

/// All SQL of the catalog, made once. `$1` is always the catalog's name.
struct CatalogStatements: Sendable {
  // Entries: $2 namespace, $3 name, $4 type, $5 old location, $6 new location.
  let entry: String
  let lockedEntry: String
  let swap: String
  /// $4 location, $5 previous location, $6 type.
  let insertEntry: String
  let updateEntry: String
  let deleteEntry: String
  /// $3 the last name seen, $4 type, $5 limit.
  let entryNames: String

  // Namespaces: $2 namespace, $3 it with a dot and $4 with a slash behind it: what comes between
  // these two is inside it, for a slash is the character after a dot.
  let hasNamespace: String
  let namespaceHolds: String
  /// Properties; a row of NULLs when the namespace is only there by what it holds.
  let properties: String
  /// $3 key, $4 value.
  let setProperty: String
  let addMarker: String
  /// $3 key.
  let removeProperty: String
  let removeNamespace: String
  /// $2 the parent with a dot behind it, or nothing; $3 the last name seen with this before it; $4
  /// limit. Dots inside names are dots again.
  let namespaceNames: String

  // Idempotency: $2 key.
  /// $3 fingerprint, $4 until, $5 now.
  let reserveIdempotency: String
  let idempotency: String
  /// $3 fingerprint, $4 status, $5 body, $6 until.
  let recordIdempotency: String
  let releaseIdempotency: String
  /// $2 now, $3 limit.
  let forgetIdempotency: String

  init(_ dialect: SQLDialect) {
    let bytes = dialect.byBytes
    let this = "catalog_name = $1 AND table_namespace = $2 AND table_name = $3"
    entry = """
      SELECT iceberg_type, metadata_location, previous_metadata_location FROM iceberg_tables
      WHERE \(this)
      """
    lockedEntry = entry + dialect.forUpdate
    swap = """
      UPDATE iceberg_tables SET metadata_location = $6, previous_metadata_location = $5
      WHERE \(this) AND coalesce(iceberg_type, 'TABLE') = $4 AND metadata_location = $5
      """
    insertEntry = """
      INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,
        previous_metadata_location, iceberg_type)
      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
      """
    updateEntry = """
      UPDATE iceberg_tables
      SET metadata_location = $4, previous_metadata_location = $5, iceberg_type = $6 WHERE \(this)
      """
    deleteEntry = "DELETE FROM iceberg_tables WHERE \(this)"
    entryNames = """
      SELECT table_name FROM iceberg_tables
      WHERE catalog_name = $1 AND table_namespace = $2 AND table_name \(bytes) > $3
        AND coalesce(iceberg_type, 'TABLE') = $4
      ORDER BY table_name \(bytes) LIMIT $5
      """

    let properties = "iceberg_namespace_properties WHERE catalog_name = $1 AND namespace"
    let tables = "iceberg_tables WHERE catalog_name = $1 AND table_namespace"
    let holds = """
      EXISTS (SELECT 1 FROM \(tables) = $2)
        OR EXISTS (SELECT 1 FROM \(properties) \(bytes) > $3 AND namespace \(bytes) < $4)
        OR EXISTS (SELECT 1 FROM \(tables) \(bytes) > $3 AND table_namespace \(bytes) < $4)
      """
    hasNamespace = "SELECT 1 WHERE EXISTS (SELECT 1 FROM \(properties) = $2) OR \(holds)"
    namespaceHolds = "SELECT 1 WHERE \(holds)"
    self.properties = """
      SELECT property_key, property_value FROM \(properties) = $2
      UNION ALL SELECT NULL, NULL WHERE \(holds)
      """
    let insertProperty = """
      INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
      VALUES ($1, $2, $3, $4)
      """
    setProperty =
      insertProperty + """
         ON CONFLICT (catalog_name, namespace, property_key)
        DO UPDATE SET property_value = excluded.property_value
        """
    addMarker = insertProperty + " ON CONFLICT DO NOTHING"
    removeProperty = "DELETE FROM \(properties) = $2 AND property_key = $3"
    removeNamespace = "DELETE FROM \(properties) = $2"
    let parent = Self.parentExpression(dialect)
    let name = Self.nameExpression(dialect)
    namespaceNames = """
      SELECT DISTINCT \(name) FROM iceberg_namespace_properties
      WHERE catalog_name = $1 AND \(parent) = $2 AND \(name) > $3
      ORDER BY 1 LIMIT $4
      """

    let key = "catalog_name = $1 AND idempotency_key = $2"
    reserveIdempotency = """
      INSERT INTO weir_idempotency_keys AS k
        (catalog_name, idempotency_key, fingerprint, status, body, expires_milliseconds)
      VALUES ($1, $2, $3, NULL, NULL, $4)
      ON CONFLICT (catalog_name, idempotency_key) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = NULL, body = NULL,
        expires_milliseconds = excluded.expires_milliseconds
      WHERE k.expires_milliseconds <= $5
      """
    idempotency = """
      SELECT fingerprint, status, body, expires_milliseconds FROM weir_idempotency_keys WHERE \(key)
      """
    recordIdempotency = """
      INSERT INTO weir_idempotency_keys AS k
        (catalog_name, idempotency_key, fingerprint, status, body, expires_milliseconds)
      VALUES ($1, $2, $3, $4, $5, $6)
      ON CONFLICT (catalog_name, idempotency_key) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
        expires_milliseconds = excluded.expires_milliseconds
      WHERE k.status IS NULL
      """
    releaseIdempotency = "DELETE FROM weir_idempotency_keys WHERE \(key) AND status IS NULL"
    forgetIdempotency = """
      DELETE FROM weir_idempotency_keys WHERE catalog_name = $1 AND idempotency_key IN (
        SELECT idempotency_key FROM weir_idempotency_keys
        WHERE catalog_name = $1 AND expires_milliseconds <= $2
        ORDER BY expires_milliseconds LIMIT $3\(dialect.forUpdateSkippingLocked))
        AND expires_milliseconds <= $2
      """
  }

  /// The encoded namespace without its last level: what is left when all characters other than the
  /// dot are cut off its end. With the dot; empty for an outermost namespace.
  static func parentExpression(_ dialect: SQLDialect) -> String {
    "(rtrim(namespace, replace(namespace, '.', '')) \(dialect.byBytes))"
  }

  /// The namespace with the dots inside its names as dots: within one parent it is in the order of
  /// the names' bytes.
  static func nameExpression(_ dialect: SQLDialect) -> String {
    "(replace(namespace, '\u{1f}', '.') \(dialect.byBytes))"
  }
}
