// SPDX-License-Identifier: Apache-2.0
// Safe: every pointer given to C lives in a scope around the one call that uses it, which keeps none.

internal import CWeirCurl
internal import WeirColumnar

/// Limits of an `HTTPClient`.
public struct HTTPClientSettings: Sendable, Hashable {
  /// Requests under way at once; others wait.
  public var requestsMax = 64
  /// Milliseconds until a connection must stand.
  public var connectTimeoutMilliseconds = 5_000
  /// Milliseconds that one exchange may take.
  public var totalTimeoutMilliseconds = 300_000
  /// An exchange fails when it moves fewer bytes a second than this for `stallSeconds`.
  public var stallBytesPerSecond = 1_024
  public var stallSeconds = 20
  /// Milliseconds to wait for a place among `requestsMax`.
  public var placeTimeoutMilliseconds = 60_000
  /// A file of trusted certificates; `nil` for the system's.
  public var certificateFile: String?

  public init() {}
}

/// HTTP/1.1 over libcurl: connections are kept and used again, by one request at a time each.
///
/// Threads may share a client. libcurl is looked for when the first request is sent. After a fork the
/// child makes its own connections. Redirects are answers like others.
public final class HTTPClient: HTTPTransport {
  public let settings: HTTPClientSettings
  // Safe: the C pool locks itself; it is destroyed when nobody can use it any more.
  private nonisolated(unsafe) let pool: OpaquePointer

  public init(settings: HTTPClientSettings = HTTPClientSettings()) {
    precondition(settings.requestsMax > 0, "a client sends at least one request at once")
    self.settings = settings
    guard let pool = weir_curl_pool_create(Int32(clamping: settings.requestsMax)) else {
      fatalError("out of memory: could not allocate a pool of connections")
    }
    self.pool = pool
  }

  deinit { weir_curl_pool_destroy(pool) }

  /// The version of the libcurl that was found, after the first request.
  public static var libraryVersion: String? { weir_curl_version().map { String(cString: $0) } }

  public func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
    try Self.check(request)
    let lines = request.headers.fields.map { field in
      // libcurl leaves out a header without a value; a semicolon makes it send an empty one.
      field.value.isEmpty ? "\(field.name);" : "\(field.name): \(field.value)"
    }
    let receiver = AnswerReceiver(byteCountMax: request.answerBytesMax)
    var result = weir_curl_result()
    withCStrings(lines) { headers in
      withPieces(request.body) { pieces, pieceCount in
        request.method.withCString { method in
          request.url.withCString { url in
            withOptionalCString(settings.certificateFile) { certificates in
              var c = weir_curl_request()
              c.method = method
              c.url = url
              c.headers = headers.baseAddress
              c.header_count = lines.count
              c.body = pieces
              c.body_piece_count = pieceCount
              c.connect_timeout_ms = Int64(settings.connectTimeoutMilliseconds)
              c.total_timeout_ms = Int64(
                request.timeoutMilliseconds ?? settings.totalTimeoutMilliseconds)
              c.low_speed_bytes = Int64(settings.stallBytesPerSecond)
              c.low_speed_seconds = Int64(settings.stallSeconds)
              c.accepts_compressed = request.acceptsCompressed ? 1 : 0
              c.ca_file = certificates
              c.pool_timeout_ms = Int64(settings.placeTimeoutMilliseconds)
              c.on_body = receiveBody
              c.on_header = receiveHeader
              c.context = Unmanaged.passUnretained(receiver).toOpaque()
              weir_curl_perform(pool, &c, &result)
            }
          }
        }
      }
    }
    return try Self.response(result, receiver, to: request)
  }

  /// The answer, or the error that `result` means.
  private static func response(
    _ result: weir_curl_result, _ receiver: AnswerReceiver, to request: HTTPRequest
  ) throws(HTTPError) -> HTTPResponse {
    if result.outcome == WEIR_CURL_DONE {
      return HTTPResponse(
        status: Int(result.status), headers: receiver.headers, body: receiver.finish())
    }
    let detail = withUnsafeBytes(of: result.message) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    let server = origin(of: request.url)
    let (code, message): (HTTPError.Code, String) =
      switch result.outcome {
      case WEIR_CURL_NO_LIBRARY: (.libraryMissing, detail)
      case WEIR_CURL_BAD_URL:
        (.invalidRequest, "the address of \(server) is none of http or https: \(detail)")
      case WEIR_CURL_NO_CONNECTION:
        (.noConnection, "\(server): \(detail); check the address and that the server runs")
      case WEIR_CURL_TLS:
        (
          .tls,
          "\(server): \(detail); check the server's certificate and the machine's trusted ones"
        )
      case WEIR_CURL_TIMEOUT: (.timeout, "\(server): \(detail)")
      case WEIR_CURL_BROKEN: (.connectionBroken, "\(server): \(detail)")
      case WEIR_CURL_POOL_FULL:
        (.tooManyRequests, "\(server): too many requests of this process are under way")
      case WEIR_CURL_STOPPED:
        (
          .answerTooLong,
          "\(server) answered with more than the \(request.answerBytesMax) bytes that this request "
            + "allows"
        )
      default: (.failed, "\(server): \(detail)")
      }
    let surelyUnseen =
      result.sent_count == 0
      || [WEIR_CURL_NO_LIBRARY, WEIR_CURL_NO_CONNECTION, WEIR_CURL_TLS, WEIR_CURL_POOL_FULL]
        .contains(result.outcome)
    throw HTTPError(code, message, mayHaveArrived: !surelyUnseen)
  }

  /// Refuses what could smuggle a second header or request into the first.
  private static func check(_ request: HTTPRequest) throws(HTTPError) {
    func isToken(_ text: String) -> Bool {
      !text.isEmpty
        && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }
    }
    func isClean(_ text: String) -> Bool {
      text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }
    guard isToken(request.method) else {
      throw HTTPError(.invalidRequest, "the method is none", mayHaveArrived: false)
    }
    guard request.url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw HTTPError(
        .invalidRequest, "the address holds characters that must be percent-encoded",
        mayHaveArrived: false)
    }
    for field in request.headers.fields where !isToken(field.name) || !isClean(field.value) {
      throw HTTPError(
        .invalidRequest, "the header \(field.name.debugDescription) holds control characters",
        mayHaveArrived: false)
    }
  }

  /// Scheme, host and port of `url`, for messages: neither user, path nor query.
  private static func origin(of url: String) -> String {
    let bytes = Array(url.utf8)
    var start = 0
    var slashes = 0
    while start < bytes.count, slashes < 2 {
      if bytes[start] == UInt8(ascii: "/") { slashes += 1 }
      start += 1
    }
    let end = bytes[start...].firstIndex { "/?#".utf8.contains($0) } ?? bytes.count
    let host = bytes[start..<end].split(separator: UInt8(ascii: "@")).last ?? []
    return String(decoding: bytes[..<start] + host, as: UTF8.self)
  }
}

