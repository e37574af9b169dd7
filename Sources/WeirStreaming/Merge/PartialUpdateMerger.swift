// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Partial update: groups of columns that change on their own, each by its sequence.
///
/// What a key's versions mean, whatever their order (log order decides among equal sequences):
///
/// 1. A version takes part in a group unless all of the group's sequence columns are null in it.
/// 2. A delete deletes what is not above its sequence, in the groups that it takes part in. A delete
///    without any sequence takes, in each group, the greatest one that came before it in the log.
/// 3. A column of a group has the value of the greatest sequence among versions that are not deleted and
///    have one; the sequence columns are those of the greatest version that is not deleted.
/// 4. Columns without group have the latest value in the log since the last delete in the log.
/// 5. There is a row when a group has a version that is not deleted, or when a version that takes part in
///    no group came after the last delete in the log.
///
/// `_merge_state` holds what the columns do not show: the sequence of a value that is older than its
/// group's, and each group's greatest delete (see `MergeState`).
struct PartialUpdateMerger: Merger {
  struct Group {
    let sequence: KeyEncoder
    let sequenceColumns: [Int]
    let columns: [Int]
    /// The first sequence column's.
    let id: Int32
  }

  let groups: [Group]
  let keyColumns: [Int]
  /// In no group.
  let plainColumns: [Int]
  /// Times and offsets, of which the greatest stays.
  let greatestColumns: [Int]
  let stateColumn: Int
  /// By column.
  let fieldIDs: [Int32]

  var needsBaseRows: Bool { true }

  init(
    _ groups: [SequenceGroup], _ definition: StreamDefinition, _ schema: Schema
  ) throws(StreamError) {
    fieldIDs = schema.fields.enumerated().map { $1.id ?? Int32(truncatingIfNeeded: $0 + 1) }
    keyColumns = try StreamLayout.places(definition.primaryKey, schema, "primary key")
    guard let state = schema.index(of: StreamColumns.mergeState) else {
      throw StreamError(
        .invalidArgument, "the table has no column \(StreamColumns.mergeState)",
        column: StreamColumns.mergeState)
    }
    stateColumn = state
    var taken = Set(keyColumns)
    var made: [Group] = []
    for group in groups {
      guard !group.sequence.isEmpty else {
        throw StreamError(
          .invalidArgument, "a sequence group needs sequence columns; leave columns without out",
          column: group.columns.first)
      }
      let sequence = try StreamLayout.places(group.sequence, schema, "sequence group")
      let columns = try StreamLayout.places(group.columns, schema, "sequence group")
      for column in sequence + columns where !taken.insert(column).inserted {
        throw StreamError(
          .invalidArgument, "the column is in two sequence groups, or in one and in the key",
          column: schema.fields[column].name)
      }
      made.append(
        Group(
          sequence: try KeyEncoder(schema, columns: sequence, nulls: .first),
          sequenceColumns: sequence, columns: columns, id: fieldIDs[sequence[0]]))
    }
    self.groups = made
    greatestColumns = try StreamLayout.places(StreamColumns.added.map(\.name), schema, "stream")
    taken.formUnion(greatestColumns)
    taken.insert(state)
    plainColumns = schema.fields.indices.filter { !taken.contains($0) }
  }

  func versions(_ rows: RecordBatch, deletes: [Bool]) throws(StreamError) -> ArrayData? { nil }

  func merge(_ input: MergeInput) throws(StreamError) -> MergeOutput {
    var sequences: [ArrayData] = []
    for group in groups { sequences.append(try group.sequence.encode(input.rows)) }
    var fold = PartialUpdateFold(self, input, sequences)
    for key in 0..<input.keyCount { try fold.fold(key) }
    return try fold.finish()
  }
}

/// One merge: goes through the keys one after the other.
private struct PartialUpdateFold {
  private let merger: PartialUpdateMerger
  private let input: MergeInput
  /// Of each group, encoded.
  private let sequences: [ArrayData]
  /// Of `sequences`, which are held as long.
  private let views: [BytesView]
  private let candidates: MergeCandidates

  private enum Sequence {
    /// That of a row, in the group concerned.
    case row(Int)
    case bytes([UInt8])
  }

  /// What a group is so far.
  private struct GroupState {
    /// The row of the greatest sequence.
    var top: Int?
    var deleted: Sequence?
  }

  private var outcomes: [MergeOutcome] = []
  /// For each column, the row of each key's value, or -1.
  private var winners: [[Int]]
  private var states: [[UInt8]?] = []
  /// The keys that have a row or a tombstone.
  private var keys: [Int] = []

  // Of the key that is being folded.
  private var groups: [GroupState] = []
  private var rows: [Int]
  private var valueSequences: [Sequence?]
  private var hasPlainVersion = false

  init(_ merger: PartialUpdateMerger, _ input: MergeInput, _ sequences: [ArrayData]) {
    self.merger = merger
    self.input = input
    self.sequences = sequences
    views = sequences.map { BytesView($0) }
    // Without groups a delete leaves nothing behind.
    candidates = MergeCandidates(input, sinceDelete: merger.groups.isEmpty)
    let columnCount = input.rows.columns.count
    winners = [[Int]](repeating: [], count: columnCount)
    rows = [Int](repeating: -1, count: columnCount)
    valueSequences = [Sequence?](repeating: nil, count: columnCount)
  }

  private func bytes(_ sequence: Sequence, _ group: Int) -> [UInt8] {
    switch sequence {
    case .row(let row): sequences[group].byteArray(row)
    case .bytes(let bytes): bytes
    }
  }

