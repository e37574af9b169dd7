// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
internal import WeirTable

/// One request of the REST specification.
struct RESTCall {
  enum Kind {
    /// Changes nothing.
    case read
    /// Changes something; with an idempotency key where the server takes one.
    case change
    /// Commits: what is unknown after a failure matters most.
    case commit
  }

  var method: String
  /// Behind `/v1/{prefix}`, encoded, or `/v1/config`.
  var path: String
  var query: [(String, String)] = []
  var headers: [(String, String)] = []
  var body: JSONValue?
  var kind: Kind
  /// For errors: what is asked of what.
  var subject: String
  /// What a status 409 without a known type means.
  var onConflict: TableError.Code = .alreadyExists
}

/// Sends requests with tokens, and again where that is safe.
///
/// 1. A request that the server has surely not seen, or refused for now (429), is sent again.
/// 2. No answer, 5xx: a read is sent again; so is a change that carries an idempotency key, which the
///    server does once however often it comes. Any other change ends with `unknownOutcome`.
/// 3. 401 and 419: again with a new token, once.
final class RESTClient: Sendable {
  let settings: RESTSettings
  let clock: ClientClock
  private let transport: any HTTPTransport
  private let tokens: RESTTokens

  init(settings: RESTSettings, transport: any HTTPTransport, clock: ClientClock) {
    self.settings = settings
    self.transport = transport
    self.clock = clock
    tokens = RESTTokens(settings, transport: transport, clock: clock)
  }

  /// The answer to `call`, of a status below 400; throws what a failure means.
  func send(_ call: RESTCall, _ configuration: RESTConfiguration) throws(TableError) -> HTTPResponse
  {
    let key =
      call.kind != .read && configuration.takesIdempotencyKeys ? idempotencyKey() : nil
    let isRepeatable = call.kind == .read || key != nil
    var attempt = 0
    var hasNewToken = false
    var token = try tokens.current()
    // What an earlier attempt that may have worked ended with.
    var doubt: String?
    while true {
      attempt += 1
      let request = request(call, configuration, token: token, key: key)
      let response: HTTPResponse
      do {
        response = try transport.send(request)
      } catch {
        if error.mayHaveArrived { doubt = error.description }
        let mayRepeat = error.isTransient && (isRepeatable || !error.mayHaveArrived)
        guard mayRepeat, attempt < settings.retries.attemptsMax else {
          throw failure(error, call, doubt)
        }
        pause(attempt, nil)
        continue
      }
      let status = response.status
      if status < 400 { return response }
      if status == 401 || status == 419, !hasNewToken, let new = try tokens.renewed() {
        token = new
        hasNewToken = true
        continue
      }
      let isServers = status >= 500 && status != 501 || status == 408
      if isServers, call.kind != .read { doubt = "status \(status)" }
      if isServers && isRepeatable || status == 429, attempt < settings.retries.attemptsMax {
        pause(attempt, response.headers["Retry-After"])
        continue
      }
      throw failure(response, call, doubt)
    }
  }

  private func pause(_ attempt: Int, _ asked: String?) {
    clock.sleep(settings.retries.pause(after: attempt, asked: asked, random: clock.random()))
  }

  /// UUID version 7 (RFC 9562): milliseconds, then chance.
  private func idempotencyKey() -> String {
    let milliseconds = UInt64(max(0, clock.now() / 1_000_000))
    let high = milliseconds << 16 | 0x7000 | clock.random() & 0x0fff
    let low = 0x8000_0000_0000_0000 | clock.random() >> 2
    func digits(_ value: UInt64, from start: Int, _ count: Int) -> String {
      let text = String(value, radix: 16)
      let padded = String(repeating: "0", count: 16 - text.utf8.count) + text
      return String(padded.dropFirst(start).prefix(count))
    }
    return [
      digits(high, from: 0, 8), digits(high, from: 8, 4), digits(high, from: 12, 4),
      digits(low, from: 0, 4), digits(low, from: 4, 12),
    ].joined(separator: "-")
  }

  private func request(
    _ call: RESTCall, _ configuration: RESTConfiguration, token: String?, key: String?
  ) -> HTTPRequest {
    var headers = HTTPHeaders(call.headers)
    headers["Accept"] = "application/json"
    headers["User-Agent"] = "weir"
    if let token { headers["Authorization"] = "Bearer \(token)" }
    if let key { headers["Idempotency-Key"] = key }
    for (name, value) in configuration.properties where name.hasPrefix("header.") {
      headers[String(name.dropFirst(7))] = value
    }
    var body: [Buffer]?
    if let json = call.body {
      headers["Content-Type"] = "application/json"
      body = [Buffer(json.bytes)]
    } else if call.method == "POST" {
      body = []
    }
    let query = call.query.map {
      "\(PercentEncoding.encode($0.0))=\(PercentEncoding.encode($0.1))"
    }.joined(separator: "&")
    return HTTPRequest(
      call.method, "\(settings.address)\(call.path)\(query.isEmpty ? "" : "?")\(query)",
      headers: headers, body: body, answerBytesMax: settings.answerBytesMax,
      acceptsCompressed: true, timeoutMilliseconds: 120_000)
  }

  /// The answer's JSON.
  func json(_ response: HTTPResponse, _ call: RESTCall) throws(TableError) -> JSONObject {
    do {
      return try JSONParser().parse(response.body).asObject()
    } catch {
      throw incomprehensible(call, error)
    }
  }

  /// What it means that the answer cannot be read; a commit may have been made all the same.
  func incomprehensible(_ call: RESTCall, _ error: JSONError) -> TableError {
    TableError(
      call.kind == .commit ? .unknownOutcome : .catalog,
      "\(call.subject): the answer of \(settings.address) is not understood; check that this is the "
        + "address of an Iceberg REST catalog", cause: error.description)
  }

  /// `text` fit for a message.
  static func printable(_ text: String, _ countMax: Int) -> String {
    String(
      text.unicodeScalars.prefix(countMax).map { scalar -> Character in
        scalar.value < 0x20 || scalar.value == 0x7f ? " " : Character(scalar)
      })
  }
}
