// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirLogKafka
@testable internal import WeirStreaming

/// Random appends, messages of others, retries, flushes, restarts of the stream and of the broker; what
/// was acknowledged is there once, whatever happened.
@Suite(.serialized) struct KafkaRandomTests {
  private final class Run {
    let world: LogWorld
    let broker: KafkaBroker
    let letters: StreamTable
    var stream: StreamTable
    var random: SeededRandom
    var next = 0
    var expected: [Int] = []
    var sequence: Int64 = 0
    var rejected = 0
    /// Appends that a client may send again.
    var sent: [(rows: [[Scalar]], stamp: ProducerStamp)] = []

    init(seed: UInt64) throws {
      world = try LogWorld(.kafka, deliveryMilliseconds: 5_000)
      broker = try #require(world.broker)
      random = SeededRandom(seed: seed)
      letters = try world.open(DeadLetters.definition(of: world.definition()))
      stream = try world.open(world.definition(), deadLetters: letters)
    }

    func take(_ count: Int) -> Range<Int> {
      defer { next += count }
      expected += next..<next + count
      return next..<next + count
    }

    /// As a client does: until there is an answer.
    func put(_ rows: [[Scalar]], _ stamp: ProducerStamp) throws {
      var failures = 0
      while true {
        do {
          try stream.put(rows, producer: stamp)
          return
        } catch let error as StreamError {
          failures += 1
          guard failures < 400, [.storage, .overloaded, .closed].contains(error.code) else {
            throw error
          }
          Thread.sleep(forTimeInterval: 0.02)
        }
      }
    }

    func step() throws {
      switch random.int(0..<12) {
      case 0, 1, 2:
        let rows = take(random.int(1...30)).map { row($0, "a") }
        sequence += Int64(random.int(1...5))
        let stamp = ProducerStamp(id: "p\(sequence % 3)", sequence: sequence)
        try put(rows, stamp)
        sent.append((rows, stamp))
      case 3 where !sent.isEmpty:
        let again = sent[max(0, sent.count - 1 - random.int(0..<8))]
        #expect(try stream.put(again.rows, producer: again.stamp).isRepeat)
      case 4, 5:
        var lines: [String] = []
        for _ in 0..<random.int(1...6) {
          if random.chance(0.2) {
            lines.append(random.pick(["nothing", "{\"id\": 1, \"x\": 2}", "{}", "[1]"]))
            rejected += 1
          } else {
            lines += take(random.int(1...3)).map { "{\"id\": \($0)}" }
          }
          if random.chance(0.2) { lines.append("") }
        }
        try broker.produce("events", [lines.joined(separator: "\n")])
      case 6:
        // Twice, as by a producer that was not sure.
        let lines = take(random.int(1...4)).map { "{\"id\": \($0)}" }.joined(separator: "\n")
        sequence += 1
        let headers = [("weir-producer", "other"), ("weir-sequence", "\(sequence)")]
        try broker.produce("events", [lines], headers: headers)
        if random.chance(0.5) { try stream.flush() }
        try broker.produce("events", [lines], headers: headers)
      case 7: try flush()
      case 8:
        stream.close()
        stream = try world.open(world.definition(), deadLetters: letters)
      case 9:
        // Requests to write that fail: timed out, too few replicas, another leader.
        try broker.tell("fail 0 \(random.pick([7, 19, 6])) \(random.int(1...3))")
      case 10:
        try broker.tell("down")
        let broker = broker
        Thread.detachNewThread {
          Thread.sleep(forTimeInterval: 0.1)
          try? broker.tell("up")
        }
        let rows = take(random.int(1...30)).map { row($0, "b") }
        sequence += 1
        try put(rows, ProducerStamp(id: "d", sequence: sequence))
      default: _ = try stream.tailRows()
      }
    }

    func flush() throws { _ = try stream.flush() }
  }

  /// WEIR_SEEDS says how many seeds.
  private static let seedCount =
    UInt64(
      ProcessInfo.processInfo.environment["WEIR_SEEDS"] ?? "4") ?? 4

  @Test(arguments: 0..<seedCount) func whatWasAcknowledgedIsThereOnce(seed: UInt64) throws {
    let run = try Run(seed: seed)
    for _ in 0..<40 { try run.step() }
    let expected = run.expected.map { "\($0)" }.sorted()
    #expect(try run.stream.wait(rows: expected.count) == expected)
    let rejected = run.rejected
    let deadline = Date().addingTimeInterval(20)
    while try run.letters.rows(["record"]).count < rejected, Date() < deadline {
      Thread.sleep(forTimeInterval: 0.01)
    }
    try run.flush()
    #expect(try run.stream.rows(live: false) == expected)
    run.stream.close()
    run.stream = try run.world.open(run.world.definition(), deadLetters: run.letters)
    #expect(try run.stream.rows() == expected)
    #expect(try run.letters.rows(["record"]).count == rejected)
    #expect(run.stream.status().lagRowCount == 0)
    run.stream.close()
    run.letters.close()
  }

  @Test func aBacklogThatDoesNotFitIntoMemoryIsReadInParts() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    var definition = world.definition()
    try world.open(definition).close()
    let name = String(repeating: "n", count: 1_000)
    for start in stride(from: 0, to: 4_000, by: 100) {
      try broker.produce(
        "events", (start..<start + 100).map { #"{"id": \#($0), "name": "\#(name)"}"# })
    }
    var environment = world.environment
    environment.memoryBytesMax = 1 << 20
    definition.flush.bytes = 1 << 30
    let stream = try StreamTable(definition, catalog: world.catalog, environment: environment)
    let error = #expect(throws: StreamError.self) { try stream.rows() }
    #expect(error?.code == .overloaded)
    let deadline = Date().addingTimeInterval(60)
    var flushes = 0
    while Date() < deadline, stream.status().lagRowCount > 0 {
      #expect(stream.status().shards[0].memoryByteCount < 32 << 20)
      if stream.flushIfDue() { flushes += 1 } else { Thread.sleep(forTimeInterval: 0.01) }
      if stream.status().shards[0].memoryByteCount < 1 << 20 { _ = try stream.flush() }
    }
    #expect(try stream.rows() == texts(0..<4_000))
    stream.close()
  }
}
