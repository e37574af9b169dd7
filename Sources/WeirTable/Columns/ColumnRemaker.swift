// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Makes the column file of a data file some of whose rows have their values in other column files: after
/// a compaction and a backfill met, whichever was first, and after two backfills of one column.
///
/// Memory: the column of the data file's and the sources' rows.
struct ColumnRemaker {
  /// Where a row's value comes from: the row of a source, or, with `own`, from what the data file has.
  struct Pick: Hashable {
    var source: Int32
    var row: UInt32

    static let own = Pick(source: -1, row: 0)
  }

  let metadata: TableMetadata
  let files: TableFiles

  private static let chunkRows = 65_536

  /// - Parameters:
  ///   - target: the data file, as it is before: with the column files that it has.
  ///   - sources: column files.
  ///   - picks: for each row of the data file.
  func make(
    _ target: FileScanTask, _ field: TableField, sources: [ColumnFile], picks: [Pick]
  ) throws(TableError) -> ColumnFile {
    let writer = try ColumnFileWriter(
      metadata, stores: files.stores, environment: files.environment
    ).open(field)
    var starts: [Int] = []
    var count = 0
    for source in sources {
      starts.append(count)
      count += source.rowCount
    }
    let values = try self.values(sources, field)
    let needsOwn = picks.contains(.own)
    let own = needsOwn ? try DataFileReader(Self.allRows(target, metadata), context(field)) : nil
    var first = 0
    while first < picks.count {
      let batch = try own?.next()
      let rows = batch?.rowCount ?? min(Self.chunkRows, picks.count - first)
      guard own == nil || batch != nil, first + rows <= picks.count else {
        throw TableError(
          .damaged, "the data file has other rows than the \(picks.count) that the manifest says",
          file: target.dataFile.path)
      }
      let chunk = picks[first..<first + rows]
      let indices = chunk.map { $0 == .own ? -1 : starts[Int($0.source)] + Int($0.row) }
      try writer.write(
        try ColumnMerge.merged(indices, of: values, own: batch?.columns[0]))
      first += rows
    }
    return try writer.close()
  }

  private func values(
    _ sources: [ColumnFile], _ field: TableField
  ) throws(TableError) -> ArrayData {
    var arrays: [ArrayData] = []
    for source in sources {
      let file = try ColumnFileRows(source, files.stores)
      for first in stride(from: 0, to: source.rowCount, by: Self.chunkRows) {
        arrays.append(
          try file.values(first..<min(source.rowCount, first + Self.chunkRows), as: field))
      }
    }
    guard !arrays.isEmpty else { return makeBuilder(for: field.type.arrowType).finish() }
    do throws(ColumnarError) {
      return try ArrayData.concatenate(arrays)
    } catch { throw TableError(error).adding(column: field.name) }
  }

  private func context(_ field: TableField) throws(TableError) -> ReadContext {
    var options = TableReadOptions()
    options.columns = [field.name]
    return try ReadContext(metadata, schema: nil, stores: files.stores, options: options)
  }

  /// The task without deletes and filter: all rows of the file, in their order.
  static func allRows(
    _ task: FileScanTask, _ metadata: TableMetadata
  ) throws(TableError) -> FileScanTask {
    var task = task
    task.deletes = TaskDeletes()
    task.range = nil
    task.residual = try Predicate.always(true).bound(
      to: metadata.currentSchema, caseSensitive: true)
    return task
  }

  /// A data file, with column files.
  static func task(
    _ file: DataFile, _ columns: [ColumnFile], _ metadata: TableMetadata
  ) throws(TableError) -> FileScanTask {
    guard let spec = metadata.spec(id: file.specID) else {
      throw TableError(.damaged, "there is no partition spec \(file.specID)", file: file.path)
    }
    var task = FileScanTask(
      dataFile: file, spec: spec, sequenceNumber: 0, fileSequenceNumber: 0,
      residual: try Predicate.always(true).bound(to: metadata.currentSchema, caseSensitive: true))
    task.columnFiles = columns
    return task
  }
}

/// Puts values of two arrays into one.
enum ColumnMerge {
  /// - Parameters:
  ///   - indices: for each row its place in `values`, checked, or -1 for what `own` has in this row (null without).
  ///   - own: as long as `indices`.
  static func merged(
    _ indices: [Int], of values: ArrayData, own: ArrayData?
  ) throws(TableError) -> ArrayData {
    do throws(ColumnarError) {
      let taken = try takeRows(values, indices, .null)
      guard let own, indices.contains(-1) else { return taken }
      guard indices.contains(where: { $0 >= 0 }) else { return own }
      let both = try ArrayData.concatenate([taken, own])
      return try both.take(
        indices.indices.map { indices[$0] >= 0 ? $0 : indices.count + $0 })
    } catch { throw TableError(error) }
  }
}
