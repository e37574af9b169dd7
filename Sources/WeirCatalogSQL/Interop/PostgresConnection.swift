// SPDX-License-Identifier: Apache-2.0

internal import CWeirPostgres
internal import Glibc
internal import WeirTable

/// One connection to PostgreSQL, used by one thread at a time.
final class PostgresConnection: SQLSession {
  /// Prepared statements kept; the catalog has fewer.
  private static let statementCountMax = 128
  /// A server that has not cancelled a statement by itself this much later is given up.
  private static let graceMilliseconds = 3_000

  // Safe: libpq's connection; opened in init, finished in deinit by the process that opened it, and
  // used by one thread at a time, which the pool sees to.
  private let handle: OpaquePointer
  private var statements: [String: String] = [:]
  private var statementNumber = 0
  private let process = getpid()
  private let timeoutMilliseconds: Int64
  /// The server's address, for messages.
  let server: String
  /// Nothing can be said to the server any more, or its state is not known.
  private(set) var isBroken = false

  init(_ options: PostgresCatalogOptions) throws(SQLFailure) {
    timeoutMilliseconds = Int64(options.statementMillisecondsMax + Self.graceMilliseconds)
    if let reason = weir_pg_load() {
      throw SQLFailure(
        TableError(
          .unsupported,
          "PostgreSQL's client library is not there; install it (Debian: apt-get install libpq5)",
          cause: String(cString: reason)))
    }
    guard !options.address.utf8.contains(0) else { throw SQLFailure(.zeroByte()) }
    // What comes before `dbname` is a default, what comes behind it is not to be changed.
    let settings = [
      ("fallback_application_name", "weir"), ("target_session_attrs", "read-write"),
      ("connect_timeout", String(max(2, options.connectSecondsMax))), ("keepalives_idle", "30"),
      ("keepalives_interval", "10"), ("keepalives_count", "3"), ("tcp_user_timeout", "30000"),
      ("dbname", options.address), ("client_encoding", "UTF8"),
    ]
    let keywords = settings.map { strdup($0.0) }
    let values = settings.map { strdup($0.1) }
    defer { for text in keywords + values { free(text) } }
    // Safe: both lists end with NULL and live for the call.
    let opened = (keywords.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { keywords in
      (values.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { values in
        weir_pg_connect(keywords.baseAddress, values.baseAddress)
      }
    }
    guard let opened else {
      throw SQLFailure(TableError(.limit, "PostgreSQL's client library has no memory"))
    }
    handle = opened
    server = Self.describe(opened)
    guard weir_pg_is_ok(opened) != 0 else {
      isBroken = true
      let error = TableError(
        .catalog, "no connection to \(server)",
        cause: Self.line(String(cString: weir_pg_error(opened))))
      throw SQLFailure(.lost, error)
    }
    try configure(options)
  }

  deinit {
    // A forked child must not say good-bye on the parent's connection.
    if getpid() == process { weir_pg_finish(handle) }
  }

  private func configure(_ options: PostgresCatalogOptions) throws(SQLFailure) {
    let limit = max(1, options.statementMillisecondsMax)
    // A commit has to be on the disk when it returns; a stricter setting of the server is kept.
    let rows = try execute(
      """
      SELECT set_config('default_transaction_isolation', 'read committed', false),
        set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
        set_config('idle_in_transaction_session_timeout', $1, false),
        set_config('standard_conforming_strings', 'on', false),
        CASE WHEN current_setting('synchronous_commit') = 'off'
          THEN set_config('synchronous_commit', 'on', false) END,
        current_setting('server_encoding'), current_setting('server_version_num')
      """,
      [.text(String(limit)), .text(String(max(1, options.lockMillisecondsMax)))])
    guard rows.text(0, 6) == "UTF8" else {
      throw SQLFailure(
        TableError(
          .unsupported,
          "the database of \(server) keeps its texts as \(rows.text(0, 6) ?? ""); create one with "
            + "ENCODING 'UTF8'"))
    }
    guard let version = rows.int(0, 7), version >= 120_000 else {
      throw SQLFailure(
        TableError(.unsupported, "\(server) is PostgreSQL older than 12"))
    }
  }

  /// Whether an idle connection can be used; the server may have closed it.
  var isAlive: Bool { !isBroken && weir_pg_is_alive(handle) != 0 }

  // MARK: - Statements

  func begin() throws(SQLFailure) { _ = try simple("BEGIN") }

  /// A commit whose answer does not come has `unknownOutcome`.
  func commit() throws(SQLFailure) {
    do throws(SQLFailure) {
      let command = try simple("COMMIT")
      guard command == "COMMIT" else {
        throw SQLFailure(
          .again, TableError(.catalog, "\(server) rolled the transaction back"))
      }
    } catch {
      throw error.kind == .lost ? unknownOutcome(error) : error
    }
  }

  /// A writing statement by itself, which is its own commit.
  func executeAndCommit(_ sql: String, _ values: [SQLValue]) throws(SQLFailure) -> SQLRows {
    let name = try prepared(sql, values)
    do throws(SQLFailure) {
      return try run(name, values)
    } catch {
      throw error.kind == .lost ? unknownOutcome(error) : error
    }
  }

  /// Ends the transaction without its changes; a connection that cannot is broken.
  func rollback() {
    if !isBroken, (try? simple("ROLLBACK")) == nil { isBroken = true }
  }

  func execute(_ sql: String, _ values: [SQLValue]) throws(SQLFailure) -> SQLRows {
    try run(prepared(sql, values), values)
  }

  private func unknownOutcome(_ failure: SQLFailure) -> SQLFailure {
    SQLFailure(
      TableError(
        .unknownOutcome,
        "the connection to \(server) was lost during a commit; it is not known whether it took place",
        cause: failure.error.cause))
  }

  private func simple(_ sql: String) throws(SQLFailure) -> String {
    let result = try checked(weir_pg_query(handle, sql, timeoutMilliseconds))
    defer { weir_pg_clear(result) }
    return String(cString: weir_pg_command(result))
  }

  private func prepared(_ sql: String, _ values: [SQLValue]) throws(SQLFailure) -> String {
    if let name = statements[sql] { return name }
    guard statements.count < Self.statementCountMax else {
      isBroken = true
      throw SQLFailure(
        .again, TableError(.limit, "too many prepared statements on one connection"))
    }
    statementNumber += 1
    let name = "weir\(statementNumber)"
    // Types of PostgreSQL's catalog: text, int8, bytea.
    let types: [UInt32] = values.map {
      switch $0 {
      case .null, .text: 25
      case .int: 20
      case .blob: 17
      }
    }
    weir_pg_clear(
      try checked(
        weir_pg_prepare(handle, name, sql, Int32(types.count), types, timeoutMilliseconds)))
    statements[sql] = name
    return name
  }

  private func run(_ name: String, _ values: [SQLValue]) throws(SQLFailure) -> SQLRows {
    // Safe: every text and every array of bytes is copied to memory of its own, which lives until
    // the call has returned; libpq is given the lengths.
    var lengths: [Int32] = []
    var formats: [Int32] = []
    var copies: [UnsafePointer<CChar>?] = []
    defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
    for value in values {
      switch value {
      case .null: append(nil, format: 0)
      case .int(let number): append(Array(String(number).utf8), format: 0)
      case .text(let text):
        guard !text.utf8.contains(0) else { throw SQLFailure(.zeroByte()) }
        append(Array(text.utf8), format: 0)
      case .blob(let bytes): append(bytes, format: 1)
      }
    }
    func append(_ bytes: [UInt8]?, format: Int32) {
      lengths.append(Int32(bytes?.count ?? 0))
      formats.append(format)
      guard let bytes else { return copies.append(nil) }
      let copy = malloc(bytes.count + 1)!
      bytes.withUnsafeBytes { if !$0.isEmpty { memcpy(copy, $0.baseAddress!, $0.count) } }
      copy.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
      copies.append(UnsafePointer(copy.assumingMemoryBound(to: CChar.self)))
    }
    let result = try checked(
      weir_pg_execute(
        handle, name, Int32(values.count), copies, lengths, formats, timeoutMilliseconds))
    defer { weir_pg_clear(result) }
    return try rows(of: result)
  }

  private func rows(of result: OpaquePointer) throws(SQLFailure) -> SQLRows {
    var rows = SQLRows()
    rows.changedCount = Int(weir_pg_changed_count(result))
    let columnCount = weir_pg_column_count(result)
    for row in 0..<weir_pg_row_count(result) {
      var values: [SQLValue] = []
      for column in 0..<columnCount {
        guard let start = weir_pg_value(result, row, column) else {
          values.append(.null)
          continue
        }
        // Safe: libpq's bytes live as long as the result, and it says how many there are.
        let bytes = UnsafeRawBufferPointer(
          start: start, count: Int(weir_pg_value_length(result, row, column)))
        guard let text = String(validating: bytes, as: UTF8.self) else {
          throw SQLFailure(TableError(.damaged, "\(server) gave a text that is not UTF-8"))
        }
        values.append(.text(text))
      }
      rows.rows.append(values)
    }
    return rows
  }

  // MARK: - Errors

  /// The result, when it is a good one. Anything else is cleared and thrown.
  private func checked(_ result: OpaquePointer?) throws(SQLFailure) -> OpaquePointer {
    guard let result else {
      isBroken = true
      let reason = Self.line(String(cString: weir_pg_error(handle)))
      throw SQLFailure(
        .lost,
        TableError(
          .catalog, "the connection to \(server) was lost; nothing was changed",
          cause: reason.isEmpty ? "no answer in time" : reason))
    }
    guard weir_pg_result_kind(result) == weir_pg_failed else { return result }
    defer { weir_pg_clear(result) }
    func field(_ name: Character) -> String {
      weir_pg_result_error(result, Int32(name.asciiValue!)).map { String(cString: $0) } ?? ""
    }
    let state = field("C")
    let detail = field("D").isEmpty ? "" : "; " + Self.line(field("D"))
    let cause = "PostgreSQL \(state): \(Self.line(field("M")))\(detail)"
    if weir_pg_is_ok(handle) == 0 { isBroken = true }
    throw failure(state, cause)
  }

  private func failure(_ state: String, _ cause: String) -> SQLFailure {
    func error(
      _ kind: SQLFailure.Kind, _ code: TableError.Code, _ what: String
    ) -> SQLFailure {
      SQLFailure(kind, TableError(code, what, cause: cause))
    }
    if isBroken || state.hasPrefix("08") || state.hasPrefix("57P") {
      isBroken = true
      return error(.lost, .catalog, "the connection to \(server) was lost; nothing was changed")
    }
    switch state {
    case "40001", "40P01", "23505":
      return error(.again, .retryableConflict, "another transaction was in the way; try again")
    case "26000", "0A000":
      // A statement that somebody has forgotten, or that has to be prepared anew.
      isBroken = true
      return error(.again, .catalog, "\(server) does not know a prepared statement any more")
    case "55P03":
      return error(
        .final, .catalog,
        "another transaction held a lock in \(server) for too long; nothing was changed; try again")
    case "57014":
      return error(
        .final, .catalog, "\(server) took too long; nothing was changed; try again")
    case "42501":
      return error(
        .final, .forbidden, "the user may not do this in \(server); nothing was changed")
    case "25006":
      return error(.final, .forbidden, "\(server) can only be read; nothing was changed")
    case "53100":
      return error(
        .final, .catalog,
        "the disk of \(server) is full; nothing was changed; make room and try again")
    case "54000", "22001":
      return error(.final, .limit, "a name is too long for \(server); nothing was changed")
    case "22021", "22P05":
      return error(
        .final, .invalidArgument, "\(server) cannot keep this text; nothing was changed")
    default: return error(.final, .catalog, "\(server) failed; nothing was changed")
    }
  }

  /// `PostgreSQL database d at host:port`; never the password.
  private static func describe(_ handle: OpaquePointer) -> String {
    func text(_ value: UnsafePointer<CChar>?) -> String { value.map { String(cString: $0) } ?? "" }
    let host = text(weir_pg_host(handle))
    let port = text(weir_pg_port(handle))
    let database = text(weir_pg_database(handle))
    // An address that libpq could not read may be here as a whole, with its password.
    guard !database.contains("://"), !database.contains("="), !host.isEmpty else {
      return "PostgreSQL"
    }
    return "PostgreSQL database \(database) at \(host):\(port)"
  }

  /// Libpq's messages have several lines; here they become one.
  private static func line(_ message: String) -> String {
    message.split(whereSeparator: \.isNewline).map { $0.drop { $0 == "\t" || $0 == " " } }
      .joined(separator: "; ")
  }
}
