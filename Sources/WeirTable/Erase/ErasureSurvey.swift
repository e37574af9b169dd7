// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Where the rows of an erasure are: in which files, and which snapshots lead to their values.
///
/// All manifests of all snapshots are read, each once, and the files whose metrics and partitions leave it
/// open. A manifest tells values of rows by what it says of a live file that holds them, and by what it
/// still says (bounds, partition values) of one that is gone.
///
/// Memory: the positions of the rows, and a few bytes for each manifest and each file that was read.
struct ErasureSurvey {
  /// What a manifest tells.
  private struct Verdict {
    /// It has live files with such rows.
    var isHolding = false
    /// It tells of files with such rows that are no longer part of it.
    var isTelling = false
    /// It tells of files that may have had some.
    var mayTell = false
  }

  let finder: ErasureFinder
  private let files: TableFiles
  private let metadata: TableMetadata
  private let pruner: FilePruner
  private var verdicts: [String: Verdict] = [:]

  /// The rows by file, of files that have some.
  private(set) var rows: [String: RoaringBitmap64] = [:]
  /// Live equality delete files with such rows.
  private(set) var equality: Set<String> = []
  /// Snapshots that lead to such rows, or tell of them.
  private(set) var snapshotIDs: Set<Int64> = []
  /// Of those, the ones with such rows.
  private(set) var holderIDs: Set<Int64> = []
  /// Snapshots whose manifests tell of files that are no longer part of them, so that it cannot be said any
  /// more what these held once they are removed.
  private(set) var suspectIDs: Set<Int64> = []
  private(set) var known: ErasureKnowledge

  init(
    _ table: Table, _ metadata: TableMetadata, _ target: ErasureTarget, _ known: ErasureKnowledge
  ) throws(TableError) {
    files = TableFiles(table, metadata)
    self.metadata = metadata
    self.known = known
    finder = try ErasureFinder(metadata, table.stores, target)
    pruner = FilePruner(finder.filter, finder.schema)
    for snapshot in metadata.snapshots {
      var verdict = Verdict()
      for manifest in try files.manifests(of: snapshot) {
        let found = try self.verdict(manifest)
        verdict.isHolding = verdict.isHolding || found.isHolding
        verdict.isTelling = verdict.isTelling || found.isTelling
        verdict.mayTell = verdict.mayTell || found.mayTell
      }
      if verdict.mayTell { suspectIDs.insert(snapshot.snapshotID) }
      if verdict.isHolding { holderIDs.insert(snapshot.snapshotID) }
      if verdict.isHolding || verdict.isTelling { snapshotIDs.insert(snapshot.snapshotID) }
    }
  }

  private mutating func verdict(_ manifest: ManifestFile) throws(TableError) -> Verdict {
    if let known = verdicts[manifest.path] { return known }
    var verdict = Verdict()
    guard let spec = metadata.spec(id: manifest.partitionSpecID) else {
      throw TableError(
        .damaged, "there is no partition spec \(manifest.partitionSpecID)", file: manifest.path)
    }
    if pruner.mayMatch(manifest, spec) {
      let reader = try files.reader(manifest, metadata)
      while try reader.advance() {
        if manifest.content == .data {
          try look(reader, spec, &verdict)
        } else {
          try lookAtDeletes(reader, spec, &verdict)
        }
      }
    }
    verdicts[manifest.path] = verdict
    return verdict
  }

  private mutating func look(
    _ reader: ManifestReader, _ spec: PartitionSpec, _ verdict: inout Verdict
  ) throws(TableError) {
    // Conditions on columns with column files are refused before.
    guard try pruner.residual(reader, spec, []) != nil else { return }
    let file = try reader.entry(withMetrics: false).dataFile
    if reader.isLive {
      if try find(file, spec) { verdict.isHolding = true }
      return
    }
    guard try tells(reader, spec) else { return }
    verdict.mayTell = true
    guard !verdict.isTelling else { return }
    do throws(TableError) {
      if try find(file, spec) { verdict.isTelling = true }
    } catch {
      // It is gone: whether it had such rows is not known any more.
      guard error.code == .notFound else { throw error }
      verdict.isTelling = true
    }
  }

  /// Whether the entry of a file that is gone says something of its values.
  private func tells(_ reader: ManifestReader, _ spec: PartitionSpec) throws(TableError) -> Bool {
    let metrics = try reader.metrics()
    return !(metrics.lowerBounds ?? [:]).isEmpty || !(metrics.upperBounds ?? [:]).isEmpty
      || finder.isTold(by: spec)
  }

  /// Whether a data file holds such rows.
  private mutating func find(_ file: DataFile, _ spec: PartitionSpec) throws(TableError) -> Bool {
    if known.clean.contains(file.path) { return false }
    if rows[file.path] != nil { return true }
    if let found = known.rows[file.path] {
      rows[file.path] = found
      return true
    }
    let found = try finder.rows(file, spec)
    known.readCount += 1
    if found.isEmpty {
      known.clean.insert(file.path)
      return false
    }
    known.rows[file.path] = found
    rows[file.path] = found
    return true
  }

  private mutating func lookAtDeletes(
    _ reader: ManifestReader, _ spec: PartitionSpec, _ verdict: inout Verdict
  ) throws(TableError) {
    guard try reader.content() == .equalityDeletes else { return }
    let file = try reader.entry(withMetrics: false).dataFile
    // Which rows others are about cannot be told; they go with the data files that hold such rows.
    guard finder.isDecided(by: file.equalityIDs ?? []) else { return }
    if !reader.isLive {
      guard try tells(reader, spec) else { return }
      verdict.mayTell = true
    }
    do throws(TableError) {
      guard try find(file, spec) else { return }
    } catch {
      guard error.code == .notFound, !reader.isLive else { throw error }
    }
    rows[file.path] = nil
    if reader.isLive {
      equality.insert(file.path)
      verdict.isHolding = true
    } else {
      verdict.isTelling = true
    }
  }
}

/// What an erasure has learned of files, which never change.
struct ErasureKnowledge {
  var rows: [String: RoaringBitmap64] = [:]
  var clean: Set<String> = []
  /// Files that were read.
  var readCount = 0
}
