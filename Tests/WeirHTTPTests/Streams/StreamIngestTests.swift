// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirCompression
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirHTTP

/// A stream that only has a schema.
private final class SchemaStream: ServedStream {
  let definition: StreamDefinition
  let inputSchema: Schema

  init() throws {
    var definition = StreamDefinition(
      table: try TableIdentifier(parsing: "a.b"),
      columns: Schema([
        Field("id", .int64, nullable: false, id: 1), Field("name", .utf8, id: 2),
        Field("tags", .list(Field("element", .utf8, id: 4)), id: 3),
      ]))
    definition.primaryKey = ["id"]
    definition.defaults = ["name": .string("nobody")]
    self.definition = definition
    inputSchema = Schema(
      definition.columns.fields + [StreamColumns.operationField, StreamColumns.knownAtField])
  }

  func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) {
    completion(.failure(StreamError(.overloaded, "no")))
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

@Suite struct StreamIngestTests {
  private func call(
    _ query: String = "", headers: [String: String] = [:], known: [String] = ["a", "binary"]
  ) throws -> StreamCall {
    try StreamCall(
      RESTRequest("POST", "/v1/streams/a.b", query: query, headers: headers), known: known)
  }

  private func session(
    _ form: IngestForm, codec: Codec? = nil, byteCountMax: Int = 1 << 30,
    configure: (inout StreamServerConfiguration) -> Void = { _ in }
  ) throws -> IngestSession {
    var configuration = StreamServerConfiguration(
      limits: CatalogServerConfiguration(warehouseLocation: "memory:"))
    configure(&configuration)
    return try IngestSession(
      SchemaStream(), form: form, codec: codec, configuration: configuration,
      share: ByteShare(ByteBudget(byteCountMax: byteCountMax)))
  }

  private func status(_ work: () throws -> Void) -> Int? {
    do { try work() } catch { return (error as? RESTError)?.status ?? -1 }
    return nil
  }

  @Test func positions() throws {
    #expect(try StreamCall.start("earliest") == .earliest)
    #expect(try StreamCall.start("latest") == .latest)
    #expect(try StreamCall.start("0:17,3:4") == .offsets([0: 17, 3: 4]))
    #expect(StreamCall.text([3: 4, 0: 17]) == "0:17,3:4")
    for text in ["", "0", "0:", ":1", "0:1,0:2", "-1:2", "0:-2", "a:1", "0:1:2"] {
      #expect(status { _ = try StreamCall.start(text) } == 400, "\(text)")
    }
  }

  @Test func heads() throws {
    #expect(try call(headers: ["content-encoding": "GZIP"]).codec() == .gzip)
    #expect(status { _ = try call(headers: ["content-encoding": "br"]).codec() } == 415)
    #expect(status { _ = try call("b=1") } == 400)
    #expect(status { _ = try call("a=%zz") } == 400)
    #expect(
      try call(headers: ["accept": "text/html, x/y;q=0.5"]).accepted(["a/b", "x/y"]) == "x/y")
    #expect(try call(headers: ["accept": "*/*"]).accepted(["a/b", "x/y"]) == "a/b")
    #expect(try call(headers: ["accept": "x/*"]).accepted(["a/b", "x/y"]) == "x/y")
    #expect(status { _ = try call(headers: ["accept": "q/*"]).accepted(["a/b"]) } == 406)
    let stamp = try call(
      headers: ["weir-producer-id": "p", "weir-producer-sequence": "9223372036854775807"])
    #expect(try stamp.producer() == ProducerStamp(id: "p", sequence: .max))
    let long = ["weir-producer-id": String(repeating: "x", count: 129)]
    #expect(
      status {
        _ = try call(headers: long.merging(["weir-producer-sequence": "1"]) { $1 }).producer()
      } == 400)
  }

  @Test func errorsHaveTheirStatus() {
    let expected: [(StreamError.Code, Int)] = [
      (.invalidArgument, 400), (.notFound, 404), (.damaged, 500), (.unsupported, 400),
      (.conflict, 503), (.overloaded, 429), (.storage, 503), (.table, 500), (.closed, 503),
    ]
    for (code, status) in expected {
      let error = RESTError(StreamError(code, "x"))
      #expect(error.status == status)
      #expect((error.retryAfterSeconds != nil) == (status == 429 || status == 503))
    }
    #expect(RESTError(StreamError(.notFound, "x"), missingStatus: 410).status == 410)
  }

  @Test func linesBecomeRows() throws {
    let session = try session(.jsonLines(JSONLinesOptions()))
    try session.feed(Array("{\"id\": 1, \"_op\": \"delete\"}\n{\"id\"".utf8))
    try session.feed(Array(": 2, \"tags\": [\"x\"]}\n{\"_op\": \"x\", \"id\": 3}".utf8))
    let append = try session.finish(producer: nil)
    #expect(append.rowCount == 2)
    #expect(
      append.batches.flatMap { rows($0) } == [
        [.int(1), .string("nobody"), .null, .int(1), .null],
        [.int(2), .string("nobody"), .list([.string("x")]), .null, .null],
      ])
    #expect(append.rejected.map(\.record) == [3])
    #expect(append.rejected.first?.column == "_op")
  }

  @Test func arrowBecomesRows() throws {
    let batch = try RecordBatch(
      schema: Schema([
        Field("tags", .largeList(Field("item", .largeUtf8))), Field("id", .int32),
        Field("name", .dictionary(index: .int8, value: .utf8, ordered: false)),
      ]),
      columns: [
        array(.largeList(Field("item", .largeUtf8)), [.list([.string("a")]), .null]),
        array(.int32, [.int(5), .int(6)]),
        array(
          .dictionary(index: .int8, value: .utf8, ordered: false), [.string("n"), .null]),
      ])
    let bytes = MutableBuffer()
    let writer = try ArrowStreamWriter(schema: batch.schema, into: bytes)
    try writer.write(batch)
    try writer.finish()
    let session = try session(.arrow)
    for piece in bytes.finish().array(of: UInt8.self).chunks(100) { try session.feed(piece) }
    let append = try session.finish(producer: nil)
    #expect(append.batches.first?.schema == (try SchemaStream().inputSchema))
    #expect(
      append.batches.flatMap { rows($0) } == [
        [.int(5), .string("n"), .list([.string("a")]), .null, .null],
        [.int(6), .null, .null, .null, .null],
      ])
  }

  @Test func boundsHold() throws {
    let line = Array("{\"id\": 1}\n".utf8)
    let lines = JSONLinesOptions()
    let zipped: [UInt8] = [
      31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 76, 81, 178, 82, 48, 172, 229, 2, 0, 124, 165,
      83, 175, 10, 0, 0, 0,
    ]
    let unzipping = try session(.jsonLines(lines), codec: .gzip)
    try unzipping.feed(zipped)
    #expect(try unzipping.finish(producer: nil).rowCount == 1)
    #expect(
      status {
        try session(.jsonLines(lines), codec: .gzip, byteCountMax: 5).feed(zipped)
      } == 429)
    #expect(
      status { try session(.jsonLines(lines)) { $0.bodyByteCountMax = 5 }.feed(line) } == 413)
    #expect(
      status {
        try session(.jsonLines(lines)) { $0.recordCountMax = 1 }.feed(line + line)
      } == 413)
    let budget = ByteBudget(byteCountMax: 100)
    do {
      let share = ByteShare(budget)
      try share.take(60)
      #expect(status { try share.take(60) } == 429)
      #expect(budget.byteCount == 60)
    }
    #expect(budget.byteCount == 0)
    let readers = ReaderCount(countMax: 1)
    let place = try readers.enter()
    #expect(status { _ = try readers.enter() } == 429)
    withExtendedLifetime(place) {}
  }

  @Test func routes() throws {
    let table = try TableIdentifier(parsing: "a.b.c")
    #expect(try StreamRoute(path: "/v1/streams/a.b.c") == .stream(table))
    #expect(try StreamRoute(path: "/v1/streams/a%2Eb.c/") == .stream(table))
    #expect(try StreamRoute(path: "/v1/streams/a.b.c/lookup") == .lookup(table))
    #expect(try StreamRoute(path: "/v1/streams/a.b.c/scan/") == .scan(table))
    #expect(try StreamRoute(path: "/v1/streams") == .streams)
    for path in ["/v1/streams/a", "/v1/streams/.", "/v1/streams/a./scan", "/v1/streams/%"] {
      #expect(status { _ = try StreamRoute(path: path) } == 400, "\(path)")
    }
    #expect(status { _ = try StreamRoute(path: "/v1/streams/a.b/c/d") } == 404)
    #expect(!StreamRoute.owns("/v1/streamsx") && !StreamRoute.owns("/v1/namespaces"))
  }
}

extension Array {
  fileprivate func chunks(_ count: Int) -> [[Element]] {
    stride(from: 0, to: self.count, by: count).map {
      Array(self[$0..<Swift.min($0 + count, self.count)])
    }
  }
}
