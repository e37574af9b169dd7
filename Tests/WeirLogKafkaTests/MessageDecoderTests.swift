// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirLogKafka
@testable internal import WeirStreaming

/// Messages that nobody vouches for.
@Suite struct MessageDecoderTests {
  private static let schema = Schema([
    Field("id", .int64, nullable: false), Field("name", .utf8),
    Field("tags", .list(Field("element", .utf8))),
  ])

  private func decoder(refusing: @escaping @Sendable (RecordBatch) -> [RowRefusal])
    -> MessageDecoder
  {
    let definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"), columns: Self.schema)
    let request = ShardLogRequest(
      definition: definition, shard: 3, identity: "", firstOffset: 0, isTables: true,
      coveredOffset: 0, knownName: nil, inputSchema: Self.schema, refusals: refusing,
      state: LogStateStore(
        read: { (_) throws(StreamError) in nil }, write: { (_, _) throws(StreamError) in },
        delete: { (_) throws(StreamError) in }))
    return MessageDecoder(request, KafkaSource(brokers: "b:1", topic: "t"))
  }

  private func message(_ offset: Int64, _ bytes: [UInt8], _ headers: [String: String] = [:])
    -> KafkaMessage
  {
    KafkaMessage(
      offset: offset, timestamp: 1_000 + offset, payload: Buffer(bytes), headers: headers)
  }

  private func arrow(_ ids: Range<Int64>) throws -> [UInt8] {
    let builder = RecordBatchBuilder(Self.schema)
    for id in ids {
      try builder.columns[0].append(.int(id))
      try builder.columns[1].append(.string("n\(id)"))
      builder.columns[2].appendNull()
    }
    let batch = try RecordBatch(
      schema: Self.schema, columns: builder.columns.map { $0.finish() }, rowCount: ids.count)
    let target = MutableBuffer()
    let writer = try ArrowStreamWriter(schema: Self.schema, into: target)
    try writer.write(batch)
    try writer.finish()
    return target.finish().array(of: UInt8.self)
  }

  /// Lines of several kinds in messages of several lines: each line that is not blank is a row at its
  /// place, or a dead letter with its bytes; together or message by message, it is the same.
  @Test(arguments: 0..<40) func everyRecordIsARowOrALetter(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let decoder = decoder { batch in
      // Ids that end with 7 are refused, too.
      guard let ids = batch["id"] else { return [] }
      return (0..<batch.rowCount).compactMap { row in
        guard case .int(let id) = ids.scalar(at: row), id % 10 == 7 else { return nil }
        return RowRefusal(row: row, column: "id", reason: "seven")
      }
    }
    var messages: [KafkaMessage] = []
    var rows: [Int64: Int64] = [:]
    var letters: [Int64: [UInt8]] = [:]
    var id: Int64 = 0
    for offset in 0..<Int64(random.int(1...20)) {
      var lines: [[UInt8]] = []
      for line in 0..<random.int(1...6) {
        let place = KafkaOffset.row(offset * 3, line)
        switch random.int(0..<5) {
        case 0 where line > 0: lines.append(Array(random.pick(["", "  ", "\t", "\r"]).utf8))
        case 1:
          let text = random.pick([#"{"id": null}"#, "x", #"{"id": 1"#, #"{"nam": 1}"#])
          lines.append(Array(text.utf8))
          letters[place] = Array(text.utf8)
        default:
          id += 1
          let text = #"{"id": \#(id), "tags": ["\#(id)"]}"#
          lines.append(Array(text.utf8))
          if id % 10 == 7 { letters[place] = Array(text.utf8) } else { rows[place] = id }
        }
      }
      // A last line that is blank and has no line feed is none.
      let ends = random.chance(0.5)
      messages.append(
        message(offset * 3, Array(lines.joined(separator: [0x0a])) + (ends ? [0x0a] : [])))
    }
    func check(_ parts: [DecodedRows]) throws {
      var found: [Int64: Int64] = [:]
      var told: [Int64: [UInt8]] = [:]
      for part in parts {
        #expect((part.batch?.rowCount ?? 0) == part.offsets.count)
        #expect(part.times.count == part.offsets.count)
        for (row, offset) in part.offsets.enumerated() {
          guard case .int(let id)? = part.batch?["id"]?.scalar(at: row) else { continue }
          found[offset] = id
          #expect(part.times[row] == (1_000 + offset >> 20) * 1_000)
        }
        for rejected in part.rejected {
          for record in rejected.records {
            told[rejected.offset + Int64(record.record) - 1] = record.bytes
            #expect(
              record.reason.hasPrefix("topic 't', partition 3, offset \(rejected.offset >> 20)"))
          }
        }
      }
      #expect(found == rows)
      #expect(told == letters)
    }
    try check([decoder.json(messages)])
    try check(messages.map { decoder.json([$0]) })
  }

  /// Damaged messages are rows or letters, and never a crash.
  @Test(arguments: 0..<150) func damagedMessagesAreLetters(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let decoder = decoder { _ in [] }
    var bytes = random.chance(0.5) ? try arrow(0..<20) : Array(#"{"id": 1, "name": "x"}"#.utf8)
    for _ in 0..<random.int(1...4) {
      switch random.int(0..<4) {
      case 0: bytes[random.int(0..<bytes.count)] = UInt8(random.int(0...255))
      case 1: bytes = Array(bytes.prefix(random.int(1...bytes.count)))
      case 2: bytes += random.bytes(random.int(1...50))
      default: bytes.insert(UInt8(random.int(0...255)), at: random.int(0..<bytes.count))
      }
    }
    let message = message(5, bytes)
    let result = MessageDecoder.isArrow(message) ? decoder.arrow(message) : decoder.json([message])
    #expect((result.batch?.rowCount ?? 0) == result.offsets.count)
    #expect(result.offsets.allSatisfy { KafkaOffset.message($0) == 5 })
    #expect(result.rejected.allSatisfy { $0.offset == KafkaOffset.row(5) && !$0.records.isEmpty })
  }

  @Test func arrowStreamsAreRows() throws {
    let decoder = decoder { _ in [] }
    let payload = try arrow(0..<100)
    let result = decoder.arrow(message(9, payload))
    #expect(result.offsets == (0..<100).map { KafkaOffset.row(9, $0) })
    // By the header alone, and by the bytes alone.
    #expect(MessageDecoder.isArrow(message(1, payload)))
    let type = [MessageHeaders.contentType: MessageHeaders.arrowMediaType]
    #expect(MessageDecoder.isArrow(message(1, Array("{}".utf8), type)))
    #expect(!MessageDecoder.isArrow(message(1, payload, ["content-type": "application/json"])))
    #expect(!MessageDecoder.isArrow(message(1, Array("{\"id\": 1}".utf8))))
  }

  @Test func tooManyRecordsInAMessageAreOneLetter() throws {
    let decoder = decoder { _ in [] }
    let lines = [UInt8](repeating: 0x0a, count: KafkaOffset.recordCountMax + 1)
    let result = decoder.json([message(1, lines), message(2, Array("{\"id\": 2}".utf8))])
    #expect(result.offsets == [KafkaOffset.row(2)])
    #expect(result.rejected.count == 1 && result.rejected[0].records[0].isCut)
    // More refused records than are told of one by one.
    let bad = Array(String(repeating: "x\n", count: 20_000).utf8)
    let many = decoder.json([message(1, bad), message(2, Array("{\"id\": 2}".utf8))])
    #expect(many.offsets == [KafkaOffset.row(2)])
    #expect(many.rejected.map(\.records.count) == [1])
  }
}
