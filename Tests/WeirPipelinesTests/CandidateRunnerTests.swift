// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines
@testable internal import WeirStreaming

/// Events, their profiles, the attributes of items, and candidates of all kinds.
private struct Market {
  let sources: [StreamDefinition]
  let pipelines: PipelineDefinitions
  let streams: [StreamDefinition]

  static let names = ["shop.trending", "shop.similar", "shop.fresh"]

  init() throws {
    func name(_ text: String) throws -> TableIdentifier { try TableIdentifier(parsing: text) }
    func columns(_ fields: [Field]) throws -> Schema {
      try TableSchema(arrow: Schema(fields)).arrowSchema()
    }
    let time = DataType.timestamp(.microsecond, timeZone: "UTC")
    var events = StreamDefinition(
      table: try name("shop.events"),
      columns: try columns([Field("user", .int64), Field("item", .int64), Field("at", time)]))
    events.eventTime = "at"
    events.shardCount = 2
    events.shardKey = ["item"]
    events.logRetentionSeconds = 0
    events.flush.intervalMilliseconds = 100
    var items = StreamDefinition(
      table: try name("shop.items"),
      columns: try columns([
        Field("item", .int64, nullable: false), Field("category", .utf8), Field("since", time),
      ]))
    items.primaryKey = ["item"]
    items.merge = .partialUpdate([])
    items.logRetentionSeconds = 0
    items.flush.intervalMilliseconds = 100
    let users = ProfileDefinition(
      table: try name("shop.users"), source: events.table, entity: ["user"],
      features: [ProfileFeature("recent", .last(columns: ["item"], count: 6))])
    let heat = ProfileDefinition(
      table: try name("shop.heat"), source: events.table, entity: ["item"],
      features: [ProfileFeature("trend", .decayedCount(halfLifeMicroseconds: Sample.hour))])
    var trending = CandidateDefinition(
      table: try name(Self.names[0]), source: heat.table, kind: .trending(feature: "trend"))
    trending.count = 5
    var similar = CandidateDefinition(
      table: try name(Self.names[1]), source: users.table,
      kind: .similar(SimilarItems(feature: "recent", column: "item", shrinkage: 2)))
    similar.count = 4
    similar.shardCount = 2
    var fresh = CandidateDefinition(
      table: try name(Self.names[2]), source: items.table, kind: .fresh(time: "since"))
    fresh.by = ["category"]
    fresh.count = 3
    sources = [events, items]
    pipelines = PipelineDefinitions(
      profiles: [users, heat], candidates: [trending, similar, fresh])
    streams = try sources + pipelines.streams(sources: sources)
  }
}

/// One process with all of it.
private final class Run {
  let streams: Streams
  let disk: any Disk
  let runners: [any PipelineRunner]

  init(_ shop: Market, _ world: World, _ name: String, batchRows: Int) throws {
    (streams, disk) = try world.start(name, shop.streams)
    let streams = streams
    let positions = try streams.stream(PipelinePositions.table())
    let profiles = try shop.pipelines.profiles.map { profile in
      try ProfileRunner(
        profile, source: streams.stream(profile.source), target: streams.stream(profile.table),
        positions: positions, batchRows: batchRows)
    }
    let candidates = try shop.pipelines.candidates.map { definition in
      try CandidateRunner(
        definition, profile: shop.pipelines.profile(of: definition),
        source: streams.stream(definition.source), target: streams.stream(definition.table),
        batchRows: batchRows)
    }
    runners = profiles + candidates
  }

  func put(_ table: String, _ rows: [[String: Scalar]]) throws {
    let stream = try streams.stream(TableIdentifier(parsing: table))
    let builder = RecordBatchBuilder(stream.inputSchema)
    for row in rows {
      try builder.append(row: stream.inputSchema.fields.map { row[$0.name] ?? .null })
    }
    let answer = AppendAnswer()
    stream.append(StreamAppend(batches: [try builder.finish()])) { answer.set($0) }
    while streams.step() {}
    _ = try #require(answer.value).get()
  }

  /// Until nothing is left to be done.
  func finish(_ world: World) throws {
    var idle = 0
    while idle < 4 {
      var hasWorked = false
      for runner in runners {
        if case .worked = try runner.step() { hasWorked = true }
        if streams.step() { hasWorked = true }
      }
      world.advance()
      idle = hasWorked ? 0 : idle + 1
    }
  }

