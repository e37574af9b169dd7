// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// A process that dies at any call of a commit leaves the table at the old or the new snapshot, and
/// orphan clean-up finds the rest.
@Suite struct CommitFaultTests {
  private static let day = 86_400_000

  /// Commits of all kinds, each on a table with three files, one vector and a small merge limit.
  private static let commits: [(String, @Sendable (Table) throws -> Void)] = [
    (
      "append",
      { table in
        let transaction = table.transaction()
        transaction.append().add(dataFile(table, "new"))
        try transaction.commit()
      }
    ),
    (
      "delete",
      { table in
        let transaction = table.transaction()
        transaction.deleteFiles().remove(path: "\(table.metadata.location)/data/a")
        try transaction.commit()
      }
    ),
    (
      "rows",
      { table in
        let transaction = table.transaction()
        transaction.rowDelta().add(dataFile(table, "new"))
          .deleteRows(of: dataFile(table, "b", 0...99), at: RoaringBitmap64([7, 9]))
        try transaction.commit()
      }
    ),
    (
      "rewrite",
      { table in
        let transaction = table.transaction()
        transaction.rewriteFiles().remove(dataFile(table, "a")).add(dataFile(table, "new"))
        try transaction.commit()
      }
    ),
    (
      "schema and append",
      { table in
        let transaction = table.transaction()
        transaction.updateSchema().addColumn("x", .int)
        transaction.append().add(dataFile(table, "new"))
        try transaction.commit()
      }
    ),
    (
      "expire",
      { table in
        try table.expireSnapshots(SnapshotExpiration(olderThanMilliseconds: .max, retainLast: 1))
      }
    ),
  ]

  private func prepare() throws -> (TestCatalog, Table) {
    let clock = TestEnvironment()
    let store = MemoryObjectStore(clock: clock.environment.now)
    let test = try TestCatalog(store: store, clock: clock)
    let table = try test.table(
      "t",
      [
        "commit.manifest.min-count-to-merge": "2",
        "write.metadata.previous-versions-max": "2",
      ])
    for name in ["a", "b"] {
      let transaction = table.transaction()
      let file = dataFile(table, name, name == "b" ? 0...99 : 0...9)
      try table.stores.put(file.path, Buffer([UInt8(1)]))
      transaction.append().add(file)
      try transaction.commit()
    }
    let transaction = table.transaction()
    transaction.rowDelta()
      .deleteRows(of: dataFile(table, "b", 0...99), at: RoaringBitmap64([1, 2]))
    try transaction.commit()
    return (test, table)
  }

  private struct Seen: Equatable {
    var state: TableState
    var columns: Int
    var snapshotCount: Int
  }

  private func look(_ table: Table) throws -> Seen {
    let loaded = try table.catalog.table(table.identifier)
    return Seen(
      state: try TableState(loaded), columns: loaded.schema.fields.count,
      snapshotCount: loaded.metadata.snapshots.count)
  }

  /// A catalog on the same data with nothing in memory, whose store dies at a call.
  private func reopened(_ test: TestCatalog, _ store: any ObjectStore) throws -> TestCatalog {
    try TestCatalog(store: store, backend: test.backend, seed: 99, clock: test.clock)
  }

  @Test(arguments: 0..<6, [true, false])
  func deathAtEveryCall(_ kind: Int, _ takesEffect: Bool) throws {
    let (name, commit) = Self.commits[kind]
    var sawOld = false
    var sawNew = false
    for call in 1...200 {
      let (test, table) = try prepare()
      let old = try look(table)
      let dying = DyingStore(test.store, dyingCall: call, takesEffect: takesEffect)
      let victim = try reopened(test, dying)
      do {
        try commit(try victim.catalog.table(table.identifier))
      } catch {}
      let now = try look(table)
      if now == old { sawOld = true } else { sawNew = true }
      // In between there is nothing: the whole commit makes exactly one other state.
      let (_, whole) = try prepare()
      try commit(whole)
      let new = try look(whole)
      #expect(
        now.state == old.state || now.state.dataFiles == new.state.dataFiles, "\(name) \(call)")
      #expect(
        now.snapshotCount == old.snapshotCount || now.snapshotCount == new.snapshotCount,
        "\(name) \(call)")
      #expect(now.columns == (now == old ? old : new).columns)
      try cleanAndGoOn(test, table, "\(name) \(call)")
      if !dying.isDead {
        #expect(sawNew)
        #expect(sawOld || call == 1)
        return
      }
    }
    Issue.record("the commit makes more than 200 calls")
  }

  /// After orphan clean-up there are only files that the table leads to, and it takes commits.
  private func cleanAndGoOn(_ test: TestCatalog, _ table: Table, _ label: String) throws {
    let survivor = try reopened(test, test.store)
    let again = try survivor.catalog.table(table.identifier)
    test.clock.advance(milliseconds: 4 * Self.day)
    let before = try TableState(again)
    try again.removeOrphanFiles()
    #expect(try TableState(again) == before, "\(label)")
    var expected = try referencedPaths(again)
    for snapshot in again.metadata.snapshots {
      for (entry, _) in try liveEntries(again, snapshot) {
        expected.insert(try StorageLocation(entry.dataFile.path).path)
      }
    }
    #expect(Set(try test.paths()).subtracting(expected) == [], "\(label)")
    let transaction = again.transaction()
    transaction.append().add(dataFile(again, "after"))
    try transaction.commit()
    #expect(try TableState(again).dataFiles.contains("after"))
  }

  @Test func unknownOutcomesAreFoundOut() throws {
    for seed in UInt64(1)...40 {
      let random = Mutex(SeededRandom(seed: seed))
      let clock = TestEnvironment(seed: seed)
      let store = MemoryObjectStore(clock: clock.environment.now)
      let calm = try TestCatalog(store: store, clock: clock)
      _ = try calm.table()
      let backend = UncertainBackend(calm.backend) {
        random.withLock { random in
          random.pick([.sure, .sure, .lostAfter, .lostBefore, .lostAfter, .failed])
        }
      }
      let catalog = try PointerCatalog(
        name: "u", backend: backend, stores: calm.catalog.stores, warehouse: "memory://w/house",
        environment: clock.environment)
      let table = try catalog.table(calm.identifier("t"))
      var expected: [String] = []
      var unknown = 0
      for index in 0..<20 {
        let transaction = table.transaction()
        transaction.append().add(dataFile(table, "f\(index)"))
        do {
          try transaction.commit()
          expected.append("f\(index)")
        } catch {
          let there = try TableState(try calm.catalog.table(calm.identifier("t"))).dataFiles
            .contains("f\(index)")
          if error.code == .unknownOutcome {
            unknown += 1
            if there { expected.append("f\(index)") }
          } else {
            #expect(error.code == .catalog)
            #expect(!there)
          }
        }
      }
      #expect(
        try TableState(try calm.catalog.table(calm.identifier("t"))).dataFiles
          == expected.sorted())
      // Only a row of unknown answers stays unknown.
      #expect(unknown <= 4)
    }
  }
}
