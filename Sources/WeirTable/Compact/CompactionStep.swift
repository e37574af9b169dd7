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
  /// Rewrites all groups, each with a commit of its own; gives up what is not committed when one fails.
  public func runToEnd() throws(TableError) -> CompactionResult {
    do throws(TableError) {
      while try rewriteNext() { try commitWritten() }
    } catch {
      discard()
      throw error
    }
    return result
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
    let compaction = try Compaction(table, options)
    try compaction.plan()
    return compaction
  }
}

extension Compaction: CompactionWork {
  public func rewriteNext() throws(TableError) -> Bool { try rewrite() }
  public func commitWritten() throws(TableError) { try commit() }
}

/// Brings small files together, group by group, each with a commit of its own.
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
    do throws(TableError) {
      while !meter.isSpent {
        let before = work.result
        guard try work.rewriteNext() else { return outcome }
        try work.commitWritten()
        outcome.replacedFileCount += work.result.sourceCount - before.sourceCount
        outcome.writtenFileCount += work.result.outputCount - before.outputCount
        outcome.writtenByteCount += work.result.writtenByteCount - before.writtenByteCount
        meter.spend(
          files: work.result.outputCount - before.outputCount,
          bytes: work.result.readByteCount - before.readByteCount
            + work.result.writtenByteCount - before.writtenByteCount)
      }
      outcome.hasMore = true
      return outcome
    } catch {
      work.discard()
      throw error
    }
  }
}
