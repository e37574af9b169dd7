// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What became of a key.
enum MergeOutcome: UInt8, Sendable {
  /// What the index knows stays: nothing is written.
  case unchanged
  /// It has a new row.
  case upsert
  /// It was deleted, and the output's row says at which version.
  case tombstone
  /// It was deleted, and nothing needs to be remembered.
  case removed
}

/// Versions of rows, by key. Rows are *stored rows*: what a producer sent was lifted into the form that
/// files hold, in which every row is a state that can be merged further.
struct MergeInput {
  /// Rows from the log, in its order within every key, and base rows where the engine wants them.
  var rows: RecordBatch
  /// Whether a row deletes; empty when none does.
  var deletes: [Bool]
  /// The rows' versions; `nil` for engines without.
  var versions: ArrayData?
  /// Key `i` has the log rows `members[starts[i] ..< starts[i + 1]]`.
  var starts: [Int]
  var members: [Int]
  /// What the index knows of each key.
  var base: IndexedRows
  /// The base row of each key in `rows`, or -1; empty for engines that want none.
  var baseRows: [Int] = []

  var keyCount: Int { starts.count - 1 }

  func isDelete(_ row: Int) -> Bool { !deletes.isEmpty && deletes[row] }
}

/// What keys became.
struct MergeOutput {
  var outcomes: [MergeOutcome]
  /// One row for each key that has a new row or a tombstone, in the keys' order.
  var rows: RecordBatch
  /// Of `rows`, in `binary`.
  var versions: ArrayData
}

/// A merge engine: an associative operation on stored rows, in the order of the log.
///
/// Of rows with sequences, the result does not depend on their order either. So it is the same whatever
/// was merged before, in memory or into files, and in whichever parts.
protocol Merger: Sendable {
  /// Whether merging needs the base row itself, not only its version.
  var needsBaseRows: Bool { get }
  /// Whether the last version of a key in the log is its row.
  var isLastWhole: Bool { get }

  /// The versions of lifted rows, as the index keeps them; `nil` for engines that compare none.
  func versions(_ rows: RecordBatch, deletes: [Bool]) throws(StreamError) -> ArrayData?

  func merge(_ input: MergeInput) throws(StreamError) -> MergeOutput
}

extension Merger {
  var isLastWhole: Bool { false }

  /// An array of `count` empty versions.
  func noVersions(_ count: Int) -> ArrayData {
    let builder = BinaryBuilder(.binary)
    for _ in 0..<count { builder.appendPlaceholder() }
    return builder.finish()
  }
}
