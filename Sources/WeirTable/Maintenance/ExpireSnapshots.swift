// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Which snapshots to expire.
public struct SnapshotExpiration: Sendable {
  /// Snapshots from before this time (milliseconds since 1970-01-01 UTC) go; the table's
  /// `history.expire.max-snapshot-age-ms` (5 days) when `nil`. Branches that have their own age keep it.
  public var olderThanMilliseconds: Int64?
  /// So many of each branch stay in any case; the table's `history.expire.min-snapshots-to-keep` (1)
  /// when `nil`.
  public var retainLast: Int?
  /// These go, too, whatever their age.
  public var snapshotIDs: Set<Int64> = []
  /// Whether files that only expired snapshots lead to are removed.
  public var removesFiles = true
  /// At most so many at once, the oldest first.
  public var countMax = Int.max
  /// Instead of a time: snapshots of this age go.
  var maxAgeMilliseconds: Int64?
  /// Whether a snapshot's age counts from when another one took its place, and not from when it was made: a
  /// reader that began with the current snapshot has all of that time then.
  var agesFromReplacement = false
  /// Snapshots that they read stay.
  var readers: (any SnapshotReaders)?

  public init(olderThanMilliseconds: Int64? = nil, retainLast: Int? = nil) {
    self.olderThanMilliseconds = olderThanMilliseconds
    self.retainLast = retainLast
  }
}

/// What an expiration did.
public struct ExpirationResult: Sendable, Hashable {
  public var snapshotIDs: [Int64] = []
  /// Branches and tags that were too old.
  public var references: [String] = []
  public var contentFileCount = 0
  public var manifestCount = 0
  public var manifestListCount = 0
  public var statisticsFileCount = 0
  /// About the bytes of the files that were removed.
  public var byteCount = 0
  /// Files that could not be removed; orphan clean-up finds them.
  public var failureCount = 0

  public init() {}
}

/// Decides what expires. Source: the reference implementation's `RemoveSnapshots`.
struct ExpirationPolicy {
  static let ageMillisecondsDefault: Int64 = 5 * 86_400_000

  let options: SnapshotExpiration
  let now: Int64

  func updates(_ base: TableMetadata) throws(TableError) -> [TableUpdate] {
    let age =
      options.maxAgeMilliseconds
      ?? base.properties.int("history.expire.max-snapshot-age-ms").map { Int64($0) }
      ?? Self.ageMillisecondsDefault
    let olderThan = options.olderThanMilliseconds ?? (now - min(age, now))
    let keepCount = max(
      1, options.retainLast ?? base.properties.int("history.expire.min-snapshots-to-keep") ?? 1)
    let references = agedReferences(base)
    for (name, reference) in base.references
    where !references.contains(name) && options.snapshotIDs.contains(reference.snapshotID) {
      throw TableError(
        .invalidArgument,
        "snapshot \(reference.snapshotID) cannot be expired: '\(name)' is at it")
    }
    let kept = retained(base, besides: references, olderThan, keepCount)
    var expired = base.snapshots.filter {
      !kept.contains($0.snapshotID) || options.snapshotIDs.contains($0.snapshotID)
    }
    if expired.count > options.countMax {
      expired.sort { $0.timestampMilliseconds < $1.timestampMilliseconds }
      expired.removeLast(expired.count - options.countMax)
    }
    var updates: [TableUpdate] = references.map { .removeSnapshotReference($0) }
    if !expired.isEmpty {
      updates += base.columnFilePointerUpdates()
      updates.append(.removeSnapshots(expired.map(\.snapshotID)))
    }
    return updates
  }

  /// Branches and tags that have outlived their age.
  private func agedReferences(_ base: TableMetadata) -> [String] {
    let common = base.properties.int("history.expire.max-ref-age-ms").map { Int64($0) }
    return base.references.keys.sorted().filter { name in
      guard name != SnapshotReference.mainBranch, let reference = base.references[name],
        let age = reference.maxReferenceAgeMilliseconds ?? common,
        let snapshot = base.snapshot(id: reference.snapshotID)
      else { return false }
      return now - snapshot.timestampMilliseconds > age
    }
  }

