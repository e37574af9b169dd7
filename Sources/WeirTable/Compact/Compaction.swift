// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Brings files of a table together: few large files in place of many small ones, without rows that are
/// deleted, in the table's order and format.
///
/// 1. `plan()` chooses groups of files of the snapshot that it began with.
/// 2. `rewrite()` writes the next group's rows into new files: the long part. Others go on as they like.
/// 3. `commit()` puts the new files in the place of the old ones, with what happened to the rows
///    meanwhile (`CompactFiles`).
///
/// What is written and not committed is removed by `discard()`, or else by orphan clean-up. One thread
/// at a time.
public final class Compaction {
  /// The property by which a stream says what its table holds: such a table keeps the files of which all
  /// rows are deleted (its tombstones), and its shards have files of their own, whoever compacts it.
  package static let streamProperty = "weir.stream.offsets"
  /// A stream's column of shards.
  package static let shardColumn = "_shard"

  public let table: Table
  public let options: CompactionOptions
  /// What the groups are of.
  public let start: TableMetadata
  private var planned: [CompactionPlanner.Group] = []
  private let tier: TableTier?
  private var written: [CompactedGroup] = []
  /// Whether a commit's outcome was not known.
  private var isInDoubt = false
  public private(set) var result = CompactionResult()
  private let rewriter: GroupRewriter

  /// A compaction of the table as `table` last saw it.
  ///
  /// - Throws: `notFound` for a column that is not there, `unsupported` for an order that cannot be
  ///   computed or a table of format version 1.
  public init(_ table: Table, _ options: CompactionOptions = CompactionOptions()) throws(TableError)
  {
    self.table = table
    start = table.metadata
    var options = options
    if start.properties[Self.streamProperty] != nil {
      options.keepsDeletedFiles = !Defect.compactionForgetsDeletes.isPlanted
      if start.currentSchema.field(path: Self.shardColumn) != nil {
        options.shardColumn = Self.shardColumn
      }
    }
    self.options = options
    guard start.formatVersion >= 2 else {
      throw TableError(
        .unsupported,
        "a table of format version 1 is not written to; upgrade it first (format-version 2 or 3)",
        table: table.identifier.description)
    }
    tier = try TableTier(start.properties)
    rewriter = GroupRewriter(
      metadata: start, stores: table.stores, environment: table.environment,
      sorter: try Self.sorter(start, options), sortBytesMax: options.sortBytesMax)
  }

  /// A compaction of the table as it was last seen, planned; of a newer state where somebody removed the
  /// files by which it was being planned.
  ///
  /// - Throws: what `init` and `plan()` throw.
  public static func planned(
    _ table: Table, _ options: CompactionOptions = CompactionOptions()
  ) throws(TableError) -> Compaction {
    try table.repeatingIfOvertaken { () throws(TableError) in
      let compaction = try Compaction(table, options)
      try compaction.plan()
      return compaction
    }
  }

  private static func sorter(
    _ metadata: TableMetadata, _ options: CompactionOptions
  ) throws(TableError) -> RowSorter? {
    let schema = metadata.currentSchema
    guard let names = options.sortColumns else {
      let order = metadata.defaultSortOrder
      return order.isUnsorted ? nil : try RowSorter(order, schema)
    }
    var fields: [SortField] = []
    for name in names {
      guard let field = schema.field(path: name) else { throw TableError.noColumn(name, schema) }
      fields.append(SortField(sourceID: field.id))
    }
    return fields.isEmpty ? nil : try RowSorter(SortOrder(orderID: 0, fields: fields), schema)
  }

  /// Chooses files.
  ///
  /// - Returns: how many groups there are to rewrite.
  @discardableResult
  public func plan() throws(TableError) -> Int {
    let planner = try ScanPlanner(
      start, stores: table.stores, filter: options.filter, cache: table.environment.manifestCache,
      keepsMetrics: options.shardColumn != nil)
    var moving: CompactionPlanner.Tier?
    if let tier {
      moving = CompactionPlanner.Tier(
        folder: try tier.folder(start),
        agedPaths: try tier.agedPaths(table, start, countMax: options.candidatesMax))
    }
    planned = try CompactionPlanner(start, options, tier: moving).groups(planner)
    return planned.count
  }

