// SPDX-License-Identifier: Apache-2.0

internal import CSQLite
internal import Glibc
internal import Synchronization
internal import WeirTable

/// One connection to a SQLite file, used by one thread at a time.
///
/// It sets, and asserts, what the catalog's promises rest on: a write-ahead log, and
/// `synchronous = FULL`, with which a commit has been flushed to the disk when it returns.
final class SQLiteConnection: SQLSession {
  /// Prepared statements kept; the catalog has fewer.
  private static let statementCountMax = 128
  /// The longest value or row, so that a damaged file cannot ask for more memory.
  private static let valueByteCountMax: Int32 = 16 << 20

  /// Which file it is, so that a replaced one is noticed.
  struct FileIdentity: Hashable {
    var device: UInt
    var inode: UInt

    init?(path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt(status.st_dev)
      inode = UInt(status.st_ino)
    }
  }

  let path: String
  private(set) var isReadOnly = false
  private var file: FileIdentity?
  private let process = getpid()
  // Safe: sqlite3's handles; opened here, closed in deinit by the process that opened them, and used
  // by one thread at a time, which the pool sees to.
  private var handle: OpaquePointer?
  private var statements: [String: OpaquePointer] = [:]
  private let busyMillisecondsMax: Int
  private var busyDeadline = 0

