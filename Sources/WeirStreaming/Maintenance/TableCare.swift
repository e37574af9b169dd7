// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirTable

/// How the maintenance of one table is.
public struct TableCareStatus: Sendable {
  public var table: TableIdentifier
  public var steps: [MaintenanceStatus]

  public init(table: TableIdentifier, steps: [MaintenanceStatus]) {
    self.table = table
    self.steps = steps
  }
}

/// The maintenance of the tables of all streams of a process, by one thread in the background.
///
/// It works a round at a time, on one table after the other, each round within a budget, and pauses
/// between rounds. It has no locks of the streams while it works, but for moments; appends and flushes go on
/// beside it.
public final class TableCare: Sendable {
  private let tables: [TableMaintenance]
  private let budget: MaintenanceBudget
  private let environment: StreamEnvironment
  private let state = Mutex(State())

  private struct State {
    var worker: Worker?
    /// No round begins before; microseconds.
    var pauseEnd: Int64 = 0
  }

  /// Manifests that maintenance keeps in memory; the readers' cache is not for it.
  private static let manifestBytesMax = 16 << 20
  private static let pauseMicrosecondsMin: Int64 = 250_000
  private static let pauseMicrosecondsMax: Int64 = 60_000_000

  /// - Parameter catalog: through which the streams were opened.
  public init(
    _ streams: Streams, catalog: any Catalog, budget: MaintenanceBudget,
    environment: StreamEnvironment
  ) throws(StreamError) {
    self.budget = budget
    self.environment = environment
    var tables: [TableMaintenance] = []
    for name in streams.tables {
      let stream = try streams.streamTable(name)
      guard stream.definition.maintenance.isEnabled else { continue }
      var own = stream.table.environment
      own.manifestCache = ManifestCache(byteCountMax: Self.manifestBytesMax)
      do throws(TableError) {
        let table = Table(try catalog.loadTable(name), catalog: catalog, environment: own)
        tables.append(
          TableMaintenance(
            table, stream.definition.maintenance, readers: stream,
            compactor: StreamCompactor(stream)))
      } catch { throw StreamError(error).adding(stream: "\(name)") }
    }
    self.tables = tables
    guard environment.hasThreads, !tables.isEmpty else { return }
    let worker = Worker(isBackground: true) { [weak self] in
      self?.step() ?? .wait(nanoseconds: 1_000_000_000)
    }
    state.withLock { $0.worker = worker }
  }

  public var status: [TableCareStatus] {
    tables.map { TableCareStatus(table: $0.table.identifier, steps: $0.status) }
  }

  /// Ends the round that runs, and begins no other one.
  public func close() {
    let worker = state.withLock { state in
      defer { state.worker = nil }
      return state.worker
    }
    worker?.stop()
  }

  /// One round of the table that has waited longest, if it is time.
  private func step() -> Worker.Next {
    let now = environment.nowMicroseconds
    let pauseEnd = state.withLock { $0.pauseEnd }
    if !environment.isDue(pauseEnd, longest: Self.pauseMicrosecondsMax) {
      return .wait(nanoseconds: Int(max(1_000, pauseEnd - now)) * 1_000)
    }
    let due = tables.compactMap { table in table.nextDue.map { (table, $0) } }
      .min { $0.1 < $1.1 }
    guard let (table, time) = due, time <= now / 1_000 else {
      return .wait(nanoseconds: 1_000_000_000)
    }
    run(table)
    let end = environment.nowMicroseconds
    // As long as the round took, so that half of a thread's time at most goes here.
    let pause = min(
      Self.pauseMicrosecondsMax, max(Self.pauseMicrosecondsMin, max(0, end - now)))
    state.withLock { $0.pauseEnd = end + pause }
    return .wait(nanoseconds: Int(pause) * 1_000)
  }

  private func run(_ table: TableMaintenance) {
    let before = table.status
    let outcomes = table.runDue(budget)
    for (step, outcome) in outcomes where outcome.changedSomething {
      environment.onEvent(
        StreamEvent(
          .debug, "maintained", stream: table.table.identifier, step,
          counts: [
            ("expired_snapshots", Int64(outcome.snapshotCount)),
            ("removed_files", Int64(outcome.removedFileCount)),
            ("removed_bytes", Int64(outcome.removedByteCount)),
            ("deleted_rows", Int64(outcome.deletedRowCount)),
            ("written_files", Int64(outcome.writtenFileCount)),
          ]))
    }
    for (was, now) in zip(before, table.status)
    where now.failedRunCount > was.failedRunCount && was.failure != now.failure {
      environment.onEvent(
        StreamEvent(
          .warning, "maintenance_failed", stream: table.table.identifier,
          "\(now.step) is tried again later: \(now.failure ?? "")"))
    }
  }
}
