// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// A table to which everything is done that changes rows, by Weir's own operations and as other engines
/// do it: copy-on-write, equality deletes, position deletes of whole partitions, rewrites, deletes that
/// are taken back.
struct ChangeWorld {
  var random: SeededRandom
  let table: Table
  /// Whether no two rows have the same id.
  let isUnique: Bool
  private var step = 0
  private var fileCount = 0
  private var nextID: Int64 = 0

  static let schema = TableSchema(
    [
      TableField(1, "id", .long, required: true), TableField(2, "k", .int),
      TableField(3, "text", .string),
      TableField(
        4, "tags", .list(ListType(elementID: 5, element: .string, elementRequired: false))),
      TableField(6, "place", .struct(StructType([TableField(7, "x", .double)]))),
    ], identifierFieldIDs: [1])

  static let spec = PartitionSpec(
    specID: 0,
    fields: [PartitionField(sourceID: 2, fieldID: 1000, name: "k_b", transform: .bucket(2))])

  init(seed: Int, isUnique: Bool) throws {
    random = SeededRandom(seed: UInt64(seed) &* 7919 &+ 3)
    self.isUnique = isUnique
    table = try WrittenTables().table(
      "changes_\(seed)_\(isUnique)", Self.schema, seed % 3 == 0 ? .unpartitioned : Self.spec,
      version: seed % 2 + 2)
    try table.append([try batch(newRows())])
  }

  // MARK: Rows

  func batch(_ rows: [(id: Int64, k: Int64?, text: String)]) throws -> RecordBatch {
    let fields = table.schema.fields.filter { Self.schema.field(id: $0.id) != nil }
    let builder = RecordBatchBuilder(Schema(fields.map(\.arrowField)))
    for row in rows {
      let tag = Scalar.string("t\(row.id % 3)")
      let tags: Scalar = .list([Scalar](repeating: tag, count: Int(row.id % 3)))
      let x: Scalar = row.id % 7 == 0 ? .null : .float64(.nan)
      let place: Scalar = .struct([Scalar.Member("x", x)])
      let k: Scalar = row.k.map { .int($0) } ?? .null
      try builder.append(row: [
        .int(row.id), k, .string(row.text), row.id % 4 == 0 ? .null : tags,
        row.id % 5 == 0 ? .null : place,
      ])
    }
    return try builder.finish()
  }

  mutating func newRows() -> [(id: Int64, k: Int64?, text: String)] {
    (0..<random.int(1...12)).map { _ in
      nextID += 1
      let id = isUnique ? nextID : Int64(random.int(0..<15))
      return (
        id, random.chance(0.2) ? nil : Int64(random.int(0..<4)), random.pick(["a", "b", "c"])
      )
    }
  }

  /// The rows of a state as texts, in the form of `schema`, with how often each comes.
  func rows(
    _ snapshot: Snapshot?, _ schema: TableSchema,
    where filter: WeirColumnar.Predicate = .always(true)
  ) throws -> [String: Int] {
    guard let snapshot else { return [:] }
    let planner = try ScanPlanner(
      table.metadata, stores: table.stores, at: .id(snapshot.snapshotID))
    let reader = try TableReader(table.metadata, schema: schema, stores: table.stores) {
      () throws(TableError) in try planner.next()
    }
    let bound = try filter.bind(to: schema.arrowSchema())
    var result: [String: Int] = [:]
    while let batch = try reader.next() {
      for text in Self.texts(try batch.filter(bound)) { result[text, default: 0] += 1 }
    }
    return result
  }

  /// Rows as texts; columns of changes are left out.
  static func texts(_ batch: RecordBatch) -> [String] {
    (0..<batch.rowCount).map { row in
      zip(batch.schema.fields, batch.columns).filter { ChangeColumn(rawValue: $0.0.name) == nil }
        .map { "\($0.name)=\($1.scalar(at: row).text(as: $1.type))" }.joined(separator: " ")
    }
  }

  // MARK: Operations

  /// Files of now on have another format; those before are read on.
  private func changeFormat() throws {
    let isWeir = table.metadata.properties[DataFormat.property] == "weir"
    let transaction = table.transaction()
    transaction.setProperties([DataFormat.property: isWeir ? "parquet" : "weir"])
    try transaction.commit()
  }

  mutating func change() throws {
    step += 1
    if random.chance(0.2) { try changeFormat() }
    let low = random.int(0..<max(2, isUnique ? Int(nextID) : 15))
    let range = "id between \(low) and \(low + random.int(0..<6))"
    switch random.int(0..<12) {
    case 0, 1: try table.append([try batch(newRows())])
    case 2, 3: try table.delete(where: try Predicate(parsing: range))
    case 4: try table.delete(where: try Predicate(parsing: "k = \(random.int(0..<4))"))
    case 5: try copyOnWrite(replaced: false)
    case 6: try copyOnWrite(replaced: true)
    case 7: try rewrite()
    case 8: try deleteByEquality()
    case 9 where table.metadata.formatVersion == 2: try deleteByPartition()
    // A row that comes back may be there in a newer form.
    case 10 where !isUnique: try takeBackDeletes()
    case 11 where isUnique: try upsert()
    default:
      try table.overwrite(
        BatchList([try batch(newRows())]), where: try Predicate(parsing: range))
    }
  }

