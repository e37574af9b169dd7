// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirConnect
internal import WeirParquet
internal import WeirStorage
internal import WeirTable
internal import WeirWorld

/// What was done with one data set's table, and a query with its answer.
struct DemoTableResult {
  var identifier: TableIdentifier
  var firstRows = 0
  var rows = 0
  var partitions = 0
  var files = 0
  var deletedRows = 0
  var forgottenUser: Int64?
  var rowsBeforeDelete = 0
  /// The query: events of this kind from then on.
  var kind = ""
  var since: Int64 = 0
  var found = 0
  var itemSum: Int64 = 0
  var filesRead = 0
  var metadataLocation = ""
  var took = Duration.zero

  /// For the comparison with another implementation, see dev/compare_tables.py.
  var json: JSONValue {
    [
      "table": .string(identifier.description), "metadata_location": .string(metadataLocation),
      "kind": .string(kind), "since_microseconds": .int(since), "rows": .int(Int64(found)),
      "item_id_sum": .int(itemSum), "total_rows": .int(Int64(rows)),
    ]
  }
}

/// The second half of the main job: events in a partitioned table that changes.
///
/// 1. The first half of the events goes into a table, by month.
/// 2. The table's columns change: one is renamed, one is added with a default.
/// 3. The other half is appended under the new names.
/// 4. A person asks to be forgotten: their rows are deleted.
/// 5. A query is answered; a tag still shows the table as it was before step 2.
struct DemoTables {
  private let connection: Connection
  private let progress = Progress()

  init(folder: String) throws {
    connection = try Connection.open("\(folder)/lake")
  }

  func run(_ data: DemoResult) throws -> DemoTableResult {
    defer { progress.clear() }
    let clock = ContinuousClock()
    let start = clock.now
    let namespace = Namespace([data.dataSet.name])
    let identifier = TableIdentifier(namespace, "events")
    var result = DemoTableResult(identifier: identifier)
    progress.update(identifier.description, fraction: nil) { "a new table" }
    let source = "\(data.tables[0].path)"
    let events = try ParquetReader(try LocalFile.open(source))
    let table = try makeTable(identifier, events.schema)
    let half = events.rowCount / 2
    result.firstRows = try table.append(
      DemoRows(try events.batches(), 0..<half), branch: SnapshotReference.mainBranch
    ).addedRows
    try table.transaction().createTag("first-half").commit()

    progress.update(identifier.description, fraction: 0.5) { "columns change" }
    let change = table.transaction()
    change.updateSchema().renameColumn("value", to: "weight")
    change.updateSchema().addColumn("origin", .string, defaultValue: .string("history"))
    try change.commit()
    let rest = DemoRows(try events.batches(), half..<events.rowCount, renaming: ["value": "weight"])
    result.rowsBeforeDelete = result.firstRows + (try table.append(rest).addedRows)

    progress.update(identifier.description, fraction: 0.8) { "a user is forgotten" }
    if let user = try busiestUser(table) {
      result.forgottenUser = user
      result.deletedRows =
        try table.delete(where: .compare(.equal, "user_id", .integer(Int128(user)))).deletedRows
    }
    try query(table, events, &result)
    result.metadataLocation = table.metadataLocation ?? ""
    result.took = clock.now - start
    return result
  }

  private func makeTable(_ identifier: TableIdentifier, _ columns: Schema) throws -> Table {
    let catalog = connection.catalog
    do throws(TableError) {
      try catalog.createNamespace(identifier.namespace)
    } catch {
      guard error.code == .alreadyExists else { throw error }
    }
    if try catalog.tableExists(identifier) { try catalog.dropTable(identifier, purge: true) }
    let schema = try TableSchema(arrow: Schema(columns.fields))
    let creation = TableCreation(
      schema: schema,
      partitionSpec: try PartitionSpec([TransformedColumn("event_time", .month)], of: schema))
    return Table(try catalog.createTable(identifier, creation), catalog: catalog)
  }

  /// The user with most events, if events have users.
  private func busiestUser(_ table: Table) throws -> Int64? {
    var counts: [Int64: Int] = [:]
    let users = try table.scan(ScanOptions(columns: ["user_id"], where: .notNull("user_id")))
    while let batch = try users.next() {
      for row in 0..<batch.rowCount {
        if case .int(let user) = batch.columns[0].scalar(at: row) { counts[user, default: 0] += 1 }
      }
    }
    return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
  }

  private func query(
    _ table: Table, _ events: ParquetReader, _ result: inout DemoTableResult
  ) throws {
    let all = try table.scan(ScanOptions(columns: ["event", "event_time"]))
    var kinds: [String: Int] = [:]
    var last: Int64 = .min
    while let batch = try all.next() {
      result.rows += batch.rowCount
      for row in 0..<batch.rowCount {
        if case .string(let kind) = batch.columns[0].scalar(at: row) {
          kinds[kind, default: 0] += 1
        }
        if case .int(let time) = batch.columns[1].scalar(at: row) { last = max(last, time) }
      }
    }
    result.kind = kinds.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
    result.since = last == .min ? 0 : last - 30 * 86_400_000_000
    let filter: Predicate = .and([
      .compare(.equal, "event", .string(result.kind)),
      .compare(
        .greaterOrEqual, "event_time", .timestamp(Int128(result.since) * 1_000, zoned: true)),
    ])
    let planner = try table.plan(ScanOptions(where: filter))
    while try planner.next() != nil { result.filesRead += 1 }
    let rows = try table.scan(ScanOptions(columns: ["item_id"], where: filter))
    while let batch = try rows.next() {
      result.found += batch.rowCount
      for row in 0..<batch.rowCount {
        if case .int(let item) = batch.columns[0].scalar(at: row) { result.itemSum &+= item }
      }
    }
    let partitions = try table.inspect(.partitions)
    while let batch = try partitions.next() { result.partitions += batch.rowCount }
    let files = try table.inspect(.dataFiles)
    while let batch = try files.next() { result.files += batch.rowCount }
  }
}

/// A range of the rows of a reader, with columns under other names.
private final class DemoRows: RecordBatchReader {
  let schema: Schema
  private let reader: ParquetBatches
  private let range: Range<Int>
  private var position = 0

  init(_ reader: ParquetBatches, _ range: Range<Int>, renaming names: [String: String] = [:]) {
    self.reader = reader
    self.range = range
    schema = Schema(
      reader.schema.fields.map { field in
        var field = field
        field.name = names[field.name] ?? field.name
        return field
      })
  }

  func next() throws -> RecordBatch? {
    while position < range.upperBound, let batch = try reader.next() {
      let start = max(0, range.lowerBound - position)
      let end = min(batch.rowCount, range.upperBound - position)
      position += batch.rowCount
      guard start < end else { continue }
      let rows = batch.slice(offset: start, length: end - start)
      return try RecordBatch(schema: schema, columns: rows.columns, rowCount: rows.rowCount)
    }
    return nil
  }
}
