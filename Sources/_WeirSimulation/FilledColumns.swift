// SPDX-License-Identifier: Apache-2.0

/// What columns that were backfilled should hold, row by row: rows are told by their ids.
struct FilledColumns {
  /// What one snapshot brought.
  private struct Event {
    var snapshotID: Int64
    var column: String
    /// Values by row id.
    var values: [Int64: Int64?]
  }

  static let names = ["filled_a", "filled_b"]
  private var events: [Event] = []

  mutating func fill(_ column: String, _ values: [Int64: Int64?], by snapshotID: Int64) {
    events.append(Event(snapshotID: snapshotID, column: column, values: values))
  }

  /// Rows got other ids, but for which they are as they were.
  ///
  /// - Parameter renamed: the old id of each new one.
  mutating func rename(_ renamed: [Int64: Int64], line: [Int64], by snapshotID: Int64) {
    for column in Self.names {
      let known = values(column, line: line)
      var values: [Int64: Int64?] = [:]
      for (new, old) in renamed { values[new] = .some(known[old]) }
      fill(column, values, by: snapshotID)
    }
  }

  /// The values of a snapshot by row id; null for the rest.
  ///
  /// - Parameter line: the snapshot and those that it was built on, the newest first.
  func values(_ column: String, line: [Int64]) -> [Int64: Int64] {
    var result: [Int64: Int64] = [:]
    for id in line.reversed() {
      for event in events where event.snapshotID == id && event.column == column {
        for (row, value) in event.values { result[row] = value }
      }
    }
    return result
  }
}
