// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Engines of which one version stays as it is: last-write and first-row.
///
/// A version's bytes are its sequence (`KeyEncoder`, nulls first). First-row puts a byte before them,
/// 0 for a delete and 1 for a row: a delete stands before all rows and is final as long as its tombstone
/// is kept.
struct WinnerMerger: Merger {
  enum Rule {
    /// The greatest version, the later one among equals.
    case last
    /// The least version, the earlier one among equals.
    case first
  }

  let rule: Rule
  /// `nil` without sequence columns: the log's order decides.
  let sequence: KeyEncoder?

  var needsBaseRows: Bool { false }
  var isLastWhole: Bool { rule == .last && sequence == nil }

  func versions(_ rows: RecordBatch, deletes: [Bool]) throws(StreamError) -> ArrayData? {
    let sequences = try sequence?.encode(rows)
    guard rule == .first else { return sequences }
    return VersionBytes.marked(sequences, deletes, count: rows.rowCount)
  }

  func merge(_ input: MergeInput) throws(StreamError) -> MergeOutput {
    var winners: [Int] = []
    var outcomes: [MergeOutcome] = []
    winners.reserveCapacity(input.keyCount)
    outcomes.reserveCapacity(input.keyCount)
    let versions = input.versions.map { BytesView($0) }
    let bases = BytesView(input.base.versions)
    for key in 0..<input.keyCount {
      guard let winner = winner(input, key, versions, bases) else {
        outcomes.append(.unchanged)
        continue
      }
      if !input.isDelete(winner) {
        outcomes.append(.upsert)
      } else if input.versions != nil {
        outcomes.append(.tombstone)
      } else {
        // By the log's order nothing that comes later is older.
        outcomes.append(input.base.states[key] == .absent ? .unchanged : .removed)
        continue
      }
      winners.append(winner)
    }
    do throws(ColumnarError) {
      return MergeOutput(
        outcomes: outcomes, rows: try input.rows.take(winners),
        versions: try input.versions?.take(winners) ?? noVersions(winners.count))
    } catch { throw StreamError(error) }
  }

  /// The row that stays; `nil` when it is the one that the index knows.
  private func winner(
    _ input: MergeInput, _ key: Int, _ versions: BytesView?, _ bases: BytesView
  ) -> Int? {
    let members = input.starts[key]..<input.starts[key + 1]
    guard let versions else { return members.last.map { input.members[$0] } }
    var best: Int?
    let hasBase = input.base.states[key] != .absent
    for place in members {
      let row = input.members[place]
      guard best != nil || hasBase else {
        best = row
        continue
      }
      let order =
        best.map { VersionBytes.compare(versions, row, versions, $0) }
        ?? VersionBytes.compare(versions, row, bases, key)
      if rule == .last ? order >= 0 : order < 0 { best = row }
    }
    return best
  }
}
