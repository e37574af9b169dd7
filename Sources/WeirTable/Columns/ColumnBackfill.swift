// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// Gives a column of a table values, without rewriting anything else.
///
/// 1. `init` reads the source and adds the column, where it is new, by a commit of its own: whoever writes
///    from then on may fill it.
/// 2. `plan()` looks up the data files of the current snapshot.
/// 3. `write()` makes the next data file's column file: reads the keys of all its rows, and writes the
///    column. Others go on as they like.
/// 4. `commit()` makes them part of the table by one snapshot, which changes no data file
///    (`AddColumnFiles`).
///
/// Rows that the source does not name keep what they have. Rows that others add behind the snapshot that
/// was planned by are not looked at. What is written and not committed is removed by `discard()`, or else by
/// orphan clean-up. One thread at a time.
///
/// Memory: the source's keys and values, a bit for each row of the table, and the column of one batch.
public final class ColumnBackfill {
  public let table: Table
  public let options: BackfillOptions
  public private(set) var result = BackfillResult()
  private let source: ColumnSource
  private let fieldID: Int32
  /// Data files up to this sequence number lack the column; -1 where it was there before.
  private let emptyUpTo: Int64
  private var start: TableMetadata
  private var waiting: [FileScanTask] = []
  private var written: [String: BackfilledFile] = [:]
  private var liveFiles: Set<String> = []
  private var columnFiles = ColumnFileList()
  /// Whether a part begins with the snapshot that was divided: until others rewrote its files in a way
  /// that cannot be followed from there.
  private var isAtDivision = true
  /// Whether a commit's outcome was not known.
  private var isInDoubt = false

  /// In a table's properties: the ids of the columns that came by backfills.
  static let addedProperty = "weir.backfilled-columns"

  /// - Throws: `notFound` for a column that the table or the source lacks; `invalidArgument` for a column
  ///   or keys that cannot be used, keys that are null or come twice, values of another type; `limit` for
  ///   a source that is too large.
  public init(
    _ table: Table, from rows: some RecordBatchReader, _ options: BackfillOptions
  ) throws(TableError) {
    self.table = table
    self.options = options
    do throws(TableError) {
      let metadata = try table.refresh()
      let keys = try Self.keys(options.keys, metadata)
      let value = try ColumnSourceLayout.value(options.value ?? options.column, in: rows.schema)
      let column = try BackfilledColumn(options.column, metadata).field(
        from: value.field(named: options.column))
      for key in keys { _ = try ColumnSourceLayout.index(of: key.name, in: rows.schema) }
      source = try ColumnSource(
        rows, ColumnSourceLayout(keys: keys, column: column, value: value),
        bytesMax: options.sourceBytesMax)
      let (added, isNew) = try BackfilledColumn.add(column, to: table)
      fieldID = added
      result.addedColumn = isNew
      result.sourceRowCount = source.count
      start = table.metadata
      if let field = start.currentSchema.field(id: added) { try source.conform(to: field) }
      emptyUpTo = isNew ? start.lastSequenceNumber : -1
    } catch { throw error.adding(table: table.identifier.description) }
  }

  private static func keys(
    _ names: [String]?, _ metadata: TableMetadata
  ) throws(TableError) -> [TableField] {
    let schema = metadata.currentSchema
    guard let names else {
      let fields = schema.identifierFieldIDs.sorted().compactMap { schema.field(id: $0) }
      guard !fields.isEmpty, fields.allSatisfy({ schema.parentID(ofFieldID: $0.id) == nil }) else {
        throw TableError(
          .invalidArgument,
          "the schema has no identifier fields; name the columns by which rows are the same, or _row_id"
        )
      }
      return fields
    }
    var fields: [TableField] = []
    for name in names where !fields.contains(where: { $0.name == name }) {
      if name == MetadataColumn.rowID.rawValue {
        guard names.count == 1 else {
          throw TableError(
            .invalidArgument, "_row_id tells all rows apart; name no other key beside it")
        }
        guard metadata.formatVersion >= 3 else {
          throw TableError(
            .unsupported,
            "rows have ids from format version 3 on, the table has \(metadata.formatVersion); name a "
              + "column, or upgrade it")
        }
        return [MetadataColumn.rowID.field(partitionType: StructType([]))]
      }
      guard let field = schema.field(path: name) else { throw .noColumn(name, schema) }
      guard field.type.isPrimitive, schema.parentID(ofFieldID: field.id) == nil else {
        throw TableError(
          .invalidArgument, "a key must be a column of single values, not within another",
          column: name)
      }
      fields.append(field)
    }
    guard !fields.isEmpty else {
      throw TableError(.invalidArgument, "a backfill needs at least one key column")
    }
    return fields
  }

