// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirCatalogSQL

/// What can happen to a PostgreSQL server and the way to it.
@Suite(.enabled(if: PostgresServer.binFolder != nil, "PostgreSQL is not installed"))
struct PostgresTests {
  private let t = entry("t").identifier

  private func server() throws -> PostgresServer { try PostgresServer.shared!.get() }

  private func filled(_ options: PostgresCatalogOptions) throws -> SQLCatalogBackend {
    let backend = try SQLCatalogBackend(options)
    try backend.createNamespace(Namespace(["n"]), properties: [:])
    #expect(try backend.apply([.insert(entry("t"))]) == .applied)
    return backend
  }

  @Test func manyOpenANewDatabaseAtOnce() throws {
    let address = try server().newDatabase()
    inThreads(8) { number in
      do {
        let backend = try SQLCatalogBackend(PostgresCatalogOptions(address: address))
        try backend.createNamespace(Namespace(["n\(number)"]), properties: [:])
      } catch {
        Issue.record(error)
      }
    }
    let backend = try SQLCatalogBackend(PostgresCatalogOptions(address: address))
    #expect(backend.catalogName == "default")
    #expect(try backend.listNamespaces(in: nil, after: nil, limit: 99).count == 8)
    #expect(try backend.database.read("SELECT version FROM weir_catalog_schema", []).count == 1)
    _ = try backend.database.write("UPDATE weir_catalog_schema SET version = 2", [])
    #expect(
      tableErrorCode { try SQLCatalogBackend(PostgresCatalogOptions(address: address)) }
        == .unsupported)
  }

  @Test func listingsUseTheirIndexes() throws {
    let backend = try filled(PostgresCatalogOptions(address: try server().newDatabase()))
    let statements = backend.statements
    let session = backend.database
    let plan = try session.transaction { session throws(SQLFailure) in
      _ = try session.execute("SET LOCAL enable_seqscan = off", [])
      _ = try session.execute("SET LOCAL enable_sort = off", [])
      _ = try session.execute("SET LOCAL enable_bitmapscan = off", [])
      var plans: [String] = []
      for (sql, values) in [
        (statements.namespaceNames, [SQLValue.text("c"), .text("n."), .text("n.a"), .int(5)]),
        (
          statements.entryNames,
          [.text("c"), .text("n"), .text("a"), .text("TABLE"), .int(5)]
        ),
      ] {
        let rows = try session.execute("EXPLAIN " + sql, values)
        plans.append((0..<rows.count).compactMap { rows.text($0, 0) }.joined(separator: "\n"))
      }
      return plans
    }
    #expect(plan[0].contains("weir_namespace_children"), "\(plan[0])")
    #expect(!plan[0].contains("Sort"), "\(plan[0])")
    #expect(plan[1].contains("iceberg_tables_pkey"), "\(plan[1])")
    #expect(!plan[1].contains("Sort"), "\(plan[1])")
  }

  @Test func whatCannotBeReachedIsTold() throws {
    var options = PostgresCatalogOptions(
      address: "postgresql://weir:secret@/none?host=\(try server().folder)")
    let missing = tableError { try SQLCatalogBackend(options) }
    #expect(missing?.code == .catalog)
    #expect(missing?.cause?.contains("\"none\" does not exist") == true)
    options.address = "postgresql://weir:secret@127.0.0.1:1/d"
    let refused = tableError { try SQLCatalogBackend(options) }
    #expect(refused?.code == .catalog)
    #expect(refused?.message.contains("at 127.0.0.1:1") == true)
    options.address = "postgresql://weir:secret@[bad"
    let bad = tableError { try SQLCatalogBackend(options) }
    #expect(bad?.code == .catalog)
    for error in [missing, refused] {
      #expect(error?.description.contains("secret") == false)
    }
  }

  @Test func otherEncodingsAreRefused() throws {
    let server = try server()
    try server.psql(
      "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' "
        + (try server.psql("SHOW server_version_num") >= "150000"
          ? "LOCALE_PROVIDER libc" : ""))
    #expect(
      tableErrorCode {
        try SQLCatalogBackend(PostgresCatalogOptions(address: server.address(database: "latin")))
      } == .unsupported)
  }

  @Test func commitsAreFlushedWhateverTheServerSays() throws {
    let server = try server()
    let address = try server.newDatabase()
    let name = address.split(separator: "=").last!
    try server.psql("ALTER DATABASE \(name) SET synchronous_commit = off")
    try server.psql("ALTER DATABASE \(name) SET default_transaction_isolation = 'serializable'")
    let backend = try filled(PostgresCatalogOptions(address: address))
    let rows = try backend.database.read(
      "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')", [])
    #expect(rows.text(0, 0) == "on")
    #expect(rows.text(0, 1) == "read committed")
    try server.psql("ALTER DATABASE \(name) SET synchronous_commit = remote_apply")
    let strict = try SQLCatalogBackend(PostgresCatalogOptions(address: address))
    #expect(
      try strict.database.read("SELECT current_setting('synchronous_commit')", []).text(0, 0)
        == "remote_apply")
  }

  @Test func aLockThatOthersHoldIsWaitedForAndThenTold() throws {
    var options = PostgresCatalogOptions(address: try server().newDatabase())
    let backend = try filled(options)
    options.lockMillisecondsMax = 150
    let impatient = try SQLCatalogBackend(options)
    try backend.database.transaction { session throws(SQLFailure) in
      _ = try session.execute("SELECT 1 FROM iceberg_tables FOR UPDATE", [])
      let error = tableError {
        try impatient.apply([.swap(t, .table, from: "m0", to: "m1")])
      }
      #expect(error?.code == .catalog)
      #expect(error?.message.contains("lock") == true)
      #expect((try? impatient.entry(t)?.metadataLocation) == "m0")
    }
    #expect(try impatient.apply([.swap(t, .table, from: "m0", to: "m1")]) == .applied)
  }

  @Test func aPoolThatIsUsedUpSaysSo() throws {
    var options = PostgresCatalogOptions(address: try server().newDatabase())
    options.connectionCountMax = 1
    options.connectionWaitMillisecondsMax = 100
    let backend = try filled(options)
    try backend.database.transaction { _ throws(SQLFailure) in
      let error = tableError { try backend.entry(t) }
      #expect(error?.message.contains("all 1 connections") == true)
    }
    #expect(try backend.entry(t) != nil)
  }

  /// The connection is cut while the server is at the commit.
  @Test func aLostCommitIsOfUnknownOutcome() throws {
    let server = try server()
    let address = try server.newDatabase()
    let name = String(address.split(separator: "=").last!)
    let backend = try filled(PostgresCatalogOptions(address: address))
    _ = try backend.apply([.insert(entry("u"))])
    try server.psql(
      """
      CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(20); RETURN NEW; END';
      CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON iceberg_tables
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
      """, database: name)
    let changes: [[CatalogChange]] = [
      [.swap(t, .table, from: "m0", to: "m1")],
      [
        .swap(t, .table, from: "m0", to: "m1"),
        .swap(entry("u").identifier, .table, from: "m0", to: "m1"),
      ],
    ]
    for change in changes {
      inThreads(2) { number in
        if number == 0 {
          #expect(tableErrorCode { try backend.apply(change) } == .unknownOutcome)
          return
        }
        for _ in 0..<200 {
          usleep(20_000)
          let count = try? server.psql(
            """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = '\(name)' AND wait_event = 'PgSleep'
            """)
          if count != "0" { break }
        }
      }
      #expect(try backend.entry(t)?.metadataLocation == "m0")
    }
    // Before its commit a lost transaction is simply begun again.
    try server.psql("DROP TRIGGER wait ON iceberg_tables", database: name)
    let attempts = Mutex(0)
    let result = try backend.database.transaction { session throws(SQLFailure) in
      attempts.withLock { $0 += 1 }
      if attempts.withLock({ $0 }) == 1 {
        _ = try session.execute("SELECT pg_terminate_backend(pg_backend_pid())", [])
      }
      return try session.execute("SELECT 'done'", []).text(0, 0)
    }
    #expect(result == "done")
    #expect(attempts.withLock { $0 } == 2)
  }

  @Test func connectionsThatTheServerClosedAreReplaced() throws {
    let server = try server()
    let address = try server.newDatabase()
    let backend = try filled(PostgresCatalogOptions(address: address))
    for number in 0..<3 {
      try server.psql(
        """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = '\(address.split(separator: "=").last!)'
        """)
      #expect(
        try backend.apply([.swap(t, .table, from: "m\(number)", to: "m\(number + 1)")]) == .applied)
    }
  }

  /// A server of its own is killed and started again while threads write.
  @Test func aServerThatGoesAndComesBack() throws {
    let server = try PostgresServer()
    let options = PostgresCatalogOptions(address: server.address())
    let backend = try SQLCatalogBackend(options)
    try backend.createNamespace(Namespace(["n"]), properties: [:])
    for key in 0..<2 { _ = try backend.apply([.insert(entry("t\(key)"))]) }
    let all = Mutex<(events: [HistoryEvent], isOver: Bool)>(([], false))
    inThreads(4) { number in
      if number == 0 {
        usleep(200_000)
        do {
          for _ in 0..<2 {
            try server.kill()
            usleep(300_000)
            try server.start()
            usleep(300_000)
          }
        } catch {
          Issue.record(error)
        }
        all.withLock { $0.isOver = true }
        return
      }
      var worker = HistoryWorker(backend, name: "w\(number)", keyCount: 2, seed: UInt64(number))
      while !all.withLock({ $0.isOver }) {
        do {
          try worker.step()
        } catch {
          Issue.record(error)
        }
      }
      all.withLock { $0.events += worker.events }
    }
    let findings = Linearizability.findings(all.withLock { $0.events }, keyCount: 2)
    #expect(findings.isEmpty, "\(findings.prefix(5))")
    // While it is away, an error comes in bounded time.
    var impatient = options
    impatient.reconnectMillisecondsMax = 300
    let other = try SQLCatalogBackend(impatient)
    try server.kill()
    let error = tableError { try other.entry(entry("t0").identifier) }
    #expect(error?.code == .catalog)
    #expect(error?.message.contains("no connection to") == true, "\(String(describing: error))")
    try server.start()
    #expect(try other.entry(entry("t0").identifier) != nil)
  }

  @Test func aForkedChildOpensItsOwn() async throws {
    let address = try server().newDatabase()
    await #expect(processExitsWith: .success) { [address = address as String] in
      let backend = try SQLCatalogBackend(PostgresCatalogOptions(address: address))
      // Safe: Swift hides `fork`; the child only makes a few calls and leaves.
      let fork = unsafeBitCast(
        dlsym(nil, "fork"), to: (@convention(c) () -> pid_t).self)
      let child = fork()
      if child == 0 {
        let old = tableError { try backend.listNamespaces(in: nil, after: nil, limit: 9) }
        let new = try? SQLCatalogBackend(PostgresCatalogOptions(address: address))
        try? new?.createNamespace(Namespace(["n"]), properties: [:])
        _exit(old?.message.contains("forked") == true && new != nil ? 0 : 1)
      }
      var status: Int32 = 0
      waitpid(child, &status, 0)
      #expect(status == 0)
      #expect(try backend.namespaceProperties(Namespace(["n"])) == [:])
    }
  }
}
