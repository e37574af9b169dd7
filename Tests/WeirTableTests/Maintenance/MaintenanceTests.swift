// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

@Suite struct MaintenanceTests {
  private static let day = 86_400_000

  /// Puts real (empty) objects where the data files are.
  private func append(_ test: TestCatalog, _ table: Table, _ names: [String]) throws {
    let transaction = table.transaction()
    let append = transaction.append()
    for name in names {
      let file = dataFile(table, name)
      try table.stores.put(file.path, Buffer([UInt8(1)]))
      append.add(file)
    }
    try transaction.commit()
  }

  private func remove(_ table: Table, _ name: String) throws {
    let transaction = table.transaction()
    transaction.deleteFiles().remove(path: "\(table.metadata.location)/data/\(name)")
    try transaction.commit()
  }

  private func dataNames(_ test: TestCatalog) throws -> [String] {
    try test.paths().filter { $0.contains("/data/") }
      .map { String($0.split(separator: "/").last!) }
  }

  private func makeTest() throws -> (TestCatalog, Table) {
    let clock = TestEnvironment()
    let store = MemoryObjectStore(clock: clock.environment.now)
    let test = try TestCatalog(store: store, clock: clock)
    return (test, try test.table())
  }

  @Test func expirationRemovesWhatOnlyOldSnapshotsLeadTo() throws {
    let (test, table) = try makeTest()
    try append(test, table, ["a", "b"])
    try append(test, table, ["c"])
    try remove(table, "a")
    let tagged = table.currentSnapshot!.snapshotID
    try remove(table, "b")
    let tag = table.transaction()
    tag.createTag("keep", at: tagged)
    try tag.commit()
    #expect(try table.expireSnapshots().snapshotIDs == [])
    test.clock.advance(milliseconds: 6 * Self.day)
    try append(test, table, ["d"])
    let result = try table.expireSnapshots()
    #expect(result.snapshotIDs.count == 3)
    #expect(result.contentFileCount == 1)
    #expect(result.manifestListCount == 3)
    #expect(result.failureCount == 0)
    #expect(try dataNames(test) == ["b", "c", "d"])
    #expect(try TableState(table).dataFiles == ["c", "d"])
    #expect(try TableState(table, table.metadata.snapshot(id: tagged)).dataFiles == ["b", "c"])
    let untag = table.transaction()
    untag.removeReference("keep")
    try untag.commit()
    _ = try table.expireSnapshots()
    #expect(try dataNames(test) == ["c", "d"])
    #expect(Set(try test.paths().filter { !$0.contains("/data/") }) == (try referencedPaths(table)))
  }

  @Test func expirationByNumberAndByName() throws {
    let (test, table) = try makeTest()
    for index in 0..<6 { try append(test, table, ["f\(index)"]) }
    var options = SnapshotExpiration(olderThanMilliseconds: .max, retainLast: 3)
    #expect(try table.expireSnapshots(options).snapshotIDs.count == 3)
    let current = table.currentSnapshot!.snapshotID
    options = SnapshotExpiration()
    options.snapshotIDs = [current]
    #expect(tableErrorCode { try table.expireSnapshots(options) } == .invalidArgument)
    options.snapshotIDs = [table.metadata.snapshots[0].snapshotID]
    #expect(try table.expireSnapshots(options).snapshotIDs == Array(options.snapshotIDs))
    #expect(try TableState(table).dataFiles.count == 6)
    #expect(try dataNames(test).count == 6)
  }

  @Test func commitsKeepMetadataBounded() throws {
    let (test, table) = try makeTest()
    let setup = table.transaction()
    setup.setProperties(["history.expire.min-snapshots-to-keep": "5"])
    try setup.commit()
    for index in 0..<120 {
      test.clock.advance(milliseconds: Self.day)
      try append(test, table, ["f\(index)"])
      if index > 0 { try remove(table, "f\(index - 1)") }
    }
    // 5 days at 2 commits a day, and a batch.
    #expect(table.metadata.snapshots.count < 40)
    #expect(table.metadata.metadataLog.count == 100)
    #expect(try TableState(table).dataFiles == ["f119"])
    #expect(try dataNames(test).count < 40)
    #expect(Set(try test.paths().filter { !$0.contains("/data/") }) == (try referencedPaths(table)))
    let off = table.transaction()
    off.setProperties(["weir.expire-on-commit.enabled": "false"])
    try off.commit()
    test.clock.advance(milliseconds: 30 * Self.day)
    let count = table.metadata.snapshots.count
    try append(test, table, ["x"])
    #expect(table.metadata.snapshots.count == count + 1)
  }

  @Test func orphansAreFoundAndNothingElse() throws {
    let (test, table) = try makeTest()
    try append(test, table, ["a"])
    try append(test, table, ["b"])
    let location = table.metadata.location
    for name in ["data/left", "metadata/left.avro", "elsewhere/other-table"] {
      try table.stores.put("\(location)/\(name)", Buffer([UInt8(1)]))
    }
    #expect(try table.removeOrphanFiles().locations == [])
    test.clock.advance(milliseconds: 4 * Self.day)
    try table.stores.put("\(location)/data/young", Buffer([UInt8(1)]))
    var options = OrphanCleanup()
    options.isDryRun = true
    let found = try table.removeOrphanFiles(options)
    #expect(Set(found.locations) == ["\(location)/data/left", "\(location)/metadata/left.avro"])
    #expect(found.byteCount == 2)
    #expect(try dataNames(test) == ["a", "b", "left", "young"])
    options.isDryRun = false
    #expect(try table.removeOrphanFiles(options) == found)
    #expect(try dataNames(test) == ["a", "b", "young"])
    #expect(try test.paths().contains { $0.hasSuffix("elsewhere/other-table") })
    #expect(try TableState(table).dataFiles == ["a", "b"])
  }

  @Test func purgeLeavesNothing() throws {
    let (test, table) = try makeTest()
    for name in ["a", "b"] { try append(test, table, [name]) }
    try remove(table, "a")
    try test.catalog.dropTable(table.identifier, purge: true)
    #expect(try test.paths() == [])
    let kept = try test.table("kept", ["gc.enabled": "false"])
    #expect(
      tableErrorCode { try test.catalog.dropTable(kept.identifier, purge: true) } == .forbidden)
    #expect(tableErrorCode { try kept.expireSnapshots() } == .forbidden)
    #expect(tableErrorCode { try kept.removeOrphanFiles() } == .forbidden)
  }
}
