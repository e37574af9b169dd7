// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct FileOperationTests {
  private func append(_ table: Table, _ files: [DataFile]) throws {
    let transaction = table.transaction()
    transaction.append().add(contentsOf: files)
    try transaction.commit()
  }

  private func conflict(_ body: () throws -> Void) -> TableError? {
    do {
      try body()
      return nil
    } catch {
      return error as? TableError
    }
  }

  @Test func filesGoByNameAndByFilter() throws {
    let test = try TestCatalog()
    let table = try test.table(partitioned: true)
    try append(
      table,
      [
        dataFile(table, "a1", 0...9, partition: "a"),
        dataFile(table, "a2", 10...19, partition: "a"),
        dataFile(table, "b1", 0...9, partition: "b"),
      ])
    var transaction = table.transaction()
    transaction.deleteFiles().remove(path: "\(table.metadata.location)/data/a1")
    try transaction.commit()
    #expect(try TableState(table).dataFiles == ["a2", "b1"])
    #expect(table.currentSnapshot?.summary?["operation"] == "delete")
    #expect(table.currentSnapshot?.summary?["deleted-records"] == "10")
    #expect(table.currentSnapshot?.summary?["total-records"] == "20")
    transaction = table.transaction()
    transaction.deleteFiles().removeWhere(try Predicate(parsing: "name = 'a'"))
    try transaction.commit()
    #expect(try TableState(table).dataFiles == ["b1"])
    let partly = conflict {
      let transaction = table.transaction()
      transaction.deleteFiles().removeWhere(try Predicate(parsing: "id > 5"))
      try transaction.commit()
    }
    #expect(partly?.code == .invalidArgument)
    #expect(partly?.file?.hasSuffix("b1") == true)
    let missing = conflict {
      let transaction = table.transaction()
      transaction.deleteFiles().remove(path: "memory://w/none")
      try transaction.commit()
    }
    #expect(missing?.code == .conflict)
    #expect(Set(try test.paths()) == (try referencedPaths(table)))
  }

  @Test func overwritesConflictWithRowsTheyWouldHaveReplaced() throws {
    let test = try TestCatalog()
    let table = try test.table(partitioned: true)
    try append(table, [dataFile(table, "a1", partition: "a")])
    func overwrite(_ isolation: IsolationLevel, _ file: String, theirs: DataFile) throws {
      let transaction = table.transaction()
      let overwrite = transaction.overwrite()
      overwrite.isolation = isolation
      overwrite.removeWhere(try Predicate(parsing: "name = 'a'"))
      overwrite.add(dataFile(table, file, partition: "a"))
      try append(try test.catalog.table(table.identifier), [theirs])
      try transaction.commit()
    }
    let error = conflict {
      try overwrite(.serializable, "a2", theirs: dataFile(table, "theirs", partition: "a"))
    }
    #expect(error?.code == .conflict)
    #expect(error?.message.contains("append snapshot") == true)
    try overwrite(.serializable, "a3", theirs: dataFile(table, "b", partition: "b"))
    #expect(try TableState(table).dataFiles == ["a3", "b"])
    try overwrite(.snapshot, "a4", theirs: dataFile(table, "late", partition: "a"))
    #expect(try TableState(table).dataFiles == ["a4", "b"])
    #expect(Set(try test.paths()) == (try referencedPaths(table)))
  }

  @Test func rewritesStandAppendsAndNotRemovals() throws {
    let test = try TestCatalog()
    let table = try test.table()
    let files = [dataFile(table, "s1"), dataFile(table, "s2")]
    try append(table, files)
    var transaction = table.transaction()
    var rewrite = transaction.rewriteFiles()
    for file in files { rewrite.remove(file) }
    rewrite.add(dataFile(table, "big"))
    rewrite.setDataSequenceNumber(1)
    try append(try test.catalog.table(table.identifier), [dataFile(table, "new")])
    try transaction.commit()
    #expect(try TableState(table).dataFiles == ["big", "new"])
    #expect(table.currentSnapshot?.summary?["operation"] == "replace")
    let entries = try liveEntries(table, table.currentSnapshot!)
    let big = entries.first { $0.0.dataFile.path.hasSuffix("big") }!.0
    #expect(big.sequenceNumber == 1)
    #expect(big.fileSequenceNumber == 3)

    transaction = table.transaction()
    rewrite = transaction.rewriteFiles()
    rewrite.remove(dataFile(table, "big"))
    rewrite.add(dataFile(table, "bigger"))
    let other = try test.catalog.table(table.identifier)
    let theirs = other.transaction()
    theirs.deleteFiles().remove(path: "\(table.metadata.location)/data/big")
    try theirs.commit()
    let error = conflict { try transaction.commit() }
    #expect(error?.code == .conflict)
    #expect(error?.message.contains("delete snapshot") == true)
    #expect(try TableState(other).dataFiles == ["new"])
    _ = try table.refresh()
    #expect(Set(try test.paths()) == (try referencedPaths(table)))
  }

  @Test func partitionsAreReplaced() throws {
    let test = try TestCatalog()
    let table = try test.table(partitioned: true)
    try append(
      table,
      [
        dataFile(table, "a1", partition: "a"), dataFile(table, "b1", partition: "b"),
        dataFile(table, "n1"),
      ])
    var transaction = table.transaction()
    transaction.replacePartitions().add(dataFile(table, "a2", partition: "a"))
      .add(dataFile(table, "n2"))
    try transaction.commit()
    #expect(try TableState(table).dataFiles == ["a2", "b1", "n2"])
    #expect(table.currentSnapshot?.summary?["replace-partitions"] == "true")
    transaction = table.transaction()
    transaction.replacePartitions().add(dataFile(table, "a3", partition: "a"))
    try append(
      try test.catalog.table(table.identifier), [dataFile(table, "late", partition: "a")])
    #expect(conflict { try transaction.commit() }?.code == .conflict)
  }

  @Test func rolledBackHistoryIsAConflict() throws {
    let test = try TestCatalog()
    let table = try test.table()
    try append(table, [dataFile(table, "a")])
    let first = table.currentSnapshot!.snapshotID
    try append(table, [dataFile(table, "b")])
    let transaction = table.transaction()
    let overwrite = transaction.overwrite()
    overwrite.remove(dataFile(table, "a"))
    overwrite.add(dataFile(table, "c"))
    _ = try test.catalog.commit(
      TableCommit(
        table.identifier, requirements: [],
        updates: [
          .setSnapshotReference("main", SnapshotReference(snapshotID: first, kind: .branch))
        ]))
    let error = conflict { try transaction.commit() }
    #expect(error?.code == .conflict)
    #expect(error?.message.contains("rolled back") == true)
  }
}
