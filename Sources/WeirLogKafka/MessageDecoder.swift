// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// Rows of some messages that follow each other.
struct DecodedRows {
  var batch: RecordBatch?
  /// Of each row.
  var offsets: [Int64] = []
  /// Of each row; microseconds since 1970.
  var times: [Int64] = []
  var rejected: [RejectedRecords] = []
}

/// Makes rows of messages: lines of JSON, or an Arrow IPC stream. What does not become a row is told of,
/// with its bytes; nothing is passed over.
struct MessageDecoder {
  let request: ShardLogRequest
  let source: KafkaSource
  let partition: Int
  private let options: JSONLinesOptions
  /// Bytes that are kept of a record that is refused.
  private static let keptBytesMax = 64 << 10
  private static let failureCountMax = 10_000
  private static let arrowBytesMax = 256 << 20

  init(_ request: ShardLogRequest, _ source: KafkaSource) {
    self.request = request
    self.source = source
    partition = request.shard
    var options = JSONLinesOptions()
    options.defaults = request.definition.defaults
    options.unknownFields = source.unknownFields
    options.timestampUnit = source.timestampUnit
    options.failureCountMax = Self.failureCountMax
    if request.inputSchema[StreamColumns.operation] != nil {
      options.words = [StreamColumns.operation: ["upsert": 0, "delete": 1]]
    }
    self.options = options
  }

  static func isArrow(_ message: KafkaMessage) -> Bool {
    if let type = message.headers[MessageHeaders.contentType] {
      if type == MessageHeaders.arrowMediaType { return true }
      if type.hasPrefix("application/") && type.contains("json") { return false }
    }
    // The mark that each message of an Arrow stream begins with; no JSON does.
    guard let payload = message.payload, payload.count >= 8 else { return false }
    return payload.slice(offset: 0, count: 4).array(of: UInt32.self) == [0xffff_ffff]
  }

  /// The part of a stamped batch that a message says it is.
  static func stamped(_ message: KafkaMessage) -> (stamp: ProducerStamp, first: Int, total: Int?)? {
    guard let id = message.headers[MessageHeaders.producer], (1...128).contains(id.utf8.count),
      let sequence = message.headers[MessageHeaders.sequence].flatMap({ Int64($0) })
    else { return nil }
    let stamp = ProducerStamp(id: id, sequence: sequence)
    guard let text = message.headers[MessageHeaders.rows] else { return (stamp, 0, nil) }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = Int(parts[0]), let total = Int(parts[1]), first >= 0,
      total > first, total <= Int(Int32.max)
    else { return (stamp, 0, nil) }
    return (stamp, first, total)
  }

  private static func time(_ message: KafkaMessage) -> Int64 {
    if let time = message.headers[MessageHeaders.ingestTime].flatMap({ Int64($0) }), time >= 0 {
      return time
    }
    return max(0, min(message.timestamp, Int64.max / 1_000)) &* 1_000
  }

  private func letter(
    _ message: KafkaMessage, record: Int, column: String?, reason: String, bytes: [UInt8],
    isCut: Bool
  ) -> DeadLetter {
    DeadLetter(
      record: record, column: column,
      reason:
        "topic '\(source.topic)', partition \(partition), offset \(message.offset): \(reason)",
      bytes: bytes, isCut: isCut)
  }

  /// All of a message refused for one reason.
  private func refused(_ message: KafkaMessage, _ reason: String) -> RejectedRecords {
    let payload = message.payload ?? Buffer()
    let kept = min(payload.count, Self.keptBytesMax)
    return RejectedRecords(
      offset: KafkaOffset.row(message.offset),
      records: [
        letter(
          message, record: 1, column: nil, reason: reason,
          bytes: payload.slice(offset: 0, count: kept).array(of: UInt8.self),
          isCut: kept < payload.count)
      ])
  }

  // MARK: Arrow

  /// The rows of a message with an Arrow stream.
  func arrow(_ message: KafkaMessage) -> DecodedRows {
    var result = DecodedRows()
    do {
      var options = ArrowReadOptions()
      options.bodyBytesMax = Self.arrowBytesMax
      options.metadataBytesMax = 16 << 20
      options.dictionaryBytesMax = Self.arrowBytesMax
      let reader = try ArrowStreamReader(message.payload ?? Buffer(), options: options)
      var conformer = try InputConformer(
        request.inputSchema, defaults: request.definition.defaults, source: reader.schema)
      var batches: [RecordBatch] = []
      var count = 0
      while let batch = try reader.next() {
        count += batch.rowCount
        guard count <= KafkaOffset.recordCountMax else {
          result.rejected = [
            refused(message, "more than \(KafkaOffset.recordCountMax) rows; send several messages")
          ]
          return result
        }
        if batch.rowCount > 0 { batches.append(try conformer.conformed(batch)) }
      }
      guard !batches.isEmpty else { return result }
      let batch = batches.count == 1 ? batches[0] : try RecordBatch.concatenate(batches)
      return admitted(
        DecodedRows(
          batch: batch, offsets: (0..<count).map { KafkaOffset.row(message.offset, $0) },
          times: Array(repeating: Self.time(message), count: count)), [message])
    } catch {
      result.rejected = [refused(message, "no Arrow stream for this table: \(error)")]
      return result
    }
  }

  // MARK: JSON

