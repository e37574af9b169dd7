// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

@Suite struct RowDeltaTests {
  private func prepared(_ properties: StringMap = [:]) throws -> (TestCatalog, Table) {
    let test = try TestCatalog()
    let table = try test.table("t", properties)
    let transaction = table.transaction()
    transaction.append().add(dataFile(table, "a", 0...99)).add(dataFile(table, "b", 0...9))
    try transaction.commit()
    return (test, table)
  }

  private func delete(
    _ table: Table, _ file: String, _ rows: [Int64], adding: String? = nil
  ) throws {
    try pending(table, file, rows, adding: adding).commit()
  }

  private func pending(
    _ table: Table, _ file: String, _ rows: [Int64], adding: String? = nil
  ) -> Transaction {
    let transaction = table.transaction()
    let delta = transaction.rowDelta()
    let count = Int64(file == "a" ? 100 : 10)
    delta.deleteRows(of: dataFile(table, file, 0...(count - 1)), at: RoaringBitmap64(rows))
    if let adding { delta.add(dataFile(table, adding, 0...Int64(rows.count - 1))) }
    return transaction
  }

  /// The deleted rows of a file, and that it has one vector at most.
  private func deleted(_ table: Table, _ file: String) throws -> [Int64] {
    let entries = try liveEntries(table, table.currentSnapshot!).map { $0.0.dataFile }
      .filter { $0.referencedDataFile?.hasSuffix("/\(file)") ?? false }
    #expect(entries.count <= 1)
    guard let entry = entries.first else { return [] }
    let rows = try PuffinReader.deletionVector(try table.stores.open(entry.path), file: entry)
    #expect(rows.count == entry.recordCount)
    return rows.positions
  }

  /// Every file in the store is led to, and the reverse.
  private func checkNothingLeft(_ test: TestCatalog, _ table: Table) throws {
    var expected = try referencedPaths(table)
    for snapshot in table.metadata.snapshots {
      for (entry, _) in try liveEntries(table, snapshot) where entry.dataFile.content != .data {
        expected.insert(try StorageLocation(entry.dataFile.path).path)
      }
    }
    #expect(Set(try test.paths()) == expected)
  }

  @Test func vectorsOfAFileAreMerged() throws {
    let (test, table) = try prepared()
    try delete(table, "a", [1, 5, 50])
    #expect(try deleted(table, "a") == [1, 5, 50])
    let first = table.currentSnapshot!.summary!
    #expect(first["operation"] == "delete")
    #expect(first["added-dvs"] == "1")
    #expect(first["added-position-deletes"] == "3")
    #expect(first["total-position-deletes"] == "3")
    try delete(table, "a", [2, 99])
    #expect(try deleted(table, "a") == [1, 2, 5, 50, 99])
    let second = table.currentSnapshot!.summary!
    #expect(second["removed-dvs"] == "1")
    #expect(second["total-position-deletes"] == "5")
    #expect(second["total-delete-files"] == "1")
    // What is deleted already makes no snapshot.
    let count = table.metadata.snapshots.count
    try delete(table, "a", [1, 2])
    #expect(table.metadata.snapshots.count == count)
    try checkNothingLeft(test, table)
  }

  @Test func concurrentDeletesOfOneFileAreMerged() throws {
    let (test, table) = try prepared()
    let other = try test.catalog.table(table.identifier)
    let mine = pending(table, "a", [1, 2], adding: "new")
    try delete(other, "a", [3, 4])
    try mine.commit()
    #expect(try deleted(table, "a") == [1, 2, 3, 4])
    #expect(try TableState(table).dataFiles == ["a", "b", "new"])
    try checkNothingLeft(test, table)
  }

  @Test func updatesOfTheSameRowConflict() throws {
    let (test, table) = try prepared()
    let other = try test.catalog.table(table.identifier)
    let mine = pending(table, "a", [1, 2], adding: "mine")
    try delete(other, "a", [2, 3], adding: "theirs")
    do {
      try mine.commit()
      Issue.record("the update should have been refused")
    } catch {
      #expect(error.code == .conflict)
      #expect(error.message.contains("overwrite snapshot"))
      #expect(error.file?.hasSuffix("/a") == true)
    }
    #expect(try TableState(other).dataFiles == ["a", "b", "theirs"])
    // Deleting alone may overlap.
    _ = try table.refresh()
    let plain = pending(table, "a", [5, 6])
    _ = try other.refresh()
    try delete(other, "a", [6, 7])
    try plain.commit()
    #expect(try deleted(table, "a") == [2, 3, 5, 6, 7])
    try checkNothingLeft(test, table)
  }

