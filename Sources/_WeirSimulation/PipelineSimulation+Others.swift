// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// What others do to the tables of the streams: compactions, other commits, expiry and
// removal of orphans.
extension PipelineSimulation {
  private var tables: [TableIdentifier] { definitions.map(\.table) }

  private func options() -> CompactionOptions {
    var options = CompactionOptions()
    options.isFull = random.chance(0.6)
    options.runsTrigger = random.int(2...4)
    options.groupRowsMax = random.chance(0.3) ? 5 : 1_000
    return options
  }

  /// A commit of somebody else, without faults: those of the pipeline's process are enough.
  func foreignCommit() throws {
    let name = random.pick(tables)
    guard let table = try? world.observer().table(name) else { return }
    counts.commits += 1
    let writer = ForeignWriter(
      table: table,
      shardCount: definitions.first { $0.table == name }?.shardCount ?? 1)
    switch random.int(0..<6) {
    case 0, 1:
      note("others compact \(name)")
      try writer.compact { _ in random.chance(0.6) }
    case 2, 3:
      let result = try table.compact(options().forStream(table.metadata))
      note("compacted elsewhere, \(name): \(result)")
    case 4:
      note("others add a column to \(name)")
      try writer.addColumn("foreign_\(counts.steps)_\(counts.commits)")
    default:
      let format = random.pick([DataFormat.parquet, .weir])
      note("others change the format of \(name) to \(format)")
      try writer.setFormat(format)
    }
  }

  /// The process brings files of one of its streams together.
  func compact() throws {
    let opened = try open().opened
    let stream = random.pick(opened.all)
    do { note("compact: \(try stream.compact(options()))") } catch {
      note("compact failed: \(error)")
    }
  }

  /// Maintenance of one of the tables to its end, in the process or in another one, which may die.
  func maintain() throws {
    let name = random.pick(tables)
    // The network does not keep requests for as long as orphans stay.
    world.late.arrive()
    if random.chance(0.4) { world.clock.advance(700_000_000_000) }
    let isOwn = random.chance(0.65)
    var readers: (any SnapshotReaders)?
    if let process, !process.fate.isDead {
      let stream = try process.opened.streams.streamTable(name)
      if isOwn { readers = world.readers(of: stream) }
      // As the service does with each renewal of its lease, several times in the age of a snapshot.
      process.fate.arm(nil)
      if (try? stream.renewLease()) != nil { stream.adoptOthersCommits() }
    }
    let fate = Fate(seed: random.next())
    if random.chance(0.4) { fate.arm(random.int(0..<60)) }
    counts.maintenances += 1
    do {
      let maintenance = TableMaintenance(
        try world.maintainedTable(name, fate), StreamSimulation.policy, readers: readers)
      try maintenance.runAll()
      note("maintenance of \(name)")
    } catch { note("maintenance of \(name) failed: \(error)") }
    fate.kill()
  }
}
