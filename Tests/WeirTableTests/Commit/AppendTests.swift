// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct AppendTests {
  private func append(_ table: Table, _ name: String, _ ids: ClosedRange<Int64> = 0...9) throws {
    let transaction = table.transaction()
    transaction.append().add(dataFile(table, name, ids))
    try transaction.commit()
  }

  @Test func snapshotsFollowEachOther() throws {
    let test = try TestCatalog()
    let table = try test.table()
    for index in 0..<3 { try append(table, "f\(index)") }
    let metadata = table.metadata
    #expect(try TableState(table).dataFiles == ["f0", "f1", "f2"])
    #expect(metadata.snapshots.count == 3)
    #expect(metadata.lastSequenceNumber == 3)
    #expect(metadata.snapshots.map(\.sequenceNumber) == [1, 2, 3])
    #expect(metadata.snapshots[1].parentID == metadata.snapshots[0].snapshotID)
    let summary = metadata.currentSnapshot!.summary!
    #expect(summary["operation"] == "append")
    #expect(summary["added-data-files"] == "1")
    #expect(summary["added-records"] == "10")
    #expect(summary["total-records"] == "30")
    #expect(summary["total-data-files"] == "3")
    #expect(summary["total-files-size"] == "3000")
    #expect(summary["total-delete-files"] == "0")
    #expect(summary["changed-partition-count"] == "1")
    // Every file that was written is of use.
    #expect(Set(try test.paths()) == (try referencedPaths(table)))
  }

  @Test func rowsGetIDsInTheirOrder() throws {
    let test = try TestCatalog()
    let table = try test.table()
    try append(table, "a", 0...4)
    try append(table, "b", 0...6)
    let metadata = table.metadata
    #expect(metadata.nextRowID == 12)
    #expect(metadata.snapshots.map(\.firstRowID) == [0, 5])
    #expect(metadata.snapshots.map(\.addedRows) == [5, 7])
    let firstIDs = try liveEntries(table, metadata.currentSnapshot!)
      .map { ($0.0.dataFile.path.suffix(1), $0.0.dataFile.firstRowID) }
    #expect(firstIDs.first { $0.0 == "a" }?.1 == 0)
    #expect(firstIDs.first { $0.0 == "b" }?.1 == 5)
  }

  @Test func rowIDsSurviveTheMergeOfManifests() throws {
    let test = try TestCatalog()
    let table = try test.table("t", ["commit.manifest.min-count-to-merge": "3"])
    var expected: [String: Int64] = [:]
    for index in 0..<10 {
      try append(table, "f\(index)", 0...Int64(index))
      for (entry, _) in try liveEntries(table, table.currentSnapshot!) {
        let name = String(entry.dataFile.path.split(separator: "/").last!)
        let id = try #require(entry.dataFile.firstRowID)
        #expect(expected[name] == nil || expected[name] == id)
        expected[name] = id
      }
      // Ranges of rows never overlap.
      let ranges = try liveEntries(table, table.currentSnapshot!)
        .map { ($0.0.dataFile.firstRowID!, Int64($0.0.dataFile.recordCount)) }
        .sorted { $0.0 < $1.0 }
      for (a, b) in zip(ranges, ranges.dropFirst()) { #expect(a.0 + a.1 <= b.0) }
    }
    let manifests = try table.manifests(of: table.currentSnapshot!)
    #expect(manifests.count < 4)
    #expect(try TableState(table).dataFiles.count == 10)
    let entries = try liveEntries(table, table.currentSnapshot!)
    #expect(Set(entries.map { $0.0.sequenceNumber }) == Set((1...10).map { Int64($0) }))
    #expect(Set(try test.paths()) == (try referencedPaths(table)))
  }

  @Test func staleTablesRebase() throws {
    let test = try TestCatalog()
    let table = try test.table()
    let other = try test.catalog.table(table.identifier)
    let transaction = table.transaction()
    transaction.append().add(dataFile(table, "mine"))
    try append(other, "theirs")
    try transaction.commit()
    #expect(try TableState(table).dataFiles == ["mine", "theirs"])
  }

  @Test func severalTablesCommitTogether() throws {
    let test = try TestCatalog()
    let (a, b) = (try test.table("a"), try test.table("b"))
    let first = a.transaction()
    first.append().add(dataFile(a, "x"))
    let second = b.transaction()
    second.append().add(dataFile(b, "y"))
    second.append().add(dataFile(b, "z"))
    try append(b, "theirs")
    try Transaction.commit([first, second])
    #expect(try TableState(a).dataFiles == ["x"])
    #expect(try TableState(b).dataFiles == ["theirs", "y", "z"])
    #expect(b.metadata.snapshots.count == 3)
  }

  @Test(arguments: [true, false])
  func sixteenWritersLoseNothing(_ takesTurns: Bool) throws {
    let test = try TestCatalog()
    let first = try test.table("t", ["commit.manifest.min-count-to-merge": "5"])
    let identifier = first.identifier
    let failures = Mutex<[String]>([])
    inThreads(16) { thread in
      do {
        var environment = test.clock.environment
        environment.takesTurns = takesTurns
        environment.sleep = SystemTime.sleep
        let table = Table(
          try test.catalog.loadTable(identifier), catalog: test.catalog, environment: environment)
        for index in 0..<5 { try append(table, "f\(thread)-\(index)") }
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 } == [])
    let table = try test.catalog.table(identifier)
    let state = try TableState(table)
    #expect(state.dataFiles.count == 80)
    #expect(Set(state.dataFiles).count == 80)
    #expect(table.metadata.snapshots.count == 80)
    #expect(table.metadata.snapshots.map(\.sequenceNumber) == (1...80).map { Int64($0) })
    #expect(table.metadata.currentSnapshot?.summary?["total-records"] == "800")
    // What lost attempts wrote is gone.
    #expect(Set(try test.paths()) == (try referencedPaths(table)))
  }
}
