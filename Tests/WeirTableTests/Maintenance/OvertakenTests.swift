// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Work on a table while somebody erases rows, and removes the snapshots and files that it is reading.
@Suite struct OvertakenTests {
  typealias World = TableMaintenanceTests.World

  private static let rowCount: Int64 = 8
  private static let erased: Int64 = 5
  private static let deleted: Int64 = 6

  /// A table of a few snapshots, files and deleted rows, and a file that nothing leads to. Nobody waits for
  /// others' commits, for the others come in the middle of a read.
  private static func world() throws -> World {
    let world = try World(seed: 11, takesTurns: false)
    for number in 0..<rowCount / 2 {
      try world.append([(number * 2, world.now), (number * 2 + 1, world.now)])
      world.clock.advance(milliseconds: 3_600_000)
    }
    try world.table.delete(where: .compare(.equal, Term("id"), .integer(Int128(deleted))))
    try world.leave("left")
    world.clock.advance(milliseconds: 4 * 24 * 3_600_000)
    return world
  }

  /// Calls `body` with the table while a row is erased before its first read, the second, and so on; of
  /// later ones not before each.
  ///
  /// - Returns: a read that did not take place.
  @discardableResult
  private func duringErasures(_ body: (Table) throws -> Void) throws -> Int {
    var erasedAt = 1
    while true {
      let world = try Self.world()
      let readCount = Mutex(0)
      let isErased = Mutex(false)
      let store = CountingObjectStore(world.store) { [erasedAt] in
        let count = readCount.withLock { count in
          count += 1
          return count
        }
        guard count == erasedAt else { return }
        let result = try? world.table.erase("id = \(Self.erased)")
        isErased.withLock { $0 = result?.isComplete == true }
      }
      let table = try world.table(store)
      do { try body(table) } catch {
        Issue.record("erased before read \(erasedAt): \(error)")
      }
      guard isErased.withLock({ $0 }) else {
        #expect(readCount.withLock { $0 } < erasedAt, "the erasure failed")
        return erasedAt
      }
      try world.table.refresh()
      let left = (0..<Self.rowCount).filter { $0 != Self.erased && $0 != Self.deleted }
      #expect(try world.ids() == left)
      // What was left behind is an orphan by now.
      world.clock.advance(milliseconds: 4 * 24 * 3_600_000)
      try TableMaintenance(world.table, MaintenancePolicy()).runAll()
      #expect(try ErasedWorld(world.table).holders("id", Self.erased...Self.erased) == [])
      let found = try world.paths().filter { !$0.contains("/erasures/") }
      #expect(try found == world.reachable())
      erasedAt += 1 + erasedAt / 4
    }
  }

  @Test func maintenanceBeginsAnew() throws {
    var policy = MaintenancePolicy()
    policy.snapshotAgeMilliseconds = 3_600_000
    policy.snapshotCountMin = 2
    let readCount = try duringErasures { try TableMaintenance($0, policy).runAll() }
    #expect(readCount > 12)
  }

  @Test func compactionBeginsAnew() throws {
    var options = CompactionOptions()
    options.isFull = true
    try duringErasures { try $0.compact(options) }
  }

  @Test func commitsBeginAnew() throws {
    try duringErasures { table in
      try table.append([try Self.row(100)])
      while true {
        do throws(TableError) {
          try table.delete(where: .compare(.equal, Term("id"), .integer(100)))
          return
        } catch {
          // An erasure leaves no history that says whether somebody changed those rows.
          guard error.code == .conflict else { throw error }
        }
      }
    }
  }

  private static func row(_ id: Int64) throws -> RecordBatch {
    let ids = PrimitiveBuilder<Int64>(.int64)
    ids.append(id)
    let times = PrimitiveBuilder<Int64>(.timestamp(.microsecond, timeZone: "UTC"))
    times.appendNull()
    return try RecordBatch(
      schema: TableMaintenanceTests.schema.arrowSchema(),
      columns: [ids.finish(), times.finish()])
  }

  /// A file that is missing though nobody changed the table is an error at once.
  @Test func lostFilesAreErrors() throws {
    let world = try Self.world()
    let snapshot = try #require(world.table.currentSnapshot)
    let manifest = try #require(try world.table.manifests(of: snapshot).first)
    world.table.stores.delete([manifest.path])
    let table = try world.table(world.store)
    let error = #expect(throws: TableError.self) { try table.compact() }
    #expect(error?.code == .notFound)
  }
}
