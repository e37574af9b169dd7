// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Takes rows out of every file of a table, and not only out of its current state.
///
/// 1. What an erasure before did not get to is finished.
/// 2. `ErasureSurvey` finds the files that hold such rows, deleted ones, too, and the snapshots that lead
///    to them or tell their values.
/// 3. The current files are written anew without the rows and committed with a row map, as a compaction's
///    are: nobody is in the way, and other rows keep their ids. Manifests are written anew where they tell
///    of files that are gone. 2 and 3 again until nothing is found.
/// 4. The other snapshots that were found are expired at once, whatever their age, after readers of this
///    process were asked and waited for; the files that only they led to are removed.
/// 5. Files of such rows that no snapshot leads to are removed, if they are old enough.
/// 6. Everything is looked through again, by the condition and for markers, and what was done is written
///    down (`TableErasureResult.json`).
///
/// It may be killed at any moment: run it again. One thread at a time.
public final class TableErasure {
  let table: Table
  let target: ErasureTarget
  let options: ErasureOptions
  let id: String
  public internal(set) var result: TableErasureResult
  private var known = ErasureKnowledge()

  /// Attempts to leave nothing in the current files, while others write.
  private static let roundCountMax = 12

  /// - Throws: `notFound` or `invalidArgument` for a condition that does not fit the table.
  public init(
    _ table: Table, _ target: ErasureTarget, _ options: ErasureOptions = ErasureOptions()
  ) throws(TableError) {
    self.table = table
    self.target = target
    self.options = options
    id = table.environment.uuid()
    result = TableErasureResult(table.identifier, target.text)
    do throws(TableError) {
      _ = try ErasureFinder(table.metadata, table.stores, target)
    } catch { throw error.adding(table: table.identifier.description) }
  }

  /// Does all of it, but for the proof.
  ///
  /// - Throws: `forbidden` when the table's files may be others', `conflict` when branches or tags lead to
  ///   such rows, or when others were in the way too often. What was done stays done.
  @discardableResult
  public func run() throws(TableError) -> TableErasureResult {
    do throws(TableError) {
      result.began = table.environment.nowMilliseconds
      try erase()
      result.ended = table.environment.nowMilliseconds
      return result
    } catch { throw error.adding(table: table.identifier.description) }
  }

  private func erase() throws(TableError) {
    var metadata = try table.refresh()
    guard metadata.properties.bool("gc.enabled") ?? true else {
      throw TableError(
        .forbidden, "its property gc.enabled is false: its files may belong to others, too")
    }
    guard metadata.formatVersion >= 2 else {
      throw TableError(
        .unsupported,
        "a table of format version 1 is not written to; upgrade it first (format-version 2 or 3)")
    }
    try refuseColumnFiles(metadata)
    result.snapshotBefore = metadata.currentSnapshotID
    if !options.isDryRun { try finishFormer(metadata) }
    var (round, markCount) = (0, 0)
    while true {
      metadata = try table.refresh()
      let survey = try survey(metadata)
      try checkReferences(survey, metadata)
      if options.isDryRun { return report(survey, metadata) }
      let branches = Self.branches(metadata)
      let known = Set(branches.map(\.snapshotID))
      // Before files are removed of which a manifest still tells: nobody could say then what they held.
      let removes = !survey.snapshotIDs.subtracting(known).isEmpty
      let heads = branches.filter {
        survey.snapshotIDs.contains($0.snapshotID)
          || removes && survey.suspectIDs.contains($0.snapshotID)
      }
      if heads.isEmpty {
        // Somebody else may have taken the rows out of the files that a compaction has read before.
        if metadata.erasedThrough < metadata.lastSequenceNumber, markCount < Self.roundCountMax {
          markCount += 1
          try mark()
          continue
        }
        try expire(survey, metadata)
        break
      }
      guard round < Self.roundCountMax else {
        throw TableError(
          .conflict, "others brought such rows back \(round) times; stop them, and run it again")
      }
      round += 1
      for head in heads {
        do throws(TableError) {
          try rewrite(head.name, head.snapshotID, survey, metadata)
        } catch {
          // Somebody else changed the same files: see what there is now.
          guard error.code == .conflict, round < Self.roundCountMax else { throw error }
        }
      }
    }
    try removeMetadata()
    try removeOrphans()
    let after = try table.refresh()
    let last = try survey(after)
    result.snapshotAfter = after.currentSnapshotID
    result.testedFileCount = known.readCount
    let left = after.snapshots.filter { last.snapshotIDs.contains($0.snapshotID) }
    if !left.isEmpty, result.left.isEmpty {
      result.left.append(
        "\(left.count) snapshots lead to such rows again: others wrote them meanwhile")
    }
  }

