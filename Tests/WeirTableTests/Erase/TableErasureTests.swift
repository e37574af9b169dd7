// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Rows go from every byte of a table's folder, and nothing else does.
@Suite struct TableErasureTests {
  private func full() -> CompactionOptions {
    var options = CompactionOptions()
    options.isFull = true
    return options
  }

  private func lineage(_ table: Table) throws -> [[String: Scalar]] {
    try WrittenTables.sortedRows(
      table, ScanOptions(columns: ["id", "_row_id", "_last_updated_sequence_number"]))
  }

  private func isErased(_ row: [String: Scalar], _ range: ClosedRange<Int64>) -> Bool {
    if case .int(let id)? = row["id"] { range.contains(id) } else { false }
  }

  /// Rows in an order of their own.
  private func texts(
    _ rows: [[String: Scalar]], without range: ClosedRange<Int64>?
  ) -> [String] {
    rows.filter { row in range.map { !isErased(row, $0) } ?? true }
      .map { row in row.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined() }
      .sorted()
  }

  @Test(arguments: 0..<24) func nothingIsLeftWhateverHappenedBefore(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &* 77 &+ 1)
    var world = try ChangeWorld(seed: seed, isUnique: seed % 4 != 1)
    let table = world.table
    for _ in 0..<random.int(4...14) { try world.change() }
    if random.chance(0.4) {
      try table.refresh()
      try table.compact(full())
    }
    for _ in 0..<random.int(0...3) { try world.change() }
    try table.refresh()
    let low = Int64(random.int(0..<12))
    let range = low...low + Int64(random.int(0..<3))
    let before = try texts(WrittenTables.sortedRows(table), without: range)
    let lineageBefore =
      table.metadata.formatVersion >= 3 ? try texts(lineage(table), without: range) : []
    let result = try table.erase("id between \(range.lowerBound) and \(range.upperBound)")
    #expect(result.isComplete, "\(result.left)")
    #expect(try ErasedWorld(table).holders("id", range) == [], "seed \(seed)")
    try table.refresh()
    #expect(try texts(WrittenTables.sortedRows(table), without: nil) == before)
    if table.metadata.formatVersion >= 3 {
      #expect(try texts(lineage(table), without: nil) == lineageBefore)
    }
    // All snapshots that are left can be read.
    for snapshot in table.metadata.snapshots { _ = try world.rows(snapshot, table.schema) }
    // Again, there is nothing to do.
    let current = table.currentSnapshot
    let again = try table.erase("id between \(range.lowerBound) and \(range.upperBound)")
    #expect(again.isComplete && again.rewrites.isEmpty && again.expiredSnapshotIDs.isEmpty)
    #expect(table.currentSnapshot == current)
    // The table is written and read on.
    for _ in 0..<3 { try world.change() }
    try WrittenTables.finish(table)
  }

  /// Others that began before the erasure and commit behind it bring no byte back.
  @Test(arguments: 0..<16) func othersBringNothingBack(_ seed: Int) throws {
    var world = try ChangeWorld(seed: seed * 2 + 1, isUnique: true)
    let table = world.table
    for _ in 0..<4 { try table.append([try world.batch(world.newRows())]) }
    try table.delete(where: try Predicate(parsing: "id = 3"))
    let compactor = try table.catalog.table(table.identifier)
    let compaction = try Compaction(compactor, full())
    try compaction.plan()
    while try compaction.rewrite() {}
    let appender = try table.catalog.table(table.identifier)
    let before = try WrittenTables.sortedRows(table)
    let result = try table.erase("id between 2 and 4")
    #expect(result.rewrites.count >= 1)
    try compaction.commit()
    try appender.append([try world.batch(world.newRows())])
    try table.refresh()
    let rows = try WrittenTables.sortedRows(table)
    let old = rows.filter { row in before.contains { $0["id"] == row["id"] } }
    #expect(old == before.filter { !isErased($0, 2...4) })
    #expect(try ErasedWorld(table).holders("id", 2...4) == [])
    #expect(try table.erase("id between 2 and 4").isComplete)
  }

  /// Two erasures of one file at once.
  @Test func twoErasuresAtOnce() throws {
    var world = try ChangeWorld(seed: 3, isUnique: true)
    let table = world.table
    for _ in 0..<3 { try table.append([try world.batch(world.newRows())]) }
    let other = try table.catalog.table(table.identifier)
    let before = try WrittenTables.sortedRows(table)
    var options = ErasureOptions()
    options.committer = OtherFirst(other)
    #expect(try table.erase("id = 1", options).isComplete)
    try table.refresh()
    #expect(try ErasedWorld(table).holders("id", 1...2) == [])
    #expect(try WrittenTables.sortedRows(table) == before.filter { !isErased($0, 1...2) })
  }

  @Test func killedAtAnyCall() throws {
    var finished = false
    for call in stride(from: 1, to: 400, by: 7) where !finished {
      let clock = TestEnvironment()
      let store = MemoryObjectStore(clock: clock.environment.now)
      let test = try TestCatalog(store: store, clock: clock)
      let table = try test.table("t", ["format-version": "3"])
      for part in 0..<3 {
        let builder = RecordBatchBuilder(TestCatalog.schema.arrowSchema())
        for id in 0..<5 {
          try builder.append(row: [
            .int(Int64(part * 5 + id)), .string("\(id == 2 ? "victim" : "other")-\(part)"),
          ])
        }
        try table.append([try builder.finish()])
      }
      try table.delete(where: try Predicate(parsing: "id = 7"))
      let before = try WrittenTables.sortedRows(table)
      let dying = DyingStore(store, dyingCall: call, takesEffect: call % 2 == 0)
      let reopened = try TestCatalog(
        store: dying, backend: test.backend, seed: 99, clock: clock)
      do {
        try reopened.catalog.table(table.identifier).erase("name like 'victim%'")
      } catch {}
      finished = !dying.isDead
      let fresh = try TestCatalog(store: store, backend: test.backend, seed: 7, clock: clock)
      let again = try fresh.catalog.table(table.identifier)
      #expect(
        try WrittenTables.sortedRows(again).filter { !"\($0)".contains("victim") }
          == before.filter { !"\($0)".contains("victim") })
      var options = ErasureOptions()
      options.markers = [Array("victim".utf8)]
      let result = try again.erase("name like 'victim%'", options)
      #expect(result.isComplete, "call \(call): \(result.left) \(result.scan?.places ?? [])")
      #expect(
        try WrittenTables.sortedRows(again) == before.filter { !"\($0)".contains("victim") })
      #expect(!(try test.paths()).contains { $0.contains("/erasures/removing-") })
    }
    #expect(finished, "an erasure makes more than 400 calls")
  }

  @Test func partitionsTellNothing() throws {
    let table = try TestCatalog().table(
      "t", partitioned: true, ["format-version": "3", "write.summary.partition-limit": "100"])
    for name in ["ann-7f3a", "bob", "cy"] {
      let builder = RecordBatchBuilder(TestCatalog.schema.arrowSchema())
      for id in 0..<4 { try builder.append(row: [.int(Int64(id)), .string(name)]) }
      try table.append([try builder.finish()])
    }
    var options = ErasureOptions()
    options.markers = [Array("ann-7f3a".utf8)]
    let result = try table.erase("name = 'ann-7f3a'", options)
    #expect(result.isComplete, "\(result.scan?.places ?? []) \(result.left)")
    #expect(result.scan?.counts == [0] && (result.scan?.fileCount ?? 0) > 5)
    #expect(try !ErasedWorld(table).paths().contains { $0.contains("ann-7f3a") })
    #expect(try WrittenTables.rows(table).reduce(0) { $0 + $1.rowCount } == 8)
    #expect(result.erasedRowCount == 4 && !result.json.text.contains("ann"))
  }

  @Test func branchesAndTags() throws {
    var world = try ChangeWorld(seed: 3, isUnique: true)
    let table = world.table
    for _ in 0..<3 { try table.append([try world.batch(world.newRows())]) }
    let transaction = table.transaction()
    transaction.createTag("january", at: table.currentSnapshot!.snapshotID)
    transaction.createBranch("audit", at: table.currentSnapshot!.snapshotID)
    try transaction.commit()
    try table.delete(where: try Predicate(parsing: "id = 2"))
    let refused = #expect(throws: TableError.self) { try table.erase("id = 2") }
    #expect(refused?.message.contains("the branch 'audit', the tag 'january' lead") == true)
    let before = try WrittenTables.sortedRows(table)
    var options = ErasureOptions()
    options.includesReferences = true
    let result = try table.erase("id = 2", options)
    #expect(result.isComplete && result.removedReferences == ["january"])
    #expect(try ErasedWorld(table).holders("id", 2...2) == [])
    try table.refresh()
    #expect(try WrittenTables.sortedRows(table) == before)
    #expect(try WrittenTables.sortedRows(table, ScanOptions(at: .reference("audit"))) == before)
  }

  @Test func readersAreWaitedFor() throws {
    final class Reading: SnapshotReaders {
      let left = Atomic(3)
      func retire(_ ids: Set<Int64>) -> Set<Int64> {
        left.wrappingSubtract(1, ordering: .relaxed).newValue >= 0 ? ids : []
      }
      func restore(_ ids: Set<Int64>) {}
    }
    var world = try ChangeWorld(seed: 3, isUnique: true)
    for _ in 0..<3 { try world.table.append([try world.batch(world.newRows())]) }
    var options = ErasureOptions()
    options.readers = Reading()
    options.waitMilliseconds = 0
    let early = try world.table.erase("id = 1", options)
    #expect(!early.isComplete && early.left.contains { $0.contains("are being read") })
    #expect(try !ErasedWorld(world.table).holders("id", 1...1).isEmpty)
    options.waitMilliseconds = 60_000
    #expect(try world.table.erase("id = 1", options).isComplete)
    #expect(try ErasedWorld(world.table).holders("id", 1...1) == [])
  }

  @Test func filesWithoutASnapshot() throws {
    var world = try ChangeWorld(seed: 3, isUnique: true)
    let table = world.table
    let writer = try table.writer()
    try writer.write(try world.batch(world.newRows()))
    _ = try writer.close()
    let early = try table.erase("id >= 1")
    #expect(!early.isComplete && early.left.contains { $0.contains("--orphans 0s") })
    var options = ErasureOptions()
    options.orphanAgeMilliseconds = 0
    let result = try table.erase("id >= 1", options)
    #expect(result.isComplete && result.removedOrphans >= 1)
    #expect(try ErasedWorld(table).holders("id", 1...1_000) == [])
  }

  @Test func notesThatAreNone() throws {
    var world = try ChangeWorld(seed: 3, isUnique: true)
    let table = world.table
    try table.append([try world.batch(world.newRows())])
    let location = table.metadata.location
    let texts = [
      "", "{", "[1]", #"{"metadata": 7}"#, #"{"metadata": "nowhere://x"}"#,
      #"{"metadata": "\#(location)/metadata/gone.json"}"#,
      #"{"metadata": "\#(location)/erasures/removing-0.json"}"#,
      String(repeating: "[", count: 100_000),
    ]
    for (number, text) in texts.enumerated() {
      try table.stores.put(
        "\(location)/erasures/removing-\(number).json", Buffer(Array(text.utf8)))
    }
    let before = try WrittenTables.sortedRows(table)
    #expect(throws: Never.self) { try table.erase("id = 1000000") }
    #expect(try WrittenTables.sortedRows(table) == before)
    #expect(try !ErasedWorld(table).paths().contains { $0.contains("removing-") })
  }

  @Test func wrongOnesAreRefused() throws {
    let table = try WrittenTables().table(
      "erased_not", ChangeWorld.schema, properties: ["gc.enabled": "false"])
    let unknown = #expect(throws: TableError.self) { try table.erase("ids = 1") }
    #expect(unknown?.message.contains("did you mean") == true, "\(unknown?.message ?? "")")
    #expect(throws: TableError.self) { try table.erase("id = 'x'") }
    let forbidden = #expect(throws: TableError.self) { try table.erase("id = 1") }
    #expect(forbidden?.code == .forbidden)
    #expect(
      try Predicate(parsing: "id = 7 and (text like 'x%' or k in (1, 2)) and not text = 'y'")
        .textWithoutValues
        == "(id = ?) AND ((text LIKE ?) OR (k IN (2 values))) AND (NOT (text = ?))")
  }

  @Test func markersAreFoundWhereverTheyAre() throws {
    for format in WrittenTables.formats {
      let table = try WrittenTables(format).table("scanned_\(format)", ChangeWorld.schema)
      var world = try ChangeWorld(seed: 3, isUnique: true)
      let rows = (0..<50).map { id in
        (id: Int64(id), k: Int64?.some(1), text: "planted-marker-\(id / 10)")
      }
      try table.append([try world.batch(rows)])
      _ = world.newRows()
      var scan = ByteScan([Array("planted-marker-3".utf8), Array("nowhere".utf8)])
      try scan.scan(table.metadata.location, table.stores)
      #expect(scan.result.counts[0] > 0 && scan.result.counts[1] == 0)
      #expect(scan.result.unpackedFileCount >= 3 && scan.result.unreadable.isEmpty)
      #expect(scan.result.places.contains { $0.hasSuffix(".\(format.description.lowercased())") })
    }
  }

  /// A killed compaction's manifest tells of a file that an erasure has taken since, by its bounds.
  @Test func manifestsOfKilledCommitsGo() throws {
    var world = try ChangeWorld(seed: 303, isUnique: true)
    let table = world.table
    for _ in 0..<3 { try table.append([try world.batch(world.newRows())]) }
    guard case .int(let id)? = try WrittenTables.sortedRows(table).first?["id"] else { return }
    let snapshot = try #require(table.currentSnapshot)
    var left: [String] = []
    for (number, manifest) in try table.manifests(of: snapshot).enumerated() {
      let place = "\(table.metadata.location)/metadata/killed-m\(number).avro"
      try table.stores.put(place, try table.stores.get(manifest.path))
      left.append(place)
    }
    let result = try table.erase("id = \(id)")
    #expect(result.isComplete && result.removedOrphans == 1, "\(result)")
    #expect(try ErasedWorld(table).holders("id", Int64(id)...Int64(id)) == [])
    // Those of files that are there may be a commit's that is under way.
    #expect(left.count { (try? table.stores.get($0)) != nil } == left.count - 1)
  }

  /// What a compaction has read, somebody else has taken out of its files, so that the erasure finds such rows
  /// in older snapshots alone.
  @Test func aCompactionOfCleanedFilesDoesNotBringRowsBack() throws {
    var world = try ChangeWorld(seed: 303, isUnique: true)
    let table = world.table
    for _ in 0..<4 { try table.append([try world.batch(world.newRows())]) }
    let erased = try #require(try WrittenTables.sortedRows(table).first?["id"])
    guard case .int(let id) = erased else { return }
    let compaction = try Compaction.planned(
      try table.catalog.table(table.identifier), full())
    while try compaction.rewrite() {}
    // Files are replaced, those of other rows stay.
    let rows = try WrittenTables.rows(
      table, ScanOptions(where: try Predicate(parsing: "id between \(id + 1) and \(id + 2)")))
    try table.overwrite(
      BatchList(rows), where: try Predicate(parsing: "id between \(id) and \(id + 2)"))
    try table.append([try world.batch(world.newRows())])
    let result = try table.erase("id = \(id)")
    #expect(result.rewrites.isEmpty && !result.expiredSnapshotIDs.isEmpty)
    try compaction.commit()
    compaction.discard()
    try table.refresh()
    #expect(try ErasedWorld(table).holders("id", Int64(id)...Int64(id)) == [])
    #expect(try !WrittenTables.sortedRows(table).isEmpty)
    // Said once for the compaction's commit, and not again while nobody commits.
    try table.erase("id = \(id)")
    try table.refresh()
    let location = table.metadataLocation
    #expect(try table.erase("id = \(id)").isComplete)
    try table.refresh()
    #expect(table.metadataLocation == location)
  }
}

/// Lets another erasure take place before the first commit of this one.
private final class OtherFirst: ErasureCommitter {
  private let other: Table
  private let isDone = Atomic(false)

  init(_ other: Table) { self.other = other }

  func commit(
    _ commit: (
      [(name: String, value: String)], ((TableMetadata) throws(TableError) -> Void)?
    ) throws(TableError) -> TableMetadata
  ) throws(TableError) {
    if !isDone.exchange(true, ordering: .relaxed) {
      try TableErasure(other, ErasureTarget(where: .compare(.equal, "id", .integer(2)))).run()
    }
    _ = try commit([], nil)
  }
}
