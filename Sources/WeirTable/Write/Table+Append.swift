// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// What a change of a table's rows did.
public struct RowChanges: Hashable, Sendable {
  /// The snapshot that holds the changes; `nil` when nothing had to change.
  public var snapshotID: Int64?
  public var addedRows = 0
  public var deletedRows = 0
  public var addedFiles = 0
  /// Data files that went as a whole.
  public var removedFiles = 0

  public init() {}
}

extension Table {
  /// A writer of data files for this table, whose files are committed by a transaction.
  public func writer(
    _ options: TableWriteOptions = TableWriteOptions()
  ) throws(TableError) -> TableWriter {
    do throws(TableError) {
      return try TableWriter(metadata, stores: stores, options: options, environment: environment)
    } catch { throw error.adding(table: identifier.description) }
  }

  /// Adds rows, as one snapshot. Columns are matched as `TableWriter.write` says.
  ///
  /// - Throws: what `TableWriter` and `Transaction.commit` throw. Files that were written are deleted
  ///   then, unless the commit's outcome is unknown.
  @discardableResult
  public func append(
    _ rows: some RecordBatchReader, options: TableWriteOptions = TableWriteOptions(),
    branch: String = SnapshotReference.mainBranch, summary: StringMap = [:]
  ) throws(TableError) -> RowChanges {
    let transaction = transaction()
    let files = try write(rows, transaction.start, options)
    var changes = RowChanges()
    changes.add(files)
    if files.isEmpty { return changes }
    return try keeping(files) { () throws(TableError) in
      let append = transaction.append().toBranch(branch)
      append.add(contentsOf: files)
      for (name, value) in summary { append.set(name, value) }
      try transaction.commit()
      changes.snapshotID = append.snapshotID
      return changes
    }
  }

  /// As `append(_:)`, of batches in memory.
  @discardableResult
  public func append(_ batches: [RecordBatch]) throws(TableError) -> RowChanges {
    try append(BatchList(batches))
  }

  /// Writes all rows as data files, which are not part of the table yet.
  func write(
    _ rows: some RecordBatchReader, _ metadata: TableMetadata,
    _ options: TableWriteOptions = TableWriteOptions()
  ) throws(TableError) -> [DataFile] {
    do throws(TableError) {
      let writer = try TableWriter(
        metadata, stores: stores, options: options, environment: environment)
      while let batch = try Self.next(rows) { try writer.write(batch) }
      return try writer.close()
    } catch { throw error.adding(table: identifier.description) }
  }

  /// The next batch of any reader.
  static func next(_ rows: some RecordBatchReader) throws(TableError) -> RecordBatch? {
    do {
      return try rows.next()
    } catch let error as TableError {
      throw error
    } catch let error as ColumnarError {
      throw TableError(error)
    } catch {
      throw TableError(.invalidArgument, "the rows cannot be read", cause: "\(error)")
    }
  }

  /// Runs `body`; when it fails for sure, the files are deleted.
  func keeping<R>(
    _ files: [DataFile], _ body: () throws(TableError) -> R
  ) throws(TableError) -> R {
    do throws(TableError) {
      return try body()
    } catch {
      if error.code != .unknownOutcome { discard(files) }
      throw error.adding(table: identifier.description)
    }
  }

  /// Deletes files that did not become part of the table, as far as it goes.
  func discard(_ files: [DataFile]) {
    for file in files { try? stores.delete(file.path) }
  }
}

extension RowChanges {
  mutating func add(_ files: [DataFile]) {
    addedFiles += files.count
    addedRows += files.reduce(0) { $0 + $1.recordCount }
  }
}

/// Batches in memory, each with a schema of its own.
final class BatchList: RecordBatchReader {
  let schema: Schema
  private var rest: ArraySlice<RecordBatch>

  init(_ batches: [RecordBatch]) {
    schema = batches.first?.schema ?? Schema([])
    rest = batches[...]
  }

  func next() -> RecordBatch? { rest.popFirst() }
}
