// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import _WeirTestSupport

@testable internal import WeirLogKafka

@Suite struct StampLedgerTests {
  /// Batches of a few producers, cut into messages in several ways and sent again and again: each row is
  /// taken once, whoever reads, and from wherever it goes on.
  @Test(arguments: 0..<60) func rowsAreTakenOnce(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var messages: [StampedRows] = []
    let totals = (0..<12).map { _ in random.int(1...9) }
    for _ in 0..<120 {
      let batch = random.int(0...totals.count - 1)
      let stamp = ProducerStamp(id: "p\(batch % 3)", sequence: Int64(batch))
      let total = totals[batch]
      // A process begins somewhere that others have reached, and may die before the end.
      var first = 0
      if random.chance(0.5) { first = taken(messages, stamp) % total }
      while first < total, random.chance(0.8) {
        let count = random.int(1...total - first)
        messages.append(StampedRows(stamp: stamp, first: first, count: count, total: total))
        first += count
      }
    }
    let expected = decisions(messages)
    let whole = StampLedger(StampState(producerCountMax: 10), next: 0)
    for (place, rows) in messages.enumerated() {
      #expect(whole.skip(rows, at: Int64(place)) == expected[place])
      // Readers that come again hear the same.
      let earlier = random.int(0...place)
      #expect(whole.skip(messages[earlier], at: Int64(earlier)) == expected[earlier])
    }
    // From the state before any message.
    let source = StampLedger(StampState(producerCountMax: 10), next: 0)
    for (place, rows) in messages.enumerated() { _ = source.skip(rows, at: Int64(place)) }
    var cut = 0
    while cut < messages.count {
      let bytes = source.state(before: Int64(cut)).encoded(next: Int64(cut))
      #expect(StampState(bytes, next: Int64(cut) + 1, producerCountMax: 10) == nil)
      let state = try #require(StampState(bytes, next: Int64(cut), producerCountMax: 10))
      let ledger = StampLedger(state, next: Int64(cut))
      for place in cut..<messages.count {
        #expect(ledger.skip(messages[place], at: Int64(place)) == expected[place])
      }
      // Damaged bytes are no state, and no harm.
      var damaged = bytes.array(of: UInt8.self)
      if !damaged.isEmpty {
        damaged[random.int(0...damaged.count - 1)] ^= UInt8(random.int(1...255))
        _ = StampState(Buffer(damaged), next: Int64(cut), producerCountMax: 10)
        _ = StampState(
          Buffer(Array(damaged.dropLast(random.int(0...damaged.count)))), next: Int64(cut),
          producerCountMax: 10)
      }
      cut += random.int(1...20)
    }
  }

  /// Row by row: how many first rows of each message were there before it.
  private func decisions(_ messages: [StampedRows]) -> [Int] {
    var seen: [ProducerStamp: Int] = [:]
    return messages.map { rows in
      let before = seen[rows.stamp] ?? 0
      seen[rows.stamp] = max(before, rows.first + rows.count)
      return min(rows.count, max(0, before - rows.first))
    }
  }

  private func taken(_ messages: [StampedRows], _ stamp: ProducerStamp) -> Int {
    messages.filter { $0.stamp == stamp }.map { $0.first + $0.count }.max() ?? 0
  }

  @Test func offsetsOfRowsSayTheirMessage() {
    #expect(KafkaOffset.row(5, 3) == (5 << 20) + 3)
    #expect(KafkaOffset.message(KafkaOffset.row(77, 1_048_575)) == 77)
    #expect(KafkaOffset.firstMessage(from: KafkaOffset.row(7)) == 7)
    #expect(KafkaOffset.firstMessage(from: KafkaOffset.row(7, 1)) == 8)
    #expect(KafkaOffset.row(KafkaOffset.messageMax - 1, 1_048_575) > 0)
  }
}
