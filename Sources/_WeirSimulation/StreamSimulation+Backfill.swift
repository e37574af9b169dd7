// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

// Columns are filled while all the rest goes on, several of them at a time, and committed at any time later.
extension StreamSimulation {
  /// Column files that wait for their commit.
  struct HeldBackfill {
    var backfill: ColumnBackfill
    var column: String
    /// What the rows of a key get.
    var values: [Int64: Int64?]
    /// The rows that it is about, with their keys.
    var scope: [RowIdentity: Int64]
    /// Nanoseconds.
    var start: Int
  }

  private static let heldCountMax = 3

  /// Begins to fill a column, or commits what was begun a while ago.
  func fillColumn() throws {
    if backfills.count < Self.heldCountMax, random.chance(0.6) { return try beginBackfill() }
    commitBackfill()
  }

  private func beginBackfill() throws {
    guard let table = try? world.observer().table(rows.definition.table) else { return }
    var values: [Int64: Int64?] = [:]
    for key in 0..<Int64(SimulatedRows.keyCount) where random.chance(0.6) {
      values[key] = random.chance(0.1) ? nil : rows.newValue()
    }
    let column = random.pick(FilledColumns.names)
    let builder = RecordBatchBuilder(Schema([Field("key", .int64), Field(column, .int64)]))
    for (key, value) in values.sorted(by: { $0.key < $1.key }) {
      try builder.append(row: [.int(key), value.map { .int($0) } ?? .null])
    }
    let batch = try builder.finish()
    let source = try MemoryBatchReader(schema: batch.schema, batches: [batch])
    let backfill = try ColumnBackfill(
      table, from: source, BackfillOptions(column: column, keys: ["key"]))
    try write(backfill)
    note("backfill of \(column): \(backfill.writtenFileCount) files")
    guard backfill.writtenFileCount > 0 else { return }
    backfills.append(
      HeldBackfill(
        backfill: backfill, column: column, values: values, scope: try keys(table),
        start: world.clock.now))
  }

  private func write(_ backfill: ColumnBackfill) throws {
    try backfill.plan()
    while try backfill.write() {}
  }

  /// The rows of the table as it is, with their keys.
  private func keys(_ table: Table) throws -> [RowIdentity: Int64] {
    var result: [RowIdentity: Int64] = [:]
    let reader = try table.scan(ScanOptions(columns: RowIdentity.columns + ["key"]))
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        let values = batch.columns.map { $0.scalar(at: row) }
        if case .int(let key)? = values.last { result[RowIdentity(values)] = key }
      }
    }
    return result
  }

  /// One of those that wait. It has no faults: those of the stream are enough.
  func commitBackfill() {
    guard !backfills.isEmpty else { return }
    var held = backfills.remove(at: random.int(0..<backfills.count))
    // Files that wait for longer than orphans stay are gone.
    let age = (world.clock.now - held.start) / 1_000_000
    guard age < Self.orphanAgeMilliseconds / 2 else { return held.backfill.discard() }
    do {
      try noteForgotten()
      for attempt in 0... {
        do throws(TableError) {
          guard try held.backfill.commit() != nil else { return }
          break
        } catch {
          guard error.code == .conflict, attempt < 3 else { throw error }
          note("backfill begins anew: \(error)")
          try write(held.backfill)
          held.scope = try keys(held.backfill.table)
        }
      }
      guard let id = held.backfill.result.snapshotID else { return }
      var values: [RowIdentity: Scalar] = [:]
      for (row, key) in held.scope {
        if let value = held.values[key] { values[row] = value.map { .int($0) } ?? .null }
      }
      try observe()
      var commit = ForeignCommit(
        snapshotID: id, covered: history.ends(id, shardCount: rows.definition.shardCount))
      commit.filled = FilledColumns(column: held.column, values: values)
      oracle.add(commit)
      counts.backfills += 1
      note("backfilled \(held.column): \(held.backfill.result)")
    } catch { failure = fail("a backfill failed: \(error)") }
  }
}
