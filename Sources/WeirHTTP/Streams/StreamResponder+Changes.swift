// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import WeirColumnar
internal import WeirStreaming

extension HTTPField.Name {
  /// The state behind the changes: where the next ones begin.
  fileprivate static let position = HTTPField.Name("Weir-Position")!
  fileprivate static let from = HTTPField.Name("Weir-From")!
}

extension StreamResponder {
  /// The rows by which two states of the table differ.
  func changes(
    _ message: RESTRequest, _ stream: any ServedStream, _ context: Context
  ) async throws -> Response {
    let call = try StreamCall(message, known: ["from", "to", "binary"])
    guard let from = call["from"] else {
      throw RESTError.badRequest(
        "say where the changes begin: from=earliest, from=snapshot:ID or a position (0:17,1:4@8123)"
      )
    }
    let (start, end) = (try StreamCall.point(from), try StreamCall.point(call["to"] ?? "latest"))
    let form = RowsForm(
      mediaType: try call.accepted(["application/x-ndjson", IngestForm.arrowMediaType]),
      binary: try call.choice("binary", JSONLinesOptions.BinaryText.self) ?? .base64)
    let place = try readers.enter()
    let session = try await run(context) { () throws(RESTError) in
      try ChangesSession(stream, from: start, to: end, form)
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
    headers[.from] = session.from
    headers[.position] = session.position
    return Response(status: .ok, headers: headers, body: body)
  }
}

/// The changes for one client.
///
/// Safe to send: one piece of work at a time uses it, each awaits the one before.
private final class ChangesSession: @unchecked Sendable {
  let from: String
  let position: String
  private let reader: any StreamChangeReader
  private let encoder: RowsEncoder
  private var hasBegun = false
  private var isDone = false

  init(
    _ stream: any ServedStream, from: StreamPoint, to: StreamPoint, _ form: RowsForm
  ) throws(RESTError) {
    do throws(StreamError) { reader = try stream.changes(from: from, to: to) } catch {
      throw RESTError(error, missingStatus: 410)
    }
    self.from = "\(reader.from)"
    position = "\(reader.to)"
    encoder = try RowsEncoder(reader.schema, form)
  }

  /// The next bytes, perhaps none; `nil` at the end.
  func next() throws(RESTError) -> [UInt8]? {
    guard !isDone else { return nil }
    if !hasBegun {
      hasBegun = true
      return encoder.begin()
    }
    let batch: RecordBatch?
    do { batch = try reader.next() } catch {
      throw RESTError(500, "InternalServerError", "the changes cannot be read: \(error)")
    }
    guard let batch else {
      isDone = true
      return try encoder.end()
    }
    return try encoder.encode(batch)
  }
}
