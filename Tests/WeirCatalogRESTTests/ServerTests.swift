// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirCatalogREST
@testable internal import WeirHTTP

/// Our own server within this process, behind a connection that may lose requests and answers.
final class ServerTransport: HTTPTransport {
  private let service: RESTService
  private let random: Mutex<SeededRandom>
  private let lossChance: Double
  private let statuses = Mutex<[Int]>([])

  var answered: [Int] { statuses.withLock { $0 } }

  init(_ service: RESTService, seed: UInt64 = 1, lossChance: Double = 0) {
    self.service = service
    self.lossChance = lossChance
    random = Mutex(SeededRandom(seed: seed))
  }

  func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
    let (losesRequest, losesAnswer) = random.withLock {
      ($0.chance(lossChance), $0.chance(lossChance))
    }
    if losesRequest { throw HTTPError(.noConnection, "lost request", mayHaveArrived: false) }
    let target = request.url.dropFirst("http://h".count)
      .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var headers: [String: String] = [:]
    for field in request.headers.fields { headers[field.name.lowercased()] = field.value }
    let body = (request.body ?? []).flatMap { $0.array(of: UInt8.self) }
    let answer = service.answer(
      RESTRequest(
        request.method, String(target[0]), query: target.count > 1 ? String(target[1]) : "",
        headers: headers, body: body)
    ).response
    statuses.withLock { $0.append(answer.status) }
    if losesAnswer { throw HTTPError(.connectionBroken, "lost answer", mayHaveArrived: true) }
    return HTTPResponse(
      status: answer.status, headers: HTTPHeaders(answer.headers.map { ($0.name, $0.value) }),
      body: request.method == "HEAD" ? Buffer() : Buffer(answer.body))
  }
}

/// The client and our own server together.
@Suite struct ServerTests {
  let stores: ObjectStores
  let service: RESTService
  let clock = CannedClock()
  let schema = TableSchema([
    TableField(1, "id", .long, required: true), TableField(2, "s", .string),
  ])

  init() throws {
    stores = try ObjectStores(confinedTo: ["memory://m/tables"])
    service = try Self.service(stores, .open)
  }

