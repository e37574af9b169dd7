// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirStorage

extension PointerCatalog {
  /// Tables of one commit, at most.
  public static let commitTableCountMax = 100
  /// Metadata files removed by one commit of a table, at most; orphan clean-up finds what is left.
  static let trimCountMax = 100

  /// One table's part of an attempt.
  private struct Step {
    var identifier: TableIdentifier
    /// What it was made from; `nil` for a new table.
    var base: (metadata: TableMetadata, location: String)?
    var metadata: TableMetadata
    /// The new file, or the old one when nothing changes.
    var location: String
    var change: CatalogChange?
  }

  public func commit(_ commits: [TableCommit]) throws(TableError) -> [LoadedTable] {
    guard !commits.isEmpty, commits.count <= Self.commitTableCountMax else {
      throw TableError(
        .invalidArgument,
        "a commit changes 1 to \(Self.commitTableCountMax) tables, this one \(commits.count)")
    }
    var seen: Set<TableIdentifier> = []
    for commit in commits {
      try commit.identifier.check()
      guard seen.insert(commit.identifier).inserted else {
        throw TableError(
          .invalidArgument, "the commit names the table twice; put its changes into one",
          table: commit.identifier.description)
      }
    }
    guard environment.takesTurns, commits.count == 1 else { return try attempts(commits) }
    let turn = "\(ObjectIdentifier(backend as AnyObject))/\(commits[0].identifier)"
    return try CommitTurns.shared.withTurn(turn, waitMillisecondsMax: 10_000) {
      () throws(TableError) in try attempts(commits)
    }
  }

  private func attempts(_ commits: [TableCommit]) throws(TableError) -> [LoadedTable] {
    for attempt in 0..<options.attemptCountMax {
      var steps: [Step] = []
      var written: [String] = []
      do {
        for commit in commits {
          let step = try self.step(commit)
          steps.append(step)
          if step.change != nil {
            written.append(step.location)
            try files.write(step.metadata, to: step.location, commit.identifier.description)
          }
        }
      } catch {
        files.discard(written)
        throw error
      }
      switch try apply(steps.compactMap(\.change), discarding: written) {
      case .applied:
        for step in steps { trim(step) }
        return steps.map { loaded($0.identifier, $0.metadata, $0.location) }
      case .refused(let index, let refusal):
        files.discard(written)
        let identifier = steps.filter { $0.change != nil }[index].identifier
        try checkRetry(refusal, identifier)
        waitBeforeRetry(attempt)
      }
    }
    throw .outrun(commits[0].identifier, options.attemptCountMax)
  }

  /// Throws when trying again is of no use.
  private func checkRetry(
    _ refusal: CatalogRefusal, _ identifier: TableIdentifier
  ) throws(TableError) {
    switch refusal {
    case .moved, .missing: return
    case .taken, .namespaceMissing: throw TableError(refusal, .table)
    }
  }

  private func step(_ commit: TableCommit) throws(TableError) -> Step {
    let name = commit.identifier.description
    let creates = commit.requirements.contains(.assertCreate)
    let entry = try backend.entry(commit.identifier)
    if creates, let entry { throw .entryExists(entry) }
    if creates { return try creationStep(commit) }
    let (found, base) = try current(commit.identifier)!
    do {
      for requirement in commit.requirements { try requirement.check(base) }
      let metadata = try base.applying(
        commit.updates, now: environment.nowMilliseconds, previousLocation: found.metadataLocation)
      guard metadata != base else {
        return Step(
          identifier: commit.identifier, base: (base, found.metadataLocation), metadata: base,
          location: found.metadataLocation, change: nil)
      }
      if metadata.location != base.location {
        try checkLocation(metadata.location, commit.identifier)
      }
      let location = newFile(for: metadata, after: found.metadataLocation)
      return Step(
        identifier: commit.identifier, base: (base, found.metadataLocation), metadata: metadata,
        location: location,
        change: .swap(commit.identifier, .table, from: found.metadataLocation, to: location))
    } catch {
      throw error.adding(table: name)
    }
  }

  /// A table that a client has staged: its updates say all about it.
  private func creationStep(_ commit: TableCommit) throws(TableError) -> Step {
    guard let namespace = try backend.namespaceProperties(commit.identifier.namespace) else {
      throw .noNamespace(commit.identifier.namespace)
    }
    do {
      for requirement in commit.requirements { try requirement.check(nil) }
      var updates = commit.updates
      if !updates.contains(where: { if case .setLocation = $0 { true } else { false } }) {
        updates.append(.setLocation(defaultLocation(commit.identifier, namespace)))
      }
      let metadata = try TableMetadata.creating(
        updates, uuid: environment.uuid(), now: environment.nowMilliseconds)
      try checkLocation(metadata.location, commit.identifier)
      let location = newFile(for: metadata, after: nil)
      let entry = CatalogEntry(
        identifier: commit.identifier, kind: .table, metadataLocation: location)
      return Step(
        identifier: commit.identifier, base: nil, metadata: metadata, location: location,
        change: .insert(entry))
    } catch {
      throw error.adding(table: commit.identifier.description)
    }
  }

