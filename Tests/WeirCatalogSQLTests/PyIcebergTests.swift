// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirCatalogSQL
internal import WeirStorage
internal import WeirTable

/// PyIceberg's `SqlCatalog` and Weir on one database.
@Suite(.enabled(if: PyIceberg.python != nil, "there is no Python with PyIceberg"))
struct PyIcebergTests {
  let folder = TemporaryFolder()

  /// An empty database: its address for Weir and for SQLAlchemy.
  private func database(_ kind: BackendKind) throws -> (
    backend: () throws -> SQLCatalogBackend, uri: String
  ) {
    if kind == .sqlite {
      let path = "\(folder.path)/catalog.db"
      return (
        { try SQLCatalogBackend(SQLiteCatalogOptions(path: path)) }, "sqlite:///\(path)"
      )
    }
    let server = try PostgresServer.shared!.get()
    let address = try server.newDatabase()
    return (
      { try SQLCatalogBackend(PostgresCatalogOptions(address: address)) },
      "postgresql+psycopg2://weir@/\(address.split(separator: "=").last!)?host=\(server.folder)"
    )
  }

  private func catalog(_ backend: SQLCatalogBackend) throws -> PointerCatalog {
    try PointerCatalog(
      name: "default", backend: backend, stores: ObjectStores(),
      warehouse: "file://\(folder.path)/warehouse")
  }

  private func python(_ action: String, _ uri: String) throws -> String {
    try PyIceberg.run(action, uri, "file://\(folder.path)/warehouse")
  }

  @Test(arguments: BackendKind.databases)
  func itOpensWhatWeirHasMade(kind: BackendKind) throws {
    let (open, uri) = try database(kind)
    let backend = try open()
    let catalog = try catalog(backend)
    try catalog.createNamespace(Namespace(["a"]), properties: [:])
    try catalog.createNamespace(Namespace(["a", "b"]), properties: ["k": "v"])
    let schema = TableSchema([TableField(1, "id", .long, required: true)])
    let t = TableIdentifier(Namespace(["a", "b"]), "t")
    var creation = TableCreation(schema: schema)
    creation.properties = ["format-version": "2"]
    _ = try catalog.createTable(t, creation, staged: false)
    #expect(
      try python("look,evolve", uri)
        == "[('a',)] [('a', 'b')] v [('a', 'b', 't')] ['id']\n['id', 'name']")
    let loaded = try catalog.loadTable(t, ifNot: nil)
    #expect(loaded?.metadata.currentSchema.fields.map(\.name) == ["id", "name"])
    // Its compare-and-swap and ours see each other.
    _ = try catalog.commit([
      TableCommit(t, requirements: [], updates: [.setProperties(["by": "weir"])])
    ])
    #expect(try python("stale,drop", uri) == "CommitFailedException weir\n[]")
    #expect(try catalog.tableExists(t) == false)
    #expect(try catalog.listNamespaces(in: nil, page: .first).items == [Namespace(["a"])])
  }

  @Test(arguments: BackendKind.databases, ["make", "make-v0"])
  func weirOpensWhatItHasMade(kind: BackendKind, action: String) throws {
    let (open, uri) = try database(kind)
    #expect(try python(action, uri) == "made")
    let backend = try open()
    #expect(backend.catalogName == "default")
    let catalog = try catalog(backend)
    #expect(
      try catalog.listNamespaces(in: nil, page: .first).items
        == [Namespace(["deep"]), Namespace(["py"])])
    #expect(
      try catalog.listNamespaces(in: Namespace(["deep"]), page: .first).items
        == [Namespace(["deep", "er"])])
    #expect(try catalog.namespaceProperties(Namespace(["py"])) == ["owner": "me"])
    #expect(try catalog.namespaceProperties(Namespace(["deep", "er"])) == [:])
    let t = TableIdentifier(Namespace(["py"]), "t")
    #expect(try catalog.listTables(in: t.namespace, page: .first).items == [t])
    #expect(try catalog.loadTable(t, ifNot: nil)?.metadata.currentSchema.fields.count == 1)
    _ = try catalog.commit([
      TableCommit(t, requirements: [], updates: [.setProperties(["by": "weir"])])
    ])
    // Longer than the 255 characters that its columns allow.
    let deep = Namespace([
      "n" + String(repeating: "x", count: 200), String(repeating: "y", count: 200),
    ])
    try catalog.createNamespace(deep.parent!, properties: [:])
    try catalog.createNamespace(deep, properties: [:])
    #expect(try python("properties", uri) == "weir")
  }
}

/// Runs PyIceberg in a process of its own.
enum PyIceberg {
  /// A Python that has it: the one of the development environment, or the one that
  /// `WEIR_TEST_PYTHON` names.
  static let python: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path
    let named = ProcessInfo.processInfo.environment["WEIR_TEST_PYTHON"]
    return [named, "\(root)/.venv/bin/python"].compactMap { $0 }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }()

  static func run(_ words: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    process.arguments = ["-c", script] + words
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = String(
      decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    let problem = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw PostgresServer.Failure(description: "PyIceberg failed: \(problem)")
    }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static let script = """
    import sys
    import sqlalchemy
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.schema import Schema
    from pyiceberg.types import LongType, NestedField, StringType

    actions, uri, warehouse = sys.argv[1:]
    catalog = SqlCatalog("default", uri=uri, warehouse=warehouse)
    schema = Schema(NestedField(1, "id", LongType(), required=False))
    for action in actions.split(","):
        if action.startswith("make"):
            catalog.create_namespace("py", {"owner": "me"})
            catalog.create_namespace(("deep", "er"))
            catalog.create_table("py.t", schema)
            if action == "make-v0":
                with catalog.engine.begin() as connection:
                    connection.execute(
                        sqlalchemy.text("ALTER TABLE iceberg_tables DROP COLUMN iceberg_type"))
            print("made")
        elif action == "look":
            names = catalog.load_table("a.b.t").schema().column_names
            print(
                catalog.list_namespaces(),
                catalog.list_namespaces("a"),
                catalog.load_namespace_properties("a.b")["k"],
                catalog.list_tables("a.b"),
                names,
            )
        elif action == "evolve":
            table = catalog.load_table("a.b.t")
            with table.update_schema() as update:
                update.add_column("name", StringType())
            print(catalog.load_table("a.b.t").schema().column_names)
        elif action == "stale":
            table = catalog.load_table("a.b.t")
            with table.transaction() as change:
                change.set_properties(mine="first")
            stale = catalog.load_table("a.b.t")
            with catalog.load_table("a.b.t").update_schema() as update:
                update.add_column("more", StringType())
            try:
                with stale.update_schema() as update:
                    update.add_column("less", StringType())
            except CommitFailedException as error:
                print(type(error).__name__, catalog.load_table("a.b.t").properties["by"])
        elif action == "drop":
            catalog.drop_table("a.b.t")
            print(catalog.list_tables("a.b"))
        elif action == "properties":
            print(catalog.load_table("py.t").properties["by"])
    """
}
