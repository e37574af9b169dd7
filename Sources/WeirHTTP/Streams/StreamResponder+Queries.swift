// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import WeirColumnar
internal import WeirStreaming

extension StreamResponder {
  /// The rows of keys.
  func lookup(
    _ message: RESTRequest, _ stream: any ServedStream, _ request: Request, _ context: Context,
    _ record: inout AccessRecord
  ) async throws -> Response {
    let call = try StreamCall(message, known: ["columns", "binary"])
    let binary = try call.choice("binary", JSONLinesOptions.BinaryText.self) ?? .base64
    let isArrow = call.contentType == IngestForm.arrowMediaType
    let form = RowsForm(
      mediaType: try call.accepted(
        isArrow
          ? [IngestForm.arrowMediaType, "application/json"]
          : ["application/json", IngestForm.arrowMediaType]), binary: binary)
    let columns = call.list("columns")
    let share = ByteShare(budget)
    let body = try await wholeBody(request, share, &record)
    let keyCountMax = configuration.keyCountMax
    let answer = try await run(context) { () throws(RESTError) in
      let query = try LookupQuery(
        stream, body: body, isArrow: isArrow, columns: columns, binary: binary,
        keyCountMax: keyCountMax)
      return try query.answer(form)
    }
    withExtendedLifetime(share) {}
    return CatalogResponder.response(answer, isHead: false)
  }

  /// The rows of the table and of the log.
  func scan(
    _ message: RESTRequest, _ stream: any ServedStream, _ context: Context
  ) async throws -> Response {
    let call = try StreamCall(message, known: ["columns", "filter", "live", "limit", "binary"])
    let form = RowsForm(
      mediaType: try call.accepted(["application/x-ndjson", IngestForm.arrowMediaType]),
      binary: try call.choice("binary", JSONLinesOptions.BinaryText.self) ?? .base64)
    var request = StreamScan(columns: call.list("columns"), isLive: try call.flag("live") ?? true)
    if let filter = call["filter"] {
      do throws(ColumnarError) { request.filter = try Predicate(parsing: filter) } catch {
        throw RESTError.badRequest("the filter cannot be used: \(error)")
      }
    }
    let limit = try call.int("limit", in: 0...Int.max) ?? .max
    let place = try readers.enter()
    let finished = request
    let session = try await run(context) { () throws(RESTError) in
      try ScanSession(stream, finished, form, limit: limit)
    }
    let isHead = message.method == "HEAD"
    let body = ResponseBody { writer in
      while !isHead,
        let bytes = try await run(context, { () throws(RESTError) in try session.next() })
      {
        if !bytes.isEmpty { try await writer.write(ByteBuffer(bytes: bytes)) }
      }
      withExtendedLifetime(place) {}
      try await writer.finish(nil)
    }
    var headers = HTTPFields()
    headers[.contentType] = form.mediaType
    return Response(status: .ok, headers: headers, body: body)
  }
}

/// One scan of one client.
///
/// Safe to send: one piece of work at a time uses it, each awaits the one before.
private final class ScanSession: @unchecked Sendable {
  private let reader: any RecordBatchReader
  private let encoder: RowsEncoder
  private var rest: Int
  private var hasBegun = false
  private var isDone = false

  init(
    _ stream: any ServedStream, _ request: StreamScan, _ form: RowsForm, limit: Int
  ) throws(RESTError) {
    do throws(StreamError) { reader = try stream.scan(request) } catch { throw RESTError(error) }
    encoder = try RowsEncoder(reader.schema, form)
    rest = limit
  }

