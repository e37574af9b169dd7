// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirPipelines
internal import WeirStorage
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirServing
@testable internal import WeirStreaming

/// A shop on a simulated machine without threads: events, profiles, hand-made lists, surfaces.
final class ServingWorld {
  let streams: Streams
  let failing: FailingStreams
  let serving: Serving
  let time = SharedNumber(1_700_000_000_000_000)
  let steady = SharedNumber(0)
  let onPause = Pause()
  private var runners: [ProfileRunner] = []
  private let requests = SharedNumber(0)

  static let itemCount: Int64 = 40

  static func table(_ name: String) throws -> TableIdentifier {
    try TableIdentifier(parsing: "shop.\(name)")
  }

  private static func stream(
    _ name: String, _ fields: [Field], key: [String] = [], time: String? = nil
  ) throws -> StreamDefinition {
    var result = StreamDefinition(
      table: try table(name), columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
    result.primaryKey = key
    result.eventTime = time
    return result
  }

  static func sources() throws -> [StreamDefinition] {
    let list = DataType.list(
      Field(
        "element",
        .struct([
          Field("item", .int64), Field("score", .float64), Field("reason", .utf8),
        ])))
    var events = try stream(
      "events",
      [
        Field("user", .int64), Field("item", .int64), Field("value", .float64),
        Field("at", .timestamp(.microsecond, timeZone: "UTC")),
      ], time: "at")
    events.shardCount = 2
    events.shardKey = ["user"]
    return [
      events,
      try stream(
        "items", [Field("item", .int64, nullable: false), Field("color", .utf8)], key: ["item"]),
      try stream(
        "similar", [Field("item", .int64, nullable: false), Field("items", list)], key: ["item"]),
      try stream(
        "trending", [Field("segment", .utf8, nullable: false), Field("items", list)],
        key: ["segment"]),
    ]
  }

  static func profiles() throws -> [ProfileDefinition] {
    let hour: Int64 = 3_600_000_000
    return [
      ProfileDefinition(
        table: try table("user_profile"), source: try table("events"), entity: ["user"],
        features: [
          ProfileFeature("events", .count),
          ProfileFeature("heat", .decayedCount(halfLifeMicroseconds: hour)),
          ProfileFeature("recent", .last(columns: ["item", "value"], count: 6)),
        ]),
      ProfileDefinition(
        table: try table("item_profile"), source: try table("events"), entity: ["item"],
        features: [
          ProfileFeature("events", .count),
          ProfileFeature("hour", .count, window: ProfileWindow(length: hour)),
          ProfileFeature("mean", .mean(column: "value")),
          ProfileFeature("trend", .decayedCount(halfLifeMicroseconds: 5 * hour)),
        ]),
    ]
  }

  static func view() throws -> FeatureView {
    var definition = FeatureViewDefinition(name: try table("ranking"))
    definition.entries = [
      .init("user", table: try table("user_profile"), key: "user"),
      .init("item", table: try table("item_profile"), key: "item"),
      .init("attributes", table: try table("items"), key: "item", side: .item),
    ]
    return try FeatureView(definition, profiles: profiles(), streams: sources())
  }

  static func surface() throws -> SurfaceDefinition {
    var result = SurfaceDefinition(name: "home", features: try table("ranking"))
    var similar = SurfaceSource("similar", .table(try table("similar")))
    (similar.seeds, similar.decay) = ("user_recent_item", 0.7)
    result.sources = [similar, SurfaceSource("trending", .table(try table("trending")))]
    result.events = try table("events")
    result.seen = ["user_recent_item"]
    result.rerank.count = 10
    result.rerank.caps = [.init("attributes_color", 4)]
    result.rerank.explore = 0.2
    result.log = try table("requests")
    return result
  }

  init(seed: UInt64, _ surface: SurfaceDefinition? = nil) throws {
    let random = Mutex(SeededRandom(seed: seed))
    let (time, steady, requests) = (time, steady, requests)
    let tables = TableEnvironment(
      now: { Int(time.value) * 1_000 }, random: { random.withLock { $0.next() } }, sleep: { _ in },
      takesTurns: false)
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: ObjectStores(syncsFiles: false),
      warehouse: "memory://w/house", environment: tables)
    let disk = SimulatedDisk(random: { 1 }).process("p")
    var environment = StreamEnvironment(
      disk: disk, folder: "/logs", tables: tables, owner: "p")
    environment.hasThreads = false
    environment.logOptions.preallocatedBytes = 4_096
    let (sources, profiles) = (try Self.sources(), try Self.profiles())
    let made = try profiles.map { try ProfileOperator.stream($0, source: sources[0]) }
    let shape = try SurfaceShape(
      surface ?? Self.surface(), views: [Self.view()], streams: sources + made)
    streams = try Streams(
      sources + made + [PipelinePositions.stream()] + Serving.streams([shape]), catalog: catalog,
      environment: environment)
    failing = FailingStreams(streams)
    var clock = ServingClock(
      now: { time.value }, steady: { steady.value },
      requestID: { "request-\(seed)-\(requests.add(1))" })
    let onPause = onPause
    clock.pause = { onPause.run() }
    serving = try Serving([shape], streams: failing, clock: clock, hasThreads: false)
    for profile in profiles {
      runners.append(
        try ProfileRunner(
          profile, source: streams.stream(profile.source), target: streams.stream(profile.table),
          positions: streams.stream(TableIdentifier(parsing: PipelinePositions.tableName))))
    }
  }

