// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// Changes of one table that are committed together.
///
/// Collect changes, then call `commit()` once. It works them out on the table's current metadata and
/// asks the catalog to commit them, provided that what they rely on has not changed. When somebody
/// else was faster, everything is worked out anew on what they left: files that were written are used
/// again, only metadata is redone. When what they did is in the way, it throws `conflict`, which says
/// whose operation that was; nothing has changed then.
///
/// How often and how long it retries is said by the table's `commit.retry.*` properties. One thread at
/// a time; not for use after `commit()`.
public final class Transaction {
  public let table: Table
  /// The metadata that the caller has seen and built its changes on.
  public let start: TableMetadata
  /// Whether the commit is refused by the catalog when the current schema is another one than `check`
  /// saw: for changes that were worked out by its columns.
  public var assertsSchema = false
  private var steps: [any TransactionStep] = []
  private var isDone = false

  /// - Parameter start: what the changes are built on, where that was not the metadata last seen.
  init(_ table: Table, start: TableMetadata? = nil) {
    self.table = table
    self.start = start ?? table.metadata
  }

  func add(_ step: some TransactionStep) { steps.append(step) }

  func add(_ body: @escaping (TableMetadata, Int64) throws(TableError) -> [TableUpdate]) {
    steps.append(MetadataStep(body))
  }

  /// Looks at the metadata that each attempt starts from, before the changes that follow; what `body`
  /// throws ends the commit, unless it is a `retryableConflict`. The answer holds at the commit only
  /// together with a change of the branch it looked at: somebody else's commit makes a new attempt.
  public func check(_ body: @escaping (TableMetadata) throws(TableError) -> Void) {
    add { (metadata: TableMetadata, _) throws(TableError) in
      try body(metadata)
      return []
    }
  }

  /// Whether anything was asked for.
  public var isEmpty: Bool { steps.isEmpty }

  /// Makes the changes, and returns the table's metadata with them.
  ///
  /// - Throws: `conflict` when others are in the way; `retryableConflict` when the retries were used
  ///   up; `unknownOutcome` when it may have taken place; the steps' own errors.
  @discardableResult
  public func commit() throws(TableError) -> TableMetadata {
    try Transaction.commit([self])[0]
  }

  /// Makes the changes of several tables of one catalog together: all or none.
  @discardableResult
  public static func commit(
    _ transactions: [Transaction]
  ) throws(TableError) -> [TableMetadata] {
    guard let first = transactions.first else { return [] }
    for transaction in transactions {
      guard transaction.table.catalog === first.table.catalog else {
        throw TableError(
          .invalidArgument, "tables of two catalogs cannot be committed together",
          table: transaction.table.identifier.description)
      }
      precondition(!transaction.isDone, "a transaction is committed once")
      transaction.isDone = true
    }
    var run = CommitRun(transactions)
    guard transactions.count == 1, first.table.environment.takesTurns else {
      return try run.run()
    }
    let turn = "transaction/\(first.start.uuid ?? first.table.identifier.description)"
    let file = (first.table.catalog as? PointerCatalog)?.backend.turnsFile
    var result: Result<[TableMetadata], TableError>?
    CommitTurns.shared.withTurn(turn, waitMillisecondsMax: 30_000) {
      // First among the threads of this process, then among the processes.
      let processTurn = file.flatMap {
        ProcessTurn(
          file: $0, key: turn, waitMillisecondsMax: 30_000, first.table.environment)
      }
      defer { withExtendedLifetime(processTurn) {} }
      do throws(TableError) {
        result = .success(try run.run())
      } catch {
        result = .failure(error)
      }
    }
    return try result!.get()
  }

  fileprivate var currentSteps: [any TransactionStep] { steps }
}

/// The attempts of one commit.
private struct CommitRun {
  private let transactions: [Transaction]
  private let policy: RetryPolicy
  private var contexts: [CommitContext] = []
  private var expiredOnCommit = false

  init(_ transactions: [Transaction]) {
    self.transactions = transactions
    policy = RetryPolicy(transactions[0].start.properties)
  }

  private var environment: TableEnvironment { transactions[0].table.environment }