  private func field() throws(TableError) -> TableField {
    guard let field = start.currentSchema.field(id: fieldID) else {
      throw TableError(
        .conflict, "the column was dropped while it was backfilled; nothing was changed",
        table: table.identifier.description, column: options.column)
    }
    return field
  }

  // MARK: Steps

  /// Looks up the data files. After a `conflict` it may be called again: what was written for files that
  /// are as they were is used again.
  ///
  /// - Returns: how many column files are to be written.
  @discardableResult
  public func plan() throws(TableError) -> Int {
    start = try table.refresh()
    if let done = options.part?.snapshot(in: start) {
      discard()
      result.adopt(done)
      return 0
    }
    let division = try options.part?.start(in: start) ?? start
    let wanted = BackfilledFiles(options.part, division)
    if isAtDivision { start = division }
    let field = try field()
    let planner = try ScanPlanner(
      start, stores: table.stores, cache: table.environment.manifestCache)
    columnFiles = try TableFiles(table, start).columnFiles(of: start.currentSnapshot, in: start)
    liveFiles = []
    waiting = []
    var reused: [String: BackfilledFile] = [:]
    while let task = try planner.next() {
      let path = task.dataFile.path
      liveFiles.insert(path)
      guard wanted.contain(task) else { continue }
      let rows = task.dataFile.recordCount
      // Of a file whose rows are all deleted (a stream's tombstones) nobody sees the column.
      guard rows > 0, task.deletes.deletionVector?.recordCount != rows else { continue }
      try refuse(task.deletes.equalityDeletes, field)
      if let made = written[path], made.before == columnFiles.file(path, fieldID) {
        reused[path] = made
      } else {
        waiting.append(task)
      }
    }
    for (path, made) in written where reused[path] == nil { forget(made) }
    written = reused
    return waiting.count
  }

  private func refuse(_ deletes: [DataFile], _ field: TableField) throws(TableError) {
    for file in deletes where file.equalityIDs?.contains(field.id) ?? false {
      throw TableError(
        .unsupported,
        "rows are deleted by their values of the column, in a file of equality deletes: another value "
          + "would delete others; compact the table first",
        table: table.identifier.description, file: file.path, column: field.name)
    }
  }

  /// Column files that wait to be written, and for the commit.
  public var waitingFileCount: Int { waiting.count }
  public var writtenFileCount: Int { written.count }

  /// Writes the next column file.
  ///
  /// - Returns: false when there is none.
  @discardableResult
  public func write() throws(TableError) -> Bool {
    guard let task = waiting.last else { return false }
    do throws(TableError) {
      let before = columnFiles.file(task.dataFile.path, fieldID)
      let made = try BackfilledFile(
        task, try field(), source, start, table, before: before,
        readsValues: before != nil || task.fileSequenceNumber > emptyUpTo)
      waiting.removeLast()
      written[task.dataFile.path] = made
      result.fileCount += 1
      result.rowCount += made.rowCount
      result.missingRowCount += made.missingRowCount
      result.writtenByteCount += made.file.byteCount
      return true
    } catch {
      if error.code == .notFound, try table.areOvertaken([task], since: start) {
        throw TableError(
          .conflict,
          "the file was rewritten, and what it was before has expired, while the column was backfilled; plan "
            + "again",
          table: table.identifier.description, file: task.dataFile.path)
      }
      throw error.adding(table: table.identifier.description)
    }
  }

  private func forget(_ made: BackfilledFile) {
    table.stores.delete([made.file.path])
    result.fileCount -= 1
    result.rowCount -= made.rowCount
    result.missingRowCount -= made.missingRowCount
    result.writtenByteCount -= made.file.byteCount
  }