  /// Rows are looked for in data files alone.
  private func refuseColumnFiles(_ metadata: TableMetadata) throws(TableError) {
    let files = TableFiles(table, metadata)
    let finder = try ErasureFinder(metadata, table.stores, target)
    for path in metadata.columnFileListPaths(of: metadata.snapshots) {
      let ids = try files.columnFiles(path).fieldIDs
      let names = (target.chooser?.columns ?? []) + finder.filter.columns.map(\.name)
      for name in names {
        guard let field = metadata.currentSchema.field(path: name) else { continue }
        var top = field.id
        while let parent = metadata.currentSchema.parentID(ofFieldID: top) { top = parent }
        guard ids.contains(top) else { continue }
        throw TableError(
          .unsupported,
          "the column was backfilled, and some snapshot has its values in column files: name the rows by "
            + "another column, or compact the table (--full) and expire its older snapshots first",
          column: name)
      }
    }
  }

  private func survey(_ metadata: TableMetadata) throws(TableError) -> ErasureSurvey {
    let survey = try ErasureSurvey(table, metadata, target, known)
    known = survey.known
    return survey
  }

  private func report(_ survey: ErasureSurvey, _ metadata: TableMetadata) {
    for (path, rows) in survey.rows.sorted(by: { $0.key < $1.key }) {
      result.rewrites.append(
        .init(
          source: .init(name: name(path), sha256: "", rowCount: 0), erasedRowCount: rows.count,
          outputs: []))
    }
    let heads = Set(metadata.references.values.map(\.snapshotID))
    result.expiredSnapshotIDs = survey.snapshotIDs.subtracting(heads).sorted()
    result.testedFileCount = known.readCount
  }

  private static func branches(
    _ metadata: TableMetadata
  ) -> [(name: String, snapshotID: Int64)] {
    metadata.references.filter { $0.value.kind == .branch }
      .map { ($0.key, $0.value.snapshotID) }.sorted { $0.name < $1.name }
  }

  /// Other branches, and tags, that lead to such rows.
  private func checkReferences(
    _ survey: ErasureSurvey, _ metadata: TableMetadata
  ) throws(TableError) {
    let named = metadata.references.filter {
      $0.key != SnapshotReference.mainBranch && survey.snapshotIDs.contains($0.value.snapshotID)
    }
    guard !named.isEmpty else { return }
    guard options.includesReferences else {
      let names = named.map { "\($0.value.kind == .tag ? "the tag" : "the branch") '\($0.key)'" }
      throw TableError(
        .conflict,
        "\(names.sorted().joined(separator: ", ")) \(names.count == 1 ? "leads" : "lead") to such rows; "
          + "with --include-refs tags are removed and branches rewritten, or remove them first")
    }
    let tags = named.filter { $0.value.kind == .tag }.keys.sorted()
    guard !tags.isEmpty, !options.isDryRun else { return }
    let transaction = table.transaction()
    transaction.add { _, _ throws(TableError) in tags.map { .removeSnapshotReference($0) } }
    try transaction.commit()
    result.removedReferences += tags
  }

  // MARK: The current files

  private func rewrite(
    _ branch: String, _ snapshotID: Int64, _ survey: ErasureSurvey, _ metadata: TableMetadata
  ) throws(TableError) {
    let rewriter = ErasureRewriter(
      metadata: metadata, table: table, rowsMax: options.rowsMax, name: { self.name($0) })
    let made = try rewriter.rewrite(branch, survey)
    let unfollowed: Set<String>
    do throws(TableError) {
      unfollowed = try commit(branch, made, metadata)
    } catch {
      if error.code != .unknownOutcome {
        table.stores.delete(made.groups.flatMap { $0.outputs.map(\.path) })
      }
      throw error
    }
    for (group, rewrite) in zip(made.groups, made.rewrites)
    where !group.sources.contains(where: { unfollowed.contains($0.dataFile.path) }) {
      result.rewrites.append(rewrite)
    }
  }

