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
    /// The keys of the rows that it is about, by row id.
    var scope: [Int64: Int64]
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

  /// The rows of the table as it is, by id.
  private func keys(_ table: Table) throws -> [Int64: Int64] {
    var result: [Int64: Int64] = [:]
    let reader = try table.scan(ScanOptions(columns: ["_row_id", "key"]))
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        guard case .int(let id) = batch.columns[0].scalar(at: row),
          case .int(let key) = batch.columns[1].scalar(at: row)
        else { continue }
        result[id] = key
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
      var values: [Int64: Int64?] = [:]
      for (row, key) in held.scope { if let value = held.values[key] { values[row] = value } }
      filled.fill(held.column, values, by: id)
      counts.backfills += 1
      note("backfilled \(held.column): \(held.backfill.result)")
      try observe()
    } catch { failure = fail("a backfill failed: \(error)") }
  }

  /// A rewrite by another engine, which gives rows other ids.
  func compactElsewhere(_ writer: ForeignWriter) throws {
    let line = { self.history.line(writer.table.metadata.currentSnapshotID) }
    try observe()
    let (before, known) = (try identities(writer.table), line())
    try writer.compact { _ in random.chance(0.6) }
    try observe()
    guard let id = writer.table.metadata.currentSnapshotID else { return }
    var gone: [[Scalar]: [Int64]] = [:]
    let after = try identities(writer.table)
    for (row, values) in before.sorted(by: { $0.key < $1.key }) where after[row] == nil {
      gone[values, default: []].append(row)
    }
    var renamed: [Int64: Int64] = [:]
    for (row, values) in after.sorted(by: { $0.key < $1.key }) where before[row] == nil {
      guard let old = gone[values]?.popLast() else {
        throw fail("another engine's rewrite made a row of its own: \(values)")
      }
      renamed[row] = old
    }
    if !renamed.isEmpty { filled.rename(renamed, line: known, by: id) }
  }

  /// What a rewrite keeps, by row id.
  private func identities(_ table: Table) throws -> [Int64: [Scalar]] {
    let names = FilledColumns.names.filter { table.schema.field(path: $0) != nil }
    var result: [Int64: [Scalar]] = [:]
    let reader = try table.scan(ScanOptions(columns: ["_row_id", "key", "value"] + names))
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        let values = batch.columns.map { $0.scalar(at: row) }
        if case .int(let id) = values[0] { result[id] = Array(values[1...]) }
      }
    }
    return result
  }

  /// What a snapshot has in the columns, whatever brought its rows to their files.
  func checkFilled(_ table: Table, at snapshot: Snapshot?) throws {
    guard let snapshot else { return }
    let selector = SnapshotSelector.id(snapshot.snapshotID)
    let schema = try table.metadata.resolve(selector).schema
    let line = history.line(snapshot.snapshotID)
    for name in FilledColumns.names where schema.field(path: name) != nil {
      let wanted = filled.values(name, line: line)
      let reader = try table.scan(ScanOptions(columns: ["_row_id", name], at: selector))
      while let batch = try reader.next() {
        for row in 0..<batch.rowCount {
          guard case .int(let id) = batch.columns[0].scalar(at: row) else { continue }
          let value = batch.columns[1].scalar(at: row)
          guard value == wanted[id].map({ .int($0) }) ?? .null else {
            throw fail(
              "\(name) of row \(id) is \(value), should be \(wanted[id].map(String.init) ?? "null")"
            )
          }
        }
      }
    }
  }
}
