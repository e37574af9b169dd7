// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar
internal import WeirCurl

/// How a command finds the service.
struct ServiceOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where the service is. WEIR_URL in the environment does the same.", valueName: "address"))
  var url: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The token to send; WEIR_TOKEN in the environment does the same and is not seen in lists of "
        + "processes.", valueName: "text"))
  var token: String?

  /// - Parameter isPatient: answers may take hours.
  func client(isPatient: Bool = false) -> StreamClient {
    let url = url ?? Terminal.environment("WEIR_URL") ?? "http://127.0.0.1:8181"
    return StreamClient(
      url: url.hasSuffix("/") ? String(url.dropLast()) : url,
      token: token ?? Terminal.environment("WEIR_TOKEN"), isPatient: isPatient)
  }
}

/// Speaks to a service by docs/streams-api.md.
struct StreamClient {
  let url: String
  let token: String?
  private let http: HTTPClient
  private static let answerBytesMax = 1 << 30

  init(url: String, token: String?, isPatient: Bool = false) {
    self.url = url
    self.token = token
    var settings = HTTPClientSettings()
    if isPatient {
      settings.totalTimeoutMilliseconds = 24 * 3_600_000
      settings.stallSeconds = 24 * 3_600
    }
    http = HTTPClient(settings: settings)
  }

  /// The path of a stream's resource.
  static func path(_ table: String, _ rest: String = "", query: [(String, String)] = []) -> String {
    var path = "/v1/streams/\(escaped(table))\(rest)"
    if !query.isEmpty {
      path += "?" + query.map { "\($0)=\(escaped($1))" }.joined(separator: "&")
    }
    return path
  }

  private static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".unicodeScalars)
    var result = ""
    for byte in text.utf8 {
      let scalar = Unicode.Scalar(byte)
      let isPlain =
        scalar.properties.isAlphabetic && byte < 0x80 || "0123456789-._~".utf8.contains(byte)
      if isPlain {
        result.unicodeScalars.append(scalar)
      } else {
        result += "%"
        result.unicodeScalars.append(digits[Int(byte >> 4)])
        result.unicodeScalars.append(digits[Int(byte & 15)])
      }
    }
    return result
  }

  /// The answer's body.
  func send(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
  ) throws -> [UInt8] {
    try answer(method, path, headers: headers, body: body).body.array(of: UInt8.self)
  }

  /// The answer. What is refused because of load is tried again for a while.
  func answer(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
  ) throws -> HTTPResponse {
    var headers = headers
    if let token { headers.append(("Authorization", "Bearer \(token)")) }
    let buffer = body.map { bytes in
      let copy = MutableBuffer()
      copy.append(contentsOf: bytes)
      return [copy.finish()]
    }
    for attempt in 1... {
      let response: HTTPResponse
      do throws(HTTPError) {
        response = try http.send(
          HTTPRequest(
            method, url + path, headers: HTTPHeaders(headers), body: buffer,
            answerBytesMax: Self.answerBytesMax))
      } catch {
        throw CommandFailure(
          "\(url): \(error.message)",
          hint: error.code == .noConnection ? "Does 'weir up' run there? --url says where." : nil)
      }
      if (200..<300).contains(response.status) { return response }
      if response.status == 429 || response.status == 503, attempt < 30 {
        usleep(useconds_t(min(5, Int(response.headers["Retry-After"] ?? "") ?? 1)) * 1_000_000)
        continue
      }
      throw Self.failure(response)
    }
    throw CommandFailure("the service stays busy")
  }

  func json(_ method: String, _ path: String, body: [UInt8]? = nil) throws -> JSONObject {
    let bytes = try send(
      method, path, headers: body == nil ? [] : [("Content-Type", "application/json")], body: body)
    do { return try JSONValue(parsing: bytes).asObject() } catch {
      throw CommandFailure("\(url): the answer is no JSON: \(error)", hint: "Is this Weir?")
    }
  }

  private static func failure(_ response: HTTPResponse) -> CommandFailure {
    let body = try? JSONValue(parsing: response.body.array(of: UInt8.self)).asObject()
    let message = try? body?.object("error").string("message")
    return CommandFailure(
      message ?? "the service answered with status \(response.status): \(response.text.prefix(200))"
    )
  }
}
