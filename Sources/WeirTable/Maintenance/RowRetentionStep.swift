// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage

/// Deletes rows that are older than a table keeps them.
///
/// 1. Files whose rows are all too old, by their metrics or their partition, go as a whole, unread.
/// 2. Of other files rows are marked deleted: a file is read when its oldest row is a tenth of the time
///    too old, so that few files are marked again and again, and again only after another tenth.
/// 3. Files of tombstones stay: streams forget them by rules of their own.
///
/// Rows of the column null stay. All files of a round go with one commit.
final class RowRetentionStep: MaintenanceStep {
  let name = "rows"
  let intervalMilliseconds: Int64
  private let retention: RowRetention
  /// Up to which time rows of files were looked for; milliseconds, by path.
  private let looked = Mutex<[String: Int64]>([:])

  private static let lookedCountMax = 65_536
  private static let attemptCountMax = 4
  private static let intervalMillisecondsMax: Int64 = 600_000

  init(_ retention: RowRetention) {
    self.retention = retention
    intervalMilliseconds = min(
      Self.intervalMillisecondsMax, max(1_000, retention.milliseconds / 20))
  }

  func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    var attempt = 1
    while true {
      do throws(TableError) {
        return try runOnce(table, &meter)
      } catch {
        // Somebody changed the same files.
        guard error.code == .conflict, attempt < Self.attemptCountMax else { throw error }
        attempt += 1
      }
    }
  }

  private func runOnce(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    try table.refresh()
    let transaction = table.transaction()
    let metadata = transaction.start
    let now = table.environment.nowMilliseconds
    var plan = try DeletePlan(table, metadata)
    var outcome = MaintenanceOutcome()
    var looked: [String] = []
    do throws(TableError) {
      let filter = try addWholeFiles(
        table, metadata, try retention.limit(now: now, metadata.currentSchema), &plan, &outcome,
        &meter)
      looked = try addRows(
        table, metadata, try retention.limit(now: now - slackMilliseconds, metadata.currentSchema),
        filter, now, &plan,
        &outcome, &meter)
      if !plan.isEmpty {
        let delta = transaction.rowDelta()
        delta.isolation = .snapshot
        delta.set("weir.maintenance", name)
        plan.add(to: delta)
        try transaction.commit()
      }
    } catch {
      if error.code != .unknownOutcome { table.discard(plan.deleteFiles) }
      throw error
    }
    remember(looked, now)
    outcome.deletedRowCount = plan.deletedRows
    return outcome
  }

  private var slackMilliseconds: Int64 { retention.milliseconds / 10 }

  /// Files all of whose rows are too old.
  ///
  /// - Returns: the filter, bound.
  private func addWholeFiles(
    _ table: Table, _ metadata: TableMetadata, _ limit: Predicate, _ plan: inout DeletePlan,
    _ outcome: inout MaintenanceOutcome, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> BoundPredicate {
    let planner = try ScanPlanner(
      metadata, stores: table.stores, filter: limit, cache: table.environment.manifestCache)
    while let task = try planner.next() {
      guard task.residual.isAlwaysTrue, !task.holdsTombstones else { continue }
      if meter.isSpent {
        outcome.hasMore = true
        break
      }
      try plan.delete(task, .all)
      meter.spend(files: 1)
    }
    return planner.filter
  }

  /// Rows of files some of whose rows are far too old.
  ///
  /// - Returns: the files that were read.
  private func addRows(
    _ table: Table, _ metadata: TableMetadata, _ farLimit: Predicate, _ filter: BoundPredicate,
    _ now: Int64, _ plan: inout DeletePlan, _ outcome: inout MaintenanceOutcome,
    _ meter: inout MaintenanceMeter
  ) throws(TableError) -> [String] {
    let planner = try ScanPlanner(
      metadata, stores: table.stores, filter: farLimit, cache: table.environment.manifestCache)
    let matcher = RowMatcher(metadata, stores: table.stores)
    let context = try matcher.context(planner.schema)
    var read: [String] = []
    while var task = try planner.next() {
      guard !task.residual.isAlwaysTrue, !task.holdsTombstones, isDue(task.dataFile.path, now)
      else { continue }
      if meter.isSpent {
        outcome.hasMore = true
        break
      }
      task.residual = filter
      meter.spend(bytes: task.dataFile.fileSizeInBytes)
      let rows = try matcher.matching(task, nil, context)
      read.append(task.dataFile.path)
      if rows.isEmpty { continue }
      meter.spend(files: 1)
      try plan.delete(task, rows.count == task.dataFile.recordCount ? .all : .rows(rows))
    }
    return read
  }

  /// Whether a file may have rows that are far too old and that were not there when it was read last.
  private func isDue(_ path: String, _ now: Int64) -> Bool {
    looked.withLock { looked in
      guard let time = looked[path] else { return true }
      return now >= time + slackMilliseconds || now < time
    }
  }

  private func remember(_ paths: [String], _ now: Int64) {
    looked.withLock { looked in
      if looked.count + paths.count > Self.lookedCountMax { looked = [:] }
      for path in paths.prefix(Self.lookedCountMax) { looked[path] = now }
    }
  }
}

extension FileScanTask {
  /// Whether all rows of the file are marked deleted.
  fileprivate var holdsTombstones: Bool {
    deletes.deletionVector?.recordCount == dataFile.recordCount
  }
}
