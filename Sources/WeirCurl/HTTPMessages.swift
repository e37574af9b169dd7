// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Names and values of a request's or an answer's head. Names are compared without regard to case.
public struct HTTPHeaders: Sendable, Hashable {
  public struct Field: Sendable, Hashable {
    public var name: String
    public var value: String
  }

  /// In the order in which they were added or came.
  public private(set) var fields: [Field] = []

  public init(_ fields: [(String, String)] = []) {
    self.fields = fields.map { Field(name: $0.0, value: $0.1) }
  }

  /// The first value of `name`. Setting replaces all of them; `nil` removes them.
  public subscript(name: String) -> String? {
    get { fields.first { equalIgnoringCase($0.name, name) }?.value }
    set {
      fields.removeAll { equalIgnoringCase($0.name, name) }
      if let newValue { fields.append(Field(name: name, value: newValue)) }
    }
  }

  mutating func add(_ name: String, _ value: String) {
    fields.append(Field(name: name, value: value))
  }
}

/// True when both are the same but for the case of ASCII letters.
package func equalIgnoringCase(_ a: String, _ b: String) -> Bool {
  a.utf8.count == b.utf8.count
    && zip(a.utf8, b.utf8).allSatisfy { lowercasedASCII($0) == lowercasedASCII($1) }
}

@inline(__always)
private func lowercasedASCII(_ byte: UInt8) -> UInt8 {
  byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}

/// One HTTP request.
public struct HTTPRequest: Sendable {
  public var method: String
  /// Absolute, of `http` or `https`, with everything percent-encoded that must be.
  public var url: String
  public var headers: HTTPHeaders
  /// The body in pieces, which are sent one behind the other without being joined; `nil` for none.
  public var body: [Buffer]?
  /// A longer answer is an error, `answerTooLong`, before it is held in memory.
  public var answerBytesMax: Int
  /// Asks for compressed answers and decompresses them; `answerBytesMax` counts what comes out.
  public var acceptsCompressed: Bool
  /// Milliseconds that the whole exchange may take; `nil` for the client's setting.
  public var timeoutMilliseconds: Int?

  public init(
    _ method: String, _ url: String, headers: HTTPHeaders = HTTPHeaders(), body: [Buffer]? = nil,
    answerBytesMax: Int = 16 << 20, acceptsCompressed: Bool = false,
    timeoutMilliseconds: Int? = nil
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.answerBytesMax = answerBytesMax
    self.acceptsCompressed = acceptsCompressed
    self.timeoutMilliseconds = timeoutMilliseconds
  }
}

/// The answer to one request, of whatever status.
public struct HTTPResponse: Sendable {
  public var status: Int
  public var headers: HTTPHeaders
  public var body: Buffer

  public init(status: Int, headers: HTTPHeaders = HTTPHeaders(), body: Buffer = Buffer()) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// The body as text; what is not UTF-8 is replaced.
  public var text: String { String(decoding: body.array(of: UInt8.self), as: UTF8.self) }
}

/// Why a request got no answer.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// This machine has no libcurl.
    public static let libraryMissing = Code("libcurl is missing")
    /// The request is none: its address, method or a header.
    public static let invalidRequest = Code("invalid request")
    /// No connection could be made.
    public static let noConnection = Code("no connection")
    /// The server's certificate or the handshake is wrong.
    public static let tls = Code("TLS failure")
    /// Nothing happened for too long.
    public static let timeout = Code("timeout")
    /// The connection broke before the answer was complete.
    public static let connectionBroken = Code("connection broken")
    /// The answer is longer than the request allows.
    public static let answerTooLong = Code("answer too long")
    /// Too many requests are under way in this process.
    public static let tooManyRequests = Code("too many requests under way")
    /// Anything else.
    public static let failed = Code("transfer failed")
  }

  public var code: Code
  /// What happened, and what to do about it. Holds the server's host and port, and no secrets.
  public var message: String
  /// False only when the server surely has seen nothing of the request.
  public var mayHaveArrived: Bool

  public init(_ code: Code, _ message: String, mayHaveArrived: Bool) {
    self.code = code
    self.message = message
    self.mayHaveArrived = mayHaveArrived
  }

  /// True when the same request may succeed a moment later.
  public var isTransient: Bool {
    [.noConnection, .timeout, .connectionBroken, .tooManyRequests].contains(code)
  }

  public var description: String { "\(code): \(message)" }
}

/// Sends requests. `HTTPClient` does it over libcurl; tests answer by themselves.
public protocol HTTPTransport: Sendable {
  /// Blocks until the answer is complete. Threads may share a transport.
  func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse
}
