// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage

@testable internal import WeirStorageS3

/// Gives prepared answers and keeps what was asked.
final class CannedTransport: HTTPTransport {
  private struct State {
    var answers: [Result<HTTPResponse, HTTPError>]
    var requests: [HTTPRequest] = []
  }
  private let state: Mutex<State>

  init(_ answers: [Result<HTTPResponse, HTTPError>]) { state = Mutex(State(answers: answers)) }

  var requests: [HTTPRequest] { state.withLock { $0.requests } }

  func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
    let answer = state.withLock { state in
      state.requests.append(request)
      return state.answers.isEmpty ? nil : state.answers.removeFirst()
    }
    guard let answer else {
      throw HTTPError(.failed, "no answer is prepared", mayHaveArrived: false)
    }
    return try answer.get()
  }
}

/// A clock that only sleeping moves.
final class CannedClock: Sendable {
  private let state = Mutex((now: SigningTests.now, pauses: [Int](), random: UInt64(7)))

  var pauses: [Int] { state.withLock { $0.pauses } }

  var clock: ClientClock {
    ClientClock(
      now: { self.state.withLock { $0.now } },
      sleep: { pause in
        self.state.withLock {
          $0.now += pause
          $0.pauses.append(pause)
        }
      },
      random: {
        self.state.withLock {
          $0.random = $0.random &* 6_364_136_223_846_793_005 &+ 1
          return $0.random
        }
      })
  }
}

private func answer(
  _ status: Int, _ body: String = "", _ headers: [(String, String)] = []
) -> Result<HTTPResponse, HTTPError> {
  .success(
    HTTPResponse(
      status: status,
      headers: HTTPHeaders(
        headers + [("x-amz-request-id", "request-1"), ("Date", "Fri, 24 May 2013 00:00:05 GMT")]),
      body: Buffer(Array(body.utf8))))
}

private func fault(_ status: Int, _ code: String, _ headers: [(String, String)] = [])
  -> Result<HTTPResponse, HTTPError>
{
  answer(status, "<Error><Code>\(code)</Code><Message>because</Message></Error>", headers)
}

private let lost = Result<HTTPResponse, HTTPError>.failure(
  HTTPError(.connectionBroken, "h: broken", mayHaveArrived: true))
private let unseen = Result<HTTPResponse, HTTPError>.failure(
  HTTPError(.noConnection, "h: refused", mayHaveArrived: false))

/// What a service might answer, and what becomes of it.
@Suite struct CannedTests {
  let clock = CannedClock()

  func store(
    _ answers: [Result<HTTPResponse, HTTPError>], _ change: (inout S3Settings) -> Void = { _ in }
  ) throws -> (S3ObjectStore, CannedTransport) {
    let transport = CannedTransport(answers)
    var settings = S3Settings(bucket: "b", credentials: .fixed(SigningTests.credentials))
    settings.endpoint = "http://h"
    change(&settings)
    return (
      try S3ObjectStore(settings: settings, transport: transport, clock: clock.clock), transport
    )
  }

  @Test func triesAgainWithPauses() throws {
    let (store, transport) = try store([
      fault(503, "SlowDown"), lost, fault(500, "InternalError"), unseen, answer(429),
      answer(200, "hello", [("ETag", "\"e\"")]),
    ])
    #expect(try store.get("p").text == "hello")
    #expect(transport.requests.count == 6)
    #expect(clock.pauses.count == 5)
    for (index, pause) in clock.pauses.enumerated() {
      #expect((0..<(50_000_000 << index)).contains(pause))
    }
    #expect(Set(clock.pauses).count == 5)
  }

  @Test func givesUp() throws {
    let (store, transport) = try store(Array(repeating: fault(503, "SlowDown"), count: 20))
    let error = #expect(throws: StorageError.self) { try store.get("p/q") }
    #expect(error?.code == .unavailable)
    #expect(transport.requests.count == 6)
    for word in ["s3://b/p/q", "503", "SlowDown", "because", "request-1"] {
      #expect(error?.message.contains(word) == true)
    }
    #expect("\(error!)".contains("wJalr") == false)
    #expect("\(error!)".contains("AKIA") == false)
  }

