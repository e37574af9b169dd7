// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable
internal import WeirVector
internal import _WeirTestSupport

@testable internal import WeirRanker
@testable internal import WeirStreaming

/// A service with the streams of one model, in memory, and a writer of its versions.
final class ModelWorld {
  let definition: ModelDefinition
  let streams: Streams
  private let time = SharedTime()
  private let events = SharedEvents()

  /// Time goes when somebody says so.
  private final class SharedTime: Sendable {
    private let time = Mutex(1_700_100_000_000_000_000)
    var now: Int { time.withLock { $0 } }
    func advance(_ nanoseconds: Int) { time.withLock { $0 += nanoseconds } }
  }

  private final class SharedEvents: Sendable {
    let told = Mutex<[StreamEvent]>([])
  }

  init(seed: UInt64) throws {
    let random = Mutex(SeededRandom(seed: seed))
    let values: @Sendable () -> UInt64 = { random.withLock { $0.next() } }
    let time = time
    let tables = TableEnvironment(
      now: { time.now }, random: values, sleep: { time.advance($0) }, takesTurns: false)
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: ObjectStores(syncsFiles: false),
      warehouse: "memory://w/house", environment: tables)
    let disk = SimulatedDisk(random: values)
    var environment = StreamEnvironment(
      disk: disk.process("p"), folder: "/logs", tables: tables, owner: "p")
    environment.hasThreads = false
    environment.logOptions.preallocatedBytes = 4_096
    environment.logOptions.segmentBytes = 65_536
    definition = ModelDefinition(
      table: try TableIdentifier(parsing: "shop.model"),
      examples: try TableIdentifier(parsing: "shop.examples"))
    let declared = try ModelDefinition.streams([definition]).map { stream in
      var stream = stream
      stream.logRetentionSeconds = 0
      stream.flush.intervalMilliseconds = 100
      return stream
    }
    streams = try Streams(declared, catalog: catalog, environment: environment)
  }

  func follower() throws -> ModelFollower {
    let events = events
    return try ModelFollower(definition, streams: streams, runtime: Runtime.shared) { event in
      events.told.withLock { $0.append(event) }
    }
  }

  /// Names and messages of the events since the last call.
  func takeEvents() -> [String] {
    events.told.withLock { told in
      defer { told = [] }
      return told.map { "\($0.name): \($0.message)" }
    }
  }

  /// Lets rows go into tables, and the log let go of them.
  func flush() {
    time.advance(1_000_000_000)
    while streams.step() {}
  }

  private func put(_ batch: RecordBatch, _ table: TableIdentifier) throws {
    let answer = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    try streams.stream(table).append(StreamAppend(batches: [batch])) { result in
      answer.withLock { $0 = result }
    }
    while streams.step() {}
    _ = try #require(answer.withLock { $0 }).get()
  }

  func put(_ rows: [EmbeddingRow]) throws {
    guard !rows.isEmpty else { return }
    let schema = try streams.stream(definition.embeddings).inputSchema
    let builder = RecordBatchBuilder(schema)
    for row in rows {
      let values: [String: Scalar] = [
        "role": .string(row.role.rawValue), "id": .string("\(row.key)"),
        "version": .int(row.version), "vector": .list(row.vector.map { .float32($0) }),
      ]
      try builder.append(row: schema.fields.map { values[$0.name] ?? .null })
    }
    try put(try builder.finish(), definition.embeddings)
  }

  /// - Parameter graphs: names of the retriever's and the ranker's graph; `nil` for those of `graphVersion`.
  func register(
    _ version: Int64, _ metadata: String, graphs: (String, String)? = nil,
    graphVersion: Int64? = nil
  ) throws {
    let schema = try streams.stream(definition.table).inputSchema
    let builder = RecordBatchBuilder(schema)
    var values: [String: Scalar] = [
      "version": .int(version), "created_at": .int(version * 1_000), "metadata": .string(metadata),
      "lineage": .string("{}"), "graph_version": graphVersion.map { .int($0) } ?? .null,
    ]
    if let graphs {
      values["retriever_graph"] = .binary(try SampleModel.graph(graphs.0))
      values["ranker_graph"] = .binary(try SampleModel.graph(graphs.1))
    }
    try builder.append(row: schema.fields.map { values[$0.name] ?? .null })
    try put(try builder.finish(), definition.table)
  }
}
