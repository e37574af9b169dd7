// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Aggregation: each column by a function of its own, see `AggregateFunction`.
///
/// A row that comes in is *lifted* first: each aggregated value becomes the state of an aggregate of one
/// value. Merging combines states. A delete takes away the row and all it was made of, as of its place in
/// the log, and leaves nothing behind.
struct AggregationMerger: Merger {
  enum Operation {
    /// The value of the row of the greatest event time, the later one in the log among equals.
    case latest
    /// Of times and offsets that the log adds.
    case greatest
    case sumIntegers
    case sumDoubles
    /// Modulo 10^38, the remainder of the least magnitude.
    case sumDecimals
    case least
    case most
    /// The first items of all lists by the second field, then the first: see `StreamLayout`.
    case items(count: Int)
    case distinct(precision: Int)
    case decayed(halfLife: Int64)
    case state
  }

  let operations: [Operation]
  let fieldIDs: [Int32]
  /// The event time's column, and how it is compared.
  let eventTime: Int?
  private let timeOrder: KeyEncoder?
  private let stateColumn: Int
  private let schema: Schema

  var needsBaseRows: Bool { true }

  init(
    _ operations: [Operation], _ definition: StreamDefinition, _ schema: Schema
  ) throws(StreamError) {
    self.operations = operations
    self.schema = schema
    fieldIDs = schema.fields.enumerated().map { $1.id ?? Int32(truncatingIfNeeded: $0 + 1) }
    if let name = definition.eventTime {
      let place = try StreamLayout.places([name], schema, "event time")[0]
      eventTime = place
      timeOrder = try KeyEncoder(schema, columns: [place], nulls: .first)
    } else {
      eventTime = nil
      timeOrder = nil
    }
    guard let state = schema.index(of: StreamColumns.mergeState) else {
      throw StreamError(
        .invalidArgument, "the table has no column \(StreamColumns.mergeState)",
        column: StreamColumns.mergeState)
    }
    stateColumn = state
  }

  func versions(_ rows: RecordBatch, deletes: [Bool]) throws(StreamError) -> ArrayData? { nil }

  func merge(_ input: MergeInput) throws(StreamError) -> MergeOutput {
    let candidates = MergeCandidates(input, sinceDelete: true)
    var outcomes: [MergeOutcome] = []
    var keys: [Int] = []
    for key in 0..<input.keyCount {
      if !candidates[key].isEmpty {
        outcomes.append(.upsert)
        keys.append(key)
      } else {
        outcomes.append(input.base.states[key] == .present ? .removed : .unchanged)
      }
    }
    let fold = AggregateFold(
      merger: self, rows: input.rows, candidates: candidates, keys: keys,
      latest: try latest(input.rows, candidates, keys),
      states: try states(input.rows, candidates, keys))
    var columns: [ArrayData] = []
    var states = [MergeState](repeating: MergeState(), count: keys.count)
    for place in operations.indices where place != stateColumn {
      columns.append(try fold.column(place, &states))
    }
    columns.insert(try bytesArray(states.map(\.encoded)), at: stateColumn)
    return MergeOutput(
      outcomes: outcomes,
      rows: RecordBatch(trusted: schema, columns: columns, rowCount: keys.count),
      versions: noVersions(keys.count))
  }

  /// The row that is latest, of each key.
  private func latest(
    _ rows: RecordBatch, _ candidates: MergeCandidates, _ keys: [Int]
  ) throws(StreamError) -> [Int] {
    guard let timeOrder else { return keys.map { candidates[$0].last ?? -1 } }
    let encoded = try timeOrder.encode(rows)
    defer { withExtendedLifetime(encoded) {} }
    let times = BytesView(encoded)
    return keys.map { key in
      var best = candidates[key].first ?? -1
      for row in candidates[key].dropFirst()
      where VersionBytes.compare(times, row, times, best) >= 0 {
        best = row
      }
      return best
    }
  }

  /// States of rows that have one.
  private func states(
    _ rows: RecordBatch, _ candidates: MergeCandidates, _ keys: [Int]
  ) throws(StreamError) -> [Int: MergeState] {
    let column = rows.columns[stateColumn]
    guard column.nullCount < column.length else { return [:] }
    var result: [Int: MergeState] = [:]
    for key in keys {
      for row in candidates[key] where column.isValid(row) {
        result[row] = try MergeState(column, row)
      }
    }
    return result
  }
}
