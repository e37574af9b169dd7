// SPDX-License-Identifier: Apache-2.0

/// A compaction under way, as maintenance drives it: that of a table, or of a stream beside its writer.
public protocol CompactionWork: AnyObject {
  var result: CompactionResult { get }

  /// Writes the files of the next group.
  ///
  /// - Returns: false when there is none.
  func rewriteNext() throws(TableError) -> Bool

  /// Puts what was written in the place of what was there.
  func commitWritten() throws(TableError)

  /// Gives up what was written and not committed.
  func discard()
}

extension CompactionWork {
  /// Rewrites group after group. What was written becomes the table's at the end, by one commit: a table of
  /// many partitions does not get a snapshot for each. Before that, when a crash would cost much.
  ///
  /// - Parameter goesOn: asked before each group; the rest is left when it says no.
  /// - Returns: whether nothing is left.
  /// - Throws: what rewriting and commits throw; what was not committed is given up.
  @discardableResult
  public func run(while goesOn: () -> Bool = { true }) throws(TableError) -> Bool {
    do throws(TableError) {
      var (isDone, committed) = (false, result)
      while !isDone, goesOn() {
        do throws(TableError) { isDone = try !rewriteNext() } catch {
          // The groups before it are not to be written again and again.
          try commitWritten()
          throw error
        }
        guard result.isMuch(since: committed) else { continue }
        try commitWritten()
        committed = result
      }
      try commitWritten()
      return isDone
    } catch {
      discard()
      throw error
    }
  }
}

extension CompactionResult {
  /// Whether the groups since an earlier result are worth a commit.
  fileprivate func isMuch(since earlier: CompactionResult) -> Bool {
    readByteCount - earlier.readByteCount >= 1 << 30
      || rowCount - earlier.rowCount >= 4 << 20
      || sourceCount - earlier.sourceCount >= 1 << 14
  }
}

/// Plans compactions of a table.
public protocol TableCompactor: Sendable {
  func begin(
    _ table: Table, _ options: CompactionOptions
  ) throws(TableError) -> any CompactionWork
}

private struct PlainCompactor: TableCompactor {
  func begin(
    _ table: Table, _ options: CompactionOptions
  ) throws(TableError) -> any CompactionWork {
    try Compaction.planned(table, options)
  }
}

extension Compaction: CompactionWork {
  public func rewriteNext() throws(TableError) -> Bool { try rewrite() }
  public func commitWritten() throws(TableError) { try commit() }
}

/// Brings small files together, group by group.
public struct CompactionStep: MaintenanceStep {
  public let name = "files"
  public let intervalMilliseconds: Int64
  private let options: CompactionOptions
  private let compactor: any TableCompactor

  /// Bytes of the files of one group at least, however small the budget is.
  private static let groupBytesMin = 64 << 20

  /// - Parameter compactor: for tables that a stream writes; others' are compacted as they are.
  public init(
    _ options: CompactionOptions, intervalMilliseconds: Int64,
    compactor: (any TableCompactor)? = nil
  ) {
    self.options = options
    self.intervalMilliseconds = intervalMilliseconds
    if let compactor { self.compactor = compactor } else { self.compactor = PlainCompactor() }
  }

  public func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    var outcome = MaintenanceOutcome()
    try table.refresh()
    var options = options
    let bytes = max(Self.groupBytesMin, meter.budget.byteCountMax)
    options.groupBytesMax = min(options.groupBytesMax, bytes)
    let work = try compactor.begin(table, options)
    var before = work.result
    func spend() {
      let result = work.result
      meter.spend(
        files: result.outputCount - before.outputCount,
        bytes: result.readByteCount - before.readByteCount
          + result.writtenByteCount - before.writtenByteCount)
      before = result
    }
    let isDone = try work.run {
      spend()
      return !meter.isSpent
    }
    spend()
    outcome.replacedFileCount = work.result.sourceCount
    outcome.writtenFileCount = work.result.outputCount
    outcome.writtenByteCount = work.result.writtenByteCount
    outcome.hasMore = !isDone
    return outcome
  }
}