  static func service(_ stores: ObjectStores, _ access: AccessPolicy) throws -> RESTService {
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores,
      warehouse: "memory://m/tables")
    return RESTService(
      catalog: catalog, stores: stores, access: access,
      configuration: CatalogServerConfiguration(warehouseLocation: "memory://m/tables"),
      nowSeconds: { 1_700_000_000 })
  }

  func connect(
    _ transport: ServerTransport? = nil, _ properties: [String: String] = [:]
  ) throws -> RESTCatalog {
    var settings = RESTSettings(address: "http://h", properties: properties)
    settings.retries.attemptsMax = 12
    let stores = stores
    return try RESTCatalog(
      settings: settings, transport: transport ?? ServerTransport(service), clock: clock.clock
    ) { _ in stores }
  }

  @Test func namespacesComeAndGo() throws {
    let catalog = try connect()
    let outer = Namespace(["a b"])
    let inner = Namespace(["a b", "c/d%ü"])
    // The specification knows no 404 here.
    #expect(errorCode { try catalog.createNamespace(inner) } == .invalidArgument)
    try catalog.createNamespace(outer, properties: ["owner": "x", "old": "1"])
    try catalog.createNamespace(inner)
    #expect(errorCode { try catalog.createNamespace(outer) } == .alreadyExists)
    #expect(try catalog.listNamespaces(in: nil, page: .first).items == [outer])
    #expect(try catalog.listNamespaces(in: outer, page: .first).items == [inner])
    #expect(try catalog.namespaceProperties(outer)["owner"] == "x")
    let changes = try catalog.updateNamespaceProperties(
      outer, removals: ["old", "never"], updates: ["new": "2"])
    #expect(changes.updated == ["new"])
    #expect(changes.removed == ["old"])
    #expect(changes.missing == ["never"])
    #expect(errorCode { try catalog.dropNamespace(outer) } == .notEmpty)
    try catalog.dropNamespace(inner)
    try catalog.dropNamespace(outer)
    #expect(errorCode { try catalog.namespaceProperties(outer) } == .notFound)
    #expect(errorCode { try catalog.dropNamespace(outer) } == .notFound)
  }

  @Test func tablesComeChangeAndGo() throws {
    let transport = ServerTransport(service)
    let catalog = try connect(transport)
    let namespace = Namespace(["n"])
    try catalog.createNamespace(namespace)
    func id(_ name: String) -> TableIdentifier { TableIdentifier(namespace, name) }
    #expect(errorCode { try catalog.loadTable(id("t")) } == .notFound)
    #expect(try catalog.tableExists(id("t")) == false)
    let made = try catalog.createTable(
      id("t"), TableCreation(schema: schema, properties: ["k": "v", "format-version": "3"]))
    #expect(made.metadata.properties["k"] == "v")
    #expect(made.metadata.formatVersion == 3)
    #expect(try catalog.tableExists(id("t")))
    #expect(
      errorCode { try catalog.createTable(id("t"), TableCreation(schema: schema)) }
        == .alreadyExists)
    // What does not change is not sent again.
    #expect(try catalog.loadTable(id("t")).metadata == made.metadata)
    #expect(try catalog.loadTable(id("t"), ifNot: made.etag) == nil)
    #expect(transport.answered.suffix(2).contains(304))
    let changed = try catalog.commit(
      TableCommit(
        id("t"), requirements: [.assertTableUUID(made.metadata.uuid ?? "")],
        updates: [.setProperties(["k": "w"])]))
    #expect(changed.metadata.properties["k"] == "w")
    let other = try connect()
    #expect(try other.loadTable(id("t"), ifNot: made.etag)?.metadata == changed.metadata)
    #expect(
      errorCode {
        try catalog.commit(
          TableCommit(id("t"), requirements: [.assertCurrentSchemaID(7)], updates: []))
      } == .retryableConflict)

    // Staged, then made by a commit.
    let staged = try catalog.createTable(id("s"), TableCreation(schema: schema), staged: true)
    #expect(staged.metadataLocation == nil)
    #expect(try catalog.tableExists(id("s")) == false)

    // Several at once, or none.
    _ = try catalog.createTable(id("u"), TableCreation(schema: schema))
    let both = [id("t"), id("u")].map {
      TableCommit($0, requirements: [], updates: [.setProperties(["both": "yes"])])
    }
    #expect(try catalog.commit(both).allSatisfy { $0.metadata.properties["both"] == "yes" })
    var half = both
    half[0].updates = [.setProperties(["half": "yes"])]
    half[1].requirements = [.assertCurrentSchemaID(7)]
    #expect(errorCode { try catalog.commit(half) } == .retryableConflict)
    #expect(try catalog.loadTable(id("t")).metadata.properties["half"] == nil)

    for name in ["p1", "p2", "p3"] {
      _ = try catalog.createTable(id(name), TableCreation(schema: schema))
    }
    var names: [String] = []
    var token: String?
    repeat {
      let page = try catalog.listTables(in: namespace, page: PageRequest(token: token, limit: 2))
      #expect(page.items.count <= 2)
      names += page.items.map(\.name)
      token = page.next
    } while token != nil
    #expect(names == ["p1", "p2", "p3", "t", "u"])

    try catalog.renameTable(id("u"), to: id("v"))
    #expect(errorCode { try catalog.loadTable(id("u")) } == .notFound)
    #expect(errorCode { try catalog.renameTable(id("v"), to: id("t")) } == .alreadyExists)
    let location = try #require(try catalog.loadTable(id("v")).metadataLocation)
    try catalog.dropTable(id("v"))
    let registered = try catalog.registerTable(
      id("w"), metadataLocation: location, overwrite: false)
    #expect(registered.metadataLocation == location)
    try catalog.dropTable(id("w"), purge: true)
    #expect(errorCode { try stores.get(location) } != nil)
    #expect(errorCode { try catalog.dropTable(id("w")) } == .notFound)
  }

  /// Every request and answer may be lost, and yet each change is made once: the keys of the requests
  /// tell the server what it has done.
  @Test(arguments: [UInt64(1), 2, 3, 4]) func losesAndRepeatsNothing(seed: UInt64) throws {
    let catalog = try connect(ServerTransport(service, seed: seed, lossChance: 0.25))
    let namespace = Namespace(["n"])
    try catalog.createNamespace(namespace)
    for index in 0..<8 { try catalog.createNamespace(namespace.child("c\(index)")) }
    let id = TableIdentifier(namespace, "t")
    _ = try catalog.createTable(
      id, TableCreation(schema: schema, properties: ["format-version": "2"]))
    var last: Int64?
    for number in Int64(1)...15 {
      let snapshot = Snapshot(
        snapshotID: number, parentID: last, sequenceNumber: number,
        timestampMilliseconds: 9_000_000_000_000 + number,
        manifestList: "memory://m/tables/x/\(number).avro", summary: ["operation": "append"],
        schemaID: 0)
      _ = try catalog.commit(
        TableCommit(
          id, requirements: [.assertReferenceSnapshotID(reference: "main", snapshotID: last)],
          updates: [
            .addSnapshot(snapshot),
            .setSnapshotReference(
              "main", SnapshotReference(snapshotID: number, kind: .branch)),
          ]))
      last = number
    }
    for round in 0..<6 {
      let (from, to) = round % 2 == 0 ? ("t", "u") : ("u", "t")
      try catalog.renameTable(TableIdentifier(namespace, from), to: TableIdentifier(namespace, to))
    }
    let loaded = try connect().loadTable(id)
    #expect(loaded.metadata.snapshots.count == 15)
    #expect(loaded.metadata.currentSnapshotID == 15)
    try catalog.dropTable(id)
    for index in 0..<8 { try catalog.dropNamespace(namespace.child("c\(index)")) }
    try catalog.dropNamespace(namespace)
    #expect(try connect().listNamespaces(in: nil, page: .first).items == [])
  }

  @Test func asksAsSomebody() throws {
    let secret = ClientSecret(of: "correct horse", iterationCount: 3)
    let access = try AccessPolicy(
      token: "a fixed token, long enough",
      clientsFile: Array(
        """
        { "signing-key": "0123456789abcdef0123456789abcdef", "clients": [
          { "id": "trainer", "secret": "\(secret)",
            "grants": [ { "namespace": ["events"], "access": "read" } ] } ] }
        """.utf8))
    let transport = ServerTransport(try Self.service(stores, access))
    #expect(errorCode { try connect(transport) } == .forbidden)
    #expect(
      errorCode { try connect(transport, ["credential": "trainer:wrong"]) } == .forbidden)
    let owner = try connect(transport, ["token": "a fixed token, long enough"])
    try owner.createNamespace(Namespace(["events"]))
    try owner.createNamespace(Namespace(["other"]))
    let trainer = try connect(transport, ["credential": "trainer:correct horse"])
    #expect(try trainer.namespaceProperties(Namespace(["events"])) == [:])
    #expect(errorCode { try trainer.createNamespace(Namespace(["mine"])) } == .forbidden)
    #expect(
      errorCode { try trainer.namespaceProperties(Namespace(["other"])) } != nil)
  }
}
