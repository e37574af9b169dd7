// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirPipelines
internal import WeirStorage
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Streams of events, profiles and positions on a disk that loses what was not synced.
final class World {
  let catalog: PointerCatalog
  let disk: SimulatedDisk
  let tables: TableEnvironment
  private let time = SharedTime()

  init(seed: UInt64) throws {
    let random = Mutex(SeededRandom(seed: seed))
    // The randomness is the world's: disk and tables draw from it in turn.
    let values = SharedValues(random.withLock { $0 })
    disk = SimulatedDisk(random: { values.next() })
    let time = time
    tables = TableEnvironment(
      now: { time.now }, random: { values.next() }, sleep: { time.advance($0) }, takesTurns: false)
    catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: ObjectStores(syncsFiles: false),
      warehouse: "memory://w/house", environment: tables)
  }

  /// Those of the profile of `Sample`.
  static func sample() throws -> [StreamDefinition] {
    var source = try Sample.source(shards: 2)
    source.logRetentionSeconds = 0
    source.shardKey = ["kind"]
    source.flush.intervalMilliseconds = 100
    let profile = try ProfileOperator.stream(Sample.profile(), source: source)
    return [source, profile, try PipelinePositions.stream()]
  }

  func start(
    _ process: String, _ definitions: [StreamDefinition]
  ) throws -> (streams: Streams, disk: any Disk) {
    let disk = disk.process(process)
    var environment = StreamEnvironment(
      disk: disk, folder: "/logs", tables: tables, owner: process)
    environment.hasThreads = false
    environment.logOptions.preallocatedBytes = 4_096
    environment.logOptions.segmentBytes = 4_096
    let streams = try Streams(definitions, catalog: catalog, environment: environment)
    return (streams, disk)
  }

  func advance() { time.advance(1_000_000_000) }
}

private final class SharedTime: Sendable {
  private let time = Mutex(1_700_100_000_000_000_000)
  var now: Int { time.withLock { $0 } }
  func advance(_ nanoseconds: Int) { time.withLock { $0 += nanoseconds } }
}

private final class SharedValues: Sendable {
  private let random: Mutex<SeededRandom>
  init(_ random: SeededRandom) { self.random = Mutex(random) }
  func next() -> UInt64 { random.withLock { $0.next() } }
}

extension ServedStream {
  /// Appends rows and waits for the answer, by single steps.
  @discardableResult
  func put(_ batch: RecordBatch, _ streams: Streams) throws -> StreamReceipt {
    let answer = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    append(StreamAppend(batches: [batch])) { result in answer.withLock { $0 = result } }
    while streams.step() {}
    return try #require(answer.withLock { $0 }).get()
  }

  /// All rows of a live scan.
  func rows(_ columns: [String]? = nil) throws -> RecordBatch {
    let reader = try scan(StreamScan(columns: columns))
    var batches: [RecordBatch] = []
    while let batch = try reader.next() { batches.append(batch) }
    return batches.isEmpty
      ? try RecordBatchBuilder(reader.schema).finish() : try RecordBatch.concatenate(batches)
  }
}