  /// The rows of messages with lines of JSON.
  func json(_ messages: [KafkaMessage]) -> DecodedRows {
    do throws(ColumnarError) {
      return try parsed(messages)
    } catch {
      // Too many refused records at once: one message after the other.
      guard messages.count > 1 else {
        var result = DecodedRows()
        result.rejected = messages.map { refused($0, error.message) }
        return result
      }
      var result = DecodedRows()
      var batches: [RecordBatch] = []
      for message in messages {
        let part = json([message])
        if let batch = part.batch { batches.append(batch) }
        result.offsets += part.offsets
        result.times += part.times
        result.rejected += part.rejected
      }
      result.batch = batches.isEmpty ? nil : try? RecordBatch.concatenate(batches)
      return result
    }
  }

  private func parsed(_ messages: [KafkaMessage]) throws(ColumnarError) -> DecodedRows {
    let parser = try JSONLinesParser(schema: request.inputSchema, options: options)
    var result = DecodedRows()
    var lines = 0
    for message in messages {
      guard let payload = message.payload, payload.count > 0 else {
        result.rejected.append(
          refused(message, "the message has no value; deletes are records with '_op'"))
        continue
      }
      let text = MessageLines(payload)
      guard text.count <= KafkaOffset.recordCountMax else {
        result.rejected.append(
          refused(
            message, "more than \(KafkaOffset.recordCountMax) lines; send several messages"))
        continue
      }
      let before = parser.rowCount
      try payload.withUnsafeBytes { bytes throws(ColumnarError) in try parser.append(bytes) }
      if !text.isEnded { try parser.append([0x0a]) }
      let failures = parser.takeFailures()
      take(message, text, failures, lines, rows: parser.rowCount - before, &result)
      lines += text.count
    }
    let batches = try parser.takeBatches()
    if !batches.isEmpty {
      result.batch = batches.count == 1 ? batches[0] : try RecordBatch.concatenate(batches)
    }
    return admitted(result, messages)
  }

  /// Notes where the rows of a message are, and what of it is none.
  private func take(
    _ message: KafkaMessage, _ text: MessageLines, _ failures: [JSONLinesFailure], _ start: Int,
    rows: Int, _ result: inout DecodedRows
  ) {
    if rows > 0 {
      var numbers = Array(0..<text.count)
      if rows < text.count {
        let failed = Set(failures.map { $0.line - 1 - start })
        numbers.removeAll { failed.contains($0) || text.isBlank($0) }
      }
      for number in numbers { result.offsets.append(KafkaOffset.row(message.offset, number)) }
      result.times += Array(repeating: Self.time(message), count: rows)
    }
    guard !failures.isEmpty else { return }
    result.rejected.append(
      RejectedRecords(
        offset: KafkaOffset.row(message.offset),
        records: failures.map {
          letter(
            message, record: $0.line - start, column: $0.column, reason: $0.reason,
            bytes: $0.bytes, isCut: $0.isCut)
        }))
  }

  // MARK: Admission

  /// Without the rows that cannot be ones of the stream.
  private func admitted(_ rows: DecodedRows, _ messages: [KafkaMessage]) -> DecodedRows {
    guard let batch = rows.batch else { return rows }
    let refusals = request.refusals(batch)
    guard !refusals.isEmpty else { return rows }
    var result = rows
    let refused = Set(refusals.map(\.row))
    let kept = (0..<batch.rowCount).filter { !refused.contains($0) }
    result.batch = kept.isEmpty ? nil : try? batch.take(kept)
    result.offsets = kept.map { rows.offsets[$0] }
    result.times = kept.map { rows.times[$0] }
    let byOffset = Dictionary(messages.map { ($0.offset, $0) }) { first, _ in first }
    var letters: [Int64: [DeadLetter]] = [:]
    for refusal in refusals {
      let offset = rows.offsets[refusal.row]
      guard let message = byOffset[KafkaOffset.message(offset)] else { continue }
      let record = Int(offset - KafkaOffset.row(message.offset))
      let bytes = original(message, record)
      letters[message.offset, default: []].append(
        letter(
          message, record: record + 1, column: refusal.column, reason: refusal.reason,
          bytes: Array(bytes.prefix(Self.keptBytesMax)), isCut: bytes.count > Self.keptBytesMax))
    }
    for rejected in rows.rejected {
      letters[KafkaOffset.message(rejected.offset), default: []] += rejected.records
    }
    result.rejected = letters.sorted { $0.key < $1.key }.map {
      RejectedRecords(
        offset: KafkaOffset.row($0.key), records: $0.value.sorted { $0.record < $1.record })
    }
    return result
  }

  /// The bytes of a record: its line, or all of an Arrow stream.
  private func original(_ message: KafkaMessage, _ record: Int) -> [UInt8] {
    let payload = message.payload ?? Buffer()
    return Self.isArrow(message)
      ? payload.array(of: UInt8.self) : MessageLines(payload).bytes(record)
  }
}

/// The lines of a message.
struct MessageLines {
  private let bytes: [UInt8]
  /// Where lines begin; one of them for each line.
  private let starts: [Int]
  /// Whether the last line has its line feed.
  let isEnded: Bool

  init(_ payload: Buffer) {
    bytes = payload.array(of: UInt8.self)
    var starts = [0]
    for (place, byte) in bytes.enumerated() where byte == 0x0a { starts.append(place + 1) }
    isEnded = bytes.last == 0x0a
    if isEnded { starts.removeLast() }
    self.starts = starts
  }

  var count: Int { starts.count }

  func bytes(_ line: Int) -> [UInt8] {
    guard starts.indices.contains(line) else { return [] }
    var end = line + 1 < starts.count ? starts[line + 1] : bytes.count
    if end > starts[line], bytes[end - 1] == 0x0a { end -= 1 }
    return Array(bytes[starts[line]..<end])
  }

  /// Whether the parser passes the line over.
  func isBlank(_ line: Int) -> Bool {
    bytes(line).allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
  }
}
