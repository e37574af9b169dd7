// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// A PostgreSQL database behind a bounded number of connections.
///
/// A lost connection is opened again, with growing pauses, and what was certainly not done is done
/// again. Deadlocks and serialization failures repeat the transaction, a bounded number of times.
final class PostgresDatabase: SQLDatabase {
  let dialect = SQLDialect.postgres
  private let pool: ConnectionPool<PostgresConnection>
  private let reconnectMillisecondsMax: Int

  /// Transactions that the database asks to repeat get so many attempts.
  private static let attemptCountMax = 12

  init(_ options: PostgresCatalogOptions) throws(TableError) {
    reconnectMillisecondsMax = options.reconnectMillisecondsMax
    pool = ConnectionPool(
      countMax: options.connectionCountMax,
      waitMillisecondsMax: options.connectionWaitMillisecondsMax, what: "PostgreSQL"
    ) { () throws(SQLFailure) in try PostgresConnection(options) }
    // A wrong address or password is told at once; a server that is still starting is waited for.
    let deadline = SQLClock.monotonicMilliseconds() + reconnectMillisecondsMax
    while true {
      do throws(SQLFailure) {
        pool.give(try pool.take(), isBroken: false)
        return
      } catch {
        let cause = error.error.cause ?? ""
        let isTransient =
          cause.contains("starting up") || cause.contains("too many clients")
          || cause.contains("shutting down")
        guard isTransient, SQLClock.monotonicMilliseconds() < deadline else { throw error.error }
        SQLClock.sleep(microseconds: 100_000)
      }
    }
  }

  func close() { pool.close() }

  func read(_ sql: String, _ values: [SQLValue]) throws(TableError) -> SQLRows {
    try with { connection throws(SQLFailure) in try connection.execute(sql, values) }
  }

  func write(_ sql: String, _ values: [SQLValue]) throws(TableError) -> SQLRows {
    try with { connection throws(SQLFailure) in try connection.executeAndCommit(sql, values) }
  }

  func transaction<Result>(
    _ body: (any SQLSession) throws(SQLFailure) -> Result
  ) throws(TableError) -> Result {
    try with { connection throws(SQLFailure) in
      do throws(SQLFailure) {
        try connection.begin()
        let result = try body(connection)
        try connection.commit()
        return result
      } catch {
        connection.rollback()
        throw error
      }
    }
  }

  /// Calls `body` with a connection, again when it says so or the connection was lost. A loss that
  /// leaves the outcome open is not among these: it comes as a final error.
  private func with<Result>(
    _ body: (PostgresConnection) throws(SQLFailure) -> Result
  ) throws(TableError) -> Result {
    let deadline = SQLClock.monotonicMilliseconds() + reconnectMillisecondsMax
    var attempt = 0
    while true {
      do throws(SQLFailure) {
        let connection = try live()
        defer { pool.give(connection, isBroken: connection.isBroken) }
        return try body(connection)
      } catch {
        attempt += 1
        switch error.kind {
        case .again where attempt < Self.attemptCountMax: break
        case .lost where SQLClock.monotonicMilliseconds() < deadline: break
        default: throw error.error
        }
        SQLClock.waitBeforeRetry(attempt)
      }
    }
  }

  /// A connection that the server has not closed meanwhile.
  private func live() throws(SQLFailure) -> PostgresConnection {
    while true {
      let connection = try pool.take()
      if connection.isAlive { return connection }
      pool.give(connection, isBroken: true)
    }
  }
}
