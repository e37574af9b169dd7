// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Expires snapshots, a batch at a time.
struct SnapshotStep: MaintenanceStep {
  let name = "snapshots"
  let intervalMilliseconds: Int64
  private let options: SnapshotExpiration
  private let keepsMany: Bool

  /// Snapshots that go with one commit.
  private static let batchCountMax = 64
  private static let intervalMillisecondsMax: Int64 = 300_000

  init(_ policy: MaintenancePolicy, readers: (any SnapshotReaders)?) {
    var options = SnapshotExpiration(retainLast: policy.snapshotCountMin)
    options.maxAgeMilliseconds = policy.snapshotAgeMilliseconds
    options.agesFromReplacement = true
    options.countMax = Self.batchCountMax
    options.readers = readers
    if policy.snapshotCountMin == nil, policy.snapshotAgeMilliseconds != nil {
      options.retainLast = 1
    }
    keepsMany = options.retainLast == nil
    self.options = options
    intervalMilliseconds = min(
      Self.intervalMillisecondsMax, max(1_000, (policy.snapshotAgeMilliseconds ?? .max) / 4))
  }

  func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    var outcome = MaintenanceOutcome()
    guard table.metadata.properties.bool("gc.enabled") ?? true else {
      outcome.note = "the table's property gc.enabled is false"
      return outcome
    }
    var options = options
    if keepsMany, table.metadata.properties["history.expire.min-snapshots-to-keep"] == nil {
      options.retainLast = CommitExpiry.keepCountDefault
    }
    while true {
      let result = try table.expireSnapshots(options)
      let files =
        result.contentFileCount + result.manifestCount + result.manifestListCount
        + result.statisticsFileCount
      outcome.snapshotCount += result.snapshotIDs.count
      outcome.removedFileCount += files
      outcome.removedByteCount += result.byteCount
      outcome.failureCount += result.failureCount
      meter.spend(files: files)
      guard result.snapshotIDs.count >= options.countMax else { return outcome }
      outcome.hasMore = meter.isSpent
      if outcome.hasMore { return outcome }
    }
  }
}

/// Keeps metadata files short and few: sets how many earlier ones stay, and forgets schemas that no
/// snapshot was written with. Commits do the rest.
struct MetadataTrim: MaintenanceStep {
  let name = "metadata"
  let intervalMilliseconds: Int64 = 3_600_000
  let fileCountMax: Int?

  /// Each goes with a commit: a few are waited for.
  private static let schemaCountMin = 8
  private static let property = "write.metadata.previous-versions-max"

  func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    var outcome = MaintenanceOutcome()
    let before = try table.refresh()
    let transaction = table.transaction()
    if let fileCountMax, before.properties.int(Self.property) != fileCountMax {
      transaction.setProperties([Self.property: String(fileCountMax)])
    }
    transaction.add { base, _ throws(TableError) in
      let unused = Self.unusedSchemas(base)
      return unused.count < Self.schemaCountMin ? [] : [.removeSchemas(unused)]
    }
    let after = try transaction.commit()
    let kept = Set(after.metadataLog.map(\.location))
    outcome.removedFileCount = before.metadataLog.count { !kept.contains($0.location) }
    meter.spend(files: outcome.removedFileCount)
    return outcome
  }

  /// Schemas that neither a snapshot names nor a partition spec or sort order needs.
  static func unusedSchemas(_ metadata: TableMetadata) -> [Int] {
    var used: Set<Int> = [metadata.currentSchemaID]
    for snapshot in metadata.snapshots {
      guard let id = snapshot.schemaID else { return [] }
      used.insert(id)
    }
    let sources = Set(
      metadata.specs.flatMap { $0.fields.map(\.sourceID) }
        + metadata.sortOrders.flatMap { $0.fields.map(\.sourceID) })
    let kept = metadata.schemas.filter { used.contains($0.schemaID) }
    let missing = sources.filter { id in !kept.contains { $0.field(id: id) != nil } }
    return metadata.schemas.filter { schema in
      !used.contains(schema.schemaID) && !missing.contains { schema.field(id: $0) != nil }
    }.map(\.schemaID)
  }
}

/// Counts distinct values anew where they were counted before and the table has changed since.
struct StatisticsStep: MaintenanceStep {
  let name = "statistics"
  let intervalMilliseconds: Int64

  /// The share of rows that must have come or gone.
  private static let changedShareMin = 0.1

  func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    var outcome = MaintenanceOutcome()
    let metadata = try table.refresh()
    guard let current = metadata.currentSnapshot,
      let (file, snapshot) = Self.latest(metadata), snapshot.snapshotID != current.snapshotID
    else { return outcome }
    func count(_ snapshot: Snapshot, _ name: String) -> Int? {
      snapshot.summary?[name].flatMap { Int($0) }
    }
    if let before = count(snapshot, "total-records"), let now = count(current, "total-records"),
      Double(abs(now - before)) < Self.changedShareMin * Double(max(before, 1))
    {
      return outcome
    }
    let bytes = count(current, "total-files-size") ?? 0
    guard bytes <= meter.budget.byteCountMax else {
      outcome.note =
        "the table's \(bytes) bytes are more than a round may read; run 'weir table analyze'"
      return outcome
    }
    let names = file.blobs.compactMap { blob in
      blob.fieldIDs.first.flatMap { metadata.currentSchema.path(ofFieldID: $0) }
    }
    guard !names.isEmpty else { return outcome }
    meter.spend(bytes: bytes)
    if let written = try table.computeStatistics(columns: names) {
      outcome.writtenFileCount = 1
      outcome.writtenByteCount = Int(written.sizeInBytes)
    }
    return outcome
  }

  /// The latest statistics of a snapshot of the current branch.
  private static func latest(_ metadata: TableMetadata) -> (StatisticsFile, Snapshot)? {
    guard let id = metadata.currentSnapshotID else { return nil }
    for snapshot in metadata.ancestors(of: id) {
      if let file = metadata.statistics.first(where: { $0.snapshotID == snapshot.snapshotID }) {
        return (file, snapshot)
      }
    }
    return nil
  }
}

/// Removes files that nothing leads to.
struct OrphanStep: MaintenanceStep {
  let name = "orphans"
  let intervalMilliseconds: Int64 = 6 * 3_600_000
  let ageMilliseconds: Int64

  func run(
    _ table: Table, _ meter: inout MaintenanceMeter
  ) throws(TableError) -> MaintenanceOutcome {
    var outcome = MaintenanceOutcome()
    guard table.metadata.properties.bool("gc.enabled") ?? true else {
      outcome.note = "the table's property gc.enabled is false"
      return outcome
    }
    var options = OrphanCleanup()
    options.ageMillisecondsMin = ageMilliseconds
    options.countMax = max(1, min(options.countMax, meter.fileCountLeft))
    let result = try table.removeOrphanFiles(options)
    outcome.removedFileCount = result.locations.count
    outcome.removedByteCount = result.byteCount
    outcome.failureCount = result.failureCount
    // Files that cannot be removed would be found again and again.
    outcome.hasMore = result.hasMore && !result.locations.isEmpty
    meter.spend(files: result.locations.count)
    return outcome
  }
}
