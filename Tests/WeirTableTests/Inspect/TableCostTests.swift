// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// What a table takes, against the sizes of the objects in its store.
@Suite struct TableCostTests {
  typealias World = TableMaintenanceTests.World

  private func total(_ shares: [TableCost.Part]) -> Int {
    shares.reduce(0) { $0 + $1.share.byteCount }
  }

  @Test(arguments: 0..<10 as Range<UInt64>)
  func everyByteIsAccountedFor(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let world = try World(
      seed: seed, partition: random.pick([nil, "day"]), version: random.pick([2, 3]))
    var next: Int64 = 0
    for _ in 0..<random.int(1...15) {
      let count = Int64(random.int(1...40))
      try world.append((next..<next + count).map { ($0, world.now) })
      next += count
      if random.chance(0.3) {
        let low = Int64(random.int(0..<Int(next)))
        try world.table.delete(
          where: .and([
            .compare(.greaterOrEqual, Term("id"), .integer(Int128(low))),
            .compare(.less, Term("id"), .integer(Int128(low + 10))),
          ]))
      }
      world.clock.advance(milliseconds: random.int(0..<86_400_000))
    }
    let orphanCount = random.int(0..<4)
    for number in 0..<orphanCount { try world.leave("left-\(number)") }
    let isOld = random.chance(0.5)
    if isOld { world.clock.advance(milliseconds: 4 * 86_400_000) }

    let cost = try world.table.cost()
    let objects = try world.store.list(prefix: "").objects
    #expect(cost.byteCount == objects.reduce(0) { $0 + $1.size })
    let current = try #require(world.table.currentSnapshot)
    let live = try liveEntries(world.table, current).map(\.0.dataFile)
    let data = live.filter { $0.content == .data }
    #expect(cost.data.fileCount == data.count)
    #expect(cost.data.byteCount == data.reduce(0) { $0 + $1.fileSizeInBytes })
    #expect(cost.data.rowCount == data.reduce(0) { $0 + $1.recordCount })
    #expect(total(cost.partitions) == cost.data.byteCount)
    #expect(total(cost.ages) == cost.data.byteCount)
    #expect(total(cost.columns) + cost.otherByteCount == cost.data.byteCount)
    #expect(cost.deletes.rowCount + (try world.ids().count) == cost.data.rowCount)
    #expect((isOld ? cost.orphans : cost.unnamed).fileCount == orphanCount)
    #expect((isOld ? cost.unnamed : cost.orphans).fileCount == 0)
    #expect(cost.deletedByteCount <= cost.data.byteCount)
    #expect((cost.deletedByteCount > 0) == (cost.deletes.rowCount > 0))
    let estimate = try #require(cost.estimate)
    #expect(estimate.sampledRowCount == (try world.ids().count))
    #expect(estimate.byteCounts.keys.sorted() == ["parquet", "weir"])
    #expect(cost.format == "parquet")
    // Nothing was written.
    #expect(try world.store.list(prefix: "").objects.count == objects.count)
  }

  @Test func aCompactionSavesWhatItWasSaidTo() throws {
    let world = try World()
    for number in 0..<40 as Range<Int64> {
      try world.append((0..<50).map { (number * 50 + $0, world.now) })
    }
    let before = try world.table.cost()
    #expect(before.small.fileCount == 40)
    let rows = try WrittenTables.rows(world.table)
    try world.table.overwrite(MemoryBatchReader(schema: rows[0].schema, batches: rows))
    let after = try world.table.cost()
    #expect(after.data.fileCount == 1)
    let saved = before.data.byteCount - after.data.byteCount
    #expect(abs(saved - before.compactionSaving) * 10 < before.data.byteCount)
    #expect(after.history.byteCount >= before.data.byteCount)
  }

  @Test func partitionsBeyondTheBoundAreOne() throws {
    let world = try World(partition: "day")
    for day in 0..<6 as Range<Int64> {
      try world.append([(day, world.now - day * 86_400_000)])
    }
    var options = TableCostOptions()
    options.partitionCountMax = 4
    options.sampleBytesMax = 0
    let cost = try world.table.cost(options)
    #expect(cost.partitions.count == 5)
    #expect(cost.partitions.contains { $0.name == "(others)" && $0.share.fileCount == 2 })
    #expect(total(cost.partitions) == cost.data.byteCount)
    #expect(cost.estimate == nil)
    #expect(try TableMaintenanceTests.World().table.cost().byteCount > 0)
  }
}
