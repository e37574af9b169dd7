// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

@testable internal import WeirLogKafka
@testable internal import WeirStreaming

/// Where a stream's log is: the tests of streams are the same for all.
enum LogKind: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case segments
  case kafka

  var testDescription: String { rawValue }
}

/// A catalog in memory, a folder of its own, and a broker in another process where the log needs one.
/// Streams have their threads, as in production.
final class LogWorld: Sendable {
  let kind: LogKind
  let catalog: PointerCatalog
  let stores: ObjectStores
  let folder: String
  let broker: KafkaBroker?
  let environment: StreamEnvironment

  init(_ kind: LogKind, shards: Int = 1, deliveryMilliseconds: Int = 10_000) throws {
    self.kind = kind
    stores = try ObjectStores(syncsFiles: false)
    catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores,
      warehouse: "memory://w/house", environment: TableEnvironment())
    folder = FileManager.default.temporaryDirectory.path + "/weir-kafka-\(UUID().uuidString)"
    broker = kind == .kafka ? try KafkaBroker() : nil
    try broker?.tell("topic events \(shards)")
    environment = StreamEnvironment(
      disk: SystemDisk(), folder: folder, owner: "test",
      openLog: { (request, environment) throws(StreamError) in
        guard case .kafka(let source) = request.definition.log else {
          return try StreamEnvironment.openSegmentLog(request, environment)
        }
        var options = KafkaLogOptions(source, now: { environment.nowMicroseconds })
        options.deliveryMilliseconds = deliveryMilliseconds
        options.requestMilliseconds = 3_000
        return try KafkaLog(options, request)
      })
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func definition(keyed: Bool = false, shards: Int = 1) -> StreamDefinition {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), keyed ? "items" : "events"),
      columns: Schema([Field("id", .int64, nullable: false), Field("name", .utf8)]))
    definition.shardCount = shards
    definition.shardKey = ["id"]
    definition.flush.intervalMilliseconds = 3_600_000
    if keyed { definition.primaryKey = ["id"] }
    if let broker { definition.log = .kafka(broker.source("events")) }
    return definition
  }

  func open(_ definition: StreamDefinition, deadLetters: StreamTable? = nil) throws -> StreamTable {
    try StreamTable(
      definition, catalog: catalog, environment: environment, deadLetters: deadLetters)
  }
}

extension StreamTable {
  /// Appends rows, and waits for their receipt.
  @discardableResult
  func put(_ rows: [[Scalar]], producer: ProducerStamp? = nil) throws -> StreamReceipt {
    try put([try batch(rows)], producer: producer)
  }

  @discardableResult
  func put(_ batches: [RecordBatch], producer: ProducerStamp? = nil) throws -> StreamReceipt {
    let result = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    let done = DispatchSemaphore(value: 0)
    append(StreamAppend(batches: batches, producer: producer)) { answer in
      result.withLock { $0 = answer }
      done.signal()
    }
    done.wait()
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
  func rows(_ columns: [String] = ["id"], live: Bool = true) throws -> [String] {
    let reader = try scan(StreamScan(columns: columns, isLive: live))
    var result: [String] = []
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        result.append(batch.columns.map { $0.scalar(at: row).plain }.joined(separator: " "))
      }
    }
    return result.sorted()
  }

  /// Waits until a live scan has so many rows.
  func wait(rows count: Int, seconds: Double = 30) throws -> [String] {
    let deadline = Date().addingTimeInterval(seconds)
    while true {
      let found = try rows()
      if found.count >= count || Date() > deadline { return found }
      Thread.sleep(forTimeInterval: 0.01)
    }
  }

  func tailRows() throws -> [String] {
    let tail = try tail(from: .earliest)
    var result: [String] = []
    while let batch = try tail.next(rowCountMax: 7) {
      #expect(batch.rowCount <= 7)
      guard let ids = batch["id"] else { continue }
      for row in 0..<batch.rowCount { result.append(ids.scalar(at: row).plain) }
    }
    return result
  }
}

extension Scalar {
  var plain: String {
    switch self {
    case .int(let value): "\(value)"
    case .string(let value): value
    default: "\(self)"
    }
  }
}

func row(_ id: Int, _ name: String) -> [Scalar] { [.int(Int64(id)), .string(name)] }

/// Numbers as texts, in the texts' order.
func texts(_ numbers: Range<Int>) -> [String] { numbers.map { "\($0)" }.sorted() }
