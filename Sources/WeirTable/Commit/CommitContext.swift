// SPDX-License-Identifier: Apache-2.0

/// What the steps of a transaction share in one attempt.
struct CommitContext {
  let table: String
  let files: TableFiles
  let environment: TableEnvironment
  /// Snapshots that this transaction made in this attempt: no conflicts of ours.
  var ownSnapshotIDs: Set<Int64> = []

  var now: Int64 { environment.nowMilliseconds }
}

/// A change that can be worked out anew on whatever others have committed meanwhile.
protocol TransactionStep: AnyObject {
  /// The updates that make the change on `base`.
  ///
  /// - Throws: `conflict` when what others did is in the way.
  func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate]

  /// The commit took place: remove what attempts before it left.
  func committed(_ metadata: TableMetadata, _ context: CommitContext)

  /// The commit will not take place: remove all that was written.
  func abandoned(_ context: CommitContext)
}

extension TransactionStep {
  func committed(_ metadata: TableMetadata, _ context: CommitContext) {}
  func abandoned(_ context: CommitContext) {}
}

/// A step that is a function of the metadata.
final class MetadataStep: TransactionStep {
  private let body: (TableMetadata, Int64) throws(TableError) -> [TableUpdate]

  init(_ body: @escaping (TableMetadata, Int64) throws(TableError) -> [TableUpdate]) {
    self.body = body
  }

  func updates(
    on base: TableMetadata, _ context: inout CommitContext
  ) throws(TableError) -> [TableUpdate] {
    try body(base, context.now)
  }
}

/// How isolated an operation is from those that others commit while it works.
public enum IsolationLevel: String, Sendable, Hashable {
  /// As if all operations came one after the other: also rows that others added, and that the
  /// operation would have seen, are in its way.
  case serializable
  /// Only changes of the same files and rows are in the way.
  case snapshot
}
