// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Ranges of snapshots, appends between them, and what is different between two states.
@Suite struct SnapshotRangeTests {
  private func append(_ table: Table, _ name: String, _ ids: ClosedRange<Int64>) throws {
    let transaction = table.transaction()
    transaction.append().add(dataFile(table, name, ids))
    try transaction.commit()
  }

  /// a, b, c appended; b removed; d appended.
  private func table() throws -> (Table, [Int64]) {
    let table = try TestCatalog().table()
    for (index, name) in ["a", "b", "c"].enumerated() {
      try append(table, name, Int64(index * 10)...Int64(index * 10 + 9))
    }
    let transaction = table.transaction()
    transaction.deleteFiles().remove(path: "\(table.metadata.location)/data/b")
    try transaction.commit()
    try append(table, "d", 30...34)
    return (table, table.metadata.snapshots.map(\.snapshotID))
  }

  private func planned(
    _ table: Table, _ start: SnapshotSelector?, _ options: ScanOptions = ScanOptions()
  ) throws -> [String] {
    let planner = try table.planAppends(after: start, options)
    var names: [String] = []
    while let task = try planner.next() {
      #expect(task.deletes.isEmpty)
      names.append(String(task.dataFile.path.split(separator: "/").last!))
    }
    return names
  }

  @Test func ranges() throws {
    let (table, ids) = try table()
    let metadata = table.metadata
    func range(_ start: SnapshotSelector?, _ end: SnapshotSelector) throws -> [Int64] {
      try SnapshotRange(metadata, after: start, to: end).snapshots.map(\.snapshotID)
    }
    #expect(try range(nil, .current) == ids)
    #expect(try range(.id(ids[1]), .id(ids[3])) == [ids[2], ids[3]])
    #expect(try range(.id(ids[4]), .current) == [])
    let time = metadata.snapshots[2].timestampMilliseconds
    #expect(try range(.asOf(milliseconds: time), .reference("main")) == [ids[3], ids[4]])
    #expect(tableErrorCode { _ = try range(.id(1), .current) } == .notFound)
    #expect(tableErrorCode { _ = try range(.id(ids[3]), .id(ids[1])) } == .invalidArgument)
    let empty = try TestCatalog().table()
    #expect(try SnapshotRange(empty.metadata, after: nil).snapshots.isEmpty)
  }