  /// The next bytes, perhaps none; `nil` at the end.
  func next() throws(RESTError) -> [UInt8]? {
    guard !isDone else { return nil }
    if !hasBegun {
      hasBegun = true
      return encoder.begin()
    }
    let batch: RecordBatch?
    do { batch = rest > 0 ? try reader.next() : nil } catch {
      throw RESTError(500, "InternalServerError", "the scan failed: \(error)")
    }
    guard var batch else {
      isDone = true
      return try encoder.end()
    }
    if batch.rowCount > rest { batch = batch.slice(offset: 0, length: rest) }
    rest -= batch.rowCount
    return try encoder.encode(batch)
  }
}

/// A lookup and its answer.
struct LookupQuery {
  private let stream: any ServedStream
  private let keys: RecordBatch
  private let columns: [String]?

  init(
    _ stream: any ServedStream, body: [UInt8], isArrow: Bool, columns: [String]?,
    binary: JSONLinesOptions.BinaryText, keyCountMax: Int
  ) throws(RESTError) {
    self.stream = stream
    let definition = stream.definition
    guard definition.isKeyed else {
      throw RESTError(
        400, "UnsupportedOperationException",
        "\(definition.table) has no primary key; scan it with a filter instead")
    }
    let schema = Schema(
      definition.primaryKey.compactMap { name in
        stream.inputSchema[name].map {
          Field(name, $0.type, nullable: false, metadata: $0.metadata)
        }
      })
    if isArrow {
      keys = try Self.arrowKeys(body, schema)
      self.columns = columns
    } else {
      (keys, self.columns) = try Self.jsonKeys(body, schema, columns, binary)
    }
    guard keys.rowCount <= keyCountMax else {
      throw .tooLarge("\(keys.rowCount) keys; a lookup takes \(keyCountMax)")
    }
  }

  /// `{"keys": [{"id": 1}, {"id": 2}], "columns": ["name"]}`; keys of one column may stand alone.
  private static func jsonKeys(
    _ body: [UInt8], _ schema: Schema, _ columns: [String]?, _ binary: JSONLinesOptions.BinaryText
  ) throws(RESTError) -> (RecordBatch, [String]?) {
    var (lines, columns): ([UInt8], [String]?) = ([], columns)
    do throws(JSONError) {
      let object = try JSONParser(limits: .init(byteCountMax: .max)).parse(body).asObject()
      for name in object.keys where name != "keys" && name != "columns" {
        throw JSONError(.invalidValue, "has '\(name)', which means nothing here")
      }
      columns =
        try object.optionalArray("columns") { name throws(JSONError) in try name.asString() }
        ?? columns
      for key in try object.array("keys") {
        var key = key
        if case .object = key {
        } else if schema.fields.count == 1 {
          key = .object([(schema.fields[0].name, key)])
        }
        lines += key.bytes
        lines.append(0x0a)
      }
    } catch { throw .badRequest("the body is no lookup: \(error)") }
    do throws(ColumnarError) {
      var options = JSONLinesOptions()
      options.binary = binary
      options.batchRowCountMax = .max
      let parser = try JSONLinesParser(schema: schema, options: options)
      try parser.append(lines)
      if let failure = parser.takeFailures().first {
        throw ColumnarError(
          .invalidArgument, "key \(failure.line): \(failure.reason)", column: failure.column)
      }
      let batches = try parser.takeBatches()
      if let first = batches.first { return (first, columns) }
      return (try RecordBatchBuilder(schema).finish(), columns)
    } catch { throw .badRequest("the keys cannot be used: \(error)") }
  }

  private static func arrowKeys(
    _ body: [UInt8], _ schema: Schema
  ) throws(RESTError) -> RecordBatch {
    do {
      let bytes = MutableBuffer()
      bytes.append(contentsOf: body)
      let reader = try ArrowStreamReader(bytes.finish())
      var conformer = try InputConformer(schema, source: reader.schema)
      var batches: [RecordBatch] = []
      while let batch = try reader.next() { batches.append(try conformer.conformed(batch)) }
      if batches.isEmpty { return try RecordBatchBuilder(schema).finish() }
      return try RecordBatch.concatenate(batches)
    } catch let error as RESTError {
      throw error
    } catch {
      throw .badRequest("the keys cannot be used: \(error)")
    }
  }

