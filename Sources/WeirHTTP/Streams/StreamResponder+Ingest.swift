// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import WeirColumnar
internal import WeirStreaming

extension StreamResponder {
  private enum FailurePolicy: String, CaseIterable {
    /// Records that do not fit go to the dead-letter table.
    case deadLetter = "dead_letter"
    /// Nothing is taken when a record does not fit.
    case refuse
  }

  /// Names of a query that say how rows come in.
  static let ingestNames = ["unknown_fields", "binary", "timestamp_unit", "on_error"]

  /// Takes rows in; the answer comes when they are durable.
  ///
  /// - Parameters:
  ///   - takesArrays: whether lines of JSON may also be one array of objects.
  ///   - onDurable: is told of rows once they are durable.
  func ingest(
    _ message: RESTRequest, _ stream: any ServedStream, _ request: Request, _ context: Context,
    _ record: inout AccessRecord, takesArrays: Bool = false,
    onDurable: (([RecordBatch], StreamReceipt) -> Void)? = nil
  ) async throws -> Response {
    let call = try StreamCall(
      message, known: Self.ingestNames + (takesArrays ? ["surface"] : []))
    let policy = try call.choice("on_error", FailurePolicy.self) ?? .deadLetter
    let producer = try call.producer()
    let (form, codec) = (try call.form(), try call.codec())
    let (configuration, share) = (configuration, ByteShare(budget))
    let session = try await run(context) { () throws(RESTError) in
      try IngestSession(
        stream, form: form, codec: codec, configuration: configuration, share: share)
    }
    if takesArrays, codec == nil, call.contentType != IngestForm.arrowMediaType {
      let body = try await wholeBody(request, share, &record)
      try await run(context) { () throws(RESTError) in
        try session.feed(EventArray.lines(body) ?? body)
      }
    } else {
      try await eachPiece(of: request, share, &record) { piece in
        try await run(context) { () throws(RESTError) in try session.feed(piece) }
      }
    }
    let append = try await run(context) { () throws(RESTError) in
      try session.finish(producer: producer)
    }
    if policy == .refuse && !append.rejected.isEmpty {
      return CatalogResponder.response(refusal(append), isHead: false)
    }
    var receipt = StreamReceipt(offsets: [:])
    if !append.batches.isEmpty || !append.rejected.isEmpty {
      receipt = try await self.append(append, to: stream, context)
      onDurable?(append.batches, receipt)
    }
    // What the request holds is let go only now.
    withExtendedLifetime(share) {}
    return CatalogResponder.response(answer(append, receipt), isHead: false)
  }

  /// The receipt of rows, when they are durable.
  private func append(
    _ append: StreamAppend, to stream: any ServedStream, _ context: Context
  ) async throws -> StreamReceipt {
    let promise = context.eventLoop.makePromise(of: Result<StreamReceipt, RESTError>.self)
    let isAnswered = AnswerFlag()
    let seconds = configuration.limits.responseSecondsMax
    let timer = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) {
      guard isAnswered.claim() else { return }
      promise.succeed(
        .failure(
          RESTError(
            504, "UnknownOutcomeException",
            "the rows were not durable within \(seconds) seconds; whether they will be is not known: "
              + "send the request again, with its producer id and sequence if it had them",
            retryAfterSeconds: 5)))
    }
    defer { timer.cancel() }
    // The stream may block for a moment, never for the sync.
    try await run(context) { () throws(RESTError) in
      stream.append(append) { result in
        guard isAnswered.claim() else { return }
        promise.succeed(result.mapError { RESTError($0) })
      }
    }
    return try await promise.futureResult.get().get()
  }

  private func answer(_ append: StreamAppend, _ receipt: StreamReceipt) -> RESTResponse {
    var offsets = JSONObject()
    for (shard, range) in receipt.offsets.sorted(by: { $0.key < $1.key }) {
      offsets["\(shard)"] = [.int(range.lowerBound), .int(range.upperBound)]
    }
    let json: JSONObject = [
      "rows": .int(append.rowCount), "offsets": .object(offsets),
      "repeat": .bool(receipt.isRepeat), "rejected": rejected(append.rejected),
    ]
    return RESTResponse(json: JSONValue.object(json).bytes)
  }

  private func refusal(_ append: StreamAppend) -> RESTResponse {
    let count = append.rejected.count
    let error = RESTError(
      422, "UnprocessableRecordsException",
      "\(count) \(count == 1 ? "record does" : "records do") not fit the table; nothing was taken")
    let json: JSONObject = [
      "error": [
        "message": .string(error.message), "type": .string(error.type), "code": .int(error.status),
      ],
      "rejected": rejected(append.rejected),
    ]
    return RESTResponse(status: error.status, json: JSONValue.object(json).bytes)
  }

  private func rejected(_ letters: [DeadLetter]) -> JSONValue {
    let shown = letters.prefix(configuration.shownFailureCountMax).map { letter -> JSONValue in
      [
        "line": .int(letter.record), "column": .optional(letter.column),
        "reason": .string(letter.reason),
      ]
    }
    return ["count": .int(letters.count), "records": .array(shown)]
  }
}

/// Events as one array of JSON.
enum EventArray {
  /// The array's members as lines; `nil` when the text is no array.
  static func lines(_ body: [UInt8]) throws(RESTError) -> [UInt8]? {
    guard body.first(where: { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }) == UInt8(ascii: "[") else {
      return nil
    }
    do throws(JSONError) {
      var lines: [UInt8] = []
      for event in try JSONParser(limits: .init(byteCountMax: .max)).parse(body).asArray() {
        lines += event.bytes
        lines.append(0x0a)
      }
      return lines
    } catch { throw .badRequest("the body is no array of events: \(error)") }
  }
}
