// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Finds the rows of a table that a predicate is true for, or whose keys are in a set, by file and
/// position.
struct RowMatcher {
  /// Which rows of a file match.
  enum Match {
    /// All that are not deleted already, as the file's metrics or its rows say.
    case all
    case rows(RoaringBitmap64)
  }

  private let metadata: TableMetadata
  private let stores: ObjectStores

  init(_ metadata: TableMetadata, stores: ObjectStores) {
    self.metadata = metadata
    self.stores = stores
  }

  /// Calls `body` with each file that has matching rows. Files that match as a whole are not read.
  ///
  /// - Parameter keys: rows must also equal one of these.
  func forEach(
    _ filter: Predicate, keys: EqualityDeleteSet? = nil, branch: String = "main",
    _ body: (FileScanTask, Match) throws(TableError) -> Void
  ) throws(TableError) {
    let planner = try ScanPlanner(
      metadata, stores: stores, filter: filter, at: .reference(branch))
    let context = try context(planner.schema, keys)
    while let task = try planner.next() {
      if keys == nil, task.residual.isAlwaysTrue {
        try body(task, .all)
        continue
      }
      let rows = try matching(task, keys, context)
      if rows.isEmpty { continue }
      let isAll = rows.count == task.dataFile.recordCount
      try body(task, isAll ? .all : .rows(rows))
    }
  }

  /// How files are read for `matching`.
  func context(
    _ schema: TableSchema, _ keys: EqualityDeleteSet? = nil
  ) throws(TableError) -> ReadContext {
    var options = TableReadOptions()
    options.columns =
      (keys?.fieldIDs ?? []).compactMap { schema.path(ofFieldID: $0) }
      + [MetadataColumn.position.rawValue]
    return try ReadContext(metadata, schema: schema, stores: stores, options: options)
  }

  /// The rows of a file for which what is left of the filter is true.
  func matching(
    _ task: FileScanTask, _ keys: EqualityDeleteSet?, _ context: ReadContext
  ) throws(TableError) -> RoaringBitmap64 {
    var rows = RoaringBitmap64()
    let file = try DataFileReader(task, context)
    while var batch = try file.next() {
      if let keys {
        do throws(ColumnarError) {
          guard let mask = try keys.mask(batch, negated: false) else { continue }
          batch = try batch.filter(mask)
        } catch { throw TableError(error).adding(file: task.dataFile.path) }
      }
      rows.insert(contentsOf: Lineage.values(batch.columns[batch.columns.count - 1]))
    }
    return rows
  }
}
