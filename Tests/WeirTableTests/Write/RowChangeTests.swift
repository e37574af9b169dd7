// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

/// Deletes, overwrites and upserts, against dictionaries in memory.
@Suite struct RowChangeTests {
  private let schema = TableSchema(
    [
      TableField(1, "id", .long, required: true), TableField(2, "k", .int),
      TableField(3, "text", .string),
    ], identifierFieldIDs: [1])

  private let spec = PartitionSpec(
    specID: 0,
    fields: [PartitionField(sourceID: 2, fieldID: 1000, name: "k_b", transform: .bucket(3))])

  private typealias Row = (k: Int64?, text: String)

  private func batch(_ rows: [Int64: Row]) throws -> RecordBatch {
    let builder = RecordBatchBuilder(
      Schema([
        Field("id", .int64, nullable: false), Field("k", .int32), Field("text", .utf8),
      ]))
    for (id, row) in rows.sorted(by: { $0.key < $1.key }) {
      try builder.append(row: [.int(id), row.k.map { .int($0) } ?? .null, .string(row.text)])
    }
    return try builder.finish()
  }

  private func expect(_ table: Table, _ rows: [Int64: Row], _ what: String) throws {
    let found = try WrittenTables.sortedRows(table)
    #expect(found.map { $0["id"]! } == rows.keys.sorted().map { .int($0) }, "\(what)")
    for row in found {
      guard case .int(let id)? = row["id"], let wanted = rows[id] else { continue }
      #expect(row["k"] == wanted.k.map { .int($0) } ?? .null, "\(what)")
      #expect(row["text"] == .string(wanted.text), "\(what)")
    }
  }

