// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage

/// One operation of S3, before it is signed.
struct S3Call {
  var method: String
  /// `nil` for the bucket itself.
  var key: String?
  var query: [(String, String)] = []
  var headers: [(String, String)] = []
  var body: [Buffer]?
  /// SHA-256 of the body in hexadecimal, when it is known already.
  var answerBytesMax = 8 << 20
  /// For errors: `get`, `put`, …
  var operation: String
  var path: String
}

/// What S3 said at last.
struct S3Answer {
  var response: HTTPResponse
  /// What became of an earlier attempt of the same call that may have taken effect, since it got no
  /// answer or a failure of the server; `nil` when there was none.
  var doubt: String?
  /// True when an earlier attempt arrived, whatever became of it.
  var isRepeated: Bool
  /// The error's code (`NoSuchKey`) and message; `nil` after success.
  var fault: S3Fault?

  var status: Int { response.status }
}

struct S3Fault {
  var code: String
  var message: String
}

/// Signs, sends, and sends again what failed for the moment.
///
/// 1. Sign with the credentials and region known, by the server's clock as far as it is known.
/// 2. No answer, 5xx, 429, 408 and the codes in `transientCodes`: wait with jitter, again.
/// 3. The clock is off, the credentials are too old, the bucket is in another region: correct it, again,
///    once each.
/// 4. Anything else is the caller's, with the note whether an earlier attempt may have worked.
final class S3Client: Sendable {
  private struct State {
    var credentials: S3Credentials?
    var region: String
    /// Nanoseconds by which the server's clock is ahead.
    var clockOffset = 0
  }

  static let transientCodes: Set<String> = [
    "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "Throttling",
    "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded",
    "ConditionalRequestConflict", "OperationAborted", "BadDigest", "XAmzContentSHA256Mismatch",
  ]

  /// What radosgw answers, with 500, when another put came between its check of `If-Match` and its
  /// write: this one has not taken effect.
  static let lostRaceCode = "UnknownError"

  let settings: S3Settings
  private let transport: any HTTPTransport
  private let clock: ClientClock
  private let state: Mutex<State>

  init(settings: S3Settings, transport: any HTTPTransport, clock: ClientClock) {
    self.settings = settings
    self.transport = transport
    self.clock = clock
    self.state = Mutex(State(region: settings.region))
  }

  /// Nanoseconds since 1970, by the server's clock.
  var now: Int { clock.now() + state.withLock { $0.clockOffset } }

  /// 128 random bits in hexadecimal.
  func randomName() -> String {
    Hexadecimal.encode(
      [clock.random(), clock.random()].flatMap { word in
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
      })
  }

  /// The answer, of success or of a failure that no retry mends; throws when there was none in the end.
  func send(_ call: S3Call) throws(StorageError) -> S3Answer {
    let bodyDigest = Hexadecimal.encode(SHA256.digest(of: call.body ?? []))
    var attempt = 0
    var doubt: String?
    var isRepeated = false
    var corrections: Set<String> = []
    while true {
      attempt += 1
      let request = try signed(call, bodyDigest)
      let response: HTTPResponse
      do {
        response = try transport.send(request)
      } catch {
        if error.mayHaveArrived {
          doubt = error.description
          isRepeated = true
        }
        guard error.isTransient, attempt < settings.retries.attemptsMax else {
          throw storageError(error, call, attempt: attempt)
        }
        wait(after: attempt, asked: nil)
        continue
      }
      let fault =
        call.method == "GET" && response.status < 300
        ? S3Fault(code: "", message: "") : Self.fault(response)
      // A service that began to answer before it failed has said 200 already.
      let failed = !(200..<300).contains(response.status)
      if !failed, call.method != "POST" || fault.code.isEmpty {
        return S3Answer(response: response, doubt: doubt, isRepeated: isRepeated, fault: nil)
      }
      if let name = correct(fault, response), corrections.insert(name).inserted { continue }
      let mayWork =
        [408, 429, 500, 502, 503, 504].contains(response.status)
        || Self.transientCodes.contains(fault.code)
      if mayWork {
        isRepeated = true
        if response.status >= 500 && fault.code != Self.lostRaceCode || !failed {
          doubt = "the service answered \(response.status) \(fault.code)"
        }
        if attempt < settings.retries.attemptsMax {
          wait(after: attempt, asked: response.headers["Retry-After"])
          continue
        }
      }
      return S3Answer(response: response, doubt: doubt, isRepeated: isRepeated, fault: fault)
    }
  }

