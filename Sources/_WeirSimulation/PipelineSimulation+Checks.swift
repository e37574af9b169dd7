// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// What the profile's table holds is compared with the oracle.
extension PipelineSimulation {
  private typealias Row = [String: Scalar]

  /// The rows of a profile by their users, each of which has one.
  private func rows(_ reader: any RecordBatchReader, _ what: String) throws -> [Int64: Row] {
    var result: [Int64: Row] = [:]
    while let batch = try reader.next() {
      for index in 0..<batch.rowCount {
        var row: Row = [:]
        for (field, column) in zip(batch.schema.fields, batch.columns) {
          row[field.name] = column.scalar(at: index)
        }
        guard case .int(let user)? = row["user"], result[user] == nil else {
          throw fail("\(what): two rows of \(row["user"] ?? .null)")
        }
        result[user] = row
      }
    }
    return result
  }

  /// All reads of a process, which has no faults meanwhile.
  ///
  /// - Parameter isCaughtUp: the pipeline has nothing left to do.
  func checkRows(_ opened: Opened, isCaughtUp: Bool = false) throws {
    counts.checks += 1
    do {
      try compare(opened, isCaughtUp)
    } catch let error as StreamError where error.code == .overloaded || error.code == .storage {
      // The streams mend themselves within their retry times, and refuse reads until then.
      note("repair")
      for _ in 0..<3 {
        world.clock.advance(31_000_000_000)
        opened.streams.step()
      }
      try compare(opened, isCaughtUp)
    }
  }

  private func compare(_ opened: Opened, _ isCaughtUp: Bool) throws {
    let columns = oracle.columns
    let live = try rows(opened.target.scan(StreamScan(columns: columns)), "live scan")
    let found = try lookup(opened.target, columns)
    guard live == found else {
      throw fail("lookups find \(found), live scans \(live)")
    }
    for (user, row) in live.sorted(by: { $0.key < $1.key }) { try compare("live", row, user) }
    let table = try rows(
      opened.target.scan(StreamScan(columns: columns, isLive: false)), "the table")
    for (user, row) in table.sorted(by: { $0.key < $1.key }) {
      try compare("the table", row, user)
    }
    // What the pipeline is sure of is in the rows.
    let floor = isCaughtUp ? nil : try notedPosition(opened)
    for user in 0..<Int64(SimulatedEvents.userCount) {
      let wanted = oracle.positions(of: user, below: floor)
      let positions = try live[user].map { try oracle.positions(in: $0) } ?? [:]
      guard wanted.allSatisfy({ positions[$0.key] ?? 0 >= $0.value }) else {
        throw fail(
          "the user \(user) lacks events: those below \(positions) are there, should be \(wanted)"
        )
      }
    }
  }

  private func compare(_ what: String, _ row: Row, _ user: Int64) throws {
    counts.rows += 1
    do { try oracle.check(row, of: user) } catch { throw fail("\(what): \(error)") }
  }

  private func lookup(_ stream: StreamTable, _ columns: [String]) throws -> [Int64: Row] {
    let keys = PrimitiveBuilder<Int64>(.int64)
    for user in 0...SimulatedEvents.userCount { keys.append(Int64(user)) }
    let answer = try stream.lookup(
      keys: RecordBatch(
        schema: Schema([Field("user", .int64, nullable: false)]), columns: [keys.finish()]),
      columns: columns)
    return try rows(
      MemoryBatchReader(schema: answer.rows.schema, batches: [answer.rows]), "lookup")
  }

  /// Where the pipeline would go on after a crash.
  private func notedPosition(_ opened: Opened) throws -> [Int: Int64] {
    var result: [Int: Int64] = [:]
    let reader = try opened.positions.scan(StreamScan(columns: ["shard", "next_offset"]))
    while let batch = try reader.next() {
      for index in 0..<batch.rowCount {
        guard case .int(let shard)? = batch["shard"]?.scalar(at: index),
          case .int(let next)? = batch["next_offset"]?.scalar(at: index)
        else { continue }
        result[Int(shard)] = next
      }
    }
    return result
  }

  /// Every snapshot that the profile's table has, as any reader of it sees it: a row for a user at most,
  /// each made of the first events.
  ///
  /// - Parameter isAtEnd: the last one has all rows, with all events.
  func checkHistory(isAtEnd: Bool = false) throws {
    guard let table = try? world.observer().table(events.target.table) else { return }
    let columns = oracle.columns
    for snapshot in table.metadata.snapshots
    where checkedSnapshots.insert(snapshot.snapshotID).inserted {
      counts.snapshots += 1
      let schema = try table.metadata.resolve(.id(snapshot.snapshotID)).schema
      let found = try rows(
        table.scan(
          ScanOptions(
            columns: columns.filter { schema.field(path: $0) != nil },
            at: .id(snapshot.snapshotID))), "a snapshot")
      for (user, row) in found.sorted(by: { $0.key < $1.key }) {
        try compare("a snapshot", row, user)
      }
    }
    guard isAtEnd else { return }
    let found = try rows(table.scan(ScanOptions(columns: columns)), "the last snapshot")
    for user in 0..<Int64(SimulatedEvents.userCount) {
      let positions = try found[user].map { try oracle.positions(in: $0) } ?? [:]
      guard positions == oracle.positions(of: user) else {
        throw fail("the last snapshot: the user \(user) has the events below \(positions)")
      }
    }
  }
}
