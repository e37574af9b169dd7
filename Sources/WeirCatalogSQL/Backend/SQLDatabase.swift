// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// A value that goes into or comes out of a statement. PostgreSQL gives everything back as text.
enum SQLValue: Sendable, Hashable {
  case null
  case int(Int64)
  case text(String)
  case blob([UInt8])
}

/// What a statement gave.
struct SQLRows: Sendable {
  var rows: [[SQLValue]] = []
  /// Rows that an INSERT, UPDATE or DELETE changed.
  var changedCount = 0

  var isEmpty: Bool { rows.isEmpty }
  var count: Int { rows.count }

  /// The text at a place; `nil` for NULL.
  func text(_ row: Int, _ column: Int) -> String? {
    switch rows[row][column] {
    case .null: nil
    case .int(let value): String(value)
    case .text(let value): value
    case .blob(let bytes): String(decoding: bytes, as: UTF8.self)
    }
  }

  /// The number at a place; `nil` for NULL and for what is no number.
  func int(_ row: Int, _ column: Int) -> Int64? {
    switch rows[row][column] {
    case .int(let value): value
    case .text(let value): Int64(value)
    case .null, .blob: nil
    }
  }

  /// The bytes at a place; PostgreSQL's text form of them (`\x0a…`) is taken apart.
  func blob(_ row: Int, _ column: Int) -> [UInt8]? {
    switch rows[row][column] {
    case .blob(let bytes): return bytes
    case .text(let text):
      let digits = Array(text.utf8)
      guard digits.starts(with: [0x5c, 0x78]), digits.count % 2 == 0 else { return nil }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(digits.count / 2 - 1)
      for index in stride(from: 2, to: digits.count, by: 2) {
        guard let high = Character(UnicodeScalar(digits[index])).hexDigitValue,
          let low = Character(UnicodeScalar(digits[index + 1])).hexDigitValue
        else { return nil }
        bytes.append(UInt8(high << 4 | low))
      }
      return bytes
    case .null, .int: return nil
    }
  }
}

/// Why a statement failed, and what follows for the transaction around it.
struct SQLFailure: Error {
  enum Kind {
    /// Nothing was changed, and the same transaction may succeed when it is tried again.
    case again
    /// The connection is gone. What it had sent last may or may not have happened.
    case lost
    /// Nothing was changed, and trying again is of no use.
    case final
  }

  var kind: Kind
  var error: TableError

  init(_ kind: Kind, _ error: TableError) {
    self.kind = kind
    self.error = error
  }

  /// A refusal of our own, which ends the transaction.
  init(_ error: TableError) { self.init(.final, error) }
}

/// One connection within a transaction.
protocol SQLSession: AnyObject {
  /// Executes one statement with parameters `$1`, `$2`, ….
  func execute(_ sql: String, _ values: [SQLValue]) throws(SQLFailure) -> SQLRows
}

/// A database that threads share. Each call is one transaction, and waits for a connection.
///
/// Errors are those of `CatalogBackend`: `unknownOutcome` when a change may have taken place, any
/// other when nothing was changed.
protocol SQLDatabase: Sendable {
  var dialect: SQLDialect { get }

  /// One statement that only reads.
  func read(_ sql: String, _ values: [SQLValue]) throws(TableError) -> SQLRows

  /// One statement that changes something.
  func write(_ sql: String, _ values: [SQLValue]) throws(TableError) -> SQLRows

  /// A transaction that changes something. `body` is called again when the database asks for it.
  func transaction<Result>(
    _ body: (any SQLSession) throws(SQLFailure) -> Result
  ) throws(TableError) -> Result
}

/// How the databases' SQL differs.
struct SQLDialect: Sendable {
  /// Behind an expression: compare it byte by byte.
  var byBytes: String
  /// The column type of bytes.
  var bytesType: String
  /// At the end of a SELECT: lock the rows.
  var forUpdate: String
  /// At the end of a SELECT: lock the rows and leave out those that others have locked.
  var forUpdateSkippingLocked: String
  /// Locks the catalog named `$1` against changes of its namespaces until the transaction ends,
  /// `nil` where a transaction is alone anyway. Several may hold the shared lock.
  var lockNamespacesShared: String?
  var lockNamespaces: String?

  static let sqlite = SQLDialect(
    byBytes: "COLLATE BINARY", bytesType: "BLOB", forUpdate: "", forUpdateSkippingLocked: "",
    lockNamespacesShared: nil, lockNamespaces: nil)

  /// The first number keeps our locks apart from those of other programs on the database.
  static let postgres = SQLDialect(
    byBytes: "COLLATE \"C\"", bytesType: "BYTEA", forUpdate: " FOR UPDATE",
    forUpdateSkippingLocked: " FOR UPDATE SKIP LOCKED",
    lockNamespacesShared: "SELECT pg_advisory_xact_lock_shared(1466263890, hashtext($1))",
    lockNamespaces: "SELECT pg_advisory_xact_lock(1466263890, hashtext($1))")
}

extension TableError {
  /// The error of a value with a zero byte, which no database keeps in a text.
  static func zeroByte() -> TableError {
    TableError(.invalidArgument, "a name, a location or a property holds a zero byte")
  }
}