  func rows(_ table: String) throws -> [RecordBatch] {
    let reader = try streams.stream(TableIdentifier(parsing: table)).scan(StreamScan())
    var result: [RecordBatch] = []
    while let batch = try reader.next() { result.append(batch) }
    return result
  }

  func lists(_ table: String) throws -> Lists {
    var result: Lists = [:]
    for batch in try rows(table) {
      result.merge(NaiveCandidates.lists(table: batch)) { "\($0) twice, and \($1)" }
    }
    return result
  }
}

struct CandidateRunnerTests {
  private struct Click {
    var user: Int64
    var item: Int64
    var time: Int64
  }

  private struct Item {
    var id: Int64
    var category: String?
    var since: Int64?
    var isGone = false
  }

  private static func clicks(_ count: Int, _ random: inout SeededRandom) -> [Click] {
    var clock = Sample.start
    return (0..<count).map { _ in
      clock += Int64(random.int(0...600)) * 1_000_000
      let late = random.chance(0.2) ? Int64(random.int(0...40)) * Sample.hour / 7 : 0
      let user = Int64(random.int(0...6))
      return Click(
        user: user, item: (user % 3) * 4 + Int64(random.int(0...6)), time: clock - late)
    }
  }

  private static func row(_ click: Click) -> [String: Scalar] {
    [
      "user": .int(click.user), "item": .int(click.item), "at": .int(click.time),
      "_known_at": .int(click.time + Sample.hour),
    ]
  }

  private static func row(_ item: Item) -> [String: Scalar] {
    [
      "item": .int(item.id), "category": item.category.map { .string($0) } ?? .null,
      "since": item.since.map { .int($0) } ?? .null, "_op": .int(item.isGone ? 1 : 0),
    ]
  }

  /// What the tables must hold, from the events in the order in which a scan shows their places.
  private static func expected(_ run: Run) throws -> [Lists] {
    var clicks: [(click: Click, shard: Int64, offset: Int64)] = []
    for batch in try run.rows("shop.events") {
      func int(_ name: String, _ row: Int) -> Int64 {
        if case .int(let value)? = batch[name]?.scalar(at: row) { value } else { -1 }
      }
      for row in 0..<batch.rowCount {
        clicks.append(
          (
            Click(user: int("user", row), item: int("item", row), time: int("at", row)),
            int("_shard", row), int("_offset", row)
          ))
      }
    }
    clicks.sort { ($0.click.time, $0.shard, $0.offset) > ($1.click.time, $1.shard, $1.offset) }
    let users = Dictionary(grouping: clicks, by: \.click.user)
    let lists = users.values.map { Array($0.prefix(6).map(\.click.item)) }
    let similar = NaiveCandidates.similar(lists, shrinkage: 2, depth: 6, least: 1, count: 4)
    // Sums of decayed weights as profiles make them; their own oracle is another test's.
    var sums: [Int64: DecayedSum] = [:]
    var times: [Int64: Int64] = [:]
    for (click, _, _) in clicks {
      sums[click.item, default: DecayedSum(halfLife: Sample.hour)].add(1, time: click.time)
      times[click.item] = max(times[click.item] ?? .min, click.time)
    }
    let latest = times.values.max() ?? 0
    let trending = NaiveCandidates.ranked(
      sums.map { item, sum in
        let rank = Rank.decayed(
          sum.value(at: times[item]!), at: times[item]!, halfLife: Sample.hour)!
        return ("", item, rank.decayed(at: latest, halfLife: Sample.hour), "trending")
      }, count: 5)
    var fresh: [(segment: String, item: Int64, score: Double, reason: String)] = []
    for batch in try run.rows("shop.items") {
      for row in 0..<batch.rowCount {
        guard case .int(let item)? = batch["item"]?.scalar(at: row),
          case .string(let category)? = batch["category"]?.scalar(at: row),
          case .int(let since)? = batch["since"]?.scalar(at: row)
        else { continue }
        let text = Scalar.int(since).text(as: .timestamp(.microsecond, timeZone: "UTC"))
        fresh.append((category, item, Double(since) / 1e6, "new in \(category) since \(text)"))
      }
    }
    return [trending, similar, NaiveCandidates.ranked(fresh, count: 3)]
  }