/// Collects one answer.
private final class AnswerReceiver {
  /// Bytes of all lines of the head; servers send some hundreds.
  static let headBytesMax = 256 << 10

  private let body = MutableBuffer()
  private let byteCountMax: Int
  private var headByteCount = 0
  private(set) var headers = HTTPHeaders()

  init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

  func finish() -> Buffer { body.finish() }

  func add(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count <= byteCountMax - body.count else { return false }
    body.append(bytes)
    return true
  }

  func addHeader(_ line: UnsafeRawBufferPointer) -> Bool {
    headByteCount += line.count
    guard headByteCount <= Self.headBytesMax else { return false }
    if line.starts(with: "HTTP/".utf8) {
      // An interim answer (100 Continue) came before.
      headers = HTTPHeaders()
      return true
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return true }
    let value = line[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
    let end = value.lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? value.startIndex
    headers.add(
      String(decoding: line[..<colon], as: UTF8.self),
      String(decoding: value[value.startIndex..<end], as: UTF8.self))
    // What is announced is allocated at once, when it is allowed.
    if equalIgnoringCase(headers.fields.last!.name, "content-length"),
      let count = Int(headers.fields.last!.value), count > 0, count <= min(byteCountMax, 64 << 20)
    {
      body.reserve(count)
    }
    return true
  }
}

// Safe: the context is the receiver that `send` keeps alive, the bytes are valid during the call.
private func receiveBody(
  _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int
) -> Int32 {
  let receiver = Unmanaged<AnswerReceiver>.fromOpaque(context!).takeUnretainedValue()
  return receiver.add(UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1
}

private func receiveHeader(
  _ context: UnsafeMutableRawPointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int
) -> Int32 {
  let receiver = Unmanaged<AnswerReceiver>.fromOpaque(context!).takeUnretainedValue()
  return receiver.addHeader(UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1
}

/// Calls `body` with the texts as C strings; they must not escape it.
private func withCStrings(
  _ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Void
) {
  var bytes: [CChar] = []
  var starts: [Int] = []
  for text in texts {
    starts.append(bytes.count)
    bytes.append(contentsOf: text.utf8CString)
  }
  bytes.withUnsafeBufferPointer { all in
    let pointers = starts.map { start in all.baseAddress.map { $0 + start } }
    pointers.withUnsafeBufferPointer { body($0) }
  }
}

/// Calls `body` with the buffers' bytes; they must not escape it.
private func withPieces(
  _ buffers: [Buffer]?, _ body: (UnsafePointer<weir_curl_piece>?, Int) -> Void
) {
  guard let buffers else {
    body(nil, 0)
    return
  }
  // One more than needed: an empty array may have no address.
  let pieces = (buffers + [Buffer()]).map { weir_curl_piece(bytes: $0.base, count: $0.count) }
  withExtendedLifetime(buffers) {
    pieces.withUnsafeBufferPointer { body($0.baseAddress, buffers.count) }
  }
}

private func withOptionalCString(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Void) {
  if let text { text.withCString { body($0) } } else { body(nil) }
}
