// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// The rows that came and went between two states of a table; see `Table.scanChanges`.
///
/// One thread at a time may use a reader.
public final class ChangeReader: RecordBatchReader {
  /// The columns of every batch.
  public let schema: Schema
  public let range: SnapshotRange

  private let planner: ChangePlanner
  private let options: ChangeScanOptions
  private let layout: ChangeLayout
  /// Reads the columns of the output, with `_deleted` in the place of "is an update" behind them.
  private let context: ReadContext
  /// Reads what rows are told apart by.
  private let pairing: ReadContext?
  /// Reads nothing but where rows are.
  private let placing: ReadContext?
  private let keys: [Int32]?
  private let random: () -> UInt64

  private var group: Group?
  private var file: (reader: DataFileReader, task: ChangeTask)?
  private var left: Int
  private var failed: TableError?

  /// Changes that are told together.
  private enum Group {
    /// As they come.
    case plain(SnapshotChanges)
    /// With what pairing found out about their rows.
    case paired(ArraySlice<(ChangeTask, ChangeMatcher.Found)>)
  }

  init(
    _ metadata: TableMetadata, _ planner: ChangePlanner, stores: ObjectStores,
    _ options: ChangeScanOptions, random: @escaping () -> UInt64
  ) throws(TableError) {
    self.planner = planner
    self.options = options
    self.random = random
    range = planner.range
    left = max(0, options.limit ?? .max)
    keys = try options.identifiers.map { names throws(TableError) in
      try Self.keys(names, planner.schema, options.caseSensitive)
    }
    layout = try ChangeLayout(
      options.columns, planner.schema, metadata.allPartitionFields, options.caseSensitive)
    schema = layout.schema
    var reading = TableReadOptions()
    reading.caseSensitive = options.caseSensitive
    reading.batchRowsMax = options.batchRowsMax
    reading.columns = layout.readColumns(planner.schema) + [MetadataColumn.deleted.rawValue]
    var context = try ReadContext(
      metadata, schema: planner.schema, stores: stores, options: reading)
    context.keepsDeleted = false
    self.context = context
    if options.removesCarriedRows || options.isNet || keys != nil {
      reading.columns =
        planner.schema.fields.map { planner.schema.path(ofFieldID: $0.id) ?? $0.name }
        + [MetadataColumn.position.rawValue]
      reading.batchRowsMax = TableReadOptions().batchRowsMax
      var pairing = try ReadContext(
        metadata, schema: planner.schema, stores: stores, options: reading)
      pairing.deletes = context.deletes
      self.pairing = pairing
      reading.columns = [MetadataColumn.position.rawValue]
      var placing = try ReadContext(
        metadata, schema: planner.schema, stores: stores, options: reading)
      placing.deletes = context.deletes
      self.placing = placing
    } else {
      pairing = nil
      placing = nil
    }
  }

  private static func keys(
    _ names: [String], _ schema: TableSchema, _ caseSensitive: Bool
  ) throws(TableError) -> [Int32] {
    guard !names.isEmpty else {
      guard !schema.identifierFieldIDs.isEmpty else {
        throw TableError(
          .invalidArgument,
          "the schema has no identifier fields; name the columns by which rows are the same")
      }
      return schema.identifierFieldIDs.sorted()
    }
    var ids: [Int32] = []
    for name in names {
      guard let field = schema.field(path: name, caseSensitive: caseSensitive) else {
        throw .noColumn(name, schema)
      }
      guard field.type.isPrimitive else {
        throw TableError(
          .invalidArgument, "rows are told apart by columns of single values", column: name)
      }
      ids.append(field.id)
    }
    return ids
  }

  /// The next rows, at least one; `nil` at the end. After an error every call throws it again.
  public func next() throws(TableError) -> RecordBatch? {
    if let failed { throw failed }
    do throws(TableError) {
      while left > 0 {
        if let file {
          if let batch = try file.reader.next() {
            let rows = min(batch.rowCount, left)
            left -= rows
            let result = try layout.batch(batch, file.task)
            return rows == result.rowCount ? result : result.slice(offset: 0, length: rows)
          }
          self.file = nil
        }
        guard let (task, found) = try nextTask() else { break }
        file = try ChangeFile.open(task, context, found).map { ($0, task) }
      }
      file = nil
      group = nil
      return nil
    } catch {
      failed = error
      file = nil
      group = nil
      throw error
    }
  }

  // MARK: Tasks

  private func nextTask() throws(TableError) -> (ChangeTask, ChangeMatcher.Found)? {
    while true {
      switch group {
      case .plain(let changes):
        if var task = try changes.next() {
          if keys != nil { task.scan.residual = planner.filter }
          return (task, ChangeMatcher.Found())
        }
      case .paired(var rest):
        if case (var task, let found)? = rest.popFirst() {
          group = .paired(rest)
          // Rows were paired without the filter, so that both halves of updates were seen.
          if keys != nil || planner.filled != nil { task.scan.residual = planner.filter }
          if let filled = planner.filled {
            let list = task.type == .insert ? filled.end : filled.start
            task.scan.columnFiles = list[task.scan.dataFile.path]
          }
          return (task, found)
        }
      case nil: break
      }
      guard let next = try nextGroup() else { return nil }
      group = next
    }
  }

  private func nextGroup() throws(TableError) -> Group? {
    guard options.isNet else {
      guard let changes = try planner.nextSnapshot() else { return nil }
      guard pairing != nil, changes.mayDelete, changes.mayInsert else { return .plain(changes) }
      return .paired(try paired([changes]))
    }
    var all: [SnapshotChanges] = []
    while let changes = try planner.nextSnapshot() { all.append(changes) }
    return all.isEmpty ? nil : .paired(try paired(all))
  }

  private func paired(
    _ changes: [SnapshotChanges]
  ) throws(TableError) -> ArraySlice<(ChangeTask, ChangeMatcher.Found)> {
    guard let pairing, let placing else { return [] }
    var tasks: [ChangeTask] = []
    for snapshot in changes {
      while let task = try snapshot.next() {
        tasks.append(task)
        guard tasks.count <= ChangeMatcher.taskCountMax else { break }
      }
    }
    guard changes.contains(where: \.mayDelete), changes.contains(where: \.mayInsert) else {
      return tasks.map { ($0, ChangeMatcher.Found()) }[...]
    }
    let matcher = ChangeMatcher(
      tasks, pairing, placing, keys: keys, cancels: true, byteCountMax: options.pairingBytesMax,
      random: random)
    return zip(tasks, try matcher.match()).map { ($0, $1) }[...]
  }
}
