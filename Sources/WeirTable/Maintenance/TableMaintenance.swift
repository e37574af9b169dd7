// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar

/// How one step of a table's maintenance is.
public struct MaintenanceStatus: Hashable, Sendable {
  public var step: String
  public var runCount = 0
  public var failedRunCount = 0
  /// All that it did, and what it said last.
  public var total = MaintenanceOutcome()
  /// Of all runs together.
  public var milliseconds: Int64 = 0
  /// When it ran last; milliseconds since 1970.
  public var lastRun: Int64?
  /// Why the last run failed, when it did.
  public var failure: String?

  public init(step: String) { self.step = step }

  /// For programs.
  public var json: JSONValue {
    .object([
      ("step", .string(step)), ("runs", .int(Int64(runCount))),
      ("failed_runs", .int(Int64(failedRunCount))),
      ("snapshots", .int(Int64(total.snapshotCount))),
      ("removed_files", .int(Int64(total.removedFileCount))),
      ("removed_bytes", .int(Int64(total.removedByteCount))),
      ("deleted_rows", .int(Int64(total.deletedRowCount))),
      ("replaced_files", .int(Int64(total.replacedFileCount))),
      ("written_files", .int(Int64(total.writtenFileCount))),
      ("written_bytes", .int(Int64(total.writtenByteCount))),
      ("files_not_removed", .int(Int64(total.failureCount))),
      ("milliseconds", .int(milliseconds)), ("note", .optional(total.note)),
      ("failure", .optional(failure)),
    ])
  }
}

/// Takes care of one table, a bounded piece at a time.
///
/// Any number of processes may do so beside each other and beside writers and readers:
///
/// 1. *Snapshots* go by a commit that names them; their files are removed behind it, and only those that
///    no snapshot of the committed metadata leads to. A snapshot goes when it was replaced by another one
///    the declared time ago, so that a reader has at least that time; those that `SnapshotReaders` tells
///    of stay longer. Branches, tags and their own limits hold.
/// 2. *Orphans* are removed at an age that no commit takes from its first file to its end, and after the
///    metadata was looked at once more.
/// 3. *Rows* go by a commit like anybody's delete; who is in the way makes it begin again.
///
/// A process that dies in the middle leaves at worst orphans.
public final class TableMaintenance: Sendable {
  private struct State {
    /// By step; milliseconds since 1970.
    var due: [Int64]
    var status: [MaintenanceStatus]
  }

  public let table: Table
  private let steps: [any MaintenanceStep]
  private let state: Mutex<State>

  /// Waits at least so long after a failure; milliseconds.
  private static let retryMillisecondsMin: Int64 = 5_000
  private static let retryMillisecondsMax: Int64 = 600_000

  /// - Parameter steps: in their order; each runs first after a part of its interval, so that a process
  ///   that starts has other things done first.
  public init(_ table: Table, steps: [any MaintenanceStep]) {
    self.table = table
    self.steps = steps
    let now = table.environment.nowMilliseconds
    let spread = Int64(table.environment.random() % 1_024)
    state = Mutex(
      State(
        due: steps.map { now + $0.intervalMilliseconds / 16 * (1_024 + spread) / 2_048 },
        status: steps.map { MaintenanceStatus(step: $0.name) }))
  }

  public convenience init(
    _ table: Table, _ policy: MaintenancePolicy, readers: (any SnapshotReaders)? = nil,
    compactor: (any TableCompactor)? = nil
  ) {
    self.init(table, steps: policy.steps(readers: readers, compactor: compactor))
  }

  /// In the order of the steps.
  public var status: [MaintenanceStatus] { state.withLock { $0.status } }

  /// When there is something to do; milliseconds since 1970. `nil` without steps.
  public var nextDue: Int64? { state.withLock { $0.due.min() } }

  /// Runs the steps that are due, until the budget is spent. One thread at a time.
  ///
  /// - Returns: what was done, by the names of the steps that ran; a failure is in `status`.
  @discardableResult
  public func runDue(
    _ budget: MaintenanceBudget = MaintenanceBudget()
  ) -> [(step: String, outcome: MaintenanceOutcome)] {
    var meter = MaintenanceMeter(budget, table.environment)
    var outcomes: [(step: String, outcome: MaintenanceOutcome)] = []
    for (index, step) in steps.enumerated() where isDue(index) {
      if meter.isSpent { break }
      if let outcome = try? run(index, &meter) { outcomes.append((step.name, outcome)) }
    }
    return outcomes
  }

  /// Runs all steps to their ends, due or not.
  ///
  /// - Throws: what the first step that failed says, after the others have run.
  public func runAll() throws(TableError) {
    var failure: TableError?
    for index in steps.indices {
      var meter = MaintenanceMeter(.unlimited, table.environment)
      do throws(TableError) {
        while try run(index, &meter).hasMore {}
      } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  /// A clock that was set back has not made steps wait.
  private func isDue(_ index: Int) -> Bool {
    let due = state.withLock { $0.due[index] }
    let now = table.environment.nowMilliseconds
    let longest = max(steps[index].intervalMilliseconds, Self.retryMillisecondsMax)
    return now >= due || due - now > longest
  }

  private func run(
    _ index: Int, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    let step = steps[index]
    let start = table.environment.nowMilliseconds
    let result: Result<MaintenanceOutcome, TableError>
    do throws(TableError) {
      result = .success(
        try table.repeatingIfOvertaken { () throws(TableError) in try step.run(table, &meter) })
    } catch {
      result = .failure(error.adding(table: table.identifier.description))
    }
    let end = table.environment.nowMilliseconds
    state.withLock { state in
      state.status[index].runCount += 1
      state.status[index].milliseconds += max(0, end - start)
      state.status[index].lastRun = end
      switch result {
      case .success(let outcome):
        state.status[index].total.add(outcome)
        state.status[index].failure = nil
        state.due[index] = outcome.hasMore ? end : end + step.intervalMilliseconds
      case .failure(let error):
        state.status[index].failedRunCount += 1
        state.status[index].failure = error.description
        let wait = min(
          Self.retryMillisecondsMax, max(Self.retryMillisecondsMin, step.intervalMilliseconds / 4))
        state.due[index] = end + wait
      }
    }
    return try result.get()
  }
}
