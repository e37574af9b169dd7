// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// What others do: writers of the table that know nothing of the stream, and other processes.
extension StreamSimulation {
  /// A commit of somebody else. It has no faults: those of the stream are enough.
  func foreignCommit() {
    do {
      try noteForgotten()
      guard let table = try? world.observer().table(rows.definition.table) else { return }
      let writer = ForeignWriter(table: table, shardCount: rows.definition.shardCount)
      let isKeyed = rows.definition.isKeyed
      switch random.int(0..<10) {
      case 0, 1:
        let new = (0..<random.int(1...3)).map { _ in
          let key = Int64(random.int(0..<SimulatedRows.keyCount))
          return [
            "key": Scalar.int(key == erasedKey ? key + 1 : key), "value": .int(rows.newValue()),
          ]
        }
        note("others append \(new.count) rows")
        noteWritten(new)
        try added(writer.append(new))
      case 2, 3, 4:
        let key = Int64(random.int(0..<SimulatedRows.keyCount))
        // A tombstone of the key may be older than the row; what is left then is another question.
        if isKeyed, rows.hasTombstones, oracle.wasDeleted(key, below: try writer.covered()) {
          return
        }
        note("others delete key \(key)")
        if random.chance(0.3) {
          // By what the table was before files came together, perhaps several times.
          for _ in 0..<random.int(1...3) {
            let other = try world.observer().table(rows.definition.table)
            var options = options()
            options.isFull = true
            options.deletedShare = 0
            options.sortColumns = random.chance(0.5) ? ["value"] : ["key"]
            options.convertsFormat = true
            let result = try other.compact(options.forStream(other.metadata))
            note("compacted before the delete: \(result)")
          }
        }
        try added(writer.delete(key))
      case 5, 6, 7:
        counts.foreignCommits += 1
        guard random.chance(0.5) else {
          note("others compact")
          return try writer.compact { _ in random.chance(0.6) }
        }
        let result = try table.compact(options().forStream(table.metadata))
        note("compacted elsewhere: \(result)")
      case 8:
        counts.foreignCommits += 1
        note("others add a column")
        try writer.addColumn("foreign_\(rows.newValue())")
      default:
        counts.foreignCommits += 1
        guard rows.stage != .first, random.chance(0.5),
          table.schema.field(path: SimulatedRows.extra) != nil
        else { return try changeProperty(writer, of: table) }
        note("others widen a column")
        if rows.stage == .withExtra { try writer.widen(SimulatedRows.extra) }
        rows.stage = .withLongExtra
      }
    } catch {
      failure = fail("somebody else's commit failed: \(error)")
    }
  }

  /// Any property, or the format of files from now on.
  private func changeProperty(_ writer: ForeignWriter, of table: Table) throws {
    if random.chance(0.4) { return try writer.setProperty("\(counts.steps)") }
    let isWeir = table.metadata.properties[DataFormat.property] == DataFormat.weir.rawValue
    let format = isWeir ? DataFormat.parquet : .weir
    note("others change the format to \(format)")
    try writer.setFormat(format)
  }

  /// Forgets all deletes that the table has, as the stream does after its declared time.
  func forgetDeletes() throws {
    let process = try open()
    world.clock.advance(1_000_000_000)
    do {
      let limit = Int64(world.clock.now / 1_000)
      note("forget deletes: \(try process.stream.expireTombstones(before: limit))")
    } catch { note("forget deletes failed: \(error)") }
  }

  /// Finds out which commits forgot deletes: whether one came through is not always known at once.
  func noteForgotten() throws {
    guard rows.hasTombstones, let table = try? world.observer().table(rows.definition.table) else {
      return
    }
    for snapshot in table.metadata.snapshots {
      guard snapshot.summary?[StreamTable.expiredProperty] != nil,
        !oracle.knows(snapshot.snapshotID),
        let covered = try StreamOffsets(snapshot, shardCount: rows.definition.shardCount)
      else { continue }
      var commit = ForeignCommit(snapshotID: snapshot.snapshotID, covered: covered.ends)
      commit.forgetsDeletes = true
      oracle.add(commit)
    }
  }

  private func added(_ commit: ForeignCommit?) throws {
    counts.foreignCommits += 1
    if let commit { oracle.add(commit) }
  }

  /// Another process wants the stream, on the same machine or on another one.
  func secondProcess() throws {
    let owner = try openQuietly()
    // Not yet over, so that another machine has to wait.
    let isSame = random.chance(0.6)
    if !isSame { try renew(owner) }
    let other = isSame ? machine : world.machine()
    let fate = Fate(seed: random.next())
    do {
      let second = try world.start(
        rows.definition, fate, on: other, startsNewLogs: isSame ? startsNewLogs : true)
      second.stream.close()
      throw fail("a second process was let in, \(isSame ? "on the same machine" : "elsewhere")")
    } catch let error as StreamError {
      counts.refusedProcesses += 1
      note("second process: \(error)")
      guard error.code == .conflict else {
        throw fail("a second process was refused for another reason: \(error)")
      }
    }
    try check(owner)
  }

  /// Takes the lease anew, as the service does from time to time.
  private func renew(_ owner: SimulatedProcess) throws {
    do { try owner.stream.renewLease() } catch { throw fail("the lease was lost: \(error)") }
  }

  /// Another machine takes the stream over, because the owner has not been heard of for a while. What was
  /// not in the table yet is given up: its log is on the other machine.
  func takeOver() {
    note("take over")
    world.clock.advance(31_000_000_000)
    let old = process
    machine = world.machine()
    startsNewLogs = true
    process = nil
    let fate = Fate(seed: random.next())
    do {
      let new = try world.start(rows.definition, fate, on: machine, startsNewLogs: true)
      process = new
      oracle.giveUp(from: new.stream.status().shards.map(\.coveredOffset))
    } catch { failure = fail("the stream could not be taken over: \(error)") }
    counts.takeovers += 1
    stale = old
    sent = []
    positions = []
  }

  /// The process that was overtaken goes on as if nothing had happened; then it is started anew.
  func wakeStale() throws {
    guard let stale else { return }
    note("the one before wakes up")
    let before = try world.observer().table(rows.definition.table).metadata.currentSnapshotID
    for _ in 0..<random.int(0..<3) {
      _ = try send(
        rows.rows(&random, hasExtra: false).map { row in
          // Nobody is promised anything of these.
          row
        }, ProducerStamp(id: "stale", sequence: Int64(rows.nextValue)), to: stale.stream)
    }
    if let held = compaction, held.process === stale {
      compaction = nil
      // An age at which its files may be gone does not matter: it must not commit at all.
      try? held.files.commit()
    }
    if (try? stale.stream.flush()) ?? false {
      throw fail("a process that was overtaken wrote to the table")
    }
    let after = try world.observer().table(rows.definition.table).metadata.currentSnapshotID
    guard before == after else { throw fail("a process that was overtaken changed the table") }
    guard random.chance(0.6) else { return }
    stale.kill()
    self.stale = nil
    do {
      let again = try world.start(
        rows.definition, Fate(seed: random.next()), on: stale.machine,
        startsNewLogs: random.chance(0.5))
      again.stream.close()
      throw fail("a log that was given up was taken for the table's")
    } catch let error as StreamError { note("the one before starts: \(error)") }
  }
}