  @Test(arguments: [2, 3], WrittenTables.formats)
  func deletesOfRowsAndFiles(_ version: Int, _ format: FileFormat) throws {
    let table = try WrittenTables(format).table(
      "deleted_v\(version)", schema, spec, version: version)
    var rows: [Int64: Row] = [:]
    for id in 0..<Int64(60) { rows[id] = (id % 7 == 3 ? nil : id % 4, "t\(id % 5)") }
    try table.append([try batch(rows)])
    let first = try table.delete(where: try Predicate(parsing: "id < 10 and text = 't1'"))
    #expect(first.deletedRows == 2 && first.snapshotID == table.metadata.currentSnapshotID)
    rows[1] = nil
    rows[6] = nil
    try expect(table, rows, "rows")
    // Again, of the same files: vectors are merged.
    #expect(
      try table.delete(where: try Predicate(parsing: "id < 30 and text = 't2'")).deletedRows == 6)
    rows = rows.filter { !($0.key < 30 && $0.value.text == "t2") }
    try expect(table, rows, "more rows of the same files")
    // Nothing matches: no snapshot.
    let snapshot = table.metadata.currentSnapshotID
    #expect(try table.delete(where: try Predicate(parsing: "id = 1")).snapshotID == nil)
    #expect(table.metadata.currentSnapshotID == snapshot)
    // Whole files by their metrics or by their rows.
    let whole = try table.delete(where: try Predicate(parsing: "k = 2"))
    rows = rows.filter { $0.value.k != 2 }
    try expect(table, rows, "a value of the partition's source")
    #expect(whole.deletedRows > 0)
    try WrittenTables.finish(table)
    let all = try table.delete(where: .always(true))
    #expect(all.removedFiles > 0)
    try expect(table, [:], "all")
  }

  @Test(arguments: [2, 3], WrittenTables.formats)
  func overwritesAndUpserts(_ version: Int, _ format: FileFormat) throws {
    let table = try WrittenTables(format).table(
      "upserted_v\(version)", schema, spec, version: version)
    var rows: [Int64: Row] = [:]
    for id in 0..<Int64(40) { rows[id] = (id % 4, "first") }
    try table.append([try batch(rows)])
    var new: [Int64: Row] = [:]
    for id in stride(from: Int64(30), to: 50, by: 3) { new[id] = (id % 5, "second") }
    let changes = try table.upsert(BatchList([try batch(new)]))
    #expect(changes.deletedRows == 4 && changes.addedRows == 7)
    rows.merge(new) { $1 }
    try expect(table, rows, "upsert")
    let other: [Int64: Row] = [100: (1, "third"), 101: (nil, "third")]
    let replaced = try table.overwrite(
      BatchList([try batch(other)]), where: try Predicate(parsing: "text = 'second'"))
    #expect(replaced.deletedRows == 7 && replaced.addedRows == 2)
    rows = rows.filter { $0.value.text != "second" }
    rows.merge(other) { $1 }
    try expect(table, rows, "overwrite where")
    try WrittenTables.finish(table)
    try table.overwrite(BatchList([try batch([1: (1, "only")])]))
    try expect(table, [1: (1, "only")], "overwrite")
    let twice = RecordBatchBuilder(try batch([:]).schema)
    for _ in 0..<2 { try twice.append(row: [.int(1), .int(1), .string("")]) }
    let batch = try twice.finish()
    #expect(tableErrorCode { try table.upsert(BatchList([batch])) } == .invalidArgument)
    #expect(
      tableErrorCode { try table.upsert(BatchList([batch]), keys: ["x"]) } == .invalidArgument)
  }

  @Test(arguments: WrittenTables.formats) func rowLineage(_ format: FileFormat) throws {
    let table = try WrittenTables(format).table("lineage", schema)
    try table.append([try batch([1: (1, "a"), 2: (2, "b"), 3: (3, "c")])])
    try table.append([try batch([4: (4, "d")])])
    try table.delete(where: try Predicate(parsing: "id = 2"))
    var options = ScanOptions(columns: ["id", "_row_id", "_last_updated_sequence_number"])
    var rows = try WrittenTables.sortedRows(table, options)
    #expect(rows.map { $0["_row_id"]! } == [.int(0), .int(2), .int(3)])
    #expect(rows.map { $0["_last_updated_sequence_number"]! } == [.int(1), .int(1), .int(2)])
    // Rows that move to another file take their numbers along; new ones among them get their own.
    options.columns = ["id", "k", "text", "_row_id", "_last_updated_sequence_number"]
    let moved = try WrittenTables.rows(table, options)
    var writing = TableWriteOptions()
    writing.hasRowLineage = true
    try table.overwrite(BatchList(moved), options: writing)
    options.columns = ["id", "_row_id", "_last_updated_sequence_number"]
    #expect(try WrittenTables.sortedRows(table, options) == rows)
    let fresh = try RecordBatch.concatenate([try batch([9: (9, "z")])])
    try table.append(BatchList([fresh]), options: writing)
    rows = try WrittenTables.sortedRows(table, options)
    #expect(rows.last?["_last_updated_sequence_number"] == .int(5))
    guard case .int(let id)? = rows.last?["_row_id"] else {
      Issue.record("a new row has an id")
      return
    }
    #expect(id >= 4 && Set(rows.map { $0["_row_id"]! }).count == 4)
  }

  @Test(arguments: 0..<12) func randomHistory(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) &+ 77)
    let version = seed % 2 + 2
    let table = try WrittenTables().table(
      "random_\(seed)", schema, seed % 3 == 0 ? spec : .unpartitioned, version: version)
    var rows: [Int64: Row] = [:]
    var textName = "text"
    for step in 0..<14 {
      let low = random.int(0..<40)
      let high = low + random.int(0..<12)
      var fresh: [Int64: Row] = [:]
      for _ in 0..<random.int(1..<15) {
        let id = Int64(random.int(0..<50))
        fresh[id] = (random.int(0..<5) == 0 ? nil : Int64(random.int(0..<6)), "s\(step)")
      }
      func named(_ rows: [Int64: Row]) throws -> BatchList {
        BatchList([try batch(rows).renamed("text", textName)])
      }
      switch random.int(0..<6) {
      case 0:
        fresh = fresh.filter { rows[$0.key] == nil }
        try table.append(try named(fresh))
        rows.merge(fresh) { $1 }
      case 1, 2:
        try table.delete(where: try Predicate(parsing: "id between \(low) and \(high)"))
        rows = rows.filter { !(Int64(low)...Int64(high)).contains($0.key) }
      case 3:
        try table.delete(where: try Predicate(parsing: "k = \(low % 6) or \(textName) = 's3'"))
        rows = rows.filter { !($0.value.k == Int64(low % 6) || $0.value.text == "s3") }
      case 4:
        textName = "text\(step)"
        try renameText(table, textName)
      default:
        try table.upsert(try named(fresh))
        rows.merge(fresh) { $1 }
      }
      let found = try WrittenTables.sortedRows(table)
      #expect(
        found.map { "\($0["id"]!) \($0["k"]!) \($0[textName]!)" }
          == rows.sorted { $0.key < $1.key }.map {
            "\(Scalar.int($0.key)) \($0.value.k.map { Scalar.int($0) } ?? .null) "
              + "\(Scalar.string($0.value.text))"
          }, "seed \(seed), step \(step)")
    }
    try WrittenTables.finish(table)
  }

  private func renameText(_ table: Table, _ name: String) throws {
    let old = table.schema
    var fields = old.fields
    fields[2].name = name
    fields.swapAt(1, 2)
    fields.sort { $0.id < $1.id }
    let schema = TableSchema(
      fields, schemaID: old.schemaID + 1, identifierFieldIDs: old.identifierFieldIDs)
    let transaction = table.transaction()
    transaction.add { (_, _) throws(TableError) in
      [.addSchema(schema, lastColumnID: nil), .setCurrentSchema(-1)]
    }
    try transaction.commit()
  }
}
