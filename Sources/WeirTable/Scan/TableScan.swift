// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What to read of a table.
public struct ScanOptions: Sendable {
  /// Columns, dotted paths of fields within structs and metadata columns; all columns when `nil`.
  public var columns: [String]?
  /// Rows to keep.
  public var filter: Predicate
  public var at: SnapshotSelector
  /// The most rows to give.
  public var limit: Int?
  public var caseSensitive = true
  /// Rows of a batch at most.
  public var batchRowsMax = 65_536
  /// Whether planned tasks have the metrics of their files.
  public var keepsMetrics = false

  public init(
    columns: [String]? = nil, where filter: Predicate = .always(true),
    at: SnapshotSelector = .current, limit: Int? = nil
  ) {
    self.columns = columns
    self.filter = filter
    self.at = at
    self.limit = limit
  }
}

extension Table {
  /// The rows that `options` ask for, of the metadata last seen; `refresh()` first to see the newest.
  ///
  /// Planning goes on while the rows are read: the first batch comes before all manifests are read.
  public func scan(_ options: ScanOptions = ScanOptions()) throws(TableError) -> TableReader {
    try scan(options, of: metadata) { _ in true }
  }

  /// The rows of some data files, of other metadata than was last seen.
  func scan(
    _ options: ScanOptions, of metadata: TableMetadata,
    files isWanted: @escaping (FileScanTask) -> Bool
  ) throws(TableError) -> TableReader {
    let planner = try planner(options, metadata)
    return try reader(planner.schema, metadata, options) { () throws(TableError) in
      while let task = try planner.next() {
        if isWanted(task) { return task }
      }
      return nil
    }
  }

  /// The files that hold the rows that `options` ask for, one after the other.
  public func plan(_ options: ScanOptions = ScanOptions()) throws(TableError) -> ScanPlanner {
    try planner(options, metadata)
  }

  /// The files that appends added after one snapshot up to another.
  ///
  /// - Parameters:
  ///   - options: `at` is the last snapshot, included.
  ///   - start: excluded; `nil` for the empty table.
  /// - Throws: `invalidArgument` when `start` is no ancestor of the last.
  public func planAppends(
    after start: SnapshotSelector?, _ options: ScanOptions = ScanOptions()
  ) throws(TableError) -> AppendScanPlanner {
    do {
      return try AppendScanPlanner(
        metadata, files: ManifestFiles(stores: stores, cache: environment.manifestCache),
        filter: options.filter, after: start, to: options.at, caseSensitive: options.caseSensitive)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  /// The rows that appends added after one snapshot up to another; see `planAppends`.
  public func scanAppends(
    after start: SnapshotSelector?, _ options: ScanOptions = ScanOptions()
  ) throws(TableError) -> TableReader {
    let planner = try planAppends(after: start, options)
    return try reader(planner.schema, metadata, options) { () throws(TableError) in
      try planner.next()
    }
  }

  private func reader(
    _ schema: TableSchema, _ metadata: TableMetadata, _ options: ScanOptions,
    _ nextTask: @escaping () throws(TableError) -> FileScanTask?
  ) throws(TableError) -> TableReader {
    do {
      return try TableReader(
        metadata, schema: schema, stores: stores, options: TableReadOptions(options),
        nextTask: nextTask)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  private func planner(
    _ options: ScanOptions, _ metadata: TableMetadata
  ) throws(TableError) -> ScanPlanner {
    do {
      return try ScanPlanner(
        metadata, stores: stores, filter: options.filter, at: options.at,
        caseSensitive: options.caseSensitive, cache: environment.manifestCache,
        keepsMetrics: options.keepsMetrics)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }
}

extension TableReadOptions {
  fileprivate init(_ options: ScanOptions) {
    self.init()
    columns = options.columns
    limit = options.limit
    caseSensitive = options.caseSensitive
    batchRowsMax = options.batchRowsMax
  }
}