  /// - Returns: files that were no longer there: they stay as others left them.
  private func commit(
    _ branch: String, _ made: ErasureRewriter.Made, _ metadata: TableMetadata
  ) throws(TableError) -> Set<String> {
    var last: CompactFiles?
    let once = {
      (
        properties: [(name: String, value: String)],
        check: ((TableMetadata) throws(TableError) -> Void)?
      ) throws(TableError) -> TableMetadata in
      let transaction = Transaction(self.table, start: metadata)
      if let check { transaction.check(check) }
      let producer = transaction.producer(CompactFiles.self)
      producer.toBranch(branch)
      producer.erases = true
      for group in made.groups { producer.add(group) }
      for file in made.equality { producer.remove(deletes: file) }
      for property in properties { producer.set(property.name, property.value) }
      producer.set("weir.erasure", self.id)
      transaction.add { base, _ throws(TableError) in
        [.setProperties([TableMetadata.erasedProperty: String(base.lastSequenceNumber)])]
      }
      let after = try transaction.commit()
      last = producer
      return after
    }
    if branch == SnapshotReference.mainBranch, let committer = options.committer {
      try committer.commit(once)
    } else {
      _ = try once([], nil)
    }
    return last?.unfollowed.sources ?? []
  }

  /// Says that rows were erased: what was begun before the next commit must not bring files that are gone
  /// back in other ones.
  private func mark() throws(TableError) {
    let transaction = table.transaction()
    transaction.add { base, _ throws(TableError) in
      [.setProperties([TableMetadata.erasedProperty: String(base.lastSequenceNumber + 1)])]
    }
    try transaction.commit()
  }

  // MARK: The other snapshots

  private func expire(
    _ survey: ErasureSurvey, _ metadata: TableMetadata
  ) throws(TableError) {
    let heads = metadata.references.values.map(\.snapshotID)
    var wanted = survey.snapshotIDs.subtracting(heads)
    guard !wanted.isEmpty else { return }
    wanted.formUnion(survey.suspectIDs.subtracting(heads))
    let note = try noteRemoval()
    let deadline = table.environment.nowMilliseconds + options.waitMilliseconds
    var failures = 0
    while true {
      var expiration = SnapshotExpiration(olderThanMilliseconds: 0)
      expiration.snapshotIDs = wanted
      expiration.readers = options.readers
      let done = try table.expireSnapshots(expiration)
      result.expiredSnapshotIDs += done.snapshotIDs
      result.removedDataFiles += done.contentFileCount
      result.removedManifests += done.manifestCount
      result.removedManifestLists += done.manifestListCount
      result.removedStatistics += done.statisticsFileCount
      failures += done.failureCount
      wanted.formIntersection(table.metadata.snapshots.map(\.snapshotID))
      if wanted.isEmpty || table.environment.nowMilliseconds >= deadline { break }
      table.environment.sleep(50_000_000)
    }
    if failures > 0 {
      result.left.append("\(failures) files could not be removed; run it again")
    } else if wanted.isEmpty {
      try removeNote(note)
    }
    if !wanted.isEmpty {
      result.left.append(
        "\(wanted.count) snapshots are being read in this process; run it again when that has ended"
      )
    }
  }

  /// A file's name as it may be written down.
  func name(_ path: String) -> String {
    let metadata = table.metadata
    let isTold =
      (try? ErasureFinder(metadata, table.stores, target)).map { finder in
        metadata.specs.contains { finder.isTold(by: $0) }
      } ?? true
    if !isTold, path.hasPrefix(metadata.location + "/") {
      return String(path.dropFirst(metadata.location.utf8.count + 1))
    }
    return path.split(separator: "/").last.map(String.init) ?? path
  }
}
