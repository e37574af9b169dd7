// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage
internal import WeirTable

@testable internal import WeirCatalogREST

/// The client against prepared answers: what it asks, and what it makes of the answers.
@Suite struct RESTCatalogTests {
  let clock = CannedClock()
  let id = TableIdentifier(Namespace(["a b", "c/d"]), "t%1")

  func connect(
    _ answers: [CannedServer.Answer], _ properties: [String: String] = [:],
    config: CannedServer.Answer = CannedServer.plainConfig
  ) throws -> (RESTCatalog, CannedServer) {
    let server = CannedServer([config] + answers)
    let catalog = try RESTCatalog(
      settings: RESTSettings(address: "http://h/", properties: properties), transport: server,
      clock: clock.clock
    ) { _ throws(TableError) in
      try memoryStores()
    }
    return (catalog, server)
  }

  @Test func mergesTheConfiguration() throws {
    let config = CannedServer.json(
      #"""
      {"defaults":{"a":"server","b":"server"},"overrides":{"prefix":"my/cat","c":"server"},
       "endpoints":["GET /v1/{prefix}/namespaces"]}
      """#)
    let (catalog, server) = try connect(
      [.success(HTTPResponse(status: 200, body: Buffer(Array(#"{"namespaces":[]}"#.utf8))))],
      ["a": "mine", "c": "mine", "warehouse": "s3://w/x", "header.X-Team": "recs"],
      config: config)
    #expect(catalog.configuration.properties["a"] == "mine")
    #expect(catalog.configuration.properties["b"] == "server")
    #expect(catalog.configuration.properties["c"] == "server")
    _ = try catalog.listNamespaces(in: nil, page: PageRequest(limit: 5))
    #expect(
      server.lines == [
        "GET /v1/config?warehouse=s3%3A%2F%2Fw%2Fx",
        "GET /v1/my/cat/namespaces?pageToken=&pageSize=5",
      ])
    #expect(server.requests[1].headers["X-Team"] == "recs")
    #expect(errorCode { try catalog.loadView(id) } == .unsupported)
    #expect(try catalog.viewExists(id) == false)
    #expect(try catalog.listViews(in: id.namespace, page: .first).items.isEmpty)
  }

  @Test func encodesNames() throws {
    let (catalog, server) = try connect([
      try loadAnswer("memory://m/t/1.json"), CannedServer.json("", status: 204),
      CannedServer.json(#"{"namespaces":[["a b","c/d","e"]],"next-page-token":"n+x"}"#),
      CannedServer.json(
        #"{"identifiers":[{"namespace":["a"],"name":"t"}],"next-page-token":null}"#),
    ])
    let loaded = try catalog.loadTable(id)
    #expect(loaded.metadataLocation == "memory://m/t/1.json")
    #expect(loaded.metadata.schemas[0].fields[0].name == "a")
    try catalog.dropTable(id, purge: true)
    let page = try catalog.listNamespaces(in: id.namespace, page: .first)
    #expect(page.items == [Namespace(["a b", "c/d", "e"])])
    #expect(page.next == "n+x")
    let tables = try catalog.listTables(
      in: id.namespace, page: PageRequest(token: "n+x", limit: 9_999))
    #expect(tables.items == [TableIdentifier(Namespace(["a"]), "t")])
    #expect(tables.next == nil)
    let path = "/v1/namespaces/a%20b%1Fc%2Fd"
    #expect(
      Array(server.lines.dropFirst()) == [
        "GET \(path)/tables/t%251", "DELETE \(path)/tables/t%251?purgeRequested=true",
        "GET /v1/namespaces?pageToken=&pageSize=1000&parent=a%20b%1Fc%2Fd",
        "GET \(path)/tables?pageToken=n%2Bx&pageSize=1000",
      ])
    #expect(
      errorCode { try catalog.listTables(in: id.namespace, page: PageRequest(limit: 0)) } != nil)
    #expect(
      errorCode { try catalog.loadTable(TableIdentifier(Namespace([]), "t")) } == .invalidArgument)
  }

  @Test func keepsWhatDidNotChange() throws {
    let unchanged = CannedServer.json("", status: 304)
    let (catalog, server) = try connect([
      try loadAnswer("memory://m/t/1.json", etag: "\"e1\""), unchanged, unchanged,
      try loadAnswer("memory://m/t/2.json", etag: "\"e2\""), unchanged,
      CannedServer.fault(404, "NoSuchTableException"), try loadAnswer("memory://m/t/3.json"),
      try loadAnswer("memory://m/t/3.json"),
    ])
    #expect(try catalog.loadTable(id).metadataLocation == "memory://m/t/1.json")
    #expect(try catalog.loadTable(id).metadataLocation == "memory://m/t/1.json")
    #expect(try catalog.loadTable(id, ifNot: "memory://m/t/1.json") == nil)
    // Somebody else committed.
    #expect(
      try catalog.loadTable(id, ifNot: "memory://m/t/1.json")?.metadataLocation
        == "memory://m/t/2.json")
    // The caller's is older than what is kept here.
    #expect(
      try catalog.loadTable(id, ifNot: "memory://m/t/1.json")?.metadataLocation
        == "memory://m/t/2.json")
    #expect(errorCode { try catalog.loadTable(id) } == .notFound)
    // Without etags from the server, by the metadata's location.
    #expect(try catalog.loadTable(id, ifNot: "memory://m/t/3.json") == nil)
    _ = try catalog.loadTable(id)
    #expect(
      server.requests.dropFirst().map { $0.headers["If-None-Match"] } == [
        nil, "\"e1\"", "\"e1\"", "\"e1\"", "\"e2\"", "\"e2\"", nil, nil,
      ])
  }

  @Test func keepsFewTables() throws {
    var settings = RESTSettings(address: "http://h")
    settings.tableCacheCountMax = 2
    var answers = [CannedServer.plainConfig]
    for _ in 0..<5 { answers.append(try loadAnswer("memory://m/t/1.json", etag: "e")) }
    let server = CannedServer(answers)
    let catalog = try RESTCatalog(
      settings: settings, transport: server, clock: clock.clock
    ) { _ throws(TableError) in
      try memoryStores()
    }
    for name in ["x", "y", "z", "x", "z"] {
      _ = try catalog.loadTable(TableIdentifier(Namespace(["n"]), name))
    }
    #expect(
      server.requests.dropFirst().map { $0.headers["If-None-Match"] } == [nil, nil, nil, nil, "e"])
  }

  @Test func takesCredentialsOfTheLongestPrefix() throws {
    let seen = Mutex<[[String: String]]>([])
    let more = """
      ,"storage-credentials":[{"prefix":"memory://m/t","config":{"k":"right"}},\
      {"prefix":"memory://","config":{"k":"short"}},{"prefix":"s3://","config":{"k":"other"}}]
      """
    let server = CannedServer([
      CannedServer.plainConfig, try loadAnswer("memory://m/1", config: #"{"k":"config","x":"1"}"#),
      try loadAnswer("memory://m/1", config: #"{"k":"config","x":"1"}"#, more: more),
      try loadAnswer("memory://m/1", config: #"{"k":"config","x":"1"}"#, more: more),
    ])
    let catalog = try RESTCatalog(
      settings: RESTSettings(address: "http://h", properties: ["own": "p"]), transport: server,
      clock: clock.clock
    ) { properties throws(TableError) in
      seen.withLock { $0.append(properties) }
      return try memoryStores()
    }
    _ = try catalog.loadTable(id)
    let first = try catalog.loadTable(id)
    let second = try catalog.loadTable(id)
    #expect(first.config == ["k": "right", "x": "1"])
    #expect(first.stores === second.stores)
    #expect(
      seen.withLock { $0 } == [
        ["own": "p", "k": "config", "x": "1"], ["own": "p", "k": "right", "x": "1"],
      ])
  }

  @Test func readsAreRepeated() throws {
    let (catalog, server) = try connect([
      CannedServer.fault(503), CannedServer.lost, CannedServer.unseen, CannedServer.fault(500),
      try loadAnswer("memory://m/1"),
    ])
    _ = try catalog.loadTable(id)
    #expect(server.requests.count == 6)
    #expect(clock.pauses.count == 4)
    let (failing, _) = try connect(Array(repeating: CannedServer.fault(503), count: 20))
    let error = #expect(throws: TableError.self) { try failing.loadTable(id) }
    #expect(error?.code == .catalog)
    #expect(error?.table == "a b.c/d.t%1")
    #expect(error?.cause == "because")
  }

  let commit = TableCommit(
    TableIdentifier(Namespace(["n"]), "t"),
    requirements: [.assertReferenceSnapshotID(reference: "main", snapshotID: nil)],
    updates: [.setProperties(["k": "v"])])

  @Test(arguments: [
    CannedServer.lost, CannedServer.fault(500, "CommitStateUnknownException"),
    CannedServer.fault(502), CannedServer.fault(503), CannedServer.fault(504),
  ])
  func commitsAreDoneOnce(failure: CannedServer.Answer) throws {
    // Without keys, what may have been done is not done again.
    let (catalog, server) = try connect([failure, try loadAnswer("memory://m/2")])
    #expect(errorCode { try catalog.commit(commit) } == .unknownOutcome)
    #expect(server.requests.count == 2)
    #expect(server.requests[1].headers["Idempotency-Key"] == nil)

    // With keys it is, under the same one.
    let (second, seen) = try connect(
      [failure, failure, try loadAnswer("memory://m/2"), try loadAnswer("memory://m/3")],
      config: CannedServer.idempotentConfig)
    #expect(try second.commit(commit).metadataLocation == "memory://m/2")
    let keys = seen.requests.dropFirst().map { $0.headers["Idempotency-Key"] }
    #expect(keys.count == 3 && Set(keys).count == 1)
    let key = try #require(keys[0])
    let parts = key.split(separator: "-").map(\.utf8.count)
    #expect(parts == [8, 4, 4, 4, 12])
    #expect(key.split(separator: "-")[2].hasPrefix("7"))
    #expect("89ab".contains(key.split(separator: "-")[3].first!))
    _ = try second.commit(commit)
    #expect(seen.requests.last?.headers["Idempotency-Key"] != key)
  }

  @Test func commitsThatSurelyFailedAreRepeated() throws {
    let (catalog, server) = try connect([
      CannedServer.unseen, CannedServer.fault(429, headers: [("Retry-After", "3")]),
      try loadAnswer("memory://m/2"),
    ])
    _ = try catalog.commit(commit)
    #expect(server.requests.count == 4)
    #expect(clock.pauses[1] >= 3_000_000_000)
    let body = try JSONParser().parse(server.requests[3].body![0]).asObject()
    #expect(try body.array("updates").count == 1)
    #expect(
      try body.object("identifier") == ["namespace": ["n"], "name": "t"])
  }

  @Test func findsItsOwnCommit() throws {
    let snapshot = Snapshot(
      snapshotID: 77, sequenceNumber: 1, timestampMilliseconds: 2, manifestList: "memory://m/l",
      summary: ["operation": "append"], schemaID: 0, firstRowID: 0, addedRows: 0)
    let commit = TableCommit(id, requirements: [], updates: [.addSnapshot(snapshot)])
    let (catalog, _) = try connect([
      CannedServer.lost, try loadAnswer("memory://m/2", snapshot: 77),
    ])
    #expect(try catalog.commit(commit).metadataLocation == "memory://m/2")
    let (other, _) = try connect([CannedServer.lost, try loadAnswer("memory://m/2", snapshot: 78)])
    #expect(errorCode { try other.commit(commit) } == .unknownOutcome)
  }

  @Test func commitsSeveralTables() throws {
    let other = TableCommit(
      TableIdentifier(Namespace(["n"]), "u"), requirements: [], updates: [])
    let (catalog, server) = try connect([
      CannedServer.json("", status: 204), try loadAnswer("memory://m/2"),
      try loadAnswer("memory://m/3"), CannedServer.fault(409, "CommitFailedException"),
    ])
    #expect(
      try catalog.commit([commit, other]).map(\.metadataLocation) == [
        "memory://m/2", "memory://m/3",
      ])
    #expect(server.lines[1] == "POST /v1/transactions/commit")
    #expect(errorCode { try catalog.commit([commit, other]) } == .retryableConflict)
    #expect(errorCode { try catalog.commit([]) } == .invalidArgument)
  }

  @Test func errorsKeepTheirMeaning() throws {
    func code(
      _ answer: CannedServer.Answer, _ body: (RESTCatalog) throws -> Void
    ) throws -> TableError.Code? {
      let (catalog, _) = try connect([answer])
      return errorCode { try body(catalog) }
    }
    let namespace = Namespace(["n"])
    let creation = TableCreation(schema: TableSchema([]))
    #expect(try code(CannedServer.fault(409)) { _ = try $0.commit(commit) } == .retryableConflict)
    #expect(
      try code(CannedServer.fault(409)) {
        _ = try $0.commit(TableCommit(id, requirements: [.assertCreate], updates: []))
      } == .alreadyExists)
    #expect(
      try code(CannedServer.fault(409, "AlreadyExistsException")) {
        _ = try $0.createTable(id, creation)
      } == .alreadyExists)
    #expect(try code(CannedServer.fault(409)) { try $0.dropNamespace(namespace) } == .notEmpty)
    #expect(
      try code(CannedServer.fault(404, "NoSuchNamespaceException")) {
        _ = try $0.namespaceProperties(namespace)
      } == .notFound)
    #expect(
      try code(CannedServer.fault(400, "BadRequestException")) { _ = try $0.commit(commit) }
        == .invalidArgument)
    #expect(try code(CannedServer.fault(403)) { _ = try $0.loadTable(id) } == .forbidden)
    #expect(try code(CannedServer.fault(501)) { try $0.renameTable(id, to: id) } == .unsupported)
    #expect(
      try code(CannedServer.fault(404)) {
        if try $0.tableExists(id) { throw TableError(.limit, "it exists") }
      } == nil)
    #expect(
      try code(CannedServer.json("", status: 204)) {
        if try !$0.tableExists(id) { throw TableError(.limit, "it does not") }
      } == nil)
    for text in ["", "<html>", "[]", "{}", #"{"metadata":{}}"#, #"{"metadata":7}"#] {
      #expect(try code(CannedServer.json(text)) { _ = try $0.loadTable(id) } == .catalog, "\(text)")
    }
    #expect(try code(CannedServer.json("", status: 304)) { _ = try $0.loadTable(id) } == .catalog)
    #expect(
      errorCode { try connect([], config: CannedServer.json("<html>hello")) } == .catalog)
  }

  @Test func describesWhatItDid() throws {
    let (catalog, _) = try connect([
      CannedServer.json(#"{"updated":["b"],"removed":["c"],"missing":null}"#),
      CannedServer.json(#"{"namespace":["n"],"properties":null}"#),
      CannedServer.json(#"{"namespace":["n"],"properties":{"location":"s3://b/n"}}"#),
    ])
    let namespace = Namespace(["n"])
    #expect(
      try catalog.updateNamespaceProperties(namespace, removals: ["c"], updates: ["b": "1"])
        == NamespacePropertyChanges(updated: ["b"], removed: ["c"], missing: []))
    #expect(try catalog.namespaceProperties(namespace) == [:])
    #expect(try catalog.namespaceProperties(namespace) == ["location": "s3://b/n"])
  }
}