  /// Removes the metadata files that fell out of the log.
  private func trim(_ step: Step) {
    guard let base = step.base, step.change != nil,
      step.metadata.properties.bool("write.metadata.delete-after-commit.enabled") ?? true,
      step.metadata.properties.bool("gc.enabled") ?? true
    else { return }
    let kept = Set(step.metadata.metadataLog.map(\.location) + [step.location])
    let old = (base.metadata.metadataLog.map(\.location) + [base.location])
      .filter { !kept.contains($0) }
    files.discard(Array(old.prefix(Self.trimCountMax)))
  }

  func waitBeforeRetry(_ attempt: Int) {
    let most = min(200, 2 << min(attempt, 10))
    let jitter = Int(environment.random() % UInt64(most)) + 1
    environment.sleep(jitter * 1_000_000)
  }
}

extension PointerCatalog {
  /// How often an outcome that is not known is asked for.
  static let unknownOutcomeAttemptCountMax = 4

  /// Makes the changes, and finds out what became of them when the backend cannot say.
  ///
  /// - Parameter written: files that only matter if the changes are made. They are removed when the
  ///   backend failed and certainly changed nothing.
  func apply(
    _ changes: [CatalogChange], discarding written: [String]
  ) throws(TableError) -> CatalogOutcome {
    guard !changes.isEmpty else { return .applied }
    let record = pendingRecord.withLock { $0 }
    var isRepeated = false
    for attempt in 0..<Self.unknownOutcomeAttemptCountMax {
      do {
        let outcome = try backend.apply(changes, recording: record)
        if outcome != .applied, isRepeated, try wereMade(changes) { return finished() }
        if outcome == .applied { return finished() }
        return outcome
      } catch {
        // The same swap again: it succeeds if the first did not take place, also if that one would
        // still come later, for it would then be refused.
        if error.code == .unknownOutcome, attempt + 1 < Self.unknownOutcomeAttemptCountMax {
          isRepeated = true
          waitBeforeRetry(attempt + 2)
          continue
        }
        // After one attempt of unknown outcome no later failure says that nothing was changed.
        if isRepeated {
          throw TableError(
            .unknownOutcome,
            "the catalog's database did not say whether the change was made; look before trying "
              + "again",
            cause: error.description)
        }
        if error.code != .unknownOutcome { files.discard(written) }
        throw error
      }
    }
    preconditionFailure("the last attempt returns or throws")
  }

  private func finished() -> CatalogOutcome {
    pendingRecord.withLock { $0 = nil }
    return .applied
  }

  /// Whether changes that are now refused had been made before. As they are made together, the first
  /// that can tell decides.
  private func wereMade(_ changes: [CatalogChange]) throws(TableError) -> Bool {
    for change in changes {
      switch change {
      case .insert(let entry):
        return try wasCurrent(entry.metadataLocation, entry.identifier, entry.kind)
      case .swap(let identifier, let kind, _, let location):
        return try wasCurrent(location, identifier, kind)
      case .delete(let identifier, let kind, _):
        return try backend.entry(identifier)?.kind != kind
      case .rename(let identifier, let kind, let target):
        let old = try backend.entry(identifier)
        let new = try backend.entry(target)
        return old?.kind != kind && new?.kind == kind
      }
    }
    return false
  }

  /// Whether the entry points to the file or did so before.
  private func wasCurrent(
    _ location: String, _ identifier: TableIdentifier, _ kind: CatalogEntryKind
  ) throws(TableError) -> Bool {
    guard let entry = try backend.entry(identifier), entry.kind == kind else { return false }
    if entry.metadataLocation == location || entry.previousMetadataLocation == location {
      return true
    }
    guard kind == .table else { return false }
    return try files.table(entry.metadataLocation, identifier.description)
      .metadataLog.contains { $0.location == location }
  }
}

extension TableError {
  init(_ refusal: CatalogRefusal, _ kind: CatalogEntryKind) {
    switch refusal {
    case .taken(let entry): self = .entryExists(entry)
    case .missing(let identifier, let found): self = .noEntry(identifier, kind, found: found)
    case .namespaceMissing(let namespace): self = .noNamespace(namespace)
    case .moved(let entry):
      self.init(
        .retryableConflict,
        "somebody else committed in between: it now points to \(entry.metadataLocation)",
        table: entry.identifier.description)
    }
  }

  static func outrun(_ identifier: TableIdentifier, _ attemptCount: Int) -> TableError {
    TableError(
      .retryableConflict,
      "others committed first \(attemptCount) times in a row; try again",
      table: identifier.description)
  }
}
