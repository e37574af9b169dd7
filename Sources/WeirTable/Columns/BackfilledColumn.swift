// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The column of a table that a backfill is about.
struct BackfilledColumn {
  private let name: String
  private let metadata: TableMetadata

  init(_ name: String, _ metadata: TableMetadata) {
    self.name = name
    self.metadata = metadata
  }

  /// The column as the table has it, or as it is going to be.
  ///
  /// - Parameter source: the values' field.
  /// - Throws: `invalidArgument` for a column that cannot be backfilled.
  func field(from source: Field) throws(TableError) -> TableField {
    let schema = metadata.currentSchema
    guard let field = schema.field(path: name) else {
      guard !name.isEmpty, MetadataColumn(rawValue: name.lowercased()) == nil else {
        throw TableError(
          .invalidArgument, "a column of the table itself cannot be backfilled", column: name)
      }
      var new = source
      new.name = name
      new.nullable = true
      new.id = nil
      return try TableSchema(arrow: Schema([new]), formatVersion: metadata.formatVersion).fields[0]
    }
    guard schema.parentID(ofFieldID: field.id) == nil else {
      throw TableError(
        .unsupported,
        "a field within another column cannot be backfilled alone; backfill the column",
        column: name)
    }
    if schema.identifierFieldIDs.contains(field.id) { throw refused("it identifies rows") }
    let ids = Set([field.id] + TableSchema([field]).allFieldIDs)
    if metadata.specs.contains(where: { $0.fields.contains { !ids.isDisjoint(with: $0.sourceIDs) } }
    ) {
      throw refused("the table is partitioned by it, so that rows would be in the wrong partitions")
    }
    // A key index has the rows of a keyed stream as the stream wrote them.
    if metadata.properties[Compaction.streamProperty] != nil, !schema.identifierFieldIDs.isEmpty,
      !Self.added(metadata).contains(field.id)
    {
      throw refused(
        "it is a column of a keyed stream, whose key index has its values, too; send the rows to the "
          + "stream, or backfill a column of another name")
    }
    return field
  }

  private func refused(_ reason: String) -> TableError {
    TableError(.invalidArgument, "the column cannot be backfilled: \(reason)", column: name)
  }

  /// Columns that came by backfills.
  private static func added(_ metadata: TableMetadata) -> Set<Int32> {
    Set(
      (metadata.properties[ColumnBackfill.addedProperty] ?? "").split(separator: ",")
        .compactMap { Int32($0) })
  }

  /// Adds the column where the table has none of its name.
  ///
  /// - Returns: its id, and whether it is new.
  static func add(
    _ column: TableField, to table: Table
  ) throws(TableError) -> (id: Int32, isNew: Bool) {
    if let known = table.metadata.currentSchema.field(path: column.name) {
      return (known.id, false)
    }
    let transaction = table.transaction()
    transaction.updateSchema().addColumn(column.name, column.type)
    transaction.add { base, _ throws(TableError) in
      guard let field = base.currentSchema.field(path: column.name) else { return [] }
      let ids = added(base).union([field.id]).sorted()
      return [
        .setProperties([
          ColumnBackfill.addedProperty: ids.map(String.init).joined(separator: ",")
        ])
      ]
    }
    var isNew = true
    do throws(TableError) {
      try transaction.commit()
    } catch {
      // Somebody else added it first.
      guard error.code == .alreadyExists else { throw error }
      try table.refresh()
      isNew = false
    }
    guard let made = table.metadata.currentSchema.field(path: column.name) else {
      throw TableError(.conflict, "the column was dropped again meanwhile", column: column.name)
    }
    guard isNew || made.type.arrowType == column.type.arrowType else {
      throw TableError(
        .conflict,
        "somebody else added a column of this name meanwhile, of type \(made.type) and not "
          + "\(column.type)", column: column.name)
    }
    return (made.id, isNew)
  }
}

/// The column file of one data file, as a backfill made it.
struct BackfilledFile {
  let dataFile: DataFile
  let file: ColumnFile
  /// The column file of the column that the data file had then.
  let before: ColumnFile?
  private let found: FoundRows

  /// Live rows, and those of them that the source has no value for.
  var rowCount: Int { found.rowCount }
  var missingRowCount: Int { found.missingRowCount }

  /// Whether a row got a value of the source.
  func isFound(_ row: Int) -> Bool { found[row] }

  /// Reads the keys of all rows, and writes the column.
  init(
    _ task: FileScanTask, _ field: TableField, _ source: ColumnSource, _ metadata: TableMetadata,
    _ table: Table, before: ColumnFile?, readsValues: Bool
  ) throws(TableError) {
    dataFile = task.dataFile
    self.before = before
    var found = FoundRows(task.dataFile.recordCount)
    // All rows, deleted ones too: they are told by their places.
    var all = try ColumnRemaker.allRows(task, metadata)
    all.deletes = task.deletes
    all.deletes.equalityDeletes = []
    var options = TableReadOptions()
    let deleted = MetadataColumn.deleted.rawValue
    options.columns = source.keyNames + [deleted] + (readsValues ? [field.name] : [])
    let reader = try DataFileReader(
      all, try ReadContext(metadata, schema: nil, stores: table.stores, options: options))
    let writer = try ColumnFileWriter(
      metadata, stores: table.stores, environment: table.environment
    ).open(field)
    let keyCount = source.keyNames.count
    var first = 0
    while let batch = try reader.next() {
      let places = source.places(Array(batch.columns.prefix(keyCount)), rows: batch.rowCount)
      guard first + batch.rowCount <= task.dataFile.recordCount else { break }
      found.add(places, deleted: batch.columns[keyCount])
      let own = readsValues ? batch.columns[keyCount + 1] : nil
      try writer.write(try ColumnMerge.merged(places, of: source.values, own: own))
      first += batch.rowCount
    }
    guard first == task.dataFile.recordCount else {
      throw TableError(
        .damaged,
        "the data file has other rows than the \(task.dataFile.recordCount) that the manifest says",
        file: task.dataFile.path)
    }
    file = try writer.close()
    self.found = found
  }
}

/// Which rows of a file a source has values for.
private struct FoundRows {
  private var bits: [UInt64]
  private var next = 0
  private(set) var rowCount = 0
  private(set) var missingRowCount = 0

  init(_ count: Int) { bits = [UInt64](repeating: 0, count: (count + 63) / 64) }

  subscript(row: Int) -> Bool { bits[row >> 6] >> UInt64(row & 63) & 1 == 1 }

  /// The next rows.
  mutating func add(_ places: [Int], deleted: ArrayData) {
    let isDeleted = BooleanRows(deleted)
    for (row, place) in places.enumerated() {
      if place >= 0 { bits[(next + row) >> 6] |= 1 << UInt64((next + row) & 63) }
      guard !isDeleted[row] else { continue }
      rowCount += 1
      if place < 0 { missingRowCount += 1 }
    }
    next += places.count
  }
}

/// The values of a boolean column without nulls.
private struct BooleanRows {
  private let bytes: [UInt8]
  private let offset: Int

  init(_ array: ArrayData) {
    bytes = array.buffers[0].array(of: UInt8.self)
    offset = array.offset
  }

  subscript(row: Int) -> Bool {
    bytes[(offset + row) >> 3] >> UInt8((offset + row) & 7) & 1 == 1
  }
}