  @Test func expiredHistory() throws {
    let (table, ids) = try table()
    try table.expireSnapshots(SnapshotExpiration(olderThanMilliseconds: .max, retainLast: 2))
    let range = try SnapshotRange(table.metadata, after: .id(ids[3]))
    #expect(range.snapshots.map(\.snapshotID) == [ids[4]])
    #expect(
      tableErrorCode { _ = try SnapshotRange(table.metadata, after: nil) } == .invalidArgument)
    #expect(
      tableErrorCode { _ = try SnapshotRange(table.metadata, after: .id(ids[0])) } == .notFound)
  }

  @Test func appendsBetweenSnapshots() throws {
    let (table, ids) = try table()
    // As the reference implementation has it: what was removed later is still told.
    #expect(try planned(table, nil) == ["a", "b", "c", "d"])
    #expect(try planned(table, .id(ids[0])) == ["b", "c", "d"])
    #expect(try planned(table, .id(ids[2])) == ["d"])
    #expect(try planned(table, .id(ids[2]), ScanOptions(at: .id(ids[3]))) == [])
    let filter = ScanOptions(where: try Predicate(parsing: "id >= 25"))
    #expect(try planned(table, .id(ids[0]), filter) == ["c", "d"])
    #expect(tableErrorCode { _ = try planned(table, .id(3)) } == .notFound)
    #expect(
      tableErrorCode { _ = try planned(table, nil, ScanOptions(where: .isNull(Term("x")))) }
        == .invalidArgument)
  }

  @Test func appendedRows() throws {
    let world = try ChangeWorld(seed: 2, isUnique: true)
    let table = world.table
    let first = table.metadata.currentSnapshotID!
    try table.append([try world.batch([(101, 1, "x"), (102, 2, "y")])])
    try table.delete(where: try Predicate(parsing: "id = 101"))
    try table.append([try world.batch([(103, 3, "x")])])
    var options = ScanOptions(columns: ["id"], where: try Predicate(parsing: "text = 'x'"))
    func ids() throws -> [Scalar] {
      let reader = try table.scanAppends(after: .id(first), options)
      var ids: [Scalar] = []
      while let batch = try reader.next() {
        ids += (0..<batch.rowCount).map { batch.columns[0].scalar(at: $0) }
      }
      return ids
    }
    #expect(try ids() == [.int(101), .int(103)])
    options.limit = 1
    #expect(try ids() == [.int(101)])
  }

  @Test func differences() throws {
    let (table, ids) = try table()
    var diff = try table.diff(from: .id(ids[0]))
    #expect(diff.from?.snapshotID == ids[0] && diff.to?.snapshotID == ids[4])
    #expect(diff.snapshots.map(\.snapshotID) == Array(ids[1...]))
    // What came and went again is no difference.
    #expect(diff.addedDataFiles.count == 2 && diff.addedDataFiles.rows == 15)
    #expect(diff.addedDataFiles.bytes == 2_000)
    #expect(diff.removedDataFiles == TableDiff.Files() && diff.deletedRows == 0)
    diff = try table.diff(from: .id(ids[2]), to: .id(ids[3]))
    #expect(diff.addedDataFiles.count == 0 && diff.removedDataFiles.rows == 10)
    #expect(diff.deletedRows == 10)
    // Backwards, too.
    diff = try table.diff(from: .id(ids[4]), to: .id(ids[0]))
    #expect(diff.snapshots.isEmpty && diff.removedDataFiles.count == 2)
    diff = try table.diff(from: nil)
    #expect(diff.snapshots.count == 5 && diff.addedDataFiles.rows == 25 && diff.columns.isEmpty)
    let change = table.transaction()
    change.updateSchema().renameColumn("name", to: "title").addColumn("price", .double)
      .dropColumn("id")
    try change.commit()
    diff = try table.diff(from: .id(ids[4]))
    #expect(
      diff.columns.map { "\($0.kind.rawValue) \($0.old ?? "-") \($0.new ?? "-")" } == [
        "dropped id: long required -", "changed name: string title: string",
        "added - price: double",
      ])
    #expect(tableErrorCode { _ = try table.diff(from: .id(9)) } == .notFound)
  }

  @Test func rowsThatWereDeletedByMarks() throws {
    let world = try ChangeWorld(seed: 3, isUnique: true)
    let table = world.table
    #expect(table.metadata.formatVersion == 3)
    try table.append([try world.batch((201...300).map { (Int64($0), 1, "a") })])
    let start = SnapshotSelector.id(table.metadata.currentSnapshotID!)
    try table.delete(where: try Predicate(parsing: "id between 211 and 220"))
    try table.delete(where: try Predicate(parsing: "id between 216 and 230"))
    #expect(try table.diff(from: start).deletedRows == 20)
    #expect(try table.diff(from: start).addedDeleteFiles.count == 1)
    try table.upsert(BatchList([try world.batch([(201, 1, "b"), (999, 1, "b")])]))
    let counts = try table.countChanges(from: start)
    #expect(counts.map(\.insertedRows) == [0, 0, 2])
    #expect(counts.map(\.deletedRows) == [10, 10, 1])
    #expect(
      counts.map(\.snapshot.snapshotID) == table.metadata.snapshots.suffix(3).map(\.snapshotID))
    try table.delete(where: try Predicate(parsing: "id between 100 and 998"))
    #expect(try table.countChanges(from: start).last?.deletedRows == 80)
    #expect(try table.diff(from: start).deletedRows == 101)
    #expect(try table.countChanges(from: .current).isEmpty)
  }

  @Test(arguments: 0..<4) func countsOfRandomHistories(_ seed: Int) throws {
    var world = try ChangeWorld(seed: seed + 40, isUnique: false)
    for _ in 0..<10 { try world.change() }
    let table = world.table
    var rows = 0
    for counts in try table.countChanges(from: nil) {
      rows += counts.insertedRows - counts.deletedRows
      let now = try world.rows(counts.snapshot, table.schema).values.reduce(0, +)
      #expect(rows == now, "seed \(seed)")
    }
  }
}
