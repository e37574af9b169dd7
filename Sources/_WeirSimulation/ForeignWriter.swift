// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// Somebody else who changes a stream's table: another engine, a person, maintenance.
struct ForeignWriter {
  let table: Table
  let shardCount: Int

  /// Which rows of the log the table has.
  func covered() throws -> [Int64] {
    try StreamOffsets(table.metadata, shardCount: shardCount).ends
  }

  private func commit(_ id: Int64?) throws -> ForeignCommit? {
    guard let id else { return nil }
    return ForeignCommit(snapshotID: id, covered: try covered())
  }

  /// Adds rows of some keys that come from no log.
  func append(_ rows: [[String: Scalar]]) throws -> ForeignCommit? {
    let fields = ["key", "value"].map { Field($0, .int64) }
    let batch = try RecordBatch(
      schema: Schema(fields),
      columns: try fields.map { field in
        let builder = makeBuilder(for: field.type)
        for row in rows { try builder.append(row[field.name] ?? .null) }
        return builder.finish()
      }, rowCount: rows.count)
    var result = try commit(table.append([batch]).snapshotID)
    result?.appended = rows
    return result
  }

  func delete(_ key: Int64) throws -> ForeignCommit? {
    let filter = Predicate.compare(.equal, Term("key"), .integer(Int128(key)))
    var result = try commit(table.delete(where: filter).snapshotID)
    result?.deletedKeys = [key]
    return result
  }

  /// Brings the rows of some files into new ones.
  func compact(_ choose: (Int) -> Bool) throws {
    let planner = try ScanPlanner(table.metadata, stores: table.stores)
    var tasks: [FileScanTask] = []
    while let task = try planner.next() {
      // Tombstones stay: a rewrite has no reason to touch what nobody sees.
      guard task.deletes.deletionVector?.recordCount != task.dataFile.recordCount else { continue }
      if choose(tasks.count) { tasks.append(task) }
    }
    guard !tasks.isEmpty else { return }
    let reader = try TableReader(table.metadata, stores: table.stores, tasks: tasks)
    let writer = try table.writer()
    while let batch = try reader.next() { try writer.write(batch) }
    let transaction = table.transaction()
    let rewrite = transaction.rewriteFiles()
    for task in tasks {
      rewrite.remove(task.dataFile)
      if let vector = task.deletes.deletionVector { rewrite.remove(deletes: vector) }
    }
    for file in try writer.close() { rewrite.add(file) }
    try transaction.commit()
  }

  func addColumn(_ name: String) throws {
    let transaction = table.transaction()
    transaction.updateSchema().addColumn(name, .string)
    try transaction.commit()
  }

  /// Makes an `int` column a `long`.
  func widen(_ name: String) throws {
    let transaction = table.transaction()
    transaction.updateSchema().changeType(name, to: .long)
    try transaction.commit()
  }

  func setFormat(_ format: DataFormat) throws {
    let transaction = table.transaction()
    transaction.setProperties([DataFormat.property: format.rawValue])
    try transaction.commit()
  }

  func setProperty(_ value: String) throws {
    let transaction = table.transaction()
    transaction.setProperties(["somebody.elses": value])
    try transaction.commit()
  }
}