  /// Makes the column files part of the table, by one snapshot.
  ///
  /// After `conflict` `plan()` and `write()` bring it up to date; after `retryableConflict` and
  /// `unknownOutcome` it may be called again.
  ///
  /// - Parameter check: looks at the metadata that each attempt starts from; what it throws ends the commit.
  /// - Returns: the table's metadata; `nil` when nothing waits.
  @discardableResult
  public func commit(
    check: ((TableMetadata) throws(TableError) -> Void)? = nil
  ) throws(TableError) -> TableMetadata? {
    guard !written.isEmpty else { return nil }
    let transaction = Transaction(table, start: start)
    if let check { transaction.check(check) }
    let producer = transaction.producer(AddColumnFiles.self)
    producer.begin(
      try field(), Array(written.values), liveFiles: liveFiles, startList: columnFiles,
      part: options.part, result)
    let metadata: TableMetadata
    do throws(TableError) {
      metadata = try transaction.commit()
    } catch {
      isInDoubt = isInDoubt || error.code == .unknownOutcome
      if error.code == .conflict { isAtDivision = false }
      throw error
    }
    let used = producer.usedColumnFiles
    table.stores.delete(written.values.map(\.file.path).filter { !used.contains($0) })
    result.movedFileCount += producer.remadeCount
    result.snapshotID = producer.snapshotID
    if let done = producer.doneBy { result.adopt(done) }
    written = [:]
    return metadata
  }

  /// Removes what was written and not committed; orphan clean-up does where the outcome of a commit is not
  /// known.
  public func discard() {
    if !isInDoubt { table.stores.delete(written.values.map(\.file.path)) }
    written = [:]
    waiting = []
  }

  /// Plans, writes and commits, again where others rewrote files in a way that cannot be followed.
  public func runToEnd() throws(TableError) -> BackfillResult {
    do throws(TableError) {
      var attempt = 1
      while true {
        try table.repeatingIfOvertaken { () throws(TableError) in _ = try plan() }
        do throws(TableError) {
          while try write() {}
          try commit()
          return result
        } catch {
          guard error.code == .conflict, attempt < options.attemptsMax else { throw error }
          attempt += 1
        }
      }
    } catch {
      discard()
      throw error.adding(table: table.identifier.description)
    }
  }
}

extension Table {
  /// Gives a column values that are computed from the other columns of each row, and rewrites nothing else:
  /// a backfill from the table itself by `_row_id`. `options.keys` is not looked at.
  ///
  /// Rows have the values of their columns when they were read; rows that `filter` leaves out keep what
  /// they have. Of a part, rows have the values that they had when the backfill was divided. Cost: reads the
  /// columns of the expression and the filter, holds row ids and values, writes the column.
  ///
  /// - Throws: as `ColumnBackfill`; `invalidArgument` without `options.value`, where that is no expression
  ///   of the table's columns, and for a part whose values are made of the column itself.
  @discardableResult
  public func backfill(
    _ options: BackfillOptions, where filter: Predicate = .always(true)
  ) throws(TableError) -> BackfillResult {
    guard let value = options.value else {
      throw TableError(
        .invalidArgument, "a backfill without rows needs an expression of the table's columns",
        table: identifier.description, column: options.column)
    }
    let id = MetadataColumn.rowID.rawValue
    var names = [id]
    for term in try ColumnSourceLayout.parsed(value).terms where !names.contains(term.name) {
      names.append(term.name)
    }
    var options = options
    options.keys = [id]
    var scanned = ScanOptions(where: filter)
    scanned.columns = names
    guard let part = options.part else { return try backfill(from: try scan(scanned), options) }
    guard !names.contains(where: { $0 == options.column || $0.hasPrefix("\(options.column).") })
    else {
      throw TableError(
        .invalidArgument,
        "values that are made of the column itself cannot be filled in parts: after a part alone nobody "
          + "could do the backfill again; fill a new column, or do it as a whole",
        table: identifier.description, column: options.column)
    }
    do throws(TableError) {
      let start = try part.start(in: try refresh())
      let wanted = BackfilledFiles(part, start)
      return try backfill(from: try scan(scanned, of: start, files: wanted.contain), options)
    } catch { throw error.adding(table: identifier.description) }
  }

  /// Gives a column values by key, without rewriting anything else; see `ColumnBackfill`.
  ///
  /// Cost: reads the source and the keys of all rows, writes the column.
  @discardableResult
  public func backfill(
    from rows: some RecordBatchReader, _ options: BackfillOptions
  ) throws(TableError) -> BackfillResult {
    try ColumnBackfill(self, from: rows, options).runToEnd()
  }
}
