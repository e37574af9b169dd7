// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirCurl

private func error(_ body: () throws -> Void) -> HTTPError? {
  do {
    try body()
    return nil
  } catch {
    return error as? HTTPError
  }
}

@Suite struct HTTPClientTests {
  @Test func sendsAndReceives() throws {
    let seen = Mutex<[String]>([])
    let server = RawServer { connection, number in
      while let (head, body) = RawServer.read(connection) {
        seen.withLock { $0.append(head) }
        let text = "\(number):\(body.count)"
        RawServer.write(
          connection,
          "HTTP/1.1 201 Made\r\nX-A: one\r\nx-a: two\r\nX-Empty:\r\nContent-Length: "
            + "\(text.utf8.count)\r\n\r\n\(text)")
      }
    }
    defer { server.stop() }
    let client = HTTPClient()
    let pieces = [
      Buffer(Array("abc".utf8)), Buffer(), Buffer([UInt8](repeating: 1, count: 700_000)),
    ]
    for _ in 0..<3 {
      let response = try client.send(
        HTTPRequest(
          "PUT", "\(server.url)/p%20q?a=b%2Fc",
          headers: HTTPHeaders([("X-Mine", "v w"), ("X-None", "")]), body: pieces))
      #expect(response.status == 201)
      #expect(response.headers["x-A"] == "one")
      #expect(response.headers.fields.filter { $0.name.lowercased() == "x-a" }.count == 2)
      #expect(response.headers["X-Empty"] == "")
      #expect(response.headers["X-Other"] == nil)
      // One connection for all.
      #expect(response.text == "1:700003")
    }
    let head = seen.withLock { $0[0] }
    #expect(head.hasPrefix("PUT /p%20q?a=b%2Fc HTTP/1.1\r\n"))
    #expect(head.contains("\r\nX-Mine: v w\r\n"))
    #expect(head.contains("\r\nX-None:\r\n"))
    #expect(head.contains("Expect") == false)
    #expect(head.contains("Content-Type") == false)
    let empty = try client.send(HTTPRequest("POST", server.url, body: []))
    #expect(empty.text == "1:0")
    #expect(seen.withLock { $0.last! }.contains("\r\nContent-Length: 0\r\n"))
    #expect(HTTPClient.libraryVersion?.isEmpty == false)
  }

