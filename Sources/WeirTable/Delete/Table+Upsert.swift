// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension Table {
  /// Bytes of rows that an upsert takes, which it holds in memory.
  public static let upsertBytesMax = 1 << 30

  /// Puts rows in the place of those with the same key, and adds those whose key is new, as one
  /// snapshot.
  ///
  /// - Parameters:
  ///   - rows: each key once; at most `upsertBytesMax` bytes.
  ///   - keys: columns that tell rows apart, without nulls; the schema's identifier fields when `nil`.
  /// - Throws: `invalidArgument` for keys that are null or come twice; else as `delete(where:)`.
  @discardableResult
  public func upsert(
    _ rows: some RecordBatchReader, keys: [String]? = nil,
    options: TableWriteOptions = TableWriteOptions(),
    isolation: IsolationLevel = .serializable, branch: String = SnapshotReference.mainBranch
  ) throws(TableError) -> RowChanges {
    let transaction = transaction()
    var changes = RowChanges()
    var written: [DataFile] = []
    do throws(TableError) {
      let metadata = transaction.start
      let keyIDs = try Self.keyIDs(keys, metadata.currentSchema)
      let batches = try Self.collect(rows, metadata.currentSchema)
      if batches.isEmpty { return changes }
      let set = try Self.keySet(keyIDs, batches, metadata.currentSchema)
      let filter = Self.range(set, metadata.currentSchema)
      written = try write(BatchList(batches), metadata, options)
      changes.add(written)
      var plan = try DeletePlan(self, metadata)
      let files = written
      defer { written = files + plan.deleteFiles }
      try RowMatcher(metadata, stores: stores).forEach(filter, keys: set, branch: branch) {
        (task, match) throws(TableError) in try plan.delete(task, match)
      }
      changes.deletedRows = plan.deletedRows
      changes.removedFiles = plan.removed.count
      let delta = transaction.rowDelta().toBranch(branch)
      delta.isolation = isolation
      delta.readFilter = filter
      for file in files { delta.add(file) }
      plan.add(to: delta)
      try transaction.commit()
      changes.snapshotID = delta.snapshotID
      return changes
    } catch {
      if error.code != .unknownOutcome { discard(written) }
      throw error.adding(table: identifier.description)
    }
  }

  private static func keyIDs(
    _ names: [String]?, _ schema: TableSchema
  ) throws(TableError) -> [Int32] {
    guard let names else {
      guard !schema.identifierFieldIDs.isEmpty else {
        throw TableError(
          .invalidArgument,
          "the schema has no identifier fields; name the columns by which rows are the same")
      }
      return schema.identifierFieldIDs.sorted()
    }
    var ids: [Int32] = []
    for name in names {
      guard let field = schema.field(path: name), field.type.isPrimitive else {
        throw TableError(
          .invalidArgument, "a key must be a column of single values", column: name)
      }
      if !ids.contains(field.id) { ids.append(field.id) }
    }
    guard !ids.isEmpty else {
      throw TableError(.invalidArgument, "an upsert needs at least one key column")
    }
    return ids
  }

  private static func collect(
    _ rows: some RecordBatchReader, _ schema: TableSchema
  ) throws(TableError) -> [RecordBatch] {
    var conformer = RowConformer(try StoredFields.of(schema.fields))
    var batches: [RecordBatch] = []
    var byteCount = 0
    while let batch = try next(rows) {
      if batch.rowCount == 0 { continue }
      let conformed = try conformer.conformed(batch)
      byteCount += RowBytes.count(conformed)
      guard byteCount <= upsertBytesMax else {
        throw TableError(
          .limit,
          "the rows of an upsert take more than \(upsertBytesMax) bytes; do it in several parts")
      }
      batches.append(conformed)
    }
    return batches
  }

  private static func keySet(
    _ ids: [Int32], _ batches: [RecordBatch], _ schema: TableSchema
  ) throws(TableError) -> EqualityDeleteSet {
    var keys: [ArrayData] = []
    for id in ids {
      let arrays = batches.compactMap { EqualityDeleteSet.column(id, $0) }
      do throws(ColumnarError) {
        keys.append(try ArrayData.concatenate(arrays))
      } catch { throw TableError(error) }
      guard keys[keys.count - 1].nullCount == 0 else {
        throw TableError(
          .invalidArgument, "a key is null; rows are told apart by their keys",
          column: schema.path(ofFieldID: id))
      }
    }
    let groups = RowGroups.numbers(keys, rows: keys[0].length)
    guard groups.firstRows.count == keys[0].length else {
      let twice = groups.rows.first { $0.count > 1 } ?? [0, 1]
      let text = keys.map { $0.scalar(at: twice[0]).text(as: $0.type) }.joined(separator: ", ")
      throw TableError(
        .invalidArgument,
        "the key (\(text)) comes \(twice.count) times in the rows; each key must "
          + "come once", column: schema.path(ofFieldID: ids[0]))
    }
    return EqualityDeleteSet(fieldIDs: ids, keys: keys)
  }

  /// What all keys lie within, so that files of other keys are not read. True where keys have no
  /// order.
  private static func range(_ set: EqualityDeleteSet, _ schema: TableSchema) -> Predicate {
    var parts: [Predicate] = []
    for (id, keys) in zip(set.fieldIDs, set.keyColumns) {
      guard let path = schema.path(ofFieldID: id), !keys.type.isFloatingPoint,
        let order = try? keys.sortIndices(), let first = order.first, let last = order.last,
        let low = Literal(keys.scalar(at: first), as: keys.type),
        let high = Literal(keys.scalar(at: last), as: keys.type)
      else { continue }
      let term = Term(path)
      parts.append(.compare(.greaterOrEqual, term, low))
      parts.append(.compare(.lessOrEqual, term, high))
    }
    return .all(parts)
  }
}