  mutating func run() throws(TableError) -> [TableMetadata] {
    let started = environment.nowMilliseconds
    var attempt = 0
    while true {
      do {
        return try self.attempt(refreshing: attempt > 0)
      } catch {
        let spent = environment.nowMilliseconds - started
        guard error.code == .retryableConflict, attempt < policy.retryCountMax,
          spent < policy.totalMilliseconds
        else {
          if error.code != .unknownOutcome { abandon() }
          guard error.code == .retryableConflict else { throw error }
          var final = error
          final.message += "; gave up after \(attempt + 1) attempts in \(spent) ms"
          throw final
        }
      }
      environment.sleep(policy.waitMilliseconds(attempt, environment.random()) * 1_000_000)
      attempt += 1
    }
  }

  private mutating func attempt(refreshing: Bool) throws(TableError) -> [TableMetadata] {
    var commits: [TableCommit] = []
    var bases: [TableMetadata] = []
    contexts = []
    expiredOnCommit = false
    for transaction in transactions {
      let table = transaction.table
      // A pointer is looked up in no time; asking a server costs more than it saves at first.
      let base =
        refreshing || table.catalog is PointerCatalog ? try table.refresh() : table.metadata
      guard base.uuid == transaction.start.uuid else {
        throw TableError(
          .conflict, "the table was dropped and made anew since it was loaded; load it again",
          table: table.identifier.description)
      }
      var context = CommitContext(
        table: table.identifier.description, files: TableFiles(table, base),
        environment: table.environment)
      defer { contexts.append(context) }
      var metadata = base
      var updates: [TableUpdate] = []
      do {
        for step in transaction.currentSteps {
          let made = try step.updates(on: metadata, &context)
          metadata = try metadata.applying(made, now: context.now)
          updates += made
        }
      } catch {
        // Somebody committed, and removed what this attempt was reading.
        if error.code == .notFound, try table.refresh() != base {
          throw TableError(
            .retryableConflict, "the table changed while its files were read", table: context.table,
            cause: error.description)
        }
        throw error.adding(table: context.table)
      }
      let expiry = expiry(metadata, updates, context)
      updates += expiry
      expiredOnCommit = !expiry.isEmpty || expiredOnCommit
      if !expiry.isEmpty { metadata = try metadata.applying(expiry, now: context.now) }
      bases.append(base)
      guard metadata != base else { continue }
      var requirements = Self.requirements(base, updates)
      let schema = TableRequirement.assertCurrentSchemaID(base.currentSchemaID)
      if transaction.assertsSchema, !requirements.contains(schema) { requirements.append(schema) }
      commits.append(
        TableCommit(table.identifier, requirements: requirements, updates: updates))
    }
    let loaded = try commit(commits)
    var result = bases
    for (index, transaction) in transactions.enumerated() {
      if let mine = loaded.first(where: { $0.identifier == transaction.table.identifier }) {
        transaction.table.adopt(mine)
        result[index] = mine.metadata
      }
      for step in transaction.currentSteps { step.committed(result[index], contexts[index]) }
      removeExpired(bases[index], result[index], contexts[index])
    }
    return result
  }

  /// Old snapshots that go with a commit that adds one.
  private func expiry(
    _ metadata: TableMetadata, _ updates: [TableUpdate], _ context: CommitContext
  ) -> [TableUpdate] {
    let adds = updates.contains { if case .addSnapshot = $0 { true } else { false } }
    let removes = updates.contains { if case .removeSnapshots = $0 { true } else { false } }
    return adds && !removes ? CommitExpiry.updates(metadata, now: context.now) : []
  }

  /// Removes the files of snapshots that expired with the commit; orphan clean-up finds what fails.
  private func removeExpired(
    _ before: TableMetadata, _ after: TableMetadata, _ context: CommitContext
  ) {
    guard expiredOnCommit else { return }
    var result = ExpirationResult()
    try? ExpiredFiles(context.files, before: before, after: after).remove(&result)
  }

