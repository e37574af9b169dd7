// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

@testable internal import WeirLogKafka

/// A Kafka cluster in another process, see `Sources/weir_kafka_broker`.
final class KafkaBroker: Sendable {
  let brokers: String
  private let process: Mutex<Process>
  private let input = Pipe()
  private let output = Pipe()
  private let rest = Mutex<[UInt8]>([])

  init(brokerCount: Int = 1) throws {
    // Beside the bundle of the tests.
    let folder = Bundle.main.bundleURL
    let candidates = [
      folder, URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent(),
    ]
    let program = candidates.map { $0.appendingPathComponent("weir_kafka_broker") }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    guard let program else {
      throw StreamError(.notFound, "weir_kafka_broker is not built; run swift build --build-tests")
    }
    let process = Process()
    process.executableURL = program
    process.arguments = [String(brokerCount)]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    self.process = Mutex(process)
    var line: [UInt8] = []
    while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != 0x0a {
      line.append(byte)
    }
    brokers = String(decoding: line, as: UTF8.self)
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.withLock { $0.terminate() }
  }

  /// Has the cluster do something, see `main.c`.
  func tell(_ command: String) throws {
    try input.fileHandleForWriting.write(contentsOf: Data((command + "\n").utf8))
    var line: [UInt8] = []
    while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != 0x0a {
      line.append(byte)
    }
    let answer = String(decoding: line, as: UTF8.self)
    if answer != "ok" { throw StreamError(.storage, "the broker answers \(answer)") }
  }

  func source(_ topic: String) -> KafkaSource {
    var source = KafkaSource(brokers: brokers, topic: topic)
    // Waits of the mock broker are not cut short by messages that come.
    source.settings = ["fetch.wait.max.ms": "5", "reconnect.backoff.ms": "20"]
    return source
  }

  /// Writes messages as somebody else's producer does.
  @discardableResult
  func produce(
    _ topic: String, partition: Int = 0, _ values: [String], headers: [(String, String)] = []
  ) throws -> [Int64] {
    try produce(topic, partition: partition, values.map { Array($0.utf8) }, headers: headers)
  }

  @discardableResult
  func produce(
    _ topic: String, partition: Int = 0, _ values: [[UInt8]], headers: [(String, String)] = []
  ) throws -> [Int64] {
    var source = source(topic)
    source.settings = ["reconnect.backoff.ms": "20"]
    let producer = try KafkaProducer(
      KafkaLogOptions(source, now: { 0 }), partition: partition)
    return try producer.send(
      values.map {
        OutgoingMessage(
          payload: Buffer($0), headers: headers.map { (name: $0.0, value: $0.1) },
          timestamp: 1_700_000_000_000)
      })
  }
}
