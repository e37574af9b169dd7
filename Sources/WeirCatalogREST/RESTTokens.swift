// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirCurl
internal import WeirTable

/// The bearer token of a catalog's requests: a given one, or one that the token server gives for client
/// credentials (RFC 6749, section 4.4), got anew before it expires.
final class RESTTokens: Sendable {
  private struct Credential {
    var id: String?
    var secret: String
  }

  private struct Token {
    var text: String
    /// Nanoseconds since 1970; `nil` when the server did not say.
    var expires: Int?
  }

  /// A token is not used in the last part of its life: a tenth, at most a minute.
  private static let marginMax = 60 * 1_000_000_000

  private let credential: Credential?
  private let address: String
  private let form: [(String, String)]
  private let transport: any HTTPTransport
  private let clock: ClientClock
  private let state: Mutex<Token?>

  init(_ settings: RESTSettings, transport: any HTTPTransport, clock: ClientClock) {
    let properties = settings.properties
    credential = properties["credential"].map { text in
      guard let colon = text.firstIndex(of: ":") else { return Credential(id: nil, secret: text) }
      return Credential(
        id: String(text[..<colon]), secret: String(text[text.index(after: colon)...]))
    }
    address = properties["oauth2-server-uri"] ?? "\(settings.address)/v1/oauth/tokens"
    form =
      [("scope", properties["scope"] ?? "catalog")]
      + ["audience", "resource"].compactMap { name in properties[name].map { (name, $0) } }
    self.transport = transport
    self.clock = clock
    state = Mutex(properties["token"].map { Token(text: $0, expires: nil) })
  }

  /// The token to send; `nil` when the catalog is asked by nobody in particular.
  func current() throws(TableError) -> String? {
    let known = state.withLock { $0 }
    if let known, known.expires.map({ clock.now() < $0 }) ?? true { return known.text }
    return try renewed()
  }

  /// A new token, after the server refused the one that `current` gave; `nil` when there is no way to
  /// get one.
  func renewed() throws(TableError) -> String? {
    guard let credential else { return nil }
    var form = [("grant_type", "client_credentials")] + self.form
    if let id = credential.id { form.append(("client_id", id)) }
    form.append(("client_secret", credential.secret))
    let text = form.map { "\(Self.encode($0.0))=\(Self.encode($0.1))" }.joined(separator: "&")
    let request = HTTPRequest(
      "POST", address,
      headers: HTTPHeaders([
        ("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"),
      ]), body: [Buffer(Array(text.utf8))], answerBytesMax: 1 << 20)
    let asked = clock.now()
    let token = try token(try answer(request), asked: asked)
    state.withLock { $0 = token }
    return token.text
  }

  /// Asking twice does no harm, so that a lost answer is asked for again.
  private func answer(_ request: HTTPRequest) throws(TableError) -> HTTPResponse {
    let retries = RetryPolicy()
    var attempt = 0
    while true {
      attempt += 1
      do {
        let response = try transport.send(request)
        let isTransient = [429, 502, 503, 504].contains(response.status)
        if !isTransient || attempt >= 3 { return response }
      } catch {
        guard error.isTransient, attempt < 3 else {
          throw TableError(
            .catalog, "the token server did not answer", cause: error.description)
        }
      }
      clock.sleep(retries.pause(after: attempt, asked: nil, random: clock.random()))
    }
  }

  private func token(_ response: HTTPResponse, asked: Int) throws(TableError) -> Token {
    let object = try? JSONParser().parse(response.body).asObject()
    guard response.status == 200 else {
      // RFC 6749, section 5.2; the description may repeat nothing secret.
      let code = (try? object?.optionalString("error")) ?? nil
      throw TableError(
        .forbidden,
        "the token server refused the credentials with status \(response.status)"
          + (code.map { " (\(RESTClient.printable($0, 100)))" } ?? "")
          + "; check 'credential', 'scope' and 'oauth2-server-uri'")
    }
    guard let object, let text = try? object.string("access_token"), !text.isEmpty,
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
    else {
      throw TableError(
        .catalog, "the token server's answer holds no token; check 'oauth2-server-uri'")
    }
    guard let seconds = try? object.optionalInt("expires_in"), seconds > 0 else {
      return Token(text: text, expires: nil)
    }
    let life = min(seconds, 10 * 365 * 86_400) * 1_000_000_000
    return Token(text: text, expires: asked + life - min(life / 10, Self.marginMax))
  }

  private static func encode(_ text: String) -> String { PercentEncoding.encode(text) }
}
