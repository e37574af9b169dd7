// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Several writers, each with its own and mostly outdated view, on a store that fails now and then,
/// against a model that is a dictionary.
@Suite struct RandomCommitTests {
  /// What the table should hold: the deleted rows of each file, which has 20.
  private typealias Model = [String: Set<Int64>]

  private struct Writer {
    var table: Table
    /// What the writer has seen: its changes build on it.
    var seen: Model
  }

  @Test(arguments: UInt64(1)...12)
  func writersAgainstAModel(_ seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let clock = TestEnvironment(seed: seed)
    let memory = MemoryObjectStore(clock: clock.environment.now)
    let calm = try TestCatalog(store: memory, clock: clock)
    _ = try calm.table("t", ["commit.manifest.min-count-to-merge": "4"])
    let identifier = calm.identifier("t")
    let faults = FaultInjectingObjectStore(
      wrapping: memory, seed: seed,
      plan: FaultPlan(FaultRates(errorBefore: 0.01, errorAfter: 0.01)), sleep: { _ in })
    let store: any ObjectStore = seed % 2 == 0 ? faults : memory
    var writers: [Writer] = []
    for number in 0..<4 {
      let catalog = try TestCatalog(
        store: store, backend: calm.backend, seed: seed * 10 + UInt64(number), clock: clock)
      let table = try Self.patiently { try catalog.catalog.table(identifier) }
      writers.append(Writer(table: table, seen: [:]))
    }
    var model: Model = [:]
    // What each snapshot holds: a writer goes by the one that its table has seen last, which is also
    // a newer one after a commit that failed.
    var history: [Int64?: Model] = [nil: [:]]
    var counts = (done: 0, refused: 0)
    for step in 0..<120 {
      let index = random.int(0..<writers.count)
      if random.chance(0.3) { _ = try? writers[index].table.refresh() }
      writers[index].seen = try #require(history[writers[index].table.metadata.currentSnapshotID])
      let before = try calm.catalog.loadTable(identifier).metadata.currentSnapshotID
      let change = Self.change(&random, writers[index], "f\(step)")
      guard let change else { continue }
      do {
        try change.transaction.commit()
        change.apply(&model)
        counts.done += 1
        history[try calm.catalog.loadTable(identifier).metadata.currentSnapshotID] = model
      } catch {
        counts.refused += 1
        #expect([.conflict, .storage, .retryableConflict].contains(error.code), "\(error)")
        // A failure changes nothing.
        #expect(try calm.catalog.loadTable(identifier).metadata.currentSnapshotID == before)
      }
      try Self.check(try calm.catalog.table(identifier), model, "seed \(seed) step \(step)")
    }
    #expect(counts.done > 40)
    #expect(counts.refused > 0)
    clock.advance(milliseconds: 4 * 86_400_000)
    let table = try calm.catalog.table(identifier)
    try table.removeOrphanFiles()
    try Self.check(table, model, "seed \(seed) after orphan clean-up")
    try table.expireSnapshots(SnapshotExpiration(olderThanMilliseconds: .max))
    try Self.check(table, model, "seed \(seed) after expiry")
    #expect(table.metadata.snapshots.count == 1)
  }

  private static func patiently<R>(_ body: () throws -> R) throws -> R {
    while true {
      do { return try body() } catch { continue }
    }
  }

  private static func file(_ table: Table, _ name: String) -> DataFile {
    dataFile(table, name, 0...19)
  }

  /// A change that makes sense for what the writer has seen, and what it does to the model.
  private static func change(
    _ random: inout SeededRandom, _ writer: Writer, _ name: String
  ) -> (transaction: Transaction, apply: (inout Model) -> Void)? {
    let table = writer.table
    let transaction = table.transaction()
    let known = writer.seen.keys.sorted()
    if known.isEmpty || random.chance(0.35) {
      transaction.append().add(file(table, name))
      return (transaction, { $0[name] = [] })
    }
    let target = random.pick(known)
    switch random.int(0..<4) {
    case 0:
      transaction.deleteFiles().remove(file(table, target))
      return (transaction, { $0[target] = nil })
    case 1:
      let second = random.pick(known)
      let rewrite = transaction.rewriteFiles().remove(file(table, target))
      if second != target { rewrite.remove(file(table, second)) }
      rewrite.add(file(table, name))
      return (
        transaction,
        {
          $0[target] = nil
          $0[second] = nil
          $0[name] = []
        }
      )
    default:
      let live = (Int64(0)..<20).filter { !writer.seen[target]!.contains($0) }
      guard live.count > 1 else { return nil }
      let rows = Set((0..<random.int(1...3)).map { _ in random.pick(live) })
      let delta = transaction.rowDelta()
      delta.deleteRows(of: file(table, target), at: RoaringBitmap64(rows))
      // An update also adds.
      let isUpdate = random.chance(0.5)
      if isUpdate { delta.add(file(table, name)) }
      return (
        transaction,
        {
          $0[target]!.formUnion(rows)
          if $0[target]!.count == 20 { $0[target] = nil }
          if isUpdate { $0[name] = [] }
        }
      )
    }
  }

  private static func check(_ table: Table, _ model: Model, _ label: String) throws {
    guard let snapshot = table.currentSnapshot else {
      #expect(model.isEmpty)
      return
    }
    var found: Model = [:]
    var vectors: Model = [:]
    var ranges: [(Int64, Int64)] = []
    for (entry, _) in try liveEntries(table, snapshot) {
      let file = entry.dataFile
      if file.content == .data {
        let name = String(file.path.split(separator: "/").last!)
        #expect(found[name] == nil, "\(label): \(name) is there twice")
        found[name] = []
        ranges.append((try #require(file.firstRowID), Int64(file.recordCount)))
      } else {
        let name = String(file.referencedDataFile!.split(separator: "/").last!)
        #expect(vectors[name] == nil, "\(label): \(name) has two vectors")
        let rows = try PuffinReader.deletionVector(try table.stores.open(file.path), file: file)
        vectors[name] = Set(rows.positions)
      }
    }
    for (name, rows) in vectors {
      #expect(found[name] != nil, "\(label): the vector of \(name) is left over")
      found[name] = rows
    }
    #expect(found == model, "\(label)")
    let summary = snapshot.summary!
    #expect(summary["total-data-files"] == String(model.count), "\(label)")
    #expect(summary["total-records"] == String(model.count * 20), "\(label)")
    #expect(
      summary["total-position-deletes"] == String(model.values.reduce(0) { $0 + $1.count }),
      "\(label)")
    ranges.sort { $0.0 < $1.0 }
    for (a, b) in zip(ranges, ranges.dropFirst()) {
      #expect(a.0 + a.1 <= b.0, "\(label): two rows have one id")
    }
    #expect(ranges.last.map { $0.0 + $0.1 <= table.metadata.nextRowID } ?? true)
  }
}
