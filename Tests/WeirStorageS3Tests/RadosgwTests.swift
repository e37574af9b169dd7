// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirStorageS3

private func same(_ a: Buffer, _ b: Buffer) -> Bool {
  a.array(of: UInt8.self) == b.array(of: UInt8.self)
}

/// Sends requests to a real server, and loses some of them and some of the answers.
final class LossyTransport: HTTPTransport {
  private let base: any HTTPTransport
  private let random: Mutex<SeededRandom>
  private let chance: Double

  init(_ base: any HTTPTransport, seed: UInt64, chance: Double) {
    self.base = base
    self.chance = chance
    random = Mutex(SeededRandom(seed: seed))
  }

  func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
    let (request1, answer1) = random.withLock { ($0.chance(chance), $0.chance(chance)) }
    if request1 { throw HTTPError(.noConnection, "lost request", mayHaveArrived: false) }
    let answer = try base.send(request)
    if answer1 { throw HTTPError(.connectionBroken, "lost answer", mayHaveArrived: true) }
    return answer
  }
}

/// Beside the shared tests of stores: what only S3 has, against a real server.
@Suite(.enabled(if: S3Server.isThere, "no S3 server: see dev/radosgw"))
struct RadosgwTests {
  @Test func keysOfAllCharacters() throws {
    let store = try S3Server.store()
    let paths = [
      "a b", "a+b", "a%20b", "100%", "k=v/x=%2F", "ü/日本 語", "a&b<c>\"d'", "~*!()';:@$,?#[]",
      "e\u{301}",
      "-._", "\u{1F600}/x.parquet", " lead", "trail ", "a\\b|c^`{}",
    ]
    for path in paths {
      let put = try store.put(path, Buffer(path))
      #expect(try store.get(path).text == path)
      #expect(try store.get(path, range: 0..<1).array(of: UInt8.self) == [path.utf8.first!])
      #expect(try store.head(path).etag == put.etag)
      #expect(try store.list(prefix: path).objects.map(\.path).contains(path))
      #expect(
        errorCode { try store.put(path, Buffer("x"), condition: .ifAbsent) } == .alreadyExists)
    }
    func bytes(_ paths: [String]) -> [[UInt8]] { paths.map { Array($0.utf8) } }
    let listed = try store.list(prefix: "").objects.map(\.path)
    #expect(
      bytes(listed) == bytes(paths).sorted { $0.lexicographicallyPrecedes($1) })
    try store.delete(paths + ["not there"])
    #expect(try store.list(prefix: "").objects == [])
  }

  @Test func writesInParts() throws {
    let store = try S3Server.store()
    var random = SeededRandom(seed: 8)
    let mebibyte = Buffer(random.bytes(1 << 20))
    let writer = try store.create("large", condition: .none)
    for _ in 0..<9 { try writer.append(mebibyte) }
    try writer.append(Buffer("end"))
    #expect(errorCode { try store.head("large") } == .notFound)
    let put = try writer.finish()
    #expect(put.size == 9 << 20 + 3)
    #expect(StoreKind.radosgw.agree(put, try store.head("large")))
    let all = try store.get("large")
    #expect(all.count == put.size)
    for index in 0..<9 {
      #expect(same(all.slice(offset: index << 20, count: 1 << 20), mebibyte))
    }
    #expect(all.slice(offset: 9 << 20, count: 3).text == "end")

    let reader = try store.open("large")
    #expect(reader.size == put.size)
    let read = try reader.read([0..<10, put.size - 3..<put.size, 5..<2_000_000])
    #expect(same(read[0], all.slice(offset: 0, count: 10)))
    #expect(read[1].text == "end")
    #expect(same(read[2], all.slice(offset: 5, count: 1_999_995)))

    // Somebody replaces it, and then deletes it.
    try store.put("large", Buffer("small"))
    #expect(errorCode { try reader.read(0..<10) } == .changed)
    try store.delete("large")
    #expect(errorCode { try reader.read(0..<10) } == .changed)
    #expect(try reader.read(put.size - 3..<put.size).text == "end")

    // Given up in the middle: nothing is there.
    let other = try store.create("given up", condition: .none)
    for _ in 0..<9 { try other.append(mebibyte) }
    other.abort()
    #expect(try store.list(prefix: "").objects == [])
  }

  @Test func checksConditionsOfParts() throws {
    var settings = try S3Server.settings()
    settings.conditionalPutBytesMax = 0
    settings.partBytes = 5 << 20
    let store = try S3ObjectStore(settings: settings, transport: S3Server.client)
    let large = Buffer(Array(repeating: UInt8(7), count: 6 << 20))
    let a = try store.create("x", condition: .ifAbsent)
    let b = try store.create("x", condition: .ifAbsent)
    for writer in [a, b] { try writer.append(large) }
    let first = try a.finish()
    #expect(errorCode { try b.finish() } == .alreadyExists)
    let c = try store.create("x", condition: .ifMatch(first.etag))
    try c.append(large)
    try store.put("x", Buffer("meanwhile"))
    #expect(errorCode { try c.finish() } == .preconditionFailed)
    #expect(try store.get("x").text == "meanwhile")
    #expect(try store.put("y", large, condition: .ifAbsent).size == large.count)
    #expect(errorCode { try store.put("y", large, condition: .ifAbsent) } == .alreadyExists)
  }

  @Test func deletesMany() throws {
    let store = try S3Server.store()
    let paths = (0..<25).map { "d/\($0) & <\($0)>" }
    for path in paths { try store.put(path, Buffer("x")) }
    try store.put("kept", Buffer("x"))
    try store.delete(paths + (0..<1_000).map { "missing/\($0)" })
    #expect(try store.list(prefix: "").objects.map(\.path) == ["kept"])
    try store.delete([])
  }

  @Test func skipsKeysThatAreNoPaths() throws {
    let settings = try S3Server.settings()
    let store = try S3ObjectStore(settings: settings, transport: S3Server.client)
    try store.put("a/b", Buffer("x"))
    let call = S3Call(
      method: "PUT", key: settings.keyPrefix + "a/", body: [], operation: "put", path: "a/")
    #expect(try store.client.send(call).fault == nil)
    var listed: [String] = []
    var after: String?
    repeat {
      let page = try store.list(prefix: "", after: after, limit: 1)
      listed += page.objects.map(\.path)
      after = page.next
    } while after != nil
    #expect(listed == ["a/b"])
  }

  @Test func refusesWrongKeys() throws {
    var settings = try S3Server.settings()
    settings.credentials = .fixed(
      S3Credentials(
        accessKey: S3Server.variable("WEIR_S3_ACCESS_KEY")!, secretKey: "wrong secret"))
    let store = try S3ObjectStore(settings: settings, transport: S3Server.client)
    let error = #expect(throws: StorageError.self) { try store.get("p") }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("secret key is wrong") == true)
    settings.credentials = .anonymous
    let nobody = try S3ObjectStore(settings: settings, transport: S3Server.client)
    #expect(errorCode { try nobody.get("p") } == .permissionDenied)
    settings.credentials = try S3Server.settings().credentials
    settings.bucket = "no-such-bucket"
    let nowhere = try S3ObjectStore(settings: settings, transport: S3Server.client)
    #expect(errorCode { try nowhere.list(prefix: "") } == .invalidArgument)
    #expect(
      errorCode { try nowhere.put("p", Buffer("x"), condition: .ifAbsent) } == .invalidArgument)
  }

  /// A counter in an object, over a connection that loses every fifth request and answer: each put that
  /// succeeds is counted once, one that fails not at all, and one of unknown fate is looked up.
  @Test(arguments: [UInt64(1), 2, 3]) func losesNoPut(seed: UInt64) throws {
    var settings = try S3Server.settings()
    settings.retries.pauseMilliseconds = 1
    settings.retries.attemptsMax = 10
    let store = try S3ObjectStore(
      settings: settings, transport: LossyTransport(S3Server.client, seed: seed, chance: 0.2))
    var etag = try store.put("n", Buffer("0"), condition: .ifAbsent).etag
    for number in 1...20 {
      etag = try store.put("n", Buffer("\(number)"), condition: .ifMatch(etag)).etag
    }
    #expect(try store.get("n").text == "20")
    #expect(try store.head("n").etag == etag)
    #expect(errorCode { try store.put("n", Buffer("x"), condition: .ifAbsent) } != nil)
    let large = Buffer(Array(repeating: UInt8(1), count: 9 << 20))
    let writer = try store.create("large", condition: .none)
    try writer.append(large)
    #expect(try writer.finish().size == large.count)
    #expect(same(try store.get("large"), large))
  }

  @Test func manyThreadsShareAStore() async throws {
    let store = try S3Server.store()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask {
          for round in 0..<5 {
            let path = "t\(thread)/\(round)"
            try store.put(path, Buffer(path))
            #expect(try store.get(path).text == path)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try store.list(prefix: "").objects.count == 40)
  }
}
