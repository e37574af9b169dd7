// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import WeirColumnar
internal import WeirStreaming

extension StreamResponder {
  private static let tailRowCountMax = 8_192

  /// Rows as they come.
  func tail(
    _ message: RESTRequest, _ stream: any ServedStream, _ context: Context
  ) async throws -> Response {
    let call = try StreamCall(message, known: ["from", "limit", "follow", "binary"])
    guard let from = call["from"] else {
      throw RESTError.badRequest("say where to begin: from=earliest, from=latest or from=0:17,1:4")
    }
    let form = RowsForm(
      mediaType: try call.accepted([
        "text/event-stream", "application/x-ndjson", IngestForm.arrowMediaType,
      ]), binary: try call.choice("binary", JSONLinesOptions.BinaryText.self) ?? .base64)
    let limit = try call.int("limit", in: 0...Int.max) ?? .max
    let follows = try call.flag("follow") ?? true
    // A client of server-sent events that lost its connection says where it was.
    let start = try StreamCall.start(call.header("last-event-id") ?? from)
    let place = try readers.enter()
    let session = try await run(context) { () throws(RESTError) in
      do throws(StreamError) {
        return TailSession(try stream.tail(from: start), form, limit: limit)
      } catch {
        throw RESTError(error, missingStatus: 410)
      }
    }
    let isHead = message.method == "HEAD"
    let body = ResponseBody { writer in
      if !isHead { try await send(session, follows: follows, context, to: &writer) }
      withExtendedLifetime(place) {}
      try await writer.finish(nil)
    }
    var headers = HTTPFields()
    headers[.contentType] = form.mediaType
    headers[.cacheControl] = "no-store"
    return Response(status: .ok, headers: headers, body: body)
  }

  @concurrent
  private func send(
    _ session: TailSession, follows: Bool, _ context: Context,
    to writer: inout any ResponseBodyWriter
  ) async throws {
    var idleSeconds = 0
    if let first = try await run(context, { () throws(RESTError) in try session.begin() }) {
      try await writer.write(ByteBuffer(bytes: first))
    }
    while !stop.isSet {
      let rows = try await run(context) { () throws(RESTError) in
        try session.next(rowCountMax: Self.tailRowCountMax)
      }
      if let rows {
        try await writer.write(ByteBuffer(bytes: rows))
        idleSeconds = 0
      }
      if session.isDone || (rows == nil && !follows) { break }
      if rows != nil { continue }
      if await wait(for: session, context) {
        idleSeconds = 0
        continue
      }
      idleSeconds += 1
      if idleSeconds >= configuration.keepAliveSeconds, let bytes = session.keepAlive {
        try await writer.write(ByteBuffer(bytes: bytes))
        idleSeconds = 0
      }
    }
    if let end = try await run(context, { () throws(RESTError) in try session.end() }) {
      try await writer.write(ByteBuffer(bytes: end))
    }
  }

  /// Waits for more rows, a second at most; whether there are some.
  private func wait(for session: TailSession, _ context: Context) async -> Bool {
    let promise = context.eventLoop.makePromise(of: Bool.self)
    let isAnswered = AnswerFlag()
    let timer = context.eventLoop.scheduleTask(in: .seconds(1)) {
      if isAnswered.claim() { promise.succeed(false) }
    }
    session.onMore { if isAnswered.claim() { promise.succeed(true) } }
    defer { timer.cancel() }
    // The promise only ever succeeds.
    return (try? await promise.futureResult.get()) ?? false
  }
}

/// How rows are sent.
struct RowsForm: Sendable {
  var mediaType: String
  var binary: JSONLinesOptions.BinaryText

  var isEvents: Bool { mediaType == "text/event-stream" }
  var isArrow: Bool { mediaType == IngestForm.arrowMediaType }
}

/// Writes batches of one schema in the form that a client asked for.
///
/// Safe to send: one piece of work at a time uses it, each awaits the one before.
final class RowsEncoder: @unchecked Sendable {
  private let form: RowsForm
  private let writer: JSONLinesWriter
  private let arrowBytes = MutableBuffer()
  private let arrow: ArrowStreamWriter?

  init(_ schema: Schema, _ form: RowsForm) throws(RESTError) {
    self.form = form
    writer = JSONLinesWriter(binary: form.binary)
    do {
      arrow = form.isArrow ? try ArrowStreamWriter(schema: schema, into: arrowBytes) : nil
    } catch { throw Self.failure(error) }
  }

  /// What comes before the first batch.
  func begin() -> [UInt8] { takeArrow() }

  /// - Parameter id: the position behind the batch, for events.
  func encode(_ batch: RecordBatch, id: String = "") throws(RESTError) -> [UInt8] {
    if let arrow {
      do { try arrow.write(batch) } catch { throw Self.failure(error) }
      return takeArrow()
    }
    let lines = writer.bytes(batch)
    return form.isEvents ? Self.events(lines, id: id) : lines
  }

  func end() throws(RESTError) -> [UInt8] {
    do { try arrow?.finish() } catch { throw Self.failure(error) }
    return takeArrow()
  }

  /// One event for each line; the last one has the id, from which a lost client goes on.
  private static func events(_ lines: [UInt8], id: String) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(lines.count + lines.count / 8)
    var rest = lines[...]
    while let end = rest.firstIndex(of: 0x0a) {
      if end == lines.count - 1 { bytes += "id: \(id)\n".utf8 }
      bytes += "data: ".utf8
      bytes += rest[...end]
      bytes.append(0x0a)
      rest = rest[(end + 1)...]
    }
    return bytes
  }

  private func takeArrow() -> [UInt8] {
    guard arrowBytes.count > 0 else { return [] }
    return arrowBytes.finish().withUnsafeBytes { Array($0) }
  }

  private static func failure(_ error: any Error) -> RESTError {
    RESTError(500, "InternalServerError", "the rows cannot be written: \(error)")
  }
}

/// One tail of one client.
///
/// Safe to send: one piece of work at a time uses it, each awaits the one before.
final class TailSession: @unchecked Sendable {
  private let tail: any StreamTail
  private let form: RowsForm
  private var encoder: RowsEncoder?
  private var rest: Int

  init(_ tail: any StreamTail, _ form: RowsForm, limit: Int) {
    self.tail = tail
    self.form = form
    rest = limit
  }

  var isDone: Bool { rest == 0 }

  /// Keeps the connection in use; Arrow has nothing that means nothing.
  var keepAlive: [UInt8]? {
    form.isArrow ? nil : form.isEvents ? Array(": \n\n".utf8) : [0x0a]
  }

  func begin() throws(RESTError) -> [UInt8]? {
    let encoder = try RowsEncoder(tail.schema, form)
    self.encoder = encoder
    let bytes = encoder.begin()
    return bytes.isEmpty ? nil : bytes
  }

  func next(rowCountMax: Int) throws(RESTError) -> [UInt8]? {
    guard rest > 0, let encoder else { return nil }
    var batch: RecordBatch?
    do throws(StreamError) { batch = try tail.next(rowCountMax: min(rowCountMax, rest)) } catch {
      throw RESTError(error, missingStatus: 410)
    }
    guard var batch, batch.rowCount > 0 else { return nil }
    if batch.rowCount > rest { batch = batch.slice(offset: 0, length: rest) }
    rest -= batch.rowCount
    return try encoder.encode(batch, id: StreamCall.text(tail.position))
  }

  func end() throws(RESTError) -> [UInt8]? {
    let bytes = try encoder?.end() ?? []
    return bytes.isEmpty ? nil : bytes
  }

  func onMore(_ action: @escaping @Sendable () -> Void) { tail.onMore(action) }
}