  /// Groups that wait to be rewritten.
  public var plannedGroupCount: Int { planned.count }
  /// Their files, and the files' bytes.
  public var plannedFileCount: Int { planned.reduce(0) { $0 + $1.tasks.count } }
  public var plannedByteCount: Int {
    planned.reduce(0) { $0 + $1.tasks.reduce(0) { $0 + $1.dataFile.fileSizeInBytes } }
  }
  /// The paths of each group's files.
  public var plannedPaths: [[String]] { planned.map { $0.tasks.map(\.dataFile.path) } }
  /// Groups that wait for the commit.
  public var writtenGroupCount: Int { written.count }

  /// Rewrites the next group. One whose files others rewrote meanwhile, and expiry removed, is given up.
  ///
  /// - Returns: false when there is none.
  /// - Throws: what reading and writing throw; the group's files are as they were.
  @discardableResult
  public func rewrite() throws(TableError) -> Bool {
    guard !planned.isEmpty else { return false }
    let group = planned.removeFirst()
    do throws(TableError) {
      let made = try rewriter.rewrite(
        group.tasks, into: group.isCold ? tier?.path(start) : nil)
      written.append(made)
      result.groupCount += 1
      result.sourceCount += made.sources.count
      result.outputCount += made.outputs.count
      result.rowCount += made.outputs.reduce(0) { $0 + $1.recordCount }
      result.readByteCount += made.sources.reduce(0) { $0 + $1.dataFile.fileSizeInBytes }
      result.writtenByteCount += made.outputs.reduce(0) { $0 + $1.fileSizeInBytes }
      return true
    } catch {
      if error.code == .notFound, try table.areOvertaken(group.tasks, since: start) {
        result.abandonedGroupCount += 1
        return true
      }
      throw error.adding(table: table.identifier.description)
    }
  }

  /// Puts the new files in the place of the old ones, by one snapshot.
  ///
  /// After `retryableConflict` (others were faster too often) and `unknownOutcome` it may be called again:
  /// what was written is used again.
  ///
  /// - Parameters:
  ///   - properties: for the snapshot's summary.
  ///   - check: looks at the metadata that each attempt starts from; what it throws ends the commit.
  /// - Returns: the table's metadata; `nil` when nothing waits.
  @discardableResult
  public func commit(
    properties: [(name: String, value: String)] = [],
    check: ((TableMetadata) throws(TableError) -> Void)? = nil
  ) throws(TableError) -> TableMetadata? {
    guard !written.isEmpty else { return nil }
    let transaction = Transaction(table, start: start)
    if let check { transaction.check(check) }
    let producer = transaction.producer(CompactFiles.self)
    for group in written { producer.add(group) }
    for property in properties { producer.set(property.name, property.value) }
    let metadata: TableMetadata
    do throws(TableError) {
      metadata = try transaction.commit()
    } catch {
      isInDoubt = isInDoubt || error.code == .unknownOutcome
      throw error
    }
    written = []
    result.followedDeleteCount += producer.followedDeleteCount
    return metadata
  }

  /// Removes what was written and not committed; orphan clean-up does where the outcome of a commit is not
  /// known, for it may still take place.
  public func discard() {
    if !isInDoubt { table.stores.delete(written.flatMap { $0.outputs.map(\.path) }) }
    result.abandonedGroupCount += written.count
    written = []
    planned = []
  }
}

extension Table {
  /// Compacts the table's files, group by group (`CompactionWork.run`).
  ///
  /// Cost: reads and writes the rows of the files that come together.
  @discardableResult
  public func compact(
    _ options: CompactionOptions = CompactionOptions()
  ) throws(TableError) -> CompactionResult {
    let compaction = try Compaction.planned(self, options)
    try compaction.run()
    return compaction.result
  }
}
