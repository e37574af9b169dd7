// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirTable

/// A SQLite file: one connection writes, some read beside it.
///
/// Threads of this process queue for the writing connection, first come, first served; processes take
/// turns by SQLite's own lock. Readers see the last commit and never wait for a writer.
final class SQLiteDatabase: SQLDatabase {
  let dialect = SQLDialect.sqlite
  let path: String
  private let writers: ConnectionPool<SQLiteConnection>
  private let readers: ConnectionPool<SQLiteConnection>

  init(_ options: SQLiteCatalogOptions) throws(TableError) {
    // Connections are opened later, too, when the current folder may be another one.
    let path = Self.absolute(options.path)
    self.path = path
    let busyMillisecondsMax = options.busyMillisecondsMax
    guard !options.path.isEmpty, !path.utf8.contains(0) else {
      throw TableError(.invalidArgument, "the catalog's file has no name")
    }
    let creates = options.createsFile
    writers = ConnectionPool(
      countMax: 1, waitMillisecondsMax: busyMillisecondsMax, what: path
    ) { () throws(SQLFailure) in
      try SQLiteConnection(
        path: path, creates: creates, busyMillisecondsMax: busyMillisecondsMax)
    }
    readers = ConnectionPool(
      countMax: options.readerCountMax, waitMillisecondsMax: busyMillisecondsMax, what: path
    ) { () throws(SQLFailure) in
      try SQLiteConnection(path: path, creates: false, busyMillisecondsMax: busyMillisecondsMax)
    }
    // The file is made, or found unusable, now.
    try with(writers) { _ throws(SQLFailure) in }
  }

  func read(_ sql: String, _ values: [SQLValue]) throws(TableError) -> SQLRows {
    try with(readers) { connection throws(SQLFailure) in try connection.execute(sql, values) }
  }

  func write(_ sql: String, _ values: [SQLValue]) throws(TableError) -> SQLRows {
    try with(writers) { connection throws(SQLFailure) in
      try connection.executeAndCommit(sql, values)
    }
  }

  func transaction<Result>(
    _ body: (any SQLSession) throws(SQLFailure) -> Result
  ) throws(TableError) -> Result {
    try with(writers) { connection throws(SQLFailure) in
      try connection.begin()
      do throws(SQLFailure) {
        let result = try body(connection)
        try connection.commit()
        return result
      } catch {
        connection.rollback()
        throw error
      }
    }
  }

  /// Looks at every page of the file. Costs a read of the whole file.
  func checkIntegrity() throws(TableError) {
    let rows = try read("PRAGMA integrity_check(5)", [])
    guard rows.count == 1, rows.text(0, 0) == "ok" else {
      let findings = (0..<rows.count).compactMap { rows.text($0, 0) }.joined(separator: "; ")
      throw TableError(
        .damaged, "the catalog's database is damaged; restore it from a backup", cause: findings)
    }
  }

  func close() {
    readers.close()
    writers.close()
  }

  private static func absolute(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
  }

  /// Transactions that ask for another attempt get so many.
  private static let attemptCountMax = 8

  private func with<Result>(
    _ pool: ConnectionPool<SQLiteConnection>,
    _ body: (SQLiteConnection) throws(SQLFailure) -> Result
  ) throws(TableError) -> Result {
    var attempt = 0
    while true {
      do throws(SQLFailure) {
        let connection = try pool.take()
        defer { pool.give(connection, isBroken: false) }
        try connection.checkFile()
        return try body(connection)
      } catch {
        attempt += 1
        guard error.kind == .again, attempt < Self.attemptCountMax else { throw error.error }
        SQLClock.waitBeforeRetry(attempt)
      }
    }
  }
}
