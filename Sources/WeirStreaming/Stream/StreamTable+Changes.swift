// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

// Changes between two states of the table, each a snapshot and rows of the log on it.
extension StreamTable {
  public func changes(
    from start: StreamPoint, to end: StreamPoint
  ) throws(StreamError) -> any StreamChangeReader {
    do throws(StreamError) {
      let now = try StreamMoment(self)
      let line = try StreamLine(now, shardCount: definition.shardCount)
      let to = try line.state(end)
      let from = try line.state(start)
      guard zip(from.position.offsets, to.position.offsets).allSatisfy({ $0 <= $1 }),
        line.isBefore(from.position.snapshotID, to.position.snapshotID)
      else {
        throw StreamError(
          .invalidArgument,
          "the changes go from \(from.position) to \(to.position), which does not lie behind it")
      }
      let ids = line.between(from.position.snapshotID, to.position.snapshotID)
      let use = try uses.begin(ids)
      do throws(StreamError) {
        let reader = try ChangeRun(self, now, from: from, to: to).reader()
        return HoldingChangeReader(reader, use) { [weak self] in self?.expired(ids) ?? nil }
      } catch { throw expired(ids) ?? error }
    } catch { throw error.adding(stream: "\(definition.table)") }
  }
}

/// What readers of a stream go by at one moment.
struct StreamMoment {
  let state: StreamTable.Published
  /// Where the rows in memory end, by shard.
  let ends: [Int64]
  /// Of keyed tables: the key indexes, which are of the published snapshot.
  let readers: [(any KeyIndexReader)?]

  init(_ stream: StreamTable) throws(StreamError) {
    (state, ends, readers) = try stream.published.withLock { published throws(StreamError) in
      var ends: [Int64] = []
      var readers: [(any KeyIndexReader)?] = []
      for shard in stream.shards {
        ends.append(shard.memory.offsets.upperBound)
        readers.append(try shard.index?.reader())
      }
      return (published, ends, readers)
    }
  }

  /// The index of a shard, when it is of a snapshot.
  func reader(_ shard: Int, at snapshotID: Int64?) -> (any KeyIndexReader)? {
    guard let reader = readers[shard], reader.position?.snapshotID == snapshotID ?? 0,
      reader.position?.offset == state.covered.ends[shard]
    else { return nil }
    return reader
  }
}

/// The snapshots of a stream's table, from the current one back, and which rows of the log each has.
struct StreamLine {
  /// A state: a snapshot with the rows that it has, and the position that is meant.
  struct State {
    var position: StreamPosition
    /// Rows of the log that the snapshot has.
    var covered: [Int64]
  }

  private let moment: StreamMoment
  /// The latest first.
  private var snapshots: [(id: Int64, covered: [Int64])] = []
  /// Whether the table's first snapshot is among them.
  private let isWhole: Bool

  init(_ moment: StreamMoment, shardCount: Int) throws(StreamError) {
    self.moment = moment
    let metadata = moment.state.metadata
    let line = metadata.currentSnapshotID.map { metadata.ancestors(of: $0) } ?? []
    isWhole = line.last.map { $0.parentID == nil } ?? true
    var known: [[Int64]?] = []
    for snapshot in line { known.append(try StreamOffsets(snapshot, shardCount: shardCount)?.ends) }
    // A commit of somebody else has the rows that the one before it has. Where that one has expired
    // nobody can tell, but for the current snapshot, of which the table itself says so.
    var covered = isWhole ? [Int64](repeating: 0, count: shardCount) : nil
    for (snapshot, ends) in zip(line, known).reversed() {
      covered = ends ?? covered
      if snapshot.snapshotID == metadata.currentSnapshotID { covered = moment.state.covered.ends }
      if let covered { snapshots.append((snapshot.snapshotID, covered)) }
    }
    snapshots.reverse()
  }

  private var nothing: [Int64] { moment.ends.map { _ in 0 } }

  func state(_ point: StreamPoint) throws(StreamError) -> State {
    switch point {
    case .earliest:
      guard isWhole else { throw Self.expired("the empty table") }
      return State(
        position: StreamPosition(snapshotID: nil, offsets: nothing), covered: nothing)
    case .latest:
      let id = moment.state.metadata.currentSnapshotID
      return State(
        position: StreamPosition(snapshotID: id, offsets: moment.ends),
        covered: snapshots.first?.covered ?? nothing)
    case .snapshot(let id):
      let covered = try covered(id)
      return State(position: StreamPosition(snapshotID: id, offsets: covered), covered: covered)
    case .position(let position):
      try check(position.offsets)
      let covered = try covered(position.snapshotID)
      guard zip(covered, position.offsets).allSatisfy({ $0 <= $1 }) else {
        throw StreamError(
          .invalidArgument, "the snapshot of the position \(position) has rows beyond it")
      }
      return State(position: position, covered: covered)
    case .offsets(let named):
      var offsets = nothing
      for (shard, offset) in named {
        guard offsets.indices.contains(shard) else {
          throw StreamError(.notFound, "the stream has no such shard", shard: shard)
        }
        offsets[shard] = offset
      }
      guard named.count == offsets.count else {
        throw StreamError(
          .invalidArgument, "the position names \(named.count) of \(offsets.count) shards")
      }
      try check(offsets)
      let base = snapshots.first { zip($0.covered, offsets).allSatisfy { $0 <= $1 } }
      guard base != nil || isWhole else { throw Self.expired("the snapshot before the position") }
      return State(
        position: StreamPosition(snapshotID: base?.id, offsets: offsets),
        covered: base?.covered ?? nothing)
    }
  }

  private static func expired(_ what: String) -> StreamError {
    StreamError(.notFound, "\(what) has expired; start from a later position")
  }

  private func covered(_ id: Int64?) throws(StreamError) -> [Int64] {
    guard let id else {
      guard isWhole else { throw Self.expired("the empty table") }
      return nothing
    }
    guard let found = snapshots.first(where: { $0.id == id }) else {
      throw StreamError(
        .notFound, "the snapshot \(id) is not among those of the table now; it may have expired")
    }
    return found.covered
  }

  private func check(_ offsets: [Int64]) throws(StreamError) {
    guard offsets.count == moment.ends.count else {
      throw StreamError(
        .invalidArgument, "the position names \(offsets.count) of \(moment.ends.count) shards")
    }
    for (shard, (offset, end)) in zip(offsets, moment.ends).enumerated() where offset > end {
      throw StreamError(
        .notFound, "the offset \(offset) is not there yet, the log ends at \(end)", shard: shard)
    }
  }

  /// The snapshots from the first one on, or from the beginning, to the second one: what changed between
  /// them is found in all of them.
  func between(_ first: Int64?, _ second: Int64?) -> [Int64] {
    let line = second.map { moment.state.metadata.ancestors(of: $0).map(\.snapshotID) } ?? []
    let count = line.firstIndex { $0 == first }.map { $0 + 1 } ?? line.count
    return Array(line.prefix(count))
  }

  /// Whether the first snapshot is the second one or one of those it was built on.
  func isBefore(_ first: Int64?, _ second: Int64?) -> Bool {
    guard let first else { return true }
    guard let second, let place = snapshots.firstIndex(where: { $0.id == first }),
      let other = snapshots.firstIndex(where: { $0.id == second })
    else { return false }
    return other <= place
  }
}
