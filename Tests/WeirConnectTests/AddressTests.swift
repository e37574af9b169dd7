// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirStorage
internal import WeirStorageS3
internal import WeirTable

@testable internal import WeirConnect

@Suite struct AddressTests {
  @Test(arguments: [
    ("/data/lake", CatalogAddress.folder("/data/lake")), ("lake", .folder("/here/lake")),
    ("./lake", .folder("/here/./lake")), ("file:///data/lake", .folder("/data/lake")),
    ("file:/data/lake", .folder("/data/lake")),
    ("file://localhost/data/lake", .folder("/data/lake")), ("a/b:c", .folder("/here/a/b:c")),
    ("sqlite:/data/c.db", .sqlite("/data/c.db")), ("sqlite:c.db", .sqlite("/here/c.db")),
    ("sqlite:///c.db", .sqlite("/here/c.db")), ("sqlite:////data/c.db", .sqlite("/data/c.db")),
    ("postgresql://u:p@h/d", .postgres("postgresql://u:p@h/d")),
    ("postgres://h/d", .postgres("postgres://h/d")), ("http://h:1/x", .rest("http://h:1/x")),
    ("HTTPS://h", .rest("HTTPS://h")), ("memory:", .memory),
  ])
  func reads(text: String, address: CatalogAddress) throws {
    #expect(try CatalogAddress(text, currentFolder: "/here") == address)
  }

  @Test(arguments: [
    "", "file://host/x", "file:", "sqlite:", "sqlite://host/x", "http:", "http://", "s3://b/x",
    "mysql://u:topsecret@h/d", "a\nb",
  ])
  func refuses(text: String) {
    let error = #expect(throws: TableError.self) { try CatalogAddress(text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("topsecret") == false)
  }

  @Test func hidesPasswords() {
    #expect(
      CatalogAddress.shown("postgresql://user:p@ss@host/d") == "postgresql://…@host/d")
    #expect(CatalogAddress.shown("/data/x") == "/data/x")
  }
}

@Suite struct ConnectionTests {
  let creation = TableCreation(
    schema: TableSchema([TableField(1, "a", .long)]))

  @Test func aFolderKeepsAll() throws {
    let parent = "/tmp/weir-connect-test-\(UInt64.random(in: 0 ... .max))"
    let folder = "\(parent)/lake"
    defer { _ = system("rm -rf \(parent)") }
    var options = ConnectionOptions()
    options.creates = false
    #expect(throws: TableError.self) { try Connection.open(folder, options: options) }
    let first = try Connection.open(folder)
    #expect(first.warehouse == "file://\(folder)")
    let identifier = TableIdentifier(Namespace(["n"]), "t")
    try first.catalog.createNamespace(Namespace(["n"]))
    let table = try first.catalog.createTable(identifier, creation)
    #expect(table.metadata.location.hasPrefix("file://\(folder)/n/t"))
    let second = try Connection.open("sqlite:\(folder)/catalog.db", options: options)
    #expect(second.warehouse == "file://\(folder)")
    #expect(try second.catalog.loadTable(identifier).metadata == table.metadata)
  }

  @Test func postgresNeedsAWarehouse() {
    let error = #expect(throws: TableError.self) { try Connection.open("postgresql://h/d") }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("warehouse") == true)
  }

  @Test func storesTakeTheirProperties() throws {
    let stores = try ConnectionOptions().stores([
      "s3.endpoint": "http://h:1", "s3.access-key-id": "a", "s3.secret-access-key": "s",
    ])
    let place = try stores.resolve("s3://bucket/a/b")
    #expect(place.store is S3ObjectStore)
    #expect(place.path == "a/b")
    #expect(try stores.resolve("s3a://bucket/c").store as AnyObject === place.store as AnyObject)
    var confined = ConnectionOptions()
    confined.confinedTo = ["s3://bucket/a"]
    #expect(throws: StorageError.self) { try confined.stores([:]).resolve("s3://bucket/b/c") }
  }

  /// A catalog in a folder, its tables in S3.
  @Test(.enabled(if: getenv("WEIR_S3_ENDPOINT") != nil, "no S3 server: see dev/radosgw"))
  func tablesLiveInS3() throws {
    func variable(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
    let folder = "/tmp/weir-connect-test-\(UInt64.random(in: 0 ... .max))"
    defer { _ = system("rm -rf \(folder)") }
    let properties = [
      "s3.endpoint": variable("WEIR_S3_ENDPOINT"),
      "s3.access-key-id": variable("WEIR_S3_ACCESS_KEY"),
      "s3.secret-access-key": variable("WEIR_S3_SECRET_KEY"),
      "warehouse": "s3://\(variable("WEIR_S3_BUCKET"))/warehouse \(UInt64.random(in: 0 ... .max))",
    ]
    try S3ObjectStore(
      settings: S3Settings(bucket: variable("WEIR_S3_BUCKET"), properties: properties)
    ).createBucket()
    let connection = try Connection.open(folder, properties: properties)
    let identifier = TableIdentifier(Namespace(["n"]), "t")
    try connection.catalog.createNamespace(Namespace(["n"]))
    let table = try connection.catalog.createTable(identifier, creation)
    #expect(table.metadata.location.hasPrefix(properties["warehouse"]!))
    let changed = try connection.catalog.commit(
      TableCommit(identifier, requirements: [], updates: [.setProperties(["k": "v"])]))
    let other = try Connection.open(folder, properties: properties)
    #expect(try other.catalog.loadTable(identifier).metadata == changed.metadata)
    try other.catalog.dropTable(identifier, purge: true)
    let left = try connection.stores.resolve(properties["warehouse"]!)
    #expect(try left.store.list(prefix: left.path).objects == [])
  }

  @Test func memoryKeepsNothing() throws {
    let connection = try Connection.open("memory:")
    try connection.catalog.createNamespace(Namespace(["n"]))
    let table = try connection.catalog.createTable(
      TableIdentifier(Namespace(["n"]), "t"), creation)
    #expect(table.metadata.location.hasPrefix("memory://warehouse/tables/"))
    let other = try Connection.open("memory:")
    #expect(try other.catalog.listNamespaces(in: nil, page: .first).items.isEmpty)
  }
}
