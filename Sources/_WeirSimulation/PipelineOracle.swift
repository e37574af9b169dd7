// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming

/// What the rows of a profile should be, worked out from the acknowledged events alone, in two ways: by the
/// plainest means, and by the pipeline's fold without any fault, all events at once, bit for bit.
final class PipelineOracle {
  /// A cell of a row is not what it should be.
  struct Mismatch: Error, CustomStringConvertible {
    var description: String
  }

  /// Of one user; the offset behind the last event that is looked at, by shard.
  private struct Moment: Hashable {
    var user: Int64
    var positions: [Int: Int64]
  }

  private let profile: ProfileDefinition
  private let source: StreamDefinition
  private let target: Schema
  private let isRobotLeftOut: Bool
  private let fold: ProfileOperator
  private let schema: Schema
  /// Acknowledged events by shard and offset, with the columns that the log adds.
  private(set) var events: [AcknowledgedRows]
  /// Rows that were worked out before: events below an offset stay the same.
  private var known: [Moment: [String: Scalar]] = [:]
  private static let knownCountMax = 4_000

  init(_ world: SimulatedEvents) throws {
    profile = world.profile
    source = world.source
    isRobotLeftOut = profile.filter != nil
    target = Schema(world.target.columns.fields + [StreamColumns.knownAtField])
    events = Array(repeating: AcknowledgedRows(), count: source.shardCount)
    fold = try ProfileOperator(profile, source: source, store: NoStates(), cacheCount: 0)
    schema = Schema(
      source.columns.fields
        + [StreamColumns.knownAtField, StreamColumns.shardField, StreamColumns.offsetField])
  }

  /// The columns that are compared.
  var columns: [String] { target.fields.map(\.name) }

  func acknowledge(_ row: LoggedRow, shard: Int, offset: Int64) -> Bool {
    if let known = events[shard][offset] { return known == row }
    events[shard].insert(row, at: offset)
    return true
  }

  private func counts(_ row: LoggedRow, for user: Int64) -> Bool {
    row.values["user"] == .int(user) && row.values["at"] != .null
      && !(isRobotLeftOut && row.values["kind"] == .string("robot"))
  }

  /// The user's events below some offsets; all with `nil`.
  private func events(
    of user: Int64, below positions: [Int: Int64]?
  ) -> [(shard: Int, offset: Int64, row: LoggedRow)] {
    events.enumerated().flatMap { shard, rows in
      rows.below(positions.map { $0[shard] ?? 0 }).filter { counts($0.row, for: user) }
        .map { (shard, $0.offset, $0.row) }
    }
  }

  /// The offset behind the user's last event in each shard, of those below some offsets.
  func positions(of user: Int64, below positions: [Int: Int64]? = nil) -> [Int: Int64] {
    Dictionary(
      events(of: user, below: positions).map { ($0.shard, $0.offset + 1) }, uniquingKeysWith: max)
  }

  /// Which events are in a row, as it says itself.
  func positions(in row: [String: Scalar]) throws -> [Int: Int64] {
    guard case .binary(let state)? = row[ProfileOperator.stateColumn] else {
      throw Mismatch(description: "a row without state: \(row)")
    }
    return try fold.positions(of: state)
  }

  /// Compares a row with what is made of the events that it says are in it.
  func check(_ row: [String: Scalar], of user: Int64) throws {
    let positions = try positions(in: row)
    let wanted = try wanted(Moment(user: user, positions: positions))
    for name in columns where row[name] ?? .null != wanted[name] ?? .null {
      throw Mismatch(
        description: "the user \(user) with the events below \(positions), column \(name): "
          + "\(row[name] ?? .null), should be \(wanted[name] ?? .null)")
    }
  }

  private func wanted(_ moment: Moment) throws -> [String: Scalar] {
    if let found = known[moment] { return found }
    let events = events(of: moment.user, below: moment.positions)
    guard !events.isEmpty else {
      throw Mismatch(description: "the user \(moment.user) has a row and no events")
    }
    let rows = try fold.apply(
      SimulatedRows.batch(events.map(\.row), schema), schema: target)
    fold.forget()
    var result: [String: Scalar] = [:]
    for (field, column) in zip(target.fields, rows?.columns ?? []) {
      result[field.name] = column.scalar(at: 0)
    }
    let naive = NaiveProfile(events)
    for name in columns {
      guard let value = naive.value(name), value != result[name] else { continue }
      throw Mismatch(
        description: "without any fault, the user \(moment.user) with the events below "
          + "\(moment.positions), column \(name): \(result[name] ?? .null), should be \(value)")
    }
    if known.count >= Self.knownCountMax { known = [:] }
    known[moment] = result
    return result
  }
}

/// Where nothing is remembered.
private final class NoStates: ProfileStore {
  func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?] {
    [[UInt8]?](repeating: nil, count: entities.rowCount)
  }
}