  /// Events and attributes come while the service dies again and again, some of them late, some twice:
  /// in the end the lists are those of all rows, to the last bit.
  @Test(arguments: 1...10)
  func candidatesAreThoseOfAllRowsThroughCrashes(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try World(seed: UInt64(seed))
    let shop = try Market()
    var clicks = Self.clicks(random.int(30...150), &random)
    var process = 0
    while true {
      let run = try Run(shop, world, "p\(process)", batchRows: random.int(1...60))
      process += 1
      for _ in 0..<random.int(5...80) {
        if !clicks.isEmpty, random.chance(0.3) {
          let count = min(clicks.count, random.int(1...20))
          let rows = clicks.prefix(count).map(Self.row)
          try run.put("shop.events", rows)
          if random.chance(0.1) { try run.put("shop.events", rows) }
          clicks.removeFirst(count)
        }
        if random.chance(0.2) {
          try run.put(
            "shop.items",
            (0..<random.int(1...3)).map { _ in
              Self.row(
                Item(
                  id: Int64(random.int(0...12)), category: random.pick([nil, "red", "blue"]),
                  since: random.chance(0.3)
                    ? nil : Sample.start + Int64(random.int(0...99)) * Sample.hour,
                  isGone: random.chance(0.3)))
            })
        }
        _ = try random.pick(run.runners).step()
        if random.chance(0.5) { world.advance() }
        if random.chance(0.7) { run.streams.step() }
      }
      if clicks.isEmpty, random.chance(0.5) {
        try run.finish(world)
        for (name, wanted) in zip(Market.names, try Self.expected(run)) {
          #expect(try run.lists(name) == wanted, "\(name), seed \(seed)")
        }
        try Self.restartWritesNothing(shop, world, run)
        return
      }
      world.disk.kill(run.disk)
      _ = run.streams.close(drains: false)
    }
  }

  /// After a start lists are compared with those that are written.
  private static func restartWritesNothing(_ shop: Market, _ world: World, _ run: Run) throws {
    _ = run.streams.close()
    let again = try Run(shop, world, "again", batchRows: 100)
    try again.finish(world)
    for runner in again.runners { #expect(runner.progress.writtenCount == 0) }
    _ = again.streams.close()
  }

  /// Tables that are filled afterwards have the same bits as those that were kept up live.
  @Test func aBackfillEqualsLive() throws {
    var random = SeededRandom(seed: 3)
    let clicks = Self.clicks(200, &random)
    var found: [[Lists]] = []
    for isLive in [true, false] {
      let world = try World(seed: 5)
      let run = try Run(Market(), world, "p", batchRows: isLive ? 7 : 1_000)
      for start in stride(from: 0, to: clicks.count, by: 15) {
        try run.put(
          "shop.events", clicks[start..<min(clicks.count, start + 15)].map(Self.row))
        if isLive { try run.finish(world) }
      }
      try run.finish(world)
      found.append(try Market.names.map { try run.lists($0) })
      _ = run.streams.close()
    }
    #expect(found[0] == found[1])
    #expect(found[0][1].count > 3)
  }

  /// No list that was known before a moment depends on what came after it.
  @Test(arguments: 1...6)
  func theFutureChangesNothing(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let clicks = Self.clicks(120, &random)
    let cut = random.int(20...100)
    var versions: [[String]] = []
    for isChanged in [false, true] {
      let world = try World(seed: 9)
      let run = try Run(Market(), world, "p", batchRows: 16)
      var knownAt = Int64.min
      for start in stride(from: 0, to: clicks.count, by: 10) {
        var part = Array(clicks[start..<min(clicks.count, start + 10)])
        if isChanged, start >= cut { for place in part.indices { part[place].item = 99 } }
        if start < cut {
          knownAt = max(knownAt, part.map { $0.time + Sample.hour }.max() ?? .min)
        }
        try run.put("shop.events", part.map(Self.row))
        try run.finish(world)
      }
      // All versions of all lists that were ever written and known by then.
      var found: [String] = []
      for name in Market.names {
        let tail = try run.streams.stream(TableIdentifier(parsing: name)).tail(from: .earliest)
        while let batch = try tail.next(rowCountMax: 1_000) {
          for row in 0..<batch.rowCount {
            guard case .int(let time)? = batch["_known_at"]?.scalar(at: row), time <= knownAt
            else { continue }
            let list = NaiveCandidates.lists(table: batch.slice(offset: row, length: 1))
            found.append("\(name) \(time) \(list)")
          }
        }
      }
      versions.append(found)
      _ = run.streams.close()
    }
    #expect(versions[0] == versions[1])
    #expect(versions[0].count > 5)
  }
}
