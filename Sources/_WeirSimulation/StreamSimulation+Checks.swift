// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// What is read is compared with the oracle.
extension StreamSimulation {
  private func texts(_ reader: any RecordBatchReader, _ columns: [String]) throws -> [String] {
    let oracle = NaiveMerge(
      definition: rows.definition, fileSchema: Schema(columns.map { Field($0, .int64) }))
    var result: [String] = []
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        result.append(oracle.text(batch.columns.map { $0.scalar(at: row) }))
      }
    }
    return result.sorted()
  }

  /// The columns that are compared: the declared ones, those that the log adds, and those that were
  /// filled, these last.
  ///
  /// - Parameter snapshotID: which snapshot's columns these can be; a stream knows its declared ones.
  func columns(
    _ definition: StreamDefinition, _ metadata: TableMetadata, at snapshotID: Int64?,
    isStream: Bool = false
  ) throws -> [String] {
    let known = snapshotID.flatMap { metadata.snapshot(id: $0) }
    let schema = try known.map { try metadata.resolve(.id($0.snapshotID)).schema }
    let own = (definition.columns.fields + StreamColumns.added).map(\.name)
    return own.filter { isStream || schema?.field(path: $0) != nil }
      + FilledColumns.names.filter { schema?.field(path: $0) != nil }
  }

  /// All reads of a process, which has no faults meanwhile.
  func check(_ process: SimulatedProcess) throws {
    process.fate.arm(nil)
    counts.checks += 1
    do {
      try checkReads(process.stream)
    } catch let error as StreamError where error.code == .overloaded || error.code == .storage {
      // The stream mends itself within its retry times, and refuses reads until then.
      note("repair")
      world.clock.advance(31_000_000_000)
      process.stream.step()
      try checkReads(process.stream)
    }
  }

  private func checkReads(_ stream: StreamTable) throws {
    try observe()
    let definition = rows.definition
    let status = stream.status()
    let observer = try world.observer().table(definition.table)
    let columns = try columns(
      stream.definition, observer.metadata, at: status.snapshotID, isStream: true)
    let snapshots = Set(history.line(status.snapshotID))
    let live = try texts(stream.scan(StreamScan(columns: columns)), columns)
    let wanted = oracle.state(definition, columns, below: nil, on: snapshots)
    guard live == wanted else { throw fail(difference("live scan", live, wanted)) }
    let ends = status.shards.map(\.coveredOffset)
    let table = try texts(stream.scan(StreamScan(columns: columns, isLive: false)), columns)
    let covered = oracle.state(definition, columns, below: ends, on: snapshots)
    guard table == covered else { throw fail(difference("scan at \(ends)", table, covered)) }
    if definition.isKeyed {
      let found = try lookup(stream, columns)
      let keyed = oracle.state(definition, columns, below: nil, on: snapshots, .keyed)
      guard found == keyed else { throw fail(difference("lookup", found, keyed)) }
    }
    try checkTail(stream)
    try checkChanges(stream, observer.metadata)
  }

  private func lookup(_ stream: StreamTable, _ columns: [String]) throws -> [String] {
    let keys = PrimitiveBuilder<Int64>(.int64)
    for key in 0...SimulatedRows.keyCount { keys.append(Int64(key)) }
    let answer = try stream.lookup(
      keys: RecordBatch(
        schema: Schema([Field("key", .int64, nullable: false)]), columns: [keys.finish()]),
      columns: columns)
    guard answer.found.count(where: { $0 }) == answer.rows.rowCount else {
      throw fail("lookup found \(answer.found) and gave \(answer.rows.rowCount) rows")
    }
    return try texts(
      MemoryBatchReader(schema: answer.rows.schema, batches: [answer.rows]), columns)
  }

  /// Rows of the log from some place on: all of them, in their order.
  private func checkTail(_ stream: StreamTable) throws {
    var next: [Int: Int64] = [:]
    let shards = stream.status().shards
    for shard in shards {
      let range = shard.logOffsets
      next[shard.shard] = range.lowerBound + Int64(random.int(0...range.count))
    }
    let tail = try stream.tail(from: .offsets(next))
    while let batch = try tail.next(rowCountMax: random.int(1..<20)) {
      for index in 0..<batch.rowCount {
        let found = SentRows.logged(batch, index)
        guard case .int(let shard)? = found.values[StreamColumns.shard],
          let offset = next[Int(shard)], found.values[StreamColumns.offset] == .int(offset),
          let known = oracle.rows[Int(shard)][offset], known.isDelete == found.isDelete,
          found.values.allSatisfy({ known.values[$0.key] ?? .null == $0.value })
        else { throw fail("tail: another row at \(next)") }
        next[Int(shard)] = offset + 1
      }
      guard tail.position == next else {
        throw fail("tail: it is at \(tail.position), not \(next)")
      }
    }
    for shard in shards where next[shard.shard] != shard.logOffsets.upperBound {
      throw fail("tail: it ends at \(next), the log at \(shard.logOffsets.upperBound)")
    }
  }

  /// Every snapshot that there ever was, as any reader of the table sees it.
  func checkHistory() throws {
    try observe()
    guard let table = try? world.observer().table(rows.definition.table) else { return }
    let metadata = table.metadata
    for snapshot in metadata.snapshots where checkedSnapshots.insert(snapshot.snapshotID).inserted {
      let ends = history.ends(snapshot.snapshotID, shardCount: rows.definition.shardCount)
      counts.snapshots += 1
      let columns = try columns(rows.definition, metadata, at: snapshot.snapshotID)
      let found = try texts(
        table.scan(ScanOptions(columns: columns, at: .id(snapshot.snapshotID))), columns)
      let wanted = oracle.state(
        rows.definition, columns, below: ends, on: Set(history.line(snapshot.snapshotID)))
      guard found == wanted else {
        throw fail(difference("snapshot of \(ends)", found, wanted))
      }
    }
    try checkErased(table)
  }

  func difference(_ what: String, _ found: [String], _ wanted: [String]) -> String {
    let (left, right) = (Set(found), Set(wanted))
    return "\(what): \(found.count) rows, should be \(wanted.count); too many: "
      + "\(left.subtracting(right).sorted().prefix(8)), missing: "
      + "\(right.subtracting(left).sorted().prefix(8))"
  }
}
