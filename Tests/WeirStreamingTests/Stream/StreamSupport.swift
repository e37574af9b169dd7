// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// A catalog in memory, a disk that can crash, a clock that stands still until it is told otherwise.
final class StreamWorld: Sendable {
  let catalog: PointerCatalog
  let disk: SimulatedDisk
  let clock: SharedClock
  let tables: TableEnvironment

  /// Of streams of which a test does not say it: `WEIR_TEST_FORMAT=weir` runs all tests with that one.
  static let standardFormat =
    ProcessInfo.processInfo.environment["WEIR_TEST_FORMAT"].flatMap { DataFormat(rawValue: $0) }

  init(seed: UInt64 = 1) throws {
    let values = SharedRandom(seed: seed)
    let clock = SharedClock()
    disk = SimulatedDisk(random: { values.next() })
    self.clock = clock
    tables = TableEnvironment(
      now: { clock.now }, random: { values.next() }, sleep: { clock.advance($0) },
      takesTurns: false)
    catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: ObjectStores(syncsFiles: false),
      warehouse: "memory://w/house", environment: tables)
  }

  func open(
    _ definition: StreamDefinition, on other: SimulatedDisk? = nil, startsNewLogs: Bool = false,
    openIndex:
      @escaping @Sendable (StreamDefinition, Int, StreamEnvironment) throws(StreamError)
      -> any KeyIndex = StreamEnvironment.openMemoryIndex
  ) throws -> StreamTable {
    var environment = StreamEnvironment(
      disk: (other ?? disk).process("p"), folder: "/logs", tables: tables, owner: "test",
      openIndex: openIndex)
    environment.hasThreads = false
    var definition = definition
    definition.format = definition.format ?? Self.standardFormat
    environment.startsNewLogs = startsNewLogs
    environment.logOptions.preallocatedBytes = 4_096
    environment.logOptions.segmentBytes = 16_384
    return try StreamTable(definition, catalog: catalog, environment: environment)
  }
}

final class SharedRandom: Sendable {
  private let random: Mutex<SeededRandom>
  init(seed: UInt64) { random = Mutex(SeededRandom(seed: seed)) }
  func next() -> UInt64 { random.withLock { $0.next() } }
}

final class SharedClock: Sendable {
  private let time = Mutex(1_700_000_000_000_000_000)
  var now: Int { time.withLock { $0 } }
  func advance(_ nanoseconds: Int) { time.withLock { $0 += nanoseconds } }
}

extension StreamTable {
  /// Appends rows, and waits for their receipt.
  @discardableResult
  func put(
    _ rows: [[Scalar]], producer: ProducerStamp? = nil
  ) throws -> StreamReceipt {
    let result = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    append(StreamAppend(batches: [try batch(rows)], producer: producer)) { answer in
      result.withLock { $0 = answer }
    }
    while step() {}
    return try #require(result.withLock { $0 }).get()
  }

  /// Rows in the stream's input columns; those that a row leaves out are null.
  func batch(_ rows: [[Scalar]]) throws -> RecordBatch {
    let schema = inputSchema
    let builders = schema.fields.map { makeBuilder(for: $0.type) }
    for row in rows {
      for (index, builder) in builders.enumerated() {
        try builder.append(index < row.count ? row[index] : .null)
      }
    }
    return try RecordBatch(
      schema: schema, columns: builders.map { $0.finish() }, rowCount: rows.count)
  }

  /// The rows of a scan in some columns, sorted by their text.
  func rows(
    _ columns: [String], live: Bool = true, where filter: WeirColumnar.Predicate? = nil
  ) throws -> [String] {
    let reader = try scan(StreamScan(columns: columns, filter: filter, isLive: live))
    var result: [String] = []
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        result.append(batch.columns.map { "\($0.scalar(at: row))" }.joined(separator: " "))
      }
    }
    return result.sorted()
  }
}