  @Test func headHasNoBody() throws {
    let server = RawServer { connection, _ in
      while RawServer.read(connection) != nil {
        RawServer.write(connection, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
      }
    }
    defer { server.stop() }
    let client = HTTPClient()
    for _ in 0..<2 {
      let response = try client.send(HTTPRequest("HEAD", server.url))
      #expect(response.headers["content-length"] == "1000")
      #expect(response.body.count == 0)
    }
    #expect(server.connectionCount == 1)
  }

  @Test func boundsAnswers() throws {
    let big = String(repeating: "x", count: 100_000)
    let server = RawServer { connection, _ in
      guard let (head, _) = RawServer.read(connection) else { return }
      if head.contains("/chunked") {
        RawServer.write(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<20_000 { RawServer.write(connection, "5\r\nhello\r\n") }
      } else if head.contains("/head") {
        RawServer.write(connection, "HTTP/1.1 200 OK\r\n")
        for i in 0..<5_000 { RawServer.write(connection, "X-\(i): \(big.prefix(1_000))\r\n") }
      } else if head.contains("/liar") {
        RawServer.write(
          connection, "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\nhello")
      } else {
        RawServer.write(
          connection, "HTTP/1.1 200 OK\r\nContent-Length: \(big.utf8.count)\r\n\r\n\(big)")
      }
    }
    defer { server.stop() }
    let client = HTTPClient()
    for path in ["/", "/chunked", "/head"] {
      let failure = error {
        _ = try client.send(
          HTTPRequest("GET", server.url + path, answerBytesMax: path == "/head" ? 1 << 30 : 50_000))
      }
      #expect(failure?.code == .answerTooLong)
      #expect(failure?.mayHaveArrived == true)
    }
    let exact = try client.send(HTTPRequest("GET", server.url, answerBytesMax: 100_000))
    #expect(exact.body.count == 100_000)
    let liar = error {
      _ = try client.send(HTTPRequest("GET", server.url + "/liar", answerBytesMax: .max))
    }
    #expect(liar?.code == .connectionBroken)
  }

  @Test func tellsWhatArrived() throws {
    let client = HTTPClient()
    // Nobody listens.
    let closed = RawServer { _, _ in }
    closed.stop()
    let refused = error { _ = try client.send(HTTPRequest("PUT", closed.url, body: [])) }
    #expect(refused?.code == .noConnection)
    #expect(refused?.mayHaveArrived == false)
    #expect(refused?.isTransient == true)
    #expect(refused?.message.contains("127.0.0.1:\(closed.port)") == true)

    // It reads the request and hangs up.
    let rude = RawServer { connection, _ in _ = RawServer.read(connection) }
    defer { rude.stop() }
    let broken = error {
      _ = try client.send(HTTPRequest("PUT", rude.url, body: [Buffer(Array("x".utf8))]))
    }
    #expect(broken?.code == .connectionBroken)
    #expect(broken?.mayHaveArrived == true)

    // It answers half of what it promised, or no HTTP.
    for answer in [
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nConte",
      "hello\r\n\r\n",
    ] {
      let half = RawServer { connection, _ in
        _ = RawServer.read(connection)
        RawServer.write(connection, answer)
      }
      let failure = error { _ = try client.send(HTTPRequest("GET", half.url)) }
      #expect(failure != nil, "\(answer)")
      #expect(failure?.mayHaveArrived == true)
      half.stop()
    }
  }

  @Test func keepsItsTime() throws {
    let server = RawServer { connection, _ in
      _ = RawServer.read(connection)
      sleep(3)
    }
    defer { server.stop() }
    let start = ContinuousClock.now
    let failure = error {
      _ = try HTTPClient().send(HTTPRequest("GET", server.url, timeoutMilliseconds: 200))
    }
    #expect(failure?.code == .timeout)
    #expect(failure?.mayHaveArrived == true)
    #expect(ContinuousClock.now - start < .seconds(2))
  }

  @Test func recoversFromClosedConnections() throws {
    // It closes each connection behind one answer, without saying so: the next request on it meets the
    // end, and must be sent again on a new one.
    let server = RawServer { connection, number in
      guard let (_, body) = RawServer.read(connection) else { return }
      let text = "\(number) \(body.count)"
      RawServer.write(
        connection, "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }
    defer { server.stop() }
    let client = HTTPClient()
    let body = [Buffer([UInt8](repeating: 7, count: 100_000))]
    for round in 1...5 {
      let response = try client.send(HTTPRequest("PUT", server.url, body: body))
      #expect(response.text == "\(round) 100000")
    }
  }

  @Test func boundsRequestsUnderWay() throws {
    let most = Mutex((now: 0, most: 0))
    let server = RawServer { connection, _ in
      while RawServer.read(connection) != nil {
        most.withLock {
          $0.now += 1
          $0.most = max($0.most, $0.now)
        }
        usleep(20_000)
        most.withLock { $0.now -= 1 }
        RawServer.write(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
      }
    }
    defer { server.stop() }
    var settings = HTTPClientSettings()
    settings.requestsMax = 3
    settings.placeTimeoutMilliseconds = 50
    let impatient = HTTPClient(settings: settings)
    settings.placeTimeoutMilliseconds = 60_000
    let client = HTTPClient(settings: settings)
    let failures = Mutex(0)
    withThreads(12) { _ in
      for _ in 0..<4 {
        if (try? client.send(HTTPRequest("GET", server.url)))?.text != "ok" {
          failures.withLock { $0 += 1 }
        }
      }
    }
    #expect(failures.withLock { $0 } == 0)
    #expect(most.withLock { $0.most } <= 3)
    #expect(server.connectionCount <= 12)
    let full = Mutex(0)
    withThreads(30) { _ in
      if error({ _ = try impatient.send(HTTPRequest("GET", server.url)) })?.code == .tooManyRequests
      {
        full.withLock { $0 += 1 }
      }
    }
    #expect(full.withLock { $0 } > 0)
    #expect(try impatient.send(HTTPRequest("GET", server.url)).text == "ok")
  }

  @Test(arguments: [
    HTTPRequest("GET X", "http://127.0.0.1:1"), HTTPRequest("", "http://127.0.0.1:1"),
    HTTPRequest("GET", "http://127.0.0.1:1/a b"), HTTPRequest("GET", "http://127.0.0.1:1/\r\nX: y"),
    HTTPRequest("GET", "ftp://127.0.0.1:1/"), HTTPRequest("GET", "file:///etc/passwd"),
    HTTPRequest("GET", "nothing"), HTTPRequest("GET", ""),
    HTTPRequest("GET", "http://127.0.0.1:1", headers: HTTPHeaders([("A", "b\r\nC: d")])),
    HTTPRequest("GET", "http://127.0.0.1:1", headers: HTTPHeaders([("A:b", "c")])),
    HTTPRequest("GET", "http://127.0.0.1:1", headers: HTTPHeaders([("", "c")])),
  ])
  func refusesWhatIsNoRequest(request: HTTPRequest) {
    let failure = error { _ = try HTTPClient().send(request) }
    #expect(failure?.mayHaveArrived == false)
    #expect(failure?.code == .invalidRequest || failure?.code == .noConnection)
  }

  @Test func showsNoPassword() {
    let failure = error {
      _ = try HTTPClient().send(
        HTTPRequest("GET", "http://user:topsecret@127.0.0.1:1/x?t=topsecret"))
    }
    #expect(failure?.code == .noConnection)
    #expect(failure?.message.contains("topsecret") == false)
  }

  @Test func childrenOfAForkHaveConnectionsOfTheirOwn() throws {
    let server = RawServer(RawServer.echo)
    defer { server.stop() }
    var settings = HTTPClientSettings()
    settings.requestsMax = 1
    let client = HTTPClient(settings: settings)
    #expect(try client.send(HTTPRequest("GET", server.url)).text == "GET ")
    // Swift does not show fork, because most of a program does not survive it. This does.
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(dlsym(UnsafeMutableRawPointer(bitPattern: 0), "fork"), to: Fork.self)
    let url = server.url
    let child = fork()
    if child == 0 {
      var ok = true
      for _ in 0..<3 {
        let response = try? client.send(HTTPRequest("PUT", url, body: [Buffer([UInt8(65)])]))
        if response?.text != "PUT A" { ok = false }
      }
      _exit(ok ? 0 : 1)
    }
    #expect(child > 0)
    for _ in 0..<5 {
      #expect(try client.send(HTTPRequest("GET", server.url)).text == "GET ")
    }
    var status: Int32 = -1
    #expect(waitpid(child, &status, 0) == child)
    #expect(status == 0)
    // The parent's, and one of the child's.
    #expect(server.connectionCount == 2)
    #expect(try client.send(HTTPRequest("GET", server.url)).text == "GET ")
    #expect(server.connectionCount == 2)
  }
}

/// Runs `body` in so many threads and waits for all.
private func withThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Job {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }
  let threads = (0..<count).map { index in
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Job>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(Job { body(index) }).toOpaque())
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}
