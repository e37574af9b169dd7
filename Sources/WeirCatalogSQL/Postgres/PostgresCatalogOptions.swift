// SPDX-License-Identifier: Apache-2.0

/// How a catalog in PostgreSQL is opened.
public struct PostgresCatalogOptions: Sendable {
  /// A connection URI (`postgresql://user@host:port/database?sslmode=verify-full`) or libpq's
  /// `key=value` form. What it leaves out comes from libpq's environment variables and files
  /// (`PGHOST`, `PGPASSFILE`, …). Its settings win over the defaults that the catalog gives libpq.
  public var address: String
  /// Which catalog of the database; `nil` for its only one, or `default` in an empty database.
  public var catalogName: String?
  /// Connections, at most. Calls beyond them wait for their turn.
  public var connectionCountMax = 8
  /// How long a call waits for one of these connections.
  public var connectionWaitMillisecondsMax = 30_000
  /// How long the server may take to accept a connection, in whole seconds, two or more. The address
  /// may set its own `connect_timeout`.
  public var connectSecondsMax = 10
  /// How long a lost server is called again before an error comes.
  public var reconnectMillisecondsMax = 10_000
  /// How long the server may work on one statement. Three seconds later the connection is given up.
  public var statementMillisecondsMax = 30_000
  /// How long a statement may wait for another transaction's lock.
  public var lockMillisecondsMax = 10_000

  public init(address: String, catalogName: String? = nil) {
    self.address = address
    self.catalogName = catalogName
  }
}
