// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

extension StreamDefinition {
  /// Whether a row is made of all versions of its key, not one of them.
  var mergesVersions: Bool {
    switch merge {
    case .lastWrite, .firstRow: false
    case .partialUpdate, .aggregation: isKeyed
    }
  }
}

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
  /// A column was filled.
  var filled: FilledColumns?
}

/// Rows of a shard's log that were acknowledged, in the order of their offsets.
struct AcknowledgedRows {
  private(set) var rows: [(offset: Int64, row: LoggedRow)] = []

  /// The place of the first row at this offset or behind it.
  private func place(of offset: Int64) -> Int {
    var (low, high) = (0, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if rows[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  subscript(offset: Int64) -> LoggedRow? {
    let place = place(of: offset)
    return place < rows.count && rows[place].offset == offset ? rows[place].row : nil
  }

  /// Those below an offset; all with `nil`.
  func below(_ end: Int64?) -> ArraySlice<(offset: Int64, row: LoggedRow)> {
    rows[..<(end.map(place) ?? rows.count)]
  }

  mutating func insert(_ row: LoggedRow, at offset: Int64) {
    rows.insert((offset, row), at: place(of: offset))
  }

  mutating func remove(from end: Int64) { rows.removeSubrange(place(of: end)...) }

  mutating func remove(key: Int64) { rows.removeAll { $0.row.values["key"] == .int(key) } }
}

/// What should be there, worked out row by row from what was acknowledged and what others did.
struct StreamOracle {
  /// Acknowledged rows by shard and offset, with the columns that the log adds.
  private(set) var rows: [AcknowledgedRows]
  private var foreign: [ForeignCommit] = []

  init(shardCount: Int) { rows = Array(repeating: AcknowledgedRows(), count: shardCount) }

  /// - Returns: whether nothing else was there.
  mutating func acknowledge(_ row: LoggedRow, shard: Int, offset: Int64) -> Bool {
    if let known = rows[shard][offset] { return known == row }
    rows[shard].insert(row, at: offset)
    return true
  }

  mutating func add(_ commit: ForeignCommit) { foreign.append(commit) }

  func knows(_ snapshotID: Int64) -> Bool { foreign.contains { $0.snapshotID == snapshotID } }

  /// Rows from these offsets on were given up.
  mutating func giveUp(from ends: [Int64]) {
    for (shard, end) in ends.enumerated() { rows[shard].remove(from: end) }
  }

  /// All rows of a key were erased: they never were, in any snapshot that is left.
  mutating func erase(key: Int64) {
    for shard in rows.indices { rows[shard].remove(key: key) }
    for index in foreign.indices { foreign[index].appended.removeAll { $0["key"] == .int(key) } }
  }

  /// Whether a key was ever deleted below these offsets.
  func wasDeleted(_ key: Int64, below ends: [Int64]) -> Bool {
    for (shard, rows) in rows.enumerated() {
      if rows.below(ends[shard]).contains(where: {
        $0.row.isDelete && $0.row.values["key"] == .int(key)
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
      visible += rows.below(ends?[shard]).map { (shard, $0.offset, $0.row) }
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
      if let filled = commit.filled, columns.contains(filled.column) {
        filled.fill(
          &visible, covered: commit.covered, mergesVersions: definition.mergesVersions)
        filled.fill(&others)
      }
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