  private mutating func upsert() throws {
    var seen: Set<Int64> = []
    var rows = newRows()
    for index in rows.indices {
      rows[index].id = Int64(random.int(1...max(1, Int(nextID))))
      rows[index].text = "s\(step)"
    }
    try table.upsert(BatchList([try batch(rows.filter { seen.insert($0.id).inserted })]))
  }

  private func read(_ tasks: [FileScanTask]) throws -> [RecordBatch] {
    let reader = try TableReader(table.metadata, stores: table.stores, tasks: tasks)
    var batches: [RecordBatch] = []
    while let batch = try reader.next() { batches.append(batch) }
    return batches
  }

  private func write(_ batches: [RecordBatch]) throws -> [DataFile] {
    let writer = try table.writer()
    for batch in batches { try writer.write(batch) }
    return try writer.close()
  }

  /// Files are written anew without some of their rows, perhaps with others in their place.
  private mutating func copyOnWrite(replaced: Bool) throws {
    let all = try WrittenTables.tasks(table)
    guard !all.isEmpty else { return }
    let some = all.filter { _ in random.chance(0.5) }
    let chosen = some.isEmpty ? [random.pick(all)] : some
    let gone = random.int(0..<15)
    let keep = try Predicate(parsing: "id not between \(gone) and \(gone + 2)")
      .bind(to: table.schema.arrowSchema())
    var kept = try read(chosen).map { try $0.filter(keep) }
    if replaced { kept.append(try batch(newRows())) }
    let overwrite = table.transaction()
    let files = overwrite.overwrite()
    for task in chosen { files.remove(task.dataFile) }
    for file in try write(kept) { files.add(file) }
    try overwrite.commit()
  }

  /// The same rows in other files.
  private mutating func rewrite() throws {
    let all = try WrittenTables.tasks(table)
    guard !all.isEmpty else { return }
    let chosen = all.filter { _ in random.chance(0.7) }
    guard !chosen.isEmpty else { return }
    let transaction = table.transaction()
    let files = transaction.rewriteFiles()
    for task in chosen { files.remove(task.dataFile) }
    for file in try write(try read(chosen)) { files.add(file) }
    try transaction.commit()
  }

  /// As streaming writers do: rows that equal one in `k` and `text`, or in `id`, are deleted.
  private mutating func deleteByEquality() throws {
    let ids: [Int32] = random.chance(0.5) ? [1] : [2, 3]
    let fields = Self.schema.fields.filter { ids.contains($0.id) }
    let all = try WrittenTables.tasks(table)
    let partitions = Set(all.map { $0.dataFile.partition })
    let transaction = table.transaction()
    let delta = transaction.rowDelta()
    for partition in partitions {
      let rows = try batch(newRows())
      let columns = ids.map { rows.columns[Int($0) - 1] }
      delta.add(
        deletes: try write(
          RecordBatch(
            trusted: Schema(fields.map(\.arrowField)), columns: columns, rowCount: rows.rowCount),
          fields, .equalityDeletes, partition, equalityIDs: ids))
    }
    if partitions.isEmpty { return }
    if random.chance(0.5) {
      for file in try write([try batch(newRows())]) { delta.add(file) }
    }
    try transaction.commit()
  }

  /// One file of position deletes for all files of a partition.
  private mutating func deleteByPartition() throws {
    let all = try WrittenTables.tasks(table)
    guard !all.isEmpty else { return }
    let partition = random.pick(all).dataFile.partition
    var rows: [(String, Int64)] = []
    for task in all where task.dataFile.partition == partition {
      for row in 0..<task.dataFile.recordCount where random.chance(0.3) {
        rows.append((task.dataFile.path, Int64(row)))
      }
    }
    rows.sort { $0 < $1 }
    guard !rows.isEmpty else { return }
    let fields = [
      TableField(MetadataColumn.deleteFilePathID, "file_path", .string, required: true),
      TableField(MetadataColumn.deletePositionID, "pos", .long, required: true),
    ]
    let builder = RecordBatchBuilder(Schema(fields.map(\.arrowField)))
    for row in rows { try builder.append(row: [.string(row.0), .int(row.1)]) }
    let transaction = table.transaction()
    transaction.rowDelta().add(
      deletes: try write(try builder.finish(), fields, .positionDeletes, partition))
    try transaction.commit()
  }

  private mutating func write(
    _ batch: RecordBatch, _ fields: [TableField], _ content: DataFile.Content,
    _ partition: [Scalar], equalityIDs: [Int32]? = nil
  ) throws -> DataFile {
    fileCount += 1
    var properties = try WriteProperties([:], schema: Self.schema, sortOrder: .unsorted)
    properties.metrics = MetricsModes(.full, of: fields.map(\.id))
    let file = try OpenDataFile(
      "\(table.metadata.location)/data/deletes-\(fileCount).parquet",
      fields: fields,
      properties: properties,
      stores: table.stores)
    try file.write(batch)
    return try file.close(
      spec: table.spec, partition: partition,
      sortOrderID: nil, content: content, equalityIDs: equalityIDs)
  }

  /// Rows come back.
  private mutating func takeBackDeletes() throws {
    let transaction = table.transaction()
    let delta = transaction.rowDelta()
    var any = false
    for task in try WrittenTables.tasks(table) {
      let deletes = task.deletes.positionDeletes + [task.deletes.deletionVector].compactMap(\.self)
      for file in deletes where file.referencedDataFile != nil && random.chance(0.5) {
        delta.remove(deletes: file)
        any = true
      }
    }
    if any { try transaction.commit() }
  }
}
