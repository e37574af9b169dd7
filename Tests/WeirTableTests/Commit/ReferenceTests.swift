// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

@Suite struct ReferenceTests {
  private func append(_ table: Table, _ name: String, branch: String = "main") throws -> Int64 {
    let transaction = table.transaction()
    let append = transaction.append().add(dataFile(table, name))
    append.toBranch(branch)
    try transaction.commit()
    return append.snapshotID
  }

  private func commit(_ table: Table, _ body: (Transaction) -> Void) throws {
    let transaction = table.transaction()
    body(transaction)
    try transaction.commit()
  }

  @Test func branchesGoTheirOwnWay() throws {
    let test = try TestCatalog()
    let table = try test.table()
    #expect(tableErrorCode { try commit(table) { $0.createTag("x") } } == .notFound)
    let a = try append(table, "a")
    try commit(table) { $0.createBranch("dev").createTag("v1") }
    let b = try append(table, "b", branch: "dev")
    #expect(table.metadata.currentSnapshotID == a)
    #expect(table.metadata.references["dev"]?.snapshotID == b)
    #expect(try TableState(table, table.metadata.snapshot(id: b)).dataFiles == ["a", "b"])
    #expect(tableErrorCode { try append(table, "x", branch: "v1") } == .invalidArgument)
    #expect(tableErrorCode { try append(table, "x", branch: "none") } == .notFound)
    try commit(table) { $0.fastForward("main", to: "dev") }
    #expect(table.metadata.currentSnapshotID == b)
    let c = try append(table, "c")
    #expect(tableErrorCode { try commit(table) { $0.fastForward("main", to: "dev") } } == .conflict)
    try commit(table) { $0.setReference("v1", to: c).removeReference("dev") }
    #expect(table.metadata.references["v1"]?.snapshotID == c)
    #expect(table.metadata.references["dev"] == nil)
    #expect(tableErrorCode { try commit(table) { $0.removeReference("main") } } == .invalidArgument)
    #expect(tableErrorCode { try commit(table) { $0.createTag("v1") } } == .alreadyExists)
  }

  @Test func goingBack() throws {
    let test = try TestCatalog()
    let table = try test.table()
    let a = try append(table, "a")
    let b = try append(table, "b")
    try commit(table) { $0.rollback(to: a) }
    #expect(try TableState(table).dataFiles == ["a"])
    #expect(tableErrorCode { try commit(table) { $0.rollback(to: b) } } == .invalidArgument)
    try commit(table) { $0.setCurrentSnapshot(b) }
    #expect(try TableState(table).dataFiles == ["a", "b"])
    let time = table.metadata.snapshot(id: b)!.timestampMilliseconds
    try commit(table) { $0.rollback(toMilliseconds: time) }
    #expect(table.metadata.currentSnapshotID == a)
    #expect(tableErrorCode { try commit(table) { $0.setCurrentSnapshot(7) } } == .notFound)
    let c = try append(table, "c")
    #expect(table.metadata.snapshot(id: c)?.parentID == a)
  }

  @Test func stagedSnapshotsArePicked() throws {
    let test = try TestCatalog()
    let table = try test.table()
    _ = try append(table, "a")
    var staged: [Int64] = []
    for name in ["s1", "s2"] {
      let transaction = table.transaction()
      let append = transaction.append().add(dataFile(table, name))
      append.stageOnly().set("wap.id", name)
      try transaction.commit()
      staged.append(append.snapshotID)
    }
    #expect(try TableState(table).dataFiles == ["a"])
    try commit(table) { $0.cherryPick(staged[0]) }
    // It followed the current snapshot: main moved.
    #expect(table.metadata.currentSnapshotID == staged[0])
    try commit(table) { $0.cherryPick(staged[1]) }
    #expect(try TableState(table).dataFiles == ["a", "s1", "s2"])
    #expect(table.currentSnapshot?.summary?["source-snapshot-id"] == String(staged[1]))
    #expect(table.currentSnapshot?.summary?["published-wap-id"] == "s2")
    for id in staged {
      #expect(tableErrorCode { try commit(table) { $0.cherryPick(id) } } == .alreadyExists)
    }
  }
}