  /// - Parameter path: of the file; relative ones are meant from the current folder.
  init(path: String, creates: Bool, busyMillisecondsMax: Int) throws(SQLFailure) {
    self.path = path
    self.busyMillisecondsMax = busyMillisecondsMax
    try OpenFiles.check(path)
    let flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
      | (creates ? SQLITE_OPEN_CREATE : 0)
    // `./` keeps names such as ":memory:" from meaning something else.
    let code = sqlite3_open_v2(path.hasPrefix("/") ? path : "./" + path, &handle, flags, nil)
    guard code == SQLITE_OK, let handle else { throw failure(code, isCommit: false) }
    // Safe: the handler is called by sqlite3 only while this object calls it.
    sqlite3_busy_handler(
      handle,
      { context, attempt in
        Unmanaged<SQLiteConnection>.fromOpaque(context!).takeUnretainedValue()
          .waitWhileBusy(attempt) ? 1 : 0
      }, Unmanaged.passUnretained(self).toOpaque())
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Self.valueByteCountMax)
    try configure()
    file = FileIdentity(path: path)
    if let file { OpenFiles.add(file) }
  }

  deinit {
    // A forked child must not touch the parent's connection.
    guard getpid() == process else { return }
    for statement in statements.values { sqlite3_finalize(statement) }
    sqlite3_close_v2(handle)
    if let file { OpenFiles.remove(file) }
  }

  private func configure() throws(SQLFailure) {
    isReadOnly = sqlite3_db_readonly(handle, "main") == 1
    guard sqlite3_libversion_number() >= 3_035_000 else {
      throw SQLFailure(
        TableError(
          .unsupported, "SQLite \(String(cString: sqlite3_libversion())) is older than 3.35"))
    }
    if !isReadOnly {
      let mode = try setLogMode()
      guard mode == "wal" else {
        throw SQLFailure(
          TableError(
            .catalog,
            "SQLite cannot keep a write-ahead log here (it is in mode '\(mode ?? "")'); put the file "
              + "on a local disk", file: path))
      }
    }
    _ = try once("PRAGMA synchronous = FULL")
    _ = try once("PRAGMA foreign_keys = ON")
    _ = try once("PRAGMA trusted_schema = OFF")
    _ = try once("PRAGMA journal_size_limit = 67108864")
    guard try once("PRAGMA synchronous").int(0, 0) == 2 else {
      throw SQLFailure(
        TableError(.catalog, "SQLite does not flush every commit to the disk", file: path))
    }
    guard try once("PRAGMA encoding").text(0, 0) == "UTF-8" else {
      throw SQLFailure(
        TableError(
          .unsupported, "the database keeps its texts as UTF-16; only UTF-8 is supported",
          file: path))
    }
  }

  /// The mode that the file is in afterwards. Several processes may open a new file at once, and
  /// SQLite does not wait by itself here.
  private func setLogMode() throws(SQLFailure) -> String? {
    let deadline = SQLClock.monotonicMilliseconds() + busyMillisecondsMax
    while true {
      do throws(SQLFailure) {
        return try once("PRAGMA journal_mode = WAL").text(0, 0)
      } catch {
        guard sqlite3_errcode(handle) & 0xff == SQLITE_BUSY,
          SQLClock.monotonicMilliseconds() < deadline
        else { throw error }
        SQLClock.sleep(microseconds: Int.random(in: 500...3_000))
      }
    }
  }

  /// Throws when the file was replaced or removed: what would be written now, nobody else would see.
  func checkFile() throws(SQLFailure) {
    guard FileIdentity(path: path) != file else { return }
    throw SQLFailure(
      TableError(
        .catalog,
        "the catalog's file was replaced or removed while it was open; nothing was changed; open it "
          + "again", file: path))
  }

  // MARK: - Statements

  func begin() throws(SQLFailure) { _ = try execute("BEGIN IMMEDIATE", []) }

  func commit() throws(SQLFailure) {
    do throws(SQLFailure) {
      _ = try run(prepared("COMMIT"), [], isCommit: true)
    } catch {
      rollback()
      throw error
    }
  }

  /// Ends the transaction, if there is one, without its changes.
  func rollback() {
    if sqlite3_get_autocommit(handle) == 0 { _ = try? execute("ROLLBACK", []) }
  }

  func execute(_ sql: String, _ values: [SQLValue]) throws(SQLFailure) -> SQLRows {
    try run(prepared(sql), values, isCommit: false)
  }

  /// A writing statement by itself, which is its own commit.
  func executeAndCommit(_ sql: String, _ values: [SQLValue]) throws(SQLFailure) -> SQLRows {
    try run(prepared(sql), values, isCommit: true)
  }

  /// A statement that is not worth keeping.
  private func once(_ sql: String) throws(SQLFailure) -> SQLRows {
    let statement = try prepare(sql)
    defer { sqlite3_finalize(statement) }
    return try run(statement, [], isCommit: false)
  }

  private func prepared(_ sql: String) throws(SQLFailure) -> OpaquePointer {
    if let statement = statements[sql] { return statement }
    if statements.count >= Self.statementCountMax {
      for statement in statements.values { sqlite3_finalize(statement) }
      statements = [:]
    }
    let statement = try prepare(sql)
    statements[sql] = statement
    return statement
  }

  private func prepare(_ sql: String) throws(SQLFailure) -> OpaquePointer {
    // `$1` would be a name to SQLite; `?1` is the number.
    var text = Array(sql.utf8)
    for index in text.indices.dropLast()
    where text[index] == UInt8(ascii: "$") && (0x30...0x39).contains(text[index + 1]) {
      text[index] = UInt8(ascii: "?")
    }
    var statement: OpaquePointer?
    // Safe: the bytes live for the call, which is given their number.
    let code = text.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        sqlite3_prepare_v3(
          handle, $0.baseAddress, Int32($0.count), UInt32(SQLITE_PREPARE_PERSISTENT), &statement,
          nil)
      }
    }
    guard code == SQLITE_OK, let statement else { throw failure(code, isCommit: false) }
    return statement
  }

  private func run(
    _ statement: OpaquePointer, _ values: [SQLValue], isCommit: Bool
  ) throws(SQLFailure) -> SQLRows {
    defer {
      sqlite3_reset(statement)
      sqlite3_clear_bindings(statement)
    }
    for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1), statement) }
    let columnCount = sqlite3_column_count(statement)
    var result = SQLRows()
    while true {
      let code = sqlite3_step(statement)
      if code == SQLITE_DONE { break }
      guard code == SQLITE_ROW else { throw failure(code, isCommit: isCommit) }
      var row: [SQLValue] = []
      for column in 0..<columnCount { row.append(try value(of: statement, column)) }
      result.rows.append(row)
    }
    if sqlite3_stmt_readonly(statement) == 0 { result.changedCount = Int(sqlite3_changes(handle)) }
    return result
  }

  private func bind(
    _ value: SQLValue, at index: Int32, _ statement: OpaquePointer
  ) throws(SQLFailure) {
    // SQLITE_TRANSIENT: sqlite3 makes a copy during the call.
    // Safe: the number is the one that sqlite3.h gives this constant; it is never called.
    let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    let code: Int32
    switch value {
    case .null: code = sqlite3_bind_null(statement, index)
    case .int(let number): code = sqlite3_bind_int64(statement, index, number)
    case .text(var text):
      guard !text.utf8.contains(0) else { throw SQLFailure(.zeroByte()) }
      code = text.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          // An empty buffer may have no address, which would mean NULL.
          $0.isEmpty
            ? sqlite3_bind_text(statement, index, "", 0, transient)
            : sqlite3_bind_text(statement, index, $0.baseAddress, Int32($0.count), transient)
        }
      }
    case .blob(let bytes):
      // Safe: the bytes live for the call, which is given their number.
      code = bytes.withUnsafeBytes {
        $0.isEmpty
          ? sqlite3_bind_zeroblob(statement, index, 0)
          : sqlite3_bind_blob(statement, index, $0.baseAddress, Int32($0.count), transient)
      }
    }
    guard code == SQLITE_OK else { throw failure(code, isCommit: false) }
  }

  private func value(
    of statement: OpaquePointer, _ column: Int32
  ) throws(SQLFailure) -> SQLValue {
    // Safe: sqlite3's bytes are valid until the next step; they are copied here, by their number.
    switch sqlite3_column_type(statement, column) {
    case SQLITE_NULL: return .null
    case SQLITE_INTEGER: return .int(sqlite3_column_int64(statement, column))
    case SQLITE_BLOB:
      let bytes = UnsafeRawBufferPointer(
        start: sqlite3_column_blob(statement, column),
        count: Int(sqlite3_column_bytes(statement, column)))
      return .blob(Array(bytes))
    default:
      guard let start = sqlite3_column_text(statement, column) else {
        throw failure(SQLITE_NOMEM, isCommit: false)
      }
      let bytes = UnsafeBufferPointer(
        start: start, count: Int(sqlite3_column_bytes(statement, column)))
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw SQLFailure(
          TableError(.damaged, "the catalog's database holds a text that is not UTF-8", file: path))
      }
      return .text(text)
    }
  }

  // MARK: - Waiting and errors

  /// Sleeps a little while another process writes; false when that has gone on for too long.
  private func waitWhileBusy(_ attempt: Int32) -> Bool {
    let now = SQLClock.monotonicMilliseconds()
    if attempt == 0 { busyDeadline = now + busyMillisecondsMax }
    if now >= busyDeadline { return false }
    // A commit takes some 0.2 ms. Long sleeps would starve those who wait.
    let most = min(4_000, 100 << Int(min(attempt, 6)))
    SQLClock.sleep(microseconds: most / 2 + Int.random(in: 0...most))
    return true
  }

  private func failure(_ code: Int32, isCommit: Bool) -> SQLFailure {
    let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory"
    func error(_ code: TableError.Code, _ what: String) -> SQLFailure {
      SQLFailure(TableError(code, what, file: path, cause: "SQLite: \(message)"))
    }
    switch code & 0xff {
    case SQLITE_BUSY, SQLITE_LOCKED:
      return error(
        .catalog,
        "other processes kept the catalog's database locked for \(busyMillisecondsMax) ms; nothing "
          + "was changed; try again")
    case SQLITE_FULL:
      return error(
        .catalog, "the disk is full; nothing was changed; make room and try again")
    case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH:
      return error(.forbidden, "the catalog's database cannot be written; nothing was changed")
    case SQLITE_CORRUPT, SQLITE_NOTADB:
      return error(
        .damaged, "the catalog's file is damaged or no SQLite database; restore it from a backup")
    case SQLITE_CANTOPEN:
      return error(
        .catalog,
        "the catalog's file cannot be opened; its folder has to be there, and may have to be "
          + "writable")
    case SQLITE_TOOBIG:
      return error(
        .limit, "a value is longer than \(Self.valueByteCountMax) bytes; nothing was changed")
    case SQLITE_NOMEM: return error(.limit, "SQLite has no memory; nothing was changed")
    case SQLITE_CONSTRAINT:
      return SQLFailure(
        .again, TableError(.catalog, "a rule of the database was broken", cause: message))
    case SQLITE_IOERR where isCommit:
      return error(
        .unknownOutcome, "the disk failed during a commit; it is not known whether it took place")
    default:
      return error(.catalog, "the catalog's database failed; nothing was changed")
    }
  }
}