  @Test func waitsAsLongAsAsked() throws {
    let (store, _) = try store([
      fault(503, "SlowDown", [("Retry-After", "7")]), answer(200, "x", [("ETag", "e")]),
    ])
    _ = try store.get("p")
    #expect(clock.pauses.count == 1 && clock.pauses[0] >= 7_000_000_000)
  }

  @Test func doesNotRepeatRefusals() throws {
    for (status, code, expected) in [
      (403, "AccessDenied", StorageError.Code.permissionDenied),
      (403, "SignatureDoesNotMatch", .permissionDenied),
      (403, "InvalidAccessKeyId", .permissionDenied), (404, "NoSuchKey", .notFound),
      (404, "NoSuchBucket", .invalidArgument), (501, "NotImplemented", .unsupported),
      (400, "EntityTooLarge", .outOfSpace), (400, "Strange", .io),
    ] {
      let (store, transport) = try store([fault(status, code)])
      #expect(errorCode { try store.get("p") } == expected)
      #expect(transport.requests.count == 1)
    }
  }

  @Test func correctsItsClock() throws {
    let (store, transport) = try store([
      fault(403, "RequestTimeTooSkewed"), answer(200, "x", [("ETag", "e")]),
    ])
    _ = try store.get("p")
    #expect(
      transport.requests.map { $0.headers["x-amz-date"] } == [
        "20130524T000000Z", "20130524T000005Z",
      ])
    let (again, _) = try self.store([
      fault(403, "RequestTimeTooSkewed"), fault(403, "RequestTimeTooSkewed"),
    ])
    #expect(errorCode { try again.get("p") } == .permissionDenied)
  }

  @Test func getsNewCredentials() throws {
    let asked = Mutex(0)
    let (store, transport) = try store([
      fault(400, "ExpiredToken"), answer(200, "x", [("ETag", "e")]),
    ]) {
      $0.credentials = .dynamic {
        let turn = asked.withLock {
          $0 += 1
          return $0
        }
        return S3Credentials(accessKey: "key\(turn)", secretKey: "s")
      }
    }
    _ = try store.get("p")
    #expect(transport.requests[0].headers["Authorization"]?.contains("key1/") == true)
    #expect(transport.requests[1].headers["Authorization"]?.contains("key2/") == true)
  }

  @Test func followsTheBucketsRegion() throws {
    let (store, transport) = try store([
      fault(400, "AuthorizationHeaderMalformed", [("x-amz-bucket-region", "eu-west-1")]),
      answer(200, "x", [("ETag", "e")]),
    ]) { $0.endpoint = nil }
    _ = try store.get("p")
    #expect(
      transport.requests.map(\.url) == [
        "https://b.s3.us-east-1.amazonaws.com/p", "https://b.s3.eu-west-1.amazonaws.com/p",
      ])
  }

  /// The name that a put gave itself.
  private func putName(_ transport: CannedTransport) -> String {
    transport.requests.compactMap { $0.headers[S3ObjectStore.putNameHeader] }.first ?? ""
  }

  @Test func recognisesItsOwnPut() throws {
    // The clock's randomness is known, so that the name of the put is, too.
    let (probe, probed) = try store([answer(200, "", [("ETag", "e")])])
    try probe.put("p", Buffer("x"))
    let name = putName(probed)
    #expect(name.utf8.count == 32)

    for (condition, failure) in [
      (PutCondition.ifAbsent, 412), (.ifMatch("old"), 412), (.ifMatch("old"), 404),
    ] {
      let head = answer(
        200, "",
        [
          ("ETag", "\"new\""), ("Content-Length", "1"), (S3ObjectStore.putNameHeader, name),
          ("Last-Modified", "Fri, 24 May 2013 00:00:01 GMT"),
        ])
      let own = CannedTests()
      let (store, transport) = try own.store([lost, fault(failure, "PreconditionFailed"), head])
      let put = try store.put("p", Buffer("x"), condition: condition)
      #expect(put.etag == "new")
      #expect(transport.requests.map(\.method) == ["PUT", "PUT", "HEAD"])
      // All attempts failed, and the put had worked.
      let (worse, _) = try CannedTests().store(Array(repeating: lost, count: 6) + [head])
      #expect(try worse.put("p", Buffer("x"), condition: condition).etag == "new")
      // Another's object: what became of ours is unknown.
      let other = answer(200, "", [("ETag", "new"), ("Content-Length", "1")])
      let (lose, _) = try CannedTests().store([lost, fault(412, "PreconditionFailed"), other])
      #expect(errorCode { try lose.put("p", Buffer("x"), condition: condition) } == .unavailable)
      // The server lost a race within itself, which is no doubt.
      let (raced, _) = try CannedTests().store([
        fault(500, "UnknownError"), fault(412, "PreconditionFailed"), other, other,
      ])
      #expect(
        [.alreadyExists, .preconditionFailed].contains(
          errorCode { try raced.put("p", Buffer("x"), condition: condition) }))
      // Nothing was lost: the condition decides.
      let (plain, _) = try CannedTests().store([
        unseen, fault(412, "PreconditionFailed"), other,
      ])
      #expect(
        errorCode { try plain.put("p", Buffer("x"), condition: condition) }
          == (condition == .ifAbsent ? .alreadyExists : .preconditionFailed))
    }
  }

  @Test func abortsUploadsThatFail() throws {
    let part = Buffer(Array(repeating: UInt8(1), count: 8 << 20))
    let begun = answer(
      200, "<InitiateMultipartUploadResult><UploadId>u 1</UploadId></InitiateMultipartUploadResult>"
    )
    let (store, transport) = try store([begun, fault(403, "AccessDenied"), answer(204)])
    let writer = try store.create("p", condition: .none)
    try writer.append(part)
    #expect(transport.requests.isEmpty)
    #expect(errorCode { try writer.append(Buffer("x")) } == .permissionDenied)
    #expect(transport.requests.map(\.method) == ["POST", "PUT", "DELETE"])
    #expect(transport.requests[2].url == "http://h/b/p?uploadId=u%201")
    #expect(errorCode { try writer.append(Buffer("x")) } == .invalidArgument)

    // A completion that fails behind a status of success.
    let done = answer(200, "", [("ETag", "\"1\"")])
    let (second, seen) = try self.store(
      [begun, done, done, fault(200, "InternalError"), fault(200, "EntityTooSmall"), answer(404)]
        + [answer(204)])
    let other = try second.create("p", condition: .none)
    try other.append(part)
    try other.append(Buffer("x"))
    #expect(errorCode { try other.finish() } == .io)
    #expect(
      seen.requests.map(\.method) == ["POST", "PUT", "PUT", "POST", "POST", "HEAD", "DELETE"])
  }

  @Test func refusesStrangeAnswers() throws {
    func code(
      _ one: Result<HTTPResponse, HTTPError>, _ body: (S3ObjectStore) throws -> Void
    ) throws -> StorageError.Code? {
      let (store, _) = try store([one])
      return errorCode { try body(store) }
    }
    #expect(try code(answer(200)) { _ = try $0.head("p") } == .io)
    #expect(
      try code(answer(200, "", [("Content-Length", "-1"), ("ETag", "e")])) { _ = try $0.head("p") }
        == .io)
    for range in [
      "bytes 1-2/9", "bytes 0-9/5", "bytes 0-1/2", "x", "bytes 0-99999999999999999999/2",
    ] {
      #expect(
        try code(answer(206, "abc", [("Content-Range", range)])) {
          _ = try $0.get("p", range: 0..<3)
        } == .io, "\(range)")
    }
    for body in [
      "", "hello", "<html/>", "<ListBucketResult><Contents/></ListBucketResult>",
      "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
      """
      <ListBucketResult><Contents><Key>a</Key><Size>-1</Size><ETag>e</ETag>
      <LastModified>2013-05-24T00:00:00Z</LastModified></Contents></ListBucketResult>
      """,
    ] {
      #expect(try code(answer(200, body)) { _ = try $0.list(prefix: "") } == .io, "\(body)")
    }
    #expect(try code(answer(200)) { try $0.put("p", Buffer()) } == .io)
  }
}