  func answer(_ form: RowsForm) throws(RESTError) -> RESTResponse {
    let result: StreamLookup
    do throws(StreamError) {
      result =
        keys.rowCount == 0
        ? StreamLookup(found: [], rows: keys) : try stream.lookup(keys: keys, columns: columns)
    } catch { throw RESTError(error) }
    var response: RESTResponse
    if form.isArrow {
      // Which key each row belongs to stands in a column before the others.
      let places = PrimitiveBuilder<Int64>(.int64)
      for (place, isFound) in result.found.enumerated() where isFound {
        places.append(Int64(place))
      }
      let schema = Schema(
        [Field("_key", .int64, nullable: false)] + result.rows.schema.fields)
      let encoder = try RowsEncoder(schema, form)
      let rows: RecordBatch
      do throws(ColumnarError) {
        rows = try RecordBatch(
          schema: schema, columns: [places.finish()] + result.rows.columns,
          rowCount: result.rows.rowCount)
      } catch { throw RESTError(500, "InternalServerError", "\(error)") }
      let bytes = encoder.begin() + (try encoder.encode(rows)) + (try encoder.end())
      response = RESTResponse(json: bytes)
    } else {
      let lines = JSONLinesWriter(binary: form.binary).bytes(result.rows)
      var rows = lines.split(separator: 0x0a).makeIterator()
      var bytes = Array("{\"rows\":[".utf8)
      for (place, isFound) in result.found.enumerated() {
        if place > 0 { bytes.append(UInt8(ascii: ",")) }
        bytes += isFound ? rows.next() ?? [] : Array("null".utf8)[...]
      }
      response = RESTResponse(json: bytes + Array("]}".utf8))
    }
    response.setHeader("Content-Type", form.mediaType)
    return response
  }
}

/// Answers about streams from what is in memory.
enum StreamQueries {
  static func describe(_ stream: any ServedStream) -> RESTResponse {
    let (definition, status) = (stream.definition, stream.status())
    let columns = stream.inputSchema.fields.map { field -> JSONValue in
      [
        "name": .string(field.name), "type": .string("\(field.type)"),
        "required": .bool(!field.nullable),
      ]
    }
    let shards = status.shards.map { shard -> JSONValue in
      [
        "shard": .int(shard.shard), "start": .int(shard.logOffsets.lowerBound),
        "end": .int(shard.logOffsets.upperBound), "covered": .int(shard.coveredOffset),
        "log_bytes": .int(shard.logByteCount), "memory_bytes": .int(shard.memoryByteCount),
        "lag_rows": .int(shard.lagRowCount),
      ]
    }
    var json: JSONObject = [
      "table": .string("\(definition.table)"), "columns": .array(columns),
      "primary_key": .array(definition.primaryKey.map { .string($0) }),
      "merge": .string(definition.merge.name), "event_time": .optional(definition.eventTime),
      "snapshot": .optional(status.snapshotID), "shards": .array(shards),
    ]
    let counts: JSONObject = [
      "lag_rows": .int(status.lagRowCount), "lag_ms": .int(status.lagMicroseconds / 1_000),
      "appended_rows": .int(status.appendedRowCount),
      "dead_letters": .int(status.deadLetterCount), "flushes": .int(status.flushCount),
      "failed_flushes": .int(status.failedFlushCount),
      "last_flush_failure": .optional(status.lastFlushFailure),
    ]
    json.merge(counts)
    return RESTResponse(json: JSONValue.object(json).bytes)
  }
}

extension MergeEngine {
  /// As `weir.yaml` writes it.
  fileprivate var name: String {
    switch self {
    case .lastWrite: "last_write"
    case .partialUpdate: "partial_update"
    case .aggregation: "aggregation"
    case .firstRow: "first_row"
    }
  }
}