  /// Below 0 when the first comes before the second.
  private func order(_ a: Sequence, _ b: Sequence, _ group: Int) -> Int {
    if case .row(let a) = a, case .row(let b) = b {
      return VersionBytes.compare(views[group], a, views[group], b)
    }
    let (x, y) = (bytes(a, group), bytes(b, group))
    return x == y ? 0 : x.lexicographicallyPrecedes(y) ? -1 : 1
  }

  private func takesPart(_ row: Int, _ group: Int) -> Bool {
    merger.groups[group].sequenceColumns.contains { input.rows.columns[$0].isValid(row) }
  }

  mutating func fold(_ key: Int) throws(StreamError) {
    groups = [GroupState](repeating: GroupState(), count: merger.groups.count)
    for column in rows.indices {
      rows[column] = -1
      valueSequences[column] = nil
    }
    hasPlainVersion = false
    for (place, row) in candidates[key].enumerated() {
      if place == 0, candidates.hasBase(key) {
        try start(row, isPresent: input.base.states[key] == .present)
      } else if input.isDelete(row) {
        delete(row)
      } else {
        upsert(row)
      }
    }
    let isAlive = hasPlainVersion || groups.contains { $0.top != nil }
    if isAlive {
      outcomes.append(.upsert)
    } else if !merger.groups.isEmpty {
      outcomes.append(.tombstone)
    } else {
      outcomes.append(input.base.states[key] == .absent ? .unchanged : .removed)
      return
    }
    for column in merger.keyColumns { rows[column] = candidates[key].first ?? -1 }
    for column in rows.indices { winners[column].append(rows[column]) }
    states.append(state())
    keys.append(key)
  }

  private mutating func start(_ row: Int, isPresent: Bool) throws(StreamError) {
    let state = try MergeState(input.rows.columns[merger.stateColumn], row)
    for (number, group) in merger.groups.enumerated() {
      groups[number].deleted = state.deletes[group.id].map { .bytes($0) }
      if takesPart(row, number) { take(row, number) }
      for column in group.columns where input.rows.columns[column].isValid(row) {
        rows[column] = row
        valueSequences[column] =
          state.columns[merger.fieldIDs[column]].map { .bytes($0) } ?? .row(row)
      }
    }
    for column in merger.plainColumns where input.rows.columns[column].isValid(row) {
      rows[column] = row
    }
    hasPlainVersion = isPresent && groups.allSatisfy { $0.top == nil }
  }

  /// Makes a row the greatest of a group.
  private mutating func take(_ row: Int, _ group: Int) {
    groups[group].top = row
    for column in merger.groups[group].sequenceColumns {
      rows[column] = input.rows.columns[column].isValid(row) ? row : -1
    }
  }

  private mutating func upsert(_ row: Int) {
    var isPlain = true
    for (number, group) in merger.groups.enumerated() where takesPart(row, number) {
      isPlain = false
      let sequence = Sequence.row(row)
      if let deleted = groups[number].deleted, order(sequence, deleted, number) < 0 { continue }
      if groups[number].top.map({ order(sequence, .row($0), number) >= 0 }) ?? true {
        take(row, number)
      }
      for column in group.columns where input.rows.columns[column].isValid(row) {
        if let known = valueSequences[column], order(sequence, known, number) < 0 { continue }
        rows[column] = row
        valueSequences[column] = sequence
      }
    }
    for column in merger.plainColumns where input.rows.columns[column].isValid(row) {
      rows[column] = row
    }
    if isPlain { hasPlainVersion = true }
  }

  private mutating func delete(_ row: Int) {
    let named = merger.groups.indices.filter { takesPart(row, $0) }
    for number in named.isEmpty ? Array(merger.groups.indices) : named {
      let sequence: Sequence
      if !named.isEmpty {
        sequence = .row(row)
      } else if let top = groups[number].top {
        sequence = .row(top)
      } else {
        continue
      }
      let known = groups[number].deleted
      if known.map({ order(sequence, $0, number) < 0 }) ?? false { continue }
      groups[number].deleted = sequence
      if let top = groups[number].top, order(.row(top), sequence, number) <= 0 {
        groups[number].top = nil
        for column in merger.groups[number].sequenceColumns { rows[column] = -1 }
      }
      for column in merger.groups[number].columns {
        guard let value = valueSequences[column], order(value, sequence, number) <= 0 else {
          continue
        }
        rows[column] = -1
        valueSequences[column] = nil
      }
    }
    for column in merger.plainColumns { rows[column] = -1 }
    hasPlainVersion = false
  }

  /// What the row's columns do not show.
  private func state() -> [UInt8]? {
    var state = MergeState()
    for (number, group) in merger.groups.enumerated() {
      if let deleted = groups[number].deleted { state.deletes[group.id] = bytes(deleted, number) }
      guard let top = groups[number].top else { continue }
      for column in group.columns {
        guard let sequence = valueSequences[column], order(sequence, .row(top), number) != 0
        else { continue }
        state.columns[merger.fieldIDs[column]] = bytes(sequence, number)
      }
    }
    return state.encoded
  }

  func finish() throws(StreamError) -> MergeOutput {
    var columns: [ArrayData] = []
    for (place, column) in input.rows.columns.enumerated() {
      if place == merger.stateColumn {
        columns.append(try bytesArray(states))
        continue
      }
      let isGreatest = merger.greatestColumns.contains(place)
      let rows = isGreatest ? candidates.greatest(keys, place) : winners[place]
      columns.append(
        try columnar { () throws(ColumnarError) in
          try takeRows(column, rows, rows.contains(-1) ? .null : .none)
        })
    }
    return MergeOutput(
      outcomes: outcomes,
      rows: RecordBatch(
        trusted: input.rows.schema, columns: columns, rowCount: states.count),
      versions: merger.noVersions(states.count))
  }
}
