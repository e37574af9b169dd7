// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// What the pipeline's table holds is compared with the oracle.
extension PipelineSimulation {
  private typealias Rows = [[Scalar]: [String: Scalar]]

  /// Rows by their keys, each of which has one.
  private func rows(_ reader: any RecordBatchReader, _ what: String) throws -> Rows {
    var result: Rows = [:]
    while let batch = try reader.next() {
      for index in 0..<batch.rowCount {
        var row: [String: Scalar] = [:]
        for (field, column) in zip(batch.schema.fields, batch.columns) {
          row[field.name] = column.scalar(at: index)
        }
        let key = pipeline.target.primaryKey.map { row[$0] ?? .null }
        guard result.updateValue(row, forKey: key) == nil else {
          throw fail("\(what): two rows of \(key)")
        }
      }
    }
    return result
  }

  private func compare(_ what: String, _ rows: Rows, _ extent: PipelineExtent) throws {
    counts.comparedRows += rows.count
    do { try pipeline.check(rows, extent) } catch { throw fail("\(what): \(error)") }
  }

  /// All reads of a process, which has no faults meanwhile.
  ///
  /// - Parameter isCaughtUp: the pipeline has nothing left to do.
  func checkRows(_ opened: Opened, isCaughtUp: Bool = false) throws {
    counts.checks += 1
    do {
      try compareReads(opened, isCaughtUp)
    } catch let error as StreamError where error.code == .overloaded || error.code == .storage {
      // The streams mend themselves within their retry times, and refuse reads until then.
      note("repair")
      for _ in 0..<3 {
        world.clock.advance(31_000_000_000)
        opened.streams.step()
      }
      try compareReads(opened, isCaughtUp)
    }
  }

  private func compareReads(_ opened: Opened, _ isCaughtUp: Bool) throws {
    let columns = pipeline.columns
    let live = try rows(opened.target.scan(StreamScan(columns: columns)), "live scan")
    try compare("live scan", live, isCaughtUp ? .all : .noted(notes(opened)))
    let answer = try opened.target.lookup(keys: pipeline.keys(), columns: columns)
    let found = try rows(
      MemoryBatchReader(schema: answer.rows.schema, batches: [answer.rows]), "lookup")
    guard live == found else { throw fail("lookups find \(found), live scans \(live)") }
    let table = try rows(
      opened.target.scan(StreamScan(columns: columns, isLive: false)), "the table")
    try compare("the table", table, .some)
  }

  /// Where the pipeline would go on after a crash, by the names of its notes.
  private func notes(_ opened: Opened) throws -> [String: [Int: Int64]] {
    var result: [String: [Int: Int64]] = [:]
    let reader = try opened.positions.scan(
      StreamScan(columns: ["pipeline", "shard", "next_offset"]))
    while let batch = try reader.next() {
      for index in 0..<batch.rowCount {
        guard case .string(let name)? = batch["pipeline"]?.scalar(at: index),
          case .int(let shard)? = batch["shard"]?.scalar(at: index),
          case .int(let next)? = batch["next_offset"]?.scalar(at: index)
        else { continue }
        result[name, default: [:]][Int(shard)] = next
      }
    }
    return result
  }

  /// Every snapshot that the pipeline's table has, as any reader of it sees it.
  ///
  /// - Parameter isAtEnd: the last one has all that there is.
  func checkHistory(isAtEnd: Bool = false) throws {
    guard let table = try? world.observer().table(pipeline.target.table) else { return }
    let columns = pipeline.columns
    for snapshot in table.metadata.snapshots
    where checkedSnapshots.insert(snapshot.snapshotID).inserted {
      counts.snapshots += 1
      try compare(
        "a snapshot",
        rows(
          table.scan(ScanOptions(columns: columns, at: .id(snapshot.snapshotID))), "a snapshot"),
        .some)
    }
    guard isAtEnd else { return }
    try compare(
      "the last snapshot",
      rows(table.scan(ScanOptions(columns: columns)), "the last snapshot"), .all)
  }
}