/// The SQLite files that this process has open. SQLite keeps books about its locks per process; a
/// forked child inherits the books, but not the locks, and must not open the same file.
private enum OpenFiles {
  private struct Entry {
    var process: pid_t
    var count: Int
  }

  private static let entries = Mutex<[SQLiteConnection.FileIdentity: Entry]>([:])

  static func check(_ path: String) throws(SQLFailure) {
    guard let file = SQLiteConnection.FileIdentity(path: path) else { return }
    let isInherited = entries.withLock { $0[file].map { $0.process != getpid() } ?? false }
    guard isInherited else { return }
    throw SQLFailure(
      TableError(
        .catalog,
        "the catalog's file was open when this process was forked, and SQLite cannot open it a "
          + "second time here; start workers with 'spawn' or 'forkserver'", file: path))
  }

  static func add(_ file: SQLiteConnection.FileIdentity) {
    entries.withLock { entries in
      if entries[file] == nil { entries[file] = Entry(process: getpid(), count: 0) }
      entries[file]!.count += 1
    }
  }

  static func remove(_ file: SQLiteConnection.FileIdentity) {
    entries.withLock { entries in
      guard let entry = entries[file] else { return }
      if entry.count <= 1 { entries[file] = nil } else { entries[file]!.count -= 1 }
    }
  }
}
