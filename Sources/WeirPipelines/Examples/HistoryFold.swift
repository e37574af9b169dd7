// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// The whole of a stream's events in the order in which they were known.
struct KnownEvents {
  /// Sorted by (known-at time, shard, offset).
  let batch: RecordBatch
  /// Microseconds, ascending.
  let knownAts: [Int64]
  let shards: [Int64]
  let offsets: [Int64]

  init(_ events: RecordBatch) throws(StreamError) {
    func ints(_ name: String) throws(StreamError) -> [Int64] {
      guard let column = events[name] else {
        throw StreamError(.invalidArgument, "the events lack the column", column: name)
      }
      return (0..<events.rowCount).map { row in
        if case .int(let value) = column.scalar(at: row) { value } else { 0 }
      }
    }
    let known = try ints(StreamColumns.knownAt)
    let shards = try ints(StreamColumns.shard)
    let offsets = try ints(StreamColumns.offset)
    let order = (0..<events.rowCount).sorted {
      (known[$0], shards[$0], offsets[$0]) < (known[$1], shards[$1], offsets[$1])
    }
    do throws(ColumnarError) { batch = try events.take(order) } catch { throw StreamError(error) }
    knownAts = order.map { known[$0] }
    self.shards = order.map { shards[$0] }
    self.offsets = order.map { offsets[$0] }
  }
}

/// One source of features as it was known at times that only go forward.
protocol HistorySource: AnyObject {
  /// The values of an entity, of what was known before a time.
  func values(of key: Scalar, at time: Int64) -> [Scalar]
}

/// The states of a profile's entities, folded in the order in which events were known.
final class ProfileFold: HistorySource {
  private let source: FeatureSource
  private let known: KnownEvents
  private let events: ProfileEvents
  /// Of `events.rows`: the entity of each.
  private var entities: [Int] = []
  private var codes: [Scalar: Int] = [:]
  private var states: [ProfileState] = []
  private let none: ProfileState
  /// The next of `events.rows`.
  private var next = 0

  init(_ source: FeatureSource, _ known: KnownEvents) throws(StreamError) {
    guard let profile = source.profile else { preconditionFailure("only profiles are folded") }
    let shape = try ProfileShape(profile.definition, profile.source)
    self.source = source
    self.known = known
    none = ProfileState(source.plans)
    events = try ProfileEvents(
      known.batch, eventTime: shape.eventTime, entity: profile.definition.entity,
      filter: shape.filter, source.plans)
    guard let keys = known.batch[source.entry.key] else {
      throw StreamError(.invalidArgument, "the events lack the column", column: source.entry.key)
    }
    entities.reserveCapacity(events.rows.count)
    for row in events.rows {
      let key = keys.scalar(at: row)
      let code = codes[key] ?? codes.count
      if code == codes.count { codes[key] = code }
      entities.append(code)
    }
    states = [ProfileState](repeating: none, count: codes.count)
  }

  func values(of key: Scalar, at time: Int64) -> [Scalar] {
    while next < events.rows.count, known.knownAts[events.rows[next]] < time {
      states[entities[next]].take(events.rows[next], of: events, source.plans)
      next += 1
    }
    return source.values(codes[key].map { states[$0] } ?? none, at: time)
  }
}

/// The rows of a keyed table: each as it is now, from when on it is known.
final class RowHistory: HistorySource {
  private var rows: [Scalar: (values: [Scalar], knownAt: Int64)] = [:]
  private let none: [Scalar]

  init(_ source: FeatureSource, _ batch: RecordBatch) {
    none = source.columns.map { _ in .null }
    guard let keys = batch[source.entry.key], let known = batch[StreamColumns.knownAt] else {
      return
    }
    // The last name is that of the offset.
    let columns = source.names.dropLast().map { batch[$0] }
    for row in 0..<batch.rowCount {
      guard case .int(let time) = known.scalar(at: row) else { continue }
      rows[keys.scalar(at: row)] = (columns.map { $0?.scalar(at: row) ?? .null }, time)
    }
  }

  func values(of key: Scalar, at time: Int64) -> [Scalar] {
    guard let row = rows[key], row.knownAt < time else { return none }
    return row.values
  }
}