  private func wait(after attempt: Int, asked: String?) {
    clock.sleep(settings.retries.pause(after: attempt, asked: asked, random: clock.random()))
  }

  private func signed(_ call: S3Call, _ bodyDigest: String) throws(StorageError) -> HTTPRequest {
    let (known, region, offset) = state.withLock { ($0.credentials, $0.region, $0.clockOffset) }
    var located = settings
    located.region = region
    let address = try S3Address(located)
    let path = address.path(key: call.key)
    var headers = HTTPHeaders(call.headers)
    let credentials: S3Credentials?
    if let known { credentials = known } else { credentials = try newCredentials() }
    if let credentials {
      S3Signer(credentials: credentials, region: region).sign(
        method: call.method, host: address.host, path: path, query: call.query,
        headers: &headers, bodyDigest: bodyDigest, now: clock.now() + offset)
    }
    let query = S3Signer.canonicalQuery(call.query)
    // Besides a minute for the answer to come, 250 KB a second.
    let byteCount = (call.body ?? []).reduce(0) { $0 + $1.count }
    let timeout = 60_000 + max(byteCount, min(call.answerBytesMax, 1 << 40)) / 250
    return HTTPRequest(
      call.method,
      "\(address.scheme)://\(address.host)\(path)\(query.isEmpty ? "" : "?")\(query)",
      headers: headers, body: call.body, answerBytesMax: call.answerBytesMax,
      timeoutMilliseconds: timeout)
  }

  private func newCredentials() throws(StorageError) -> S3Credentials? {
    let new: S3Credentials
    switch settings.credentials {
    case .anonymous: return nil
    case .fixed(let credentials): new = credentials
    case .dynamic(let ask): new = try ask()
    }
    state.withLock { $0.credentials = new }
    return new
  }

  /// Corrects what the failure says is wrong with the request; the name of what was corrected.
  private func correct(_ fault: S3Fault, _ response: HTTPResponse) -> String? {
    switch fault.code {
    case "RequestTimeTooSkewed":
      guard let theirs = response.headers["Date"].flatMap(S3Time.http) else { return nil }
      let offset = theirs - clock.now()
      state.withLock { $0.clockOffset = offset }
      return "clock"
    case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken":
      guard case .dynamic = settings.credentials else { return nil }
      state.withLock { $0.credentials = nil }
      return "credentials"
    default:
      guard settings.endpoint == nil, [301, 307, 400].contains(response.status),
        let region = response.headers["x-amz-bucket-region"],
        region != state.withLock({ $0.region })
      else { return nil }
      state.withLock { $0.region = region }
      return "region"
    }
  }

  /// What the answer says is wrong. A failure of `HEAD` has no body: its status stands for the code.
  static func fault(_ response: HTTPResponse) -> S3Fault {
    if response.body.count > 0, response.body.count < 1 << 20,
      let root = XMLElement.parse(response.body.array(of: UInt8.self)), root.name == "Error"
    {
      return S3Fault(
        code: printable(root.text(of: "Code") ?? "", 100),
        message: printable(root.text(of: "Message") ?? "", 300))
    }
    return S3Fault(code: "", message: "")
  }

  /// `text` fit for a message.
  static func printable(_ text: String, _ countMax: Int) -> String {
    String(
      text.unicodeScalars.prefix(countMax).map { scalar -> Character in
        scalar.value < 0x20 || scalar.value == 0x7f ? " " : Character(scalar)
      })
  }
}
