// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// A commit of somebody else in a stream's table.
struct ForeignCommit {
  var snapshotID: Int64
  /// Which rows of the log the table had then.
  var covered: [Int64]
  /// Rows that no log knows.
  var appended: [[String: Scalar]] = []
  /// All rows of these keys were deleted.
  var deletedKeys: Set<Int64> = []
  /// Deletes that the table had were forgotten (by the stream itself).
  var forgetsDeletes = false
}

/// What should be there, worked out row by row from what was acknowledged and what others did.
struct StreamOracle {
  /// Acknowledged rows by shard and offset, with the columns that the log adds.
  private(set) var rows: [[Int64: LoggedRow]]
  private var foreign: [ForeignCommit] = []

  init(shardCount: Int) { rows = Array(repeating: [:], count: shardCount) }

  /// - Returns: whether nothing else was there.
  mutating func acknowledge(_ row: LoggedRow, shard: Int, offset: Int64) -> Bool {
    if let known = rows[shard][offset] { return known == row }
    rows[shard][offset] = row
    return true
  }

  mutating func add(_ commit: ForeignCommit) { foreign.append(commit) }

  func knows(_ snapshotID: Int64) -> Bool { foreign.contains { $0.snapshotID == snapshotID } }

  /// Rows from these offsets on were given up.
  mutating func giveUp(from ends: [Int64]) {
    for (shard, end) in ends.enumerated() { rows[shard] = rows[shard].filter { $0.key < end } }
  }

  /// Whether a key was ever deleted below these offsets.
  func wasDeleted(_ key: Int64, below ends: [Int64]) -> Bool {
    for (shard, rows) in rows.enumerated() {
      if rows.contains(where: {
        $0.key < ends[shard] && $0.value.isDelete && $0.value.values["key"] == .int(key)
      }) {
        return true
      }
    }
    return false
  }

  /// Leaves out what led to keys that have no row.
  private func forget(
    _ rows: inout [(shard: Int, offset: Int64, row: LoggedRow)], _ covered: [Int64],
    _ definition: StreamDefinition
  ) {
    let oracle = NaiveMerge(definition: definition, fileSchema: definition.columns)
    var versions: [Scalar: [LoggedRow]] = [:]
    for row in rows where row.offset < covered[row.shard] {
      versions[row.row.values["key"] ?? .null, default: []].append(row.row)
    }
    let gone = Set(versions.filter { oracle.merge($0.value) == nil }.keys)
    rows.removeAll {
      $0.offset < covered[$0.shard] && gone.contains($0.row.values["key"] ?? .null)
    }
  }

  /// What is to be seen.
  enum View {
    /// What a scan sees.
    case all
    /// What is found by keys: rows that others appended have no versions.
    case keyed
  }

  /// The rows, as text.
  ///
  /// - Parameters:
  ///   - ends: rows of the log below these offsets are there; all with `nil`.
  ///   - snapshots: the snapshots that the state was built on.
  func state(
    _ definition: StreamDefinition, _ columns: [String], below ends: [Int64]?,
    on snapshots: Set<Int64>, _ view: View = .all
  ) -> [String] {
    var visible: [(shard: Int, offset: Int64, row: LoggedRow)] = []
    for (shard, rows) in rows.enumerated() {
      visible += rows.filter { ends == nil || $0.key < ends![shard] }
        .sorted { $0.key < $1.key }.map { (shard, $0.key, $0.value) }
    }
    var others: [[String: Scalar]] = []
    for commit in foreign where snapshots.contains(commit.snapshotID) {
      if commit.forgetsDeletes { forget(&visible, commit.covered, definition) }
      if !commit.deletedKeys.isEmpty {
        func isDeleted(_ key: Scalar?) -> Bool {
          if case .int(let key)? = key { commit.deletedKeys.contains(key) } else { false }
        }
        // What the table had of the key is forgotten.
        visible.removeAll {
          $0.offset < commit.covered[$0.shard] && isDeleted($0.row.values["key"])
        }
        others.removeAll { isDeleted($0["key"]) }
      }
      others += commit.appended
    }
    let schema = Schema(columns.map { Field($0, .int64) })
    let oracle = NaiveMerge(definition: definition, fileSchema: schema)
    var result = oracle.rows(visible.map(\.row))
    if view == .all {
      result += others.map { row in oracle.text(columns.map { row[$0] ?? .null }) }
    }
    return result.sorted()
  }
}