  private func commit(_ commits: [TableCommit]) throws(TableError) -> [LoadedTable] {
    guard !commits.isEmpty else { return [] }
    let catalog = transactions[0].table.catalog
    do {
      return try catalog.commit(commits)
    } catch {
      guard error.code == .unknownOutcome, let loaded = try found(commits, catalog) else {
        throw error
      }
      return loaded
    }
  }

  /// After an unknown outcome: the tables, if the snapshots of the commit are in them. `nil` when
  /// they are not (they may still come).
  private func found(
    _ commits: [TableCommit], _ catalog: any Catalog
  ) throws(TableError) -> [LoadedTable]? {
    for attempt in 0..<4 {
      var loaded: [LoadedTable] = []
      var isThere = true
      for commit in commits {
        let table = try catalog.loadTable(commit.identifier)
        loaded.append(table)
        let snapshotIDs = commit.updates.compactMap { update -> Int64? in
          if case .addSnapshot(let snapshot) = update { snapshot.snapshotID } else { nil }
        }
        isThere =
          isThere && !snapshotIDs.isEmpty
          && snapshotIDs.allSatisfy { table.metadata.snapshot(id: $0) != nil }
      }
      if isThere { return loaded }
      environment.sleep((50 << attempt) * 1_000_000)
    }
    return nil
  }

  private func abandon() {
    for (transaction, context) in zip(transactions, contexts) {
      for step in transaction.currentSteps { step.abandoned(context) }
    }
  }

  /// What must still be so for the updates to be right.
  private static func requirements(
    _ base: TableMetadata, _ updates: [TableUpdate]
  ) -> [TableRequirement] {
    var result: [TableRequirement] = base.uuid.map { [.assertTableUUID($0)] } ?? []
    func require(_ requirement: TableRequirement) {
      if !result.contains(requirement) { result.append(requirement) }
    }
    func requireReference(_ name: String) {
      require(
        .assertReferenceSnapshotID(
          reference: name, snapshotID: base.references[name]?.snapshotID))
    }
    for update in updates {
      switch update {
      case .setSnapshotReference(let name, _), .removeSnapshotReference(let name):
        requireReference(name)
      case .removeSnapshots: base.references.keys.sorted().forEach(requireReference)
      case .addSchema: require(.assertLastAssignedFieldID(base.lastColumnID))
      case .setCurrentSchema, .removeSchemas:
        require(.assertCurrentSchemaID(base.currentSchemaID))
      case .addPartitionSpec: require(.assertLastAssignedPartitionID(base.lastPartitionID))
      case .setDefaultSpec, .removePartitionSpecs:
        require(.assertDefaultSpecID(base.defaultSpecID))
      case .setDefaultSortOrder: require(.assertDefaultSortOrderID(base.defaultSortOrderID))
      default: break
      }
    }
    return result
  }
}

/// How often and after which waits a commit is tried again: the table's `commit.retry.*` properties.
///
/// The defaults are finer than those of the Java implementation (4 retries from 100 ms on), which
/// leave writers of a busy table without success: here a conflict costs milliseconds, and only
/// metadata is redone.
struct RetryPolicy {
  let retryCountMax: Int
  let waitMillisecondsMin: Int
  let waitMillisecondsMax: Int
  let totalMilliseconds: Int64

  init(_ properties: StringMap) {
    retryCountMax = min(1_000, max(0, properties.int("commit.retry.num-retries") ?? 50))
    waitMillisecondsMin = min(
      60_000, max(1, properties.int("commit.retry.min-wait-ms") ?? 10))
    waitMillisecondsMax = min(
      600_000, max(waitMillisecondsMin, properties.int("commit.retry.max-wait-ms") ?? 2_000))
    totalMilliseconds = Int64(
      max(0, properties.int("commit.retry.total-timeout-ms") ?? 1_800_000))
  }

  /// Even between 1 ms and a bound that doubles with each attempt, so that losers spread out.
  func waitMilliseconds(_ attempt: Int, _ random: UInt64) -> Int {
    let bound = min(waitMillisecondsMax, waitMillisecondsMin << min(attempt, 12))
    return 1 + Int(random % UInt64(max(1, bound)))
  }
}
