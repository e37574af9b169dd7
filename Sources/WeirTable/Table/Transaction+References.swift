// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

// Branches, tags and going back.
extension Transaction {
  /// Makes a branch at a snapshot, the current one when `nil`.
  ///
  /// - Parameters: how long the branch, and snapshots that only it leads to, are kept; the table's
  ///   `history.expire.*` properties where `nil`.
  @discardableResult
  public func createBranch(
    _ name: String, at snapshotID: Int64? = nil, minSnapshotsToKeep: Int? = nil,
    maxSnapshotAgeMilliseconds: Int64? = nil, maxReferenceAgeMilliseconds: Int64? = nil
  ) -> Transaction {
    addReference(name, at: snapshotID) { id in
      SnapshotReference(
        snapshotID: id, kind: .branch, minSnapshotsToKeep: minSnapshotsToKeep,
        maxSnapshotAgeMilliseconds: maxSnapshotAgeMilliseconds,
        maxReferenceAgeMilliseconds: maxReferenceAgeMilliseconds)
    }
  }

  /// Makes a tag at a snapshot, the current one when `nil`.
  @discardableResult
  public func createTag(
    _ name: String, at snapshotID: Int64? = nil, maxReferenceAgeMilliseconds: Int64? = nil
  ) -> Transaction {
    addReference(name, at: snapshotID) { id in
      SnapshotReference(
        snapshotID: id, kind: .tag, maxReferenceAgeMilliseconds: maxReferenceAgeMilliseconds)
    }
  }

  private func addReference(
    _ name: String, at snapshotID: Int64?, _ make: @escaping (Int64) -> SnapshotReference
  ) -> Transaction {
    add { base, _ throws(TableError) in
      guard base.references[name] == nil else {
        throw TableError(.alreadyExists, "a branch or tag '\(name)' is already there")
      }
      guard let id = snapshotID ?? base.currentSnapshotID else {
        throw TableError(.notFound, "the table has no snapshot yet that '\(name)' could be at")
      }
      try base.requireSnapshot(id)
      return [.setSnapshotReference(name, make(id))]
    }
    return self
  }

  /// Points a branch or tag to another snapshot, wherever it was before.
  @discardableResult
  public func setReference(_ name: String, to snapshotID: Int64) -> Transaction {
    add { base, _ throws(TableError) in
      try base.requireSnapshot(snapshotID)
      var reference = try base.requireReference(name)
      reference.snapshotID = snapshotID
      return [.setSnapshotReference(name, reference)]
    }
    return self
  }

  /// Removes a branch or tag; its snapshots go when they expire.
  @discardableResult
  public func removeReference(_ name: String) -> Transaction {
    add { base, _ throws(TableError) in
      _ = try base.requireReference(name)
      guard name != SnapshotReference.mainBranch else {
        throw TableError(.invalidArgument, "the branch 'main' cannot be removed")
      }
      return [.removeSnapshotReference(name)]
    }
    return self
  }

  /// Moves a branch to the snapshot of another, which must be ahead of it on the same line.
  @discardableResult
  public func fastForward(_ branch: String, to other: String) -> Transaction {
    add { base, _ throws(TableError) in
      let target = try base.requireReference(other)
      var reference = base.references[branch] ?? target
      if base.references[branch] != nil {
        let line = base.ancestors(of: target.snapshotID)
        guard line.contains(where: { $0.snapshotID == reference.snapshotID }) else {
          throw TableError(
            .conflict,
            "'\(branch)' has snapshots that '\(other)' does not have; it cannot be moved forward")
        }
      }
      reference.kind = .branch
      reference.snapshotID = target.snapshotID
      return [.setSnapshotReference(branch, reference)]
    }
    return self
  }

  /// Makes an earlier state of `main` the current one. What came later stays as snapshots until they
  /// expire.
  @discardableResult
  public func rollback(to snapshotID: Int64) -> Transaction {
    add { base, _ throws(TableError) in
      try base.requireSnapshot(snapshotID)
      let line = base.currentSnapshotID.map { base.ancestors(of: $0) } ?? []
      guard line.contains(where: { $0.snapshotID == snapshotID }) else {
        throw TableError(
          .invalidArgument,
          "snapshot \(snapshotID) is not an ancestor of the current one; set it as current instead")
      }
      return [base.mainReference(snapshotID)]
    }
    return self
  }

  /// Makes the last state of `main` from before a time the current one.
  ///
  /// - Parameter time: milliseconds since 1970-01-01 UTC.
  @discardableResult
  public func rollback(toMilliseconds time: Int64) -> Transaction {
    add { base, _ throws(TableError) in
      let line = base.currentSnapshotID.map { base.ancestors(of: $0) } ?? []
      guard let snapshot = line.first(where: { $0.timestampMilliseconds < time }) else {
        throw TableError(.notFound, "the table has no snapshot from before that time")
      }
      return [base.mainReference(snapshot.snapshotID)]
    }
    return self
  }

  /// Makes any snapshot the current one.
  @discardableResult
  public func setCurrentSnapshot(_ snapshotID: Int64) -> Transaction {
    add { base, _ throws(TableError) in
      try base.requireSnapshot(snapshotID)
      return [base.mainReference(snapshotID)]
    }
    return self
  }
}

extension TableMetadata {
  func requireSnapshot(_ id: Int64) throws(TableError) {
    guard snapshot(id: id) != nil else {
      throw TableError(
        .notFound, "there is no snapshot \(id): it never was one of this table, or has expired")
    }
  }

  func requireReference(_ name: String) throws(TableError) -> SnapshotReference {
    guard let reference = references[name] else {
      let names = references.keys.sorted().prefix(20).joined(separator: ", ")
      throw TableError(.notFound, "there is no branch or tag '\(name)'; there are: \(names)")
    }
    return reference
  }

  func mainReference(_ snapshotID: Int64) -> TableUpdate {
    let main = SnapshotReference.mainBranch
    var reference = references[main] ?? SnapshotReference(snapshotID: snapshotID, kind: .branch)
    reference.snapshotID = snapshotID
    return .setSnapshotReference(main, reference)
  }
}
