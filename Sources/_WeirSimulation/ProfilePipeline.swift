// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A profile. What its rows should be is worked out from the acknowledged events alone, in two ways: by the
/// plainest means, and by the pipeline's fold without any fault, all events at once, bit for bit.
final class ProfilePipeline: SimulatedPipeline {
  /// Of one user; the offset behind the last event that is looked at, by shard.
  private struct Moment: Hashable {
    var user: Int64
    var positions: [Int: Int64]
  }

  private var sender: SimulatedEvents
  private let schema: Schema
  private let isRobotLeftOut: Bool
  private let fold: ProfileOperator
  /// Of events as the fold takes them.
  private let eventSchema: Schema
  /// Acknowledged events by shard and offset, with the columns that the log adds.
  private var events: [AcknowledgedRows]
  /// Rows that were worked out before: events below an offset stay the same.
  private var known: [Moment: [String: Scalar]] = [:]
  private static let knownCountMax = 4_000

  init(_ random: inout SeededRandom) throws {
    sender = try SimulatedEvents(&random)
    let (source, profile) = (sender.source, sender.profile)
    isRobotLeftOut = profile.filter != nil
    schema = Schema(sender.target.columns.fields + [StreamColumns.knownAtField])
    events = Array(repeating: AcknowledgedRows(), count: source.shardCount)
    fold = try ProfileOperator(profile, source: source, store: NoStates(), cacheCount: 0)
    eventSchema = Schema(
      source.columns.fields
        + [StreamColumns.knownAtField, StreamColumns.shardField, StreamColumns.offsetField])
  }

  var summary: String {
    let (source, profile) = (sender.source, sender.profile)
    return
      "a profile, shards \(source.shardCount) by \(source.shardKey) and \(profile.shardCount), "
      + "features \(profile.features.map(\.name))"
  }

  var inputs: [StreamDefinition] { [sender.source] }
  var target: StreamDefinition { sender.target }
  var columns: [String] { schema.fields.map(\.name) }
  var identity: [String] { ["value"] }

  func runner(
    _ streams: (TableIdentifier) throws -> any ServedStream, _ random: inout SeededRandom
  ) throws -> any PipelineRunner {
    try ProfileRunner(
      sender.profile, source: streams(sender.source.table), target: streams(target.table),
      positions: streams(TableIdentifier(parsing: PipelinePositions.tableName)),
      batchRows: random.pick([1, 5, 20, 60, 1_000]), cacheCount: random.pick([0, 3, 100]))
  }

  func rows(_ random: inout SeededRandom, now: Int64) -> (input: Int, rows: [LoggedRow]) {
    (0, sender.events(&random, now: now))
  }

  func acknowledge(_ row: LoggedRow, input: Int, shard: Int, offset: Int64) -> Bool {
    if let known = events[shard][offset] { return known == row }
    events[shard].insert(row, at: offset)
    return true
  }

  func keys() throws -> RecordBatch {
    let keys = PrimitiveBuilder<Int64>(.int64)
    for user in 0...SimulatedEvents.userCount { keys.append(Int64(user)) }
    return try RecordBatch(
      schema: Schema([Field("user", .int64, nullable: false)]), columns: [keys.finish()])
  }

  // MARK: What should be there

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

  /// Each row is what is made of the events that it says are in it; what it must hold is among them.
  func check(_ rows: [[Scalar]: [String: Scalar]], _ extent: PipelineExtent) throws {
    for user in 0..<Int64(SimulatedEvents.userCount) {
      var positions: [Int: Int64] = [:]
      if let row = rows[[.int(user)]] {
        guard case .binary(let state)? = row[ProfileOperator.stateColumn] else {
          throw PipelineMismatch(description: "a row without state: \(row)")
        }
        positions = try fold.positions(of: state)
        try check(row, Moment(user: user, positions: positions))
      }
      let floor: [Int: Int64]?
      switch extent {
      case .some: floor = [:]
      case .noted(let notes): floor = notes["\(target.table)"] ?? [:]
      case .all: floor = nil
      }
      for event in events(of: user, below: floor)
      where positions[event.shard] ?? 0 <= event.offset {
        throw PipelineMismatch(
          description:
            "the user \(user) lacks the event \(event.shard)/\(event.offset): those below "
            + "\(positions) are there")
      }
    }
    guard rows.count <= SimulatedEvents.userCount else {
      throw PipelineMismatch(description: "rows of other users: \(rows.keys)")
    }
  }

  private func check(_ row: [String: Scalar], _ moment: Moment) throws {
    let wanted = try wanted(moment)
    for name in columns where row[name] ?? .null != wanted[name] ?? .null {
      throw PipelineMismatch(
        description: "the user \(moment.user) with the events below \(moment.positions), column "
          + "\(name): \(row[name] ?? .null), should be \(wanted[name] ?? .null)")
    }
  }

  private func wanted(_ moment: Moment) throws -> [String: Scalar] {
    if let found = known[moment] { return found }
    let events = events(of: moment.user, below: moment.positions)
    guard !events.isEmpty else {
      throw PipelineMismatch(description: "the user \(moment.user) has a row and no events")
    }
    let rows = try fold.apply(
      SimulatedRows.batch(events.map(\.row), eventSchema), schema: schema)
    fold.forget()
    var result: [String: Scalar] = [:]
    for (field, column) in zip(schema.fields, rows?.columns ?? []) {
      result[field.name] = column.scalar(at: 0)
    }
    let naive = NaiveProfile(events)
    for name in columns {
      guard let value = naive.value(name), value != result[name] else { continue }
      throw PipelineMismatch(
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
