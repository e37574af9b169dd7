// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

@testable internal import WeirHTTP

/// Streams whose appends end as a test says, or never.
private final class SlowStreams: StreamService {
  final class Stream: ServedStream {
    let definition: StreamDefinition
    let inputSchema: Schema
    private let failure: StreamError?
    /// Never called: the log does not answer.
    private let waiting = Mutex<[@Sendable (Result<StreamReceipt, StreamError>) -> Void]>([])

    init(_ table: TableIdentifier, failure: StreamError?) {
      definition = StreamDefinition(
        table: table, columns: Schema([Field("id", .int64, nullable: false, id: 1)]))
      inputSchema = Schema(definition.columns.fields + [StreamColumns.knownAtField])
      self.failure = failure
    }

    func append(
      _ request: StreamAppend,
      completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
    ) {
      if let failure { return completion(.failure(failure)) }
      waiting.withLock { $0.append(completion) }
    }

    func tail(from position: StreamStart) throws(StreamError) -> any StreamTail {
      throw StreamError(.notFound, "no")
    }

    func lookup(keys: RecordBatch, columns: [String]?) throws(StreamError) -> StreamLookup {
      throw StreamError(.unsupported, "no")
    }

    func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader {
      throw StreamError(.unsupported, "no")
    }

    func status() -> StreamStatus { StreamStatus(shards: [], snapshotID: nil, time: 0) }
  }

  let tables: [TableIdentifier]
  private let streams: [TableIdentifier: Stream]
  var unreadyReason: String? { nil }

  init(_ failures: [String: StreamError?]) {
    var streams: [TableIdentifier: Stream] = [:]
    for (name, failure) in failures {
      let table = TableIdentifier(Namespace(["a"]), name)
      streams[table] = Stream(table, failure: failure)
    }
    self.streams = streams
    tables = Array(streams.keys)
  }

  func stream(_ table: TableIdentifier) throws(StreamError) -> any ServedStream {
    guard let stream = streams[table] else { throw StreamError(.notFound, "no") }
    return stream
  }
}

/// Waits on a thread of its own: those of tasks are few, and the server needs them.
private func answer(_ port: Int, _ text: String) async -> String {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread { continuation.resume(returning: blockingAnswer(port, text)) }
  }
}

/// A client that knows nothing: what comes back for these bytes, until the server closes.
private func blockingAnswer(_ port: Int, _ text: String) -> String {
  let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(file) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = UInt16(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard connected == 0 else { return "not connected" }
  let bytes = Array(text.utf8)
  guard send(file, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
    return "not sent"
  }
  var result: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 4_096)
  while true {
    let count = recv(file, &piece, piece.count, 0)
    guard count > 0 else { break }
    result += piece[..<count]
  }
  return String(decoding: result, as: UTF8.self)
}

@Suite struct StreamServerTests {
  /// Over HTTP: what was not taken says when to come again, and what may have been taken says so.
  @Test func answersThatAreNotRows() async throws {
    var limits = CatalogServerConfiguration(warehouseLocation: "memory:")
    limits.port = 0
    limits.responseSecondsMax = 3
    let (ports, port) = AsyncStream<Int>.makeStream()
    let server = StreamServer(
      streams: SlowStreams([
        "full": StreamError(.overloaded, "too many rows wait"),
        "broken": StreamError(.storage, "the disk is full"), "slow": nil,
      ]),
      access: .open, configuration: StreamServerConfiguration(limits: limits),
      onReady: { port.yield($0.port) })
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Not behind all other tests, which wait for the same threads.
      group.addTask(priority: .high) { try await server.run() }
      var found: Int?
      for await port in ports {
        found = port
        break
      }
      let port = try #require(found)
      for (name, status, word) in [
        ("full", 429, "too many rows wait"), ("broken", 503, "the disk is full"),
        ("slow", 504, "send the request again"),
      ] {
        let text = await answer(
          port,
          "POST /v1/streams/a.\(name) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            + "Content-Length: 9\r\n\r\n{\"id\": 1}")
        #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(text)")
        #expect(text.lowercased().contains("\r\nretry-after: "), "\(text)")
        #expect(text.contains(word), "\(text)")
      }
      group.cancelAll()
      // A server that is cancelled may say so.
      while true {
        do { if try await group.next() == nil { break } } catch { continue }
      }
    }
  }
}
