// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirCatalogSQL
internal import WeirStorage
internal import WeirTable

/// Whole commits of tables, metadata files and all, by several servers on one database.
@Suite(.serialized) struct WriterTests {
  let folder = TemporaryFolder()
  private static let table = TableIdentifier(Namespace(["n"]), "t")
  private static let other = TableIdentifier(Namespace(["n"]), "u")

  private static func catalog(_ database: TestBackend, _ path: String) throws -> PointerCatalog {
    try PointerCatalog(
      name: "c", backend: database.open(), stores: ObjectStores(syncsFiles: false),
      warehouse: "file://\(path)/warehouse")
  }

  private func prepare(_ database: TestBackend) throws -> PointerCatalog {
    let catalog = try Self.catalog(database, folder.path)
    try catalog.createNamespace(Namespace(["n"]), properties: [:])
    let schema = TableSchema([TableField(1, "id", .long, required: true)])
    for identifier in [Self.table, Self.other] {
      _ = try catalog.createTable(identifier, TableCreation(schema: schema), staged: false)
    }
    return catalog
  }

  /// Four processes with four threads each: every commit that succeeded is there, and all succeed.
  @Test(arguments: BackendKind.databases)
  func sixteenWritersLoseNothing(kind: BackendKind) async throws {
    let database = try kind.database(in: folder)
    let catalog = try prepare(database)
    let path = folder.path
    async let a: Void = Self.write(database, path, "a")
    async let b: Void = Self.write(database, path, "b")
    async let c: Void = Self.write(database, path, "c")
    async let d: Void = Self.write(database, path, "d")
    _ = await (a, b, c, d)
    let metadata = try #require(try catalog.loadTable(Self.table, ifNot: nil)).metadata
    for process in ["a", "b", "c", "d"] {
      for thread in 0..<4 {
        for number in 0..<5 {
          #expect(metadata.properties["\(process)-\(thread)-\(number)"] == "1")
        }
      }
    }
  }

  private static func write(_ database: TestBackend, _ path: String, _ name: String) async {
    await #expect(processExitsWith: .success) {
      [database = database as TestBackend, path = path as String, name = name as String] in
      let catalog = try Self.catalog(database, path)
      inThreads(4) { thread in
        for number in 0..<5 {
          do {
            _ = try catalog.commit([
              TableCommit(
                Self.table, requirements: [],
                updates: [.setProperties(["\(name)-\(thread)-\(number)": "1"])])
            ])
          } catch {
            Issue.record(error)
          }
        }
      }
    }
  }

  /// A process that commits to two tables at once is killed: both have its change, or none, and what
  /// it had been told was done is there.
  @Test(arguments: BackendKind.databases)
  func aKilledWriterLeavesTheOldOrTheNew(kind: BackendKind) async throws {
    let database = try kind.database(in: folder)
    let catalog = try prepare(database)
    for _ in 0..<4 {
      let before = try Self.count(catalog, Self.table)
      let delay = Int.random(in: 5_000...150_000)
      let path = folder.path
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [
          database = database as TestBackend, path = path as String, before = before as Int,
          delay = delay as Int
        ] in
        let catalog = try Self.catalog(database, path)
        var delay = UInt32(delay)
        var thread = pthread_t()
        pthread_create(
          &thread, nil,
          { argument in
            usleep(argument!.load(as: UInt32.self))
            kill(getpid(), SIGKILL)
            return nil
          }, &delay)
        for number in (before + 1)... {
          _ = try catalog.commit(
            [Self.table, Self.other].map {
              TableCommit(
                $0, requirements: [], updates: [.setProperties(["count": String(number)])])
            })
          try String(number).write(
            toFile: "\(path)/acknowledged", atomically: true, encoding: .utf8)
        }
      }
      let count = try Self.count(catalog, Self.table)
      #expect(try Self.count(catalog, Self.other) == count)
      let text = try? String(contentsOfFile: "\(folder.path)/acknowledged", encoding: .utf8)
      let acknowledged = text.flatMap { Int($0) } ?? 0
      #expect(count == acknowledged || count == acknowledged + 1)
    }
  }

  private static func count(_ catalog: PointerCatalog, _ table: TableIdentifier) throws -> Int {
    let metadata = try #require(try catalog.loadTable(table, ifNot: nil)).metadata
    return metadata.properties["count"].flatMap { Int($0) } ?? 0
  }
}