  /// From when on each snapshot ages; milliseconds since 1970.
  private func times(_ base: TableMetadata) -> [Int64: Int64] {
    var times: [Int64: Int64] = [:]
    for snapshot in base.snapshots { times[snapshot.snapshotID] = snapshot.timestampMilliseconds }
    guard options.agesFromReplacement else { return times }
    // By what was built on it, on any branch, and by what was made current behind it.
    let log = base.snapshotLog
    let next = zip(log, log.dropFirst()).map { ($0.snapshotID, $1.timestampMilliseconds) }
    let children = base.snapshots.compactMap { child in
      child.parentID.map { ($0, child.timestampMilliseconds) }
    }
    for (id, time) in next + children where times[id] != nil { times[id] = max(times[id]!, time) }
    return times
  }

  private func retained(
    _ base: TableMetadata, besides removed: [String], _ olderThan: Int64, _ keepCount: Int
  ) -> Set<Int64> {
    var kept: Set<Int64> = []
    var onSomeLine: Set<Int64> = []
    let times = times(base)
    for (name, reference) in base.references where !removed.contains(name) {
      guard reference.kind == .branch else {
        kept.insert(reference.snapshotID)
        onSomeLine.insert(reference.snapshotID)
        continue
      }
      let own = reference.maxSnapshotAgeMilliseconds.map { now - min($0, now) } ?? olderThan
      let count = reference.minSnapshotsToKeep ?? keepCount
      var isKept = true
      for (index, snapshot) in base.ancestors(of: reference.snapshotID).enumerated() {
        onSomeLine.insert(snapshot.snapshotID)
        isKept = isKept && (index < count || times[snapshot.snapshotID]! >= own)
        if isKept { kept.insert(snapshot.snapshotID) }
      }
    }
    // Staged snapshots, and what a rollback left behind.
    for snapshot in base.snapshots
    where !onSomeLine.contains(snapshot.snapshotID)
      && times[snapshot.snapshotID]! >= olderThan
    {
      kept.insert(snapshot.snapshotID)
    }
    return kept
  }
}

/// Removes files that only expired snapshots led to.
struct ExpiredFiles {
  private let files: TableFiles
  private let before: TableMetadata
  private let after: TableMetadata

  /// - Parameters:
  ///   - before: metadata that still has the expired snapshots.
  ///   - after: metadata without them.
  init(_ files: TableFiles, before: TableMetadata, after: TableMetadata) {
    self.files = files
    self.before = before
    self.after = after
  }

  /// A file is removed when no snapshot of `after` leads to it. Manifests of the remaining snapshots
  /// are only read as long as there are files in question.
  func remove(_ result: inout ExpirationResult) throws(TableError) {
    let remaining = Set(after.snapshots.map(\.snapshotID))
    let expired = before.snapshots.filter { !remaining.contains($0.snapshotID) }
    guard !expired.isEmpty else { return }
    let reach = FileReach(files: files, metadata: after)
    let kept = try reach.manifests(of: after.snapshots)
    // A list that is gone was removed by an expiration that did not get to its end.
    let old = try reach.manifests(of: expired) { error throws(TableError) in
      if error.code != .notFound { throw error }
    }.filter { kept[$0.key] == nil }
    var content: [String: Int] = [:]
    for manifest in old.values {
      do {
        try reach.forEachSizedFile(of: manifest) { path, size in content[path] = size }
      } catch {
        if error.code != .notFound { throw error }
      }
    }
    for manifest in kept.values where !content.isEmpty {
      try reach.forEachFile(of: manifest) { path in
        content[path] = nil
        return !content.isEmpty
      }
    }
    let columns = try columnFiles(without: Set(content.keys))
    remove(Set(columns.keys), \.contentFileCount, &result)
    result.byteCount += columns.values.reduce(0) { $0 + $1.byteCount }
    // From the leaves to the root: what is left by a crash is still led to by what goes later.
    remove(Set(content.keys), \.contentFileCount, &result)
    remove(Set(old.keys), \.manifestCount, &result)
    result.byteCount += content.values.reduce(0, +) + old.values.reduce(0) { $0 + $1.length }
    let statistics = FileReach.statistics(before).subtracting(FileReach.statistics(after))
    remove(statistics, \.statisticsFileCount, &result)
    let keptLists = Set(after.snapshots.compactMap(\.manifestList))
    let lists = Set(expired.compactMap(\.manifestList)).subtracting(keptLists)
    remove(lists, \.manifestListCount, &result)
  }

  /// Column files that nobody needs any more: those that no list names, and those of data files that go.
  private func columnFiles(
    without removed: Set<String>
  ) throws(TableError) -> [String: FileReach.ListedColumnFile] {
    // A list that is gone was removed by an expiration that did not get to its end.
    let named = try FileReach.columnFiles(before, files) { error throws(TableError) in
      if error.code != .notFound { throw error }
    }
    if named.isEmpty { return [:] }
    let kept = try FileReach.columnFiles(after, files)
    return named.filter { kept[$0.key] == nil || removed.contains($0.value.dataFile) }
  }

