// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirPipelines
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

struct ProfileRunnerTests {
  private static func runner(_ streams: Streams, batchRows: Int) throws -> ProfileRunner {
    let profile = try Sample.profile()
    return try ProfileRunner(
      profile, source: streams.stream(profile.source), target: streams.stream(profile.table),
      positions: streams.stream(TableIdentifier(parsing: PipelinePositions.tableName)),
      batchRows: batchRows)
  }

  private static func put(_ events: [Event], _ stream: any ServedStream, _ streams: Streams) throws
  {
    let answer = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    let batch = try Sample.batch(events, stream.inputSchema)
    stream.append(StreamAppend(batches: [batch])) { result in answer.withLock { $0 = result } }
    while streams.step() {}
    _ = try #require(answer.withLock { $0 }).get()
  }

  private static func rows(_ stream: any ServedStream) throws -> [String] {
    let reader = try stream.scan(StreamScan())
    var result: [String] = []
    while let batch = try reader.next() { result += NaiveProfile.rows(table: batch) }
    return result.sorted()
  }

  /// Events come while the service dies again and again; in the end the profiles are those of all
  /// events. The log keeps nothing that the table has, so that restarts read the table, too.
  @Test(arguments: 1...12)
  func profilesAreThoseOfAllEventsThroughCrashes(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try World(seed: UInt64(seed))
    let profile = try Sample.profile()
    var events = Sample.events(random.int(50...250), &random)
    var process = 0
    while true {
      let (streams, disk) = try world.start("p\(process)", World.sample())
      process += 1
      let source = try streams.stream(profile.source)
      let runner = try Self.runner(streams, batchRows: random.int(1...60))
      let lives = random.int(5...60)
      for _ in 0..<lives {
        if !events.isEmpty, random.chance(0.4) {
          let count = min(events.count, random.int(1...20))
          try Self.put(Array(events.prefix(count)), source, streams)
          events.removeFirst(count)
        }
        _ = try runner.step()
        if random.chance(0.5) { world.advance() }
        if random.chance(0.7) { streams.step() }
      }
      if events.isEmpty, random.chance(0.5) {
        try Self.finish(runner, streams)
        try Self.check(streams, profile)
        _ = streams.close()
        return
      }
      world.disk.kill(disk)
      _ = streams.close(drains: false)
    }
  }

  private static func finish(_ runner: ProfileRunner, _ streams: Streams) throws {
    var idle = 0
    while idle < 3 {
      let progress = try runner.step()
      let worked = streams.step()
      if case .idle = progress, !worked { idle += 1 } else { idle = 0 }
    }
  }

  /// The table of profiles is that of the plainest means, from the events as a scan shows them.
  private static func check(_ streams: Streams, _ profile: ProfileDefinition) throws {
    let reader = try streams.stream(profile.source).scan(StreamScan())
    var events: [(event: Event, shard: Int, offset: Int64)] = []
    while let batch = try reader.next() {
      func int(_ name: String, _ row: Int) -> Int64? {
        if case .int(let value)? = batch[name]?.scalar(at: row) { value } else { nil }
      }
      for row in 0..<batch.rowCount {
        var price: Double?
        if case .float64(let value)? = batch["price"]?.scalar(at: row) { price = value }
        guard case .string(let kind)? = batch["kind"]?.scalar(at: row) else { continue }
        events.append(
          (
            Event(
              user: int("user", row), kind: kind, price: price, time: int("at", row),
              knownAt: int("_known_at", row) ?? 0),
            Int(int("_shard", row) ?? 0), int("_offset", row) ?? 0
          ))
      }
    }
    #expect(try rows(streams.stream(profile.table)) == NaiveProfile.rows(events))
  }

  /// A table that is filled afterwards has the same bits as one that was kept up live.
  @Test func aBackfillEqualsLive() throws {
    var random = SeededRandom(seed: 3)
    let events = Sample.events(300, &random)
    var states: [[String]] = []
    for isLive in [true, false] {
      let world = try World(seed: 5)
      let (streams, _) = try world.start("p", World.sample())
      let profile = try Sample.profile()
      let source = try streams.stream(profile.source)
      let runner = try Self.runner(streams, batchRows: isLive ? 7 : 1_000)
      for start in stride(from: 0, to: events.count, by: 15) {
        try Self.put(Array(events[start..<min(events.count, start + 15)]), source, streams)
        if isLive { try Self.finish(runner, streams) }
        world.advance()
        streams.step()
      }
      try Self.finish(runner, streams)
      let reader = try streams.stream(profile.table).scan(
        StreamScan(columns: ["user", ProfileOperator.stateColumn]))
      var found: [String] = []
      while let batch = try reader.next() {
        for row in 0..<batch.rowCount {
          found.append("\(batch.columns.map { $0.scalar(at: row) })")
        }
      }
      states.append(found.sorted())
      _ = streams.close()
    }
    #expect(states[0] == states[1])
    #expect(!states[0].isEmpty)
  }
}
