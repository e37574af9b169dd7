// SPDX-License-Identifier: Apache-2.0

/// Classic defects, to be planted where the simulation must notice them (`dev/simulate --planted`).
///
/// They are in programs that were built with the flag `WEIR_DEFECTS` alone; in all others `isPlanted` is
/// false at compile time.
package enum Defect: String, CaseIterable, Sendable {
  /// A compaction puts its files in the place of others although rows of those were deleted or replaced
  /// while it worked: the changes are lost.
  case compactionLosesUpdates = "compaction-loses-updates"
  /// A delete of rows that a compaction moved is applied to its files in the wrong order of compactions.
  case wrongRebaseOrder = "wrong-rebase-order"
  /// A process commits without a look at who has the lease.
  case staleLease = "stale-lease"
  /// Files of deletion vectors have the same name again and again.
  case reusedFileName = "reused-file-name"
  /// A new deletion vector does not hold what the one before it held.
  case droppedDeletionVector = "dropped-deletion-vector"
  /// The key index stays at the places of before a compaction.
  case indexStaysBehind = "index-stays-behind"
  /// A compaction notes that rows went one row further than they did.
  case rowMapOffByOne = "row-map-off-by-one"
  /// A compaction removes the tombstones of a stream.
  case compactionForgetsDeletes = "compaction-forgets-deletes"
  /// Of two jobs that fill columns at the same time the second one forgets what the first one filled.
  case twoColumnJobs = "two-column-jobs"
  /// A compaction leaves behind the values that a column got while it worked.
  case compactionLosesColumns = "compaction-loses-columns"
  /// A compaction that read files before an erasure adds what it made of them.
  case erasedRowsComeBack = "erased-rows-come-back"
  /// An erasure takes rows out of the table, and leaves them in the log.
  case erasureForgetsLog = "erasure-forgets-the-log"

  /// A profile counts events again that its rows hold already.
  case pipelineForgetsDuplicates = "pipeline-forgets-duplicates"
  /// A pipeline whose rows were not written goes on with the states that they would have had.
  case pipelineKeepsUnwrittenStates = "pipeline-keeps-unwritten-states"
  /// A pipeline whose rows were not written goes on behind the events that are in them.
  case pipelineSkipsFailedBatch = "pipeline-skips-failed-batch"
  /// A join notes its position behind feedback that still waits for its request.
  case pipelineForgetsWaiting = "pipeline-forgets-waiting-feedback"

  #if WEIR_DEFECTS
    package static let areThere = true
    /// The one that this program has. Set before anything else happens.
    nonisolated(unsafe) package static var planted: Defect?
    package var isPlanted: Bool { Defect.planted == self }
  #else
    package static let areThere = false
    @inline(__always) package var isPlanted: Bool { false }
  #endif
}
