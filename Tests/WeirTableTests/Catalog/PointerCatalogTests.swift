// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable
internal import _WeirTestSupport

@Suite struct PointerCatalogTests {
  private func set(_ identifier: TableIdentifier, _ properties: StringMap) -> TableCommit {
    TableCommit(identifier, requirements: [], updates: [.setProperties(properties)])
  }

  @Test func tablesAreMadeLoadedRenamedAndDropped() throws {
    let test = try TestCatalog()
    let a = test.identifier("a")
    let made = try test.catalog.createTable(a, TableCreation(schema: TestCatalog.schema))
    #expect(made.metadata.formatVersion == 3)
    #expect(made.metadata.location.hasPrefix("memory://w/house/n/a-"))
    #expect(made.metadataLocation!.contains("/metadata/00000-"))
    #expect(
      tableErrorCode { try test.catalog.createTable(a, TableCreation(schema: TestCatalog.schema)) }
        == .alreadyExists)
    let loaded = try test.catalog.loadTable(a)
    #expect(loaded.metadata == made.metadata)
    #expect(try test.catalog.loadTable(a, ifNot: loaded.etag) == nil)
    let b = test.identifier("b")
    try test.catalog.renameTable(a, to: b)
    #expect(tableErrorCode { try test.catalog.loadTable(a) } == .notFound)
    #expect(try test.catalog.loadTable(b).metadata.uuid == made.metadata.uuid)
    #expect(try test.catalog.listTables(in: test.namespace, page: .first).items == [b])
    try test.catalog.dropTable(b)
    #expect(try !test.catalog.tableExists(b))
    #expect(try test.paths().count == 1)
  }

  @Test func listingsComeInPages() throws {
    let test = try TestCatalog()
    for index in 0..<25 {
      _ = try test.catalog.createTable(
        test.identifier("t\(index)"), TableCreation(schema: TestCatalog.schema))
    }
    var names: [String] = []
    var token: String?
    repeat {
      let page = try test.catalog.listTables(
        in: test.namespace, page: PageRequest(token: token, limit: 10))
      names += page.items.map(\.name)
      token = page.next
    } while token != nil
    #expect(names == (0..<25).map { "t\($0)" }.sorted())
    let exact = try test.catalog.listTables(in: test.namespace, page: PageRequest(limit: 25))
    #expect(exact.items.count == 25)
    #expect(exact.next == nil)
  }

  @Test func commitsOfSeveralTablesAreMadeTogether() throws {
    let test = try TestCatalog()
    let (a, b) = (test.identifier("a"), test.identifier("b"))
    for name in [a, b] {
      _ = try test.catalog.createTable(name, TableCreation(schema: TestCatalog.schema))
    }
    let before = try test.paths()
    var second = set(b, ["x": "1"])
    second.requirements = [.assertCurrentSchemaID(7)]
    #expect(
      tableErrorCode { try test.catalog.commit([set(a, ["x": "1"]), second]) }
        == .retryableConflict)
    #expect(try test.paths() == before)
    #expect(try test.catalog.loadTable(a).metadata.properties["x"] == nil)
    second.requirements = []
    let done = try test.catalog.commit([set(a, ["x": "1"]), second])
    #expect(done.map(\.identifier) == [a, b])
    #expect(try test.catalog.loadTable(a).metadata.properties["x"] == "1")
    #expect(try test.catalog.loadTable(b).metadata.properties["x"] == "1")
    #expect(
      tableErrorCode { try test.catalog.commit([set(a, [:]), set(a, [:])]) }
        == .invalidArgument)
  }

  @Test func nothingToChangeWritesNothing() throws {
    let test = try TestCatalog()
    let a = test.identifier("a")
    let made = try test.catalog.createTable(a, TableCreation(schema: TestCatalog.schema))
    let done = try test.catalog.commit(set(a, [:]))
    #expect(done.metadataLocation == made.metadataLocation)
  }

  @Test func metadataFilesAreTrimmedAndCompressed() throws {
    let test = try TestCatalog()
    let a = test.identifier("a")
    _ = try test.catalog.createTable(
      a,
      TableCreation(
        schema: TestCatalog.schema,
        properties: [
          "write.metadata.previous-versions-max": "3",
          "write.metadata.compression-codec": "gzip",
        ]))
    for index in 0..<10 { _ = try test.catalog.commit(set(a, ["x": "\(index)"])) }
    #expect(try test.paths().count == 4)
    let loaded = try test.catalog.loadTable(a)
    #expect(loaded.metadataLocation!.contains("/00010-"))
    #expect(loaded.metadataLocation!.hasSuffix(".gz.metadata.json"))
    // Another process knows nothing of this one's cache.
    let other = try TestCatalog(store: test.store, backend: test.backend, seed: 2)
    #expect(try other.catalog.loadTable(a).metadata == loaded.metadata)
    _ = try test.catalog.commit(set(a, ["write.metadata.delete-after-commit.enabled": "false"]))
    for index in 0..<3 { _ = try test.catalog.commit(set(a, ["x": "\(index)"])) }
    #expect(try test.paths().count == 8)
  }

  @Test func stagedTablesAreMadeByACommit() throws {
    let test = try TestCatalog()
    let a = test.identifier("a")
    let staged = try test.catalog.createTable(
      a, TableCreation(schema: TestCatalog.schema), staged: true)
    #expect(staged.metadataLocation == nil)
    #expect(try !test.catalog.tableExists(a))
    let commit = TableCommit(
      a, requirements: [.assertCreate],
      updates: [
        .assignUUID(staged.metadata.uuid!), .upgradeFormatVersion(2),
        .addSchema(TestCatalog.schema), .setCurrentSchema(-1),
        .setLocation(staged.metadata.location),
      ])
    let made = try test.catalog.commit(commit)
    #expect(made.metadata.uuid == staged.metadata.uuid)
    #expect(made.metadata.formatVersion == 2)
    #expect(tableErrorCode { try test.catalog.commit(commit) } == .alreadyExists)
  }

  @Test func registeringPointsToAFileThatIsThere() throws {
    let test = try TestCatalog()
    let (a, b) = (test.identifier("a"), test.identifier("b"))
    let made = try test.catalog.createTable(a, TableCreation(schema: TestCatalog.schema))
    let location = made.metadataLocation!
    let registered = try test.catalog.registerTable(
      b, metadataLocation: location, overwrite: false)
    #expect(registered.metadata == made.metadata)
    #expect(
      tableErrorCode {
        try test.catalog.registerTable(b, metadataLocation: location, overwrite: false)
      } == .alreadyExists)
    let next = try test.catalog.commit(set(a, ["x": "1"]))
    _ = try test.catalog.registerTable(
      b, metadataLocation: next.metadataLocation!, overwrite: true)
    #expect(try test.catalog.loadTable(b).metadata.properties["x"] == "1")
    #expect(
      tableErrorCode {
        try test.catalog.registerTable(
          test.identifier("c"), metadataLocation: "memory://w/none.metadata.json",
          overwrite: false)
      } == .notFound)
  }

  @Test func locationsOutsideOfWhatIsAllowedAreRefused() throws {
    let backend = MemoryCatalogBackend()
    let stores = try ObjectStores(confinedTo: ["memory://w/house"])
    let catalog = try PointerCatalog(
      name: "c", backend: backend, stores: stores, warehouse: "memory://w/house")
    try catalog.createNamespace(Namespace(["n"]))
    let a = TableIdentifier(Namespace(["n"]), "../../a")
    for location in ["/etc/x", "memory://w/other", "memory://v/house/a"] {
      #expect(
        tableErrorCode {
          try catalog.createTable(
            a, TableCreation(schema: TestCatalog.schema, location: location))
        } == .forbidden)
    }
    #expect(
      tableErrorCode {
        try catalog.createTable(
          a, TableCreation(schema: TestCatalog.schema, location: "memory://w/house/../x"))
      } == .invalidArgument)
    let made = try catalog.createTable(a, TableCreation(schema: TestCatalog.schema))
    #expect(made.metadata.location.hasPrefix("memory://w/house/n/%2E.%2F..%2Fa-"))
    #expect(
      tableErrorCode {
        try catalog.commit(
          TableCommit(a, requirements: [], updates: [.setLocation("/etc")]))
      } == .forbidden)
    #expect(
      tableErrorCode {
        try catalog.registerTable(a, metadataLocation: "/etc/passwd", overwrite: true)
      } == .forbidden)
  }

  @Test func manyThreadsLoseNoUpdate() throws {
    let test = try TestCatalog()
    let a = test.identifier("a")
    _ = try test.catalog.createTable(a, TableCreation(schema: TestCatalog.schema))
    let failures = Mutex<[String]>([])
    inThreads(8) { thread in
      for index in 0..<20 {
        do {
          _ = try test.catalog.commit(set(a, ["k\(thread)-\(index)": "1"]))
        } catch {
          failures.withLock { $0.append("\(error)") }
        }
      }
    }
    #expect(failures.withLock { $0 } == [])
    let loaded = try test.catalog.loadTable(a)
    #expect(loaded.metadata.properties.count == 160)
    #expect(MetadataLocationProbe.version(loaded.metadataLocation!) == 160)
  }
}

enum MetadataLocationProbe {
  /// The number at the start of a metadata file's name.
  static func version(_ location: String) -> Int {
    Int(location.split(separator: "/").last!.prefix(5))!
  }
}