  private func remove(
    _ locations: Set<String>, _ count: WritableKeyPath<ExpirationResult, Int>,
    _ result: inout ExpirationResult
  ) {
    let failed = files.stores.delete(locations)
    result[keyPath: count] += locations.count - failed.count
    result.failureCount += failed.count
  }
}

extension Table {
  /// Removes old snapshots from the table's history, and the files that only they led to.
  ///
  /// Readers of an expired snapshot lose its files under their feet: choose the age so that nobody
  /// reads them any more.
  @discardableResult
  public func expireSnapshots(
    _ options: SnapshotExpiration = SnapshotExpiration()
  ) throws(TableError) -> ExpirationResult {
    let before = try refresh()
    guard before.properties.bool("gc.enabled") ?? true else {
      throw TableError(
        .forbidden, "its property gc.enabled is false: its files may belong to others, too",
        table: identifier.description)
    }
    let transaction = transaction()
    let retired = RetiredSnapshots(options.readers)
    transaction.add { base, now throws(TableError) in
      retired.without(try ExpirationPolicy(options: options, now: now).updates(base))
    }
    let after: TableMetadata
    do throws(TableError) {
      after = try transaction.commit()
    } catch {
      // They may be gone when nobody knows.
      if error.code != .unknownOutcome { retired.restore() }
      throw error
    }
    var result = ExpirationResult()
    let remaining = Set(after.snapshots.map(\.snapshotID))
    result.snapshotIDs = before.snapshots.map(\.snapshotID).filter { !remaining.contains($0) }
    result.references = before.references.keys.filter { after.references[$0] == nil }.sorted()
    if options.removesFiles {
      do {
        var isFirst = true
        try repeatingIfOvertaken { () throws(TableError) in
          let now = isFirst ? after : metadata
          isFirst = false
          try ExpiredFiles(TableFiles(self, now), before: before, after: now).remove(&result)
        }
      } catch {
        throw error.adding(table: identifier.description)
      }
    }
    return result
  }
}

/// Snapshots that readers were asked to leave alone for an expiration.
private final class RetiredSnapshots {
  private let readers: (any SnapshotReaders)?
  private var ids: Set<Int64> = []

  init(_ readers: (any SnapshotReaders)?) { self.readers = readers }

  /// The updates without the removal of snapshots that are being read.
  func without(_ updates: [TableUpdate]) -> [TableUpdate] {
    guard let readers else { return updates }
    restore()
    return updates.compactMap { update in
      guard case .removeSnapshots(let wanted) = update else { return update }
      let read = readers.retire(Set(wanted))
      let free = wanted.filter { !read.contains($0) }
      ids.formUnion(free)
      return free.isEmpty ? nil : .removeSnapshots(free)
    }
  }

  func restore() {
    if !ids.isEmpty { readers?.restore(ids) }
    ids = []
  }
}

/// Expires a few snapshots with a commit that adds one, so that metadata stays bounded without
/// anybody's care (docs/decisions/0008-bounded-table-metadata.md).
struct CommitExpiry {
  /// Expired snapshots gather until there are so many: removing their files costs reads.
  static let batchCountMin = 16
  /// And at most so many go with one commit.
  static let batchCountMax = 64
  /// Snapshots that stay whatever their age, when the table does not say.
  static let keepCountDefault = 100

  /// The updates to add to a commit; none for most commits.
  static func updates(_ metadata: TableMetadata, now: Int64) -> [TableUpdate] {
    guard metadata.snapshots.count > batchCountMin,
      metadata.properties.bool("weir.expire-on-commit.enabled") ?? true,
      metadata.properties.bool("gc.enabled") ?? true
    else { return [] }
    var options = SnapshotExpiration()
    options.countMax = batchCountMax
    if metadata.properties["history.expire.min-snapshots-to-keep"] == nil {
      options.retainLast = keepCountDefault
    }
    let policy = ExpirationPolicy(options: options, now: now)
    guard let updates = try? policy.updates(metadata) else { return [] }
    let isWorthwhile = updates.contains {
      if case .removeSnapshots(let ids) = $0 { ids.count >= batchCountMin } else { false }
    }
    return isWorthwhile ? updates : []
  }
}