  func home() throws -> Surface { try serving.surface("home") }

  func put(_ name: String, _ rows: [[String: Scalar]]) throws {
    let stream = try streams.stream(Self.table(name))
    let builder = RecordBatchBuilder(stream.inputSchema)
    for row in rows {
      try builder.append(row: stream.inputSchema.fields.map { row[$0.name] ?? .null })
    }
    try append(name, builder.finish())
  }

  @discardableResult
  func append(_ name: String, _ batch: RecordBatch) throws -> StreamReceipt {
    let answer = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    try streams.stream(Self.table(name)).append(StreamAppend(batches: [batch])) { result in
      answer.withLock { $0 = result }
    }
    while streams.step() {}
    return try #require(answer.withLock { $0 }).get()
  }

  /// Rows of events that happen now.
  func events(_ user: Int64, _ items: [Int64]) throws -> RecordBatch {
    let schema = try streams.stream(Self.table("events")).inputSchema
    let builder = RecordBatchBuilder(schema)
    for item in items {
      let row: [String: Scalar] = [
        "user": .int(user), "item": .int(item), "value": .float64(Double(item) / 3),
        "at": .int(time.add(1_000_000)), "_known_at": .int(time.value),
      ]
      try builder.append(row: schema.fields.map { row[$0.name] ?? .null })
    }
    return try builder.finish()
  }

  func act(_ user: Int64, _ items: [Int64]) throws {
    try append("events", events(user, items))
  }

  static func list(_ items: [(Int64, Double)]) -> Scalar {
    .list(
      items.map { item, score in
        .struct([
          Scalar.Member("item", .int(item)), Scalar.Member("score", .float64(score)),
          Scalar.Member("reason", .null),
        ])
      })
  }

  /// Folds a part of what waits, or all of it.
  func fold(isWhole: Bool = true) throws {
    for runner in runners {
      repeat {
        let progress = try runner.step()
        streams.step()
        if case .idle = progress, !streams.step() { break }
      } while isWhole
    }
  }

  func log(_ answer: Recommendation) throws {
    let result = Mutex<StreamError?>(nil)
    try home().writeLog(of: answer) { error in result.withLock { $0 = error } }
    while streams.step() {}
    if let error = result.withLock({ $0 }) { throw error }
  }
}

/// What happens while somebody waits. Safe: one thread uses a world.
final class Pause: @unchecked Sendable {
  var body: () -> Void = {}
  func run() { body() }
}

final class SharedNumber: Sendable {
  private let number: Mutex<Int64>
  init(_ value: Int64) { number = Mutex(value) }
  var value: Int64 { number.withLock { $0 } }
  @discardableResult
  func add(_ more: Int64) -> Int64 {
    number.withLock {
      $0 += more
      return $0
    }
  }
}

/// Streams of which some cannot be looked up.
final class FailingStreams: StreamService {
  private let streams: Streams
  /// Names of tables.
  let broken = Mutex<Set<String>>([])
  let lookupCount = SharedNumber(0)

  init(_ streams: Streams) { self.streams = streams }

  var tables: [TableIdentifier] { streams.tables }
  var unreadyReason: String? { nil }

  func stream(_ table: TableIdentifier) throws(StreamError) -> any ServedStream {
    FailingStream(try streams.stream(table), self)
  }
}

private final class FailingStream: ServedStream {
  private let stream: any ServedStream
  private let owner: FailingStreams

  init(_ stream: any ServedStream, _ owner: FailingStreams) {
    self.stream = stream
    self.owner = owner
  }

  var definition: StreamDefinition { stream.definition }
  var inputSchema: Schema { stream.inputSchema }

  func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) { stream.append(request, completion: completion) }

  func tail(from position: StreamStart) throws(StreamError) -> any StreamTail {
    try stream.tail(from: position)
  }

  func lookup(keys: RecordBatch, columns: [String]?) throws(StreamError) -> StreamLookup {
    owner.lookupCount.add(1)
    if owner.broken.withLock({ $0.contains(definition.table.name) }) {
      throw StreamError(.overloaded, "too many rows wait")
    }
    return try stream.lookup(keys: keys, columns: columns)
  }

  func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader {
    try stream.scan(request)
  }

  func status() -> StreamStatus { stream.status() }
}
