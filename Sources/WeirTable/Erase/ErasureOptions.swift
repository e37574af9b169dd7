// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// How an erasure goes about it.
public struct ErasureOptions: Sendable {
  /// Tags that lead to such rows are removed, and other branches are rewritten like the main one. Without
  /// it both are an error.
  public var includesReferences = false
  /// For how long readers of this process are waited for; milliseconds.
  public var waitMilliseconds: Int64 = 30_000
  /// Files of such rows that no snapshot leads to go when they are this old. Younger ones may belong to a
  /// commit that is under way.
  public var orphanAgeMilliseconds: Int64 = 3 * 86_400_000
  /// Bytes that must not be anywhere afterwards.
  public var markers: [[UInt8]] = []
  /// Folders besides the table's that are looked through for them.
  public var folders: [String] = []
  /// Rows of the files that one commit replaces at most, for each of which 12 bytes are in memory.
  public var rowsMax = 16 << 20
  /// Only looks.
  public var isDryRun = false
  /// Snapshots that they read stay until they end.
  public var readers: (any SnapshotReaders)?
  /// Makes commits in its own way: a stream, whose index has to follow.
  public var committer: (any ErasureCommitter)?

  public init() {}
}

/// Makes the commits of an erasure where a table is written by more than its own commits.
public protocol ErasureCommitter: Sendable {
  /// Calls `commit`, once or again after a conflict, with properties for the snapshot's summary and with
  /// what is to be checked of the metadata that each attempt starts from.
  func commit(
    _ commit: (
      _ properties: [(name: String, value: String)],
      _ check: ((TableMetadata) throws(TableError) -> Void)?
    ) throws(TableError) -> TableMetadata
  ) throws(TableError)
}

/// What an erasure did to one table.
public struct TableErasureResult: Sendable {
  /// A file in whose place others were put, or none.
  public struct Rewrite: Sendable, Hashable {
    public struct File: Sendable, Hashable {
      /// Within the table's folders, as far as that tells no value.
      public var name: String
      public var sha256: String
      public var rowCount: Int
    }

    public var source: File
    /// Rows of it that were erased, deleted ones, too.
    public var erasedRowCount: Int
    public var outputs: [File]
  }

  public var table: TableIdentifier
  public var condition: String
  public var began: Int64 = 0
  public var ended: Int64 = 0
  public var snapshotBefore: Int64?
  public var snapshotAfter: Int64?
  public var rewrites: [Rewrite] = []
  public var expiredSnapshotIDs: [Int64] = []
  public var removedReferences: [String] = []
  public var removedDataFiles = 0
  public var removedManifests = 0
  public var removedManifestLists = 0
  public var removedStatistics = 0
  public var removedMetadataFiles = 0
  public var removedOrphans = 0
  /// Files whose rows were tested by the condition, before and behind.
  public var testedFileCount = 0
  /// What was not erased, and why; nothing when all was.
  public var left: [String] = []
  public var scan: ByteScan.Result?
  /// What others have to add: logs, indexes, dead letters.
  public var parts: [(name: String, value: JSONValue)] = []
  /// Where this was written down.
  public var location: String?

  init(_ table: TableIdentifier, _ condition: String) {
    self.table = table
    self.condition = condition
  }

  /// Adds what a run before this one did.
  package mutating func merge(before: TableErasureResult) {
    began = before.began
    snapshotBefore = before.snapshotBefore
    rewrites = before.rewrites + rewrites
    expiredSnapshotIDs = before.expiredSnapshotIDs + expiredSnapshotIDs
    removedReferences = before.removedReferences + removedReferences
    removedDataFiles += before.removedDataFiles
    removedManifests += before.removedManifests
    removedManifestLists += before.removedManifestLists
    removedStatistics += before.removedStatistics
    removedMetadataFiles += before.removedMetadataFiles
    removedOrphans += before.removedOrphans
    testedFileCount += before.testedFileCount
    parts = before.parts.map { ("\($0.name)_before", $0.value) } + parts
  }

  public var erasedRowCount: Int { rewrites.reduce(0) { $0 + $1.erasedRowCount } }
  /// Whether no row is left anywhere, and no marker.
  public var isComplete: Bool { left.isEmpty && (scan?.foundCount ?? 0) == 0 }
}