  @Test func filesWithoutRowsGo() throws {
    let (test, table) = try prepared()
    try delete(table, "b", [0, 1, 2])
    try delete(table, "b", [3, 4, 5, 6, 7, 8, 9])
    #expect(try TableState(table) == TableState(table, table.currentSnapshot))
    #expect(try TableState(table).dataFiles == ["a"])
    #expect(try TableState(table).deleteFiles == [])
    #expect(table.currentSnapshot?.summary?["deleted-data-files"] == "1")
    #expect(table.currentSnapshot?.summary?["total-position-deletes"] == "0")
    try checkNothingLeft(test, table)
  }

  @Test func rewritesAndDeletesOfOneFileConflictBothWays() throws {
    let (test, table) = try prepared()
    let other = try test.catalog.table(table.identifier)
    let delete = pending(table, "a", [1])
    var transaction = other.transaction()
    transaction.rewriteFiles().remove(dataFile(other, "a", 0...99))
      .add(dataFile(other, "a2", 0...99))
    try transaction.commit()
    #expect(tableErrorCode { try delete.commit() } == .conflict)
    _ = try table.refresh()
    _ = try other.refresh()
    transaction = table.transaction()
    transaction.rewriteFiles().remove(dataFile(table, "b", 0...9)).add(dataFile(table, "b2", 0...9))
    try self.delete(other, "b", [1])
    #expect(tableErrorCode { try transaction.commit() } == .conflict)
    #expect(try TableState(other).dataFiles == ["a2", "b"])
    _ = try table.refresh()
    try checkNothingLeft(test, table)
  }

  @Test func removingAFileRemovesItsVector() throws {
    let (test, table) = try prepared()
    try delete(table, "a", [1])
    try delete(table, "b", [1])
    let transaction = table.transaction()
    transaction.rewriteFiles().remove(dataFile(table, "a", 0...99))
      .add(dataFile(table, "a2", 0...98))
    try transaction.commit()
    #expect(try TableState(table).deleteFiles.count == 1)
    #expect(try deleted(table, "a") == [])
    #expect(try deleted(table, "b") == [1])
    _ = test
  }

  @Test func equalityDeletesGoOnApplyingToRewrittenFiles() throws {
    let (_, table) = try prepared(["commit.manifest.min-count-to-merge": "2"])
    var transaction = table.transaction()
    transaction.rowDelta().add(
      deletes: DataFile(
        content: .equalityDeletes, path: "\(table.metadata.location)/data/equal", recordCount: 1,
        fileSizeInBytes: 1, equalityIDs: [1]))
    try transaction.commit()
    transaction = table.transaction()
    transaction.append().add(dataFile(table, "late"))
    try transaction.commit()
    try delete(table, "a", [1])
    transaction = table.transaction()
    let rewrite = transaction.rewriteFiles()
    rewrite.remove(dataFile(table, "a", 0...99)).remove(dataFile(table, "b", 0...9))
    rewrite.add(dataFile(table, "ab", 0...108)).setDataSequenceNumber(1)
    try transaction.commit()
    // The vector went with its file, the equality delete did not.
    #expect(try TableState(table).deleteFiles == ["equal"])
    // When nothing older is left, it goes with the next change of delete files.
    try delete(table, "late", [1])
    transaction = table.transaction()
    transaction.deleteFiles().remove(path: "\(table.metadata.location)/data/ab")
    try transaction.commit()
    transaction = table.transaction()
    transaction.rewriteFiles().remove(dataFile(table, "late")).add(dataFile(table, "later", 0...8))
    try transaction.commit()
    #expect(try TableState(table).dataFiles == ["later"])
  }

  @Test func rowsAddedMeanwhileMatterToThoseWhoLooked() throws {
    let (test, table) = try prepared()
    let other = try test.catalog.table(table.identifier)
    func update(_ filter: String, _ ids: ClosedRange<Int64>) throws {
      let transaction = table.transaction()
      let delta = transaction.rowDelta()
      delta.readFilter = try Predicate(parsing: filter)
      delta.add(dataFile(table, "u\(ids.lowerBound)"))
      let append = other.transaction()
      append.append().add(dataFile(other, "n\(ids.lowerBound)", ids))
      try append.commit()
      try transaction.commit()
    }
    #expect(tableErrorCode { try update("id < 100", 50...60) } == .conflict)
    _ = try table.refresh()
    try update("id < 100", 500...600)
  }

  @Test func vectorsNeedFormatVersion3() throws {
    let (_, table) = try prepared(["format-version": "2"])
    #expect(tableErrorCode { try delete(table, "a", [1]) } == .unsupported)
    #expect(tableErrorCode { try delete(table, "a", [1]) } == .unsupported)
  }
}
