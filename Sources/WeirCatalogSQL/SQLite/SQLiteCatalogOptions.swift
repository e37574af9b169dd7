// SPDX-License-Identifier: Apache-2.0

/// How a catalog in a SQLite file is opened.
public struct SQLiteCatalogOptions: Sendable {
  /// The file. It needs a local disk: SQLite's locks do not work on network file systems.
  public var path: String
  /// Which catalog of the database; `nil` for its only one, or `default` in an empty database.
  public var catalogName: String?
  /// Whether a missing file is made.
  public var createsFile = true
  /// How long a call waits for other writers.
  public var busyMillisecondsMax = 30_000
  /// Connections that read, at most.
  public var readerCountMax = 4

  public init(path: String, catalogName: String? = nil) {
    self.path = path
    self.catalogName = catalogName
  }
}
