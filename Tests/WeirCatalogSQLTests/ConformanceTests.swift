// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirCatalogSQL
internal import WeirTable
internal import _WeirTestSupport

/// What `CatalogBackend` promises, on every backend.
@Suite struct ConformanceTests {
  let folder = TemporaryFolder()

  private func backend(_ kind: BackendKind) throws -> any CatalogBackend {
    let backend = try kind.backend(in: folder)
    try backend.createNamespace(Namespace(["n"]), properties: ["owner": "me"])
    return backend
  }

  /// Visible in the report when PostgreSQL is missing; an error where it has to be there.
  @Test(
    .enabled(
      if: PostgresServer.binFolder != nil || PostgresServer.isRequired,
      "PostgreSQL is not installed: nothing is tested on it"))
  func postgresIsThere() throws {
    #expect(PostgresServer.binFolder != nil, "install the package postgresql")
  }

  @Test(arguments: BackendKind.available)
  func namespacesNestAndRefuseToGoWhileTheyHoldSomething(kind: BackendKind) throws {
    let backend = try backend(kind)
    let inner = Namespace(["n", "x"])
    #expect(
      tableErrorCode { try backend.createNamespace(Namespace(["q", "x"]), properties: [:]) }
        == .notFound)
    try backend.createNamespace(inner, properties: [:])
    #expect(
      tableErrorCode { try backend.createNamespace(inner, properties: [:]) } == .alreadyExists)
    #expect(tableErrorCode { try backend.dropNamespace(Namespace(["n"])) } == .notEmpty)
    #expect(try backend.apply([.insert(entry("t", in: ["n", "x"]))]) == .applied)
    #expect(tableErrorCode { try backend.dropNamespace(inner) } == .notEmpty)
    #expect(
      try backend.apply([.delete(TableIdentifier(inner, "t"), .table, ifLocation: "m0")])
        == .applied)
    try backend.dropNamespace(inner)
    #expect(try backend.namespaceProperties(inner) == nil)
    try backend.dropNamespace(Namespace(["n"]))
    #expect(try backend.namespaceProperties(Namespace(["n"])) == nil)
    #expect(tableErrorCode { try backend.dropNamespace(inner) } == .notFound)
  }

  @Test(arguments: BackendKind.available)
  func propertiesTellWhatChanged(kind: BackendKind) throws {
    let backend = try backend(kind)
    let n = Namespace(["n"])
    var changes = try backend.updateNamespaceProperties(
      n, removals: ["owner", "gone"], updates: ["b": "2", "a": "1"])
    #expect(
      changes
        == NamespacePropertyChanges(updated: ["a", "b"], removed: ["owner"], missing: ["gone"]))
    #expect(try backend.namespaceProperties(n) == ["a": "1", "b": "2"])
    // The name of the row that says that a namespace is there is a name like any other.
    for value in ["true", "no", ""] {
      changes = try backend.updateNamespaceProperties(
        n, removals: [], updates: ["exists": value, "": "é\n'\"\\"])
      #expect(try backend.namespaceProperties(n)?["exists"] == value)
    }
    changes = try backend.updateNamespaceProperties(
      n, removals: ["exists", "exists\u{1f}", "", "a", "b"], updates: [:])
    #expect(changes.removed == ["exists", "", "a", "b"])
    #expect(changes.missing == ["exists\u{1f}"])
    #expect(try backend.namespaceProperties(n) == [:])
    #expect(
      tableErrorCode {
        try backend.updateNamespaceProperties(Namespace(["q"]), removals: [], updates: ["a": "b"])
      } == .notFound)
  }

  @Test(arguments: BackendKind.available)
  func severalChangesHappenTogetherOrNotAtAll(kind: BackendKind) throws {
    let backend = try backend(kind)
    #expect(try backend.apply([]) == .applied)
    #expect(try backend.apply([.insert(entry("b")), .insert(entry("a"))]) == .applied)
    let a = entry("a").identifier
    let b = entry("b").identifier
    let outcome = try backend.apply([
      .swap(a, .table, from: "m0", to: "m1"), .swap(b, .table, from: "other", to: "m1"),
    ])
    #expect(outcome == .refused(index: 1, .moved(entry("b"))))
    #expect(try backend.entry(a)?.metadataLocation == "m0")
    #expect(
      try backend.apply([
        .swap(a, .table, from: "m0", to: "m1"), .swap(b, .table, from: "m0", to: "m1"),
        .swap(a, .table, from: "m1", to: "m2"),
      ]) == .applied)
    #expect(try backend.entry(a)?.metadataLocation == "m2")
    #expect(try backend.entry(a)?.previousMetadataLocation == "m1")
    // Names may change hands within one list.
    #expect(
      try backend.apply([
        .rename(a, .table, to: entry("c").identifier), .rename(b, .table, to: a),
        .delete(entry("c").identifier, .table, ifLocation: nil), .insert(entry("b", "v0", .view)),
      ]) == .applied)
    #expect(try backend.entry(a)?.metadataLocation == "m1")
    #expect(try backend.entry(b)?.kind == .view)
    #expect(try backend.entry(entry("c").identifier) == nil)
  }

  @Test(arguments: BackendKind.available)
  func refusalsNameTheReason(kind: BackendKind) throws {
    let backend = try backend(kind)
    _ = try backend.apply([.insert(entry("a")), .insert(entry("b"))])
    let a = entry("a").identifier
    #expect(try backend.apply([.insert(entry("a"))]) == .refused(index: 0, .taken(by: entry("a"))))
    #expect(
      try backend.apply([.swap(a, .view, from: "m0", to: "m1")])
        == .refused(index: 0, .missing(a, found: .table)))
    let z = entry("z").identifier
    #expect(
      try backend.apply([.swap(z, .table, from: "m0", to: "m1")])
        == .refused(index: 0, .missing(z, found: nil)))
    #expect(
      try backend.apply([.swap(a, .table, from: "mx", to: "m1")])
        == .refused(index: 0, .moved(entry("a"))))
    #expect(
      try backend.apply([.delete(a, .table, ifLocation: "mx")])
        == .refused(index: 0, .moved(entry("a"))))
    #expect(
      try backend.apply([.delete(a, .view, ifLocation: nil)])
        == .refused(index: 0, .missing(a, found: .table)))
    #expect(
      try backend.apply([.insert(entry("a", in: ["q"]))])
        == .refused(index: 0, .namespaceMissing(Namespace(["q"]))))
    #expect(
      try backend.apply([.rename(a, .table, to: entry("b").identifier)])
        == .refused(index: 0, .taken(by: entry("b"))))
    #expect(
      try backend.apply([.rename(a, .table, to: a)]) == .refused(index: 0, .taken(by: entry("a"))))
    let there = TableIdentifier(Namespace(["q"]), "a")
    #expect(
      try backend.apply([.rename(a, .table, to: there)])
        == .refused(index: 0, .namespaceMissing(Namespace(["q"]))))
    let c = entry("c").identifier
    #expect(try backend.apply([.rename(a, .table, to: c)]) == .applied)
    #expect(try backend.entry(a) == nil)
    #expect(try backend.entry(c)?.identifier == c)
  }

  @Test(arguments: BackendKind.available)
  func listingsAreInTheOrderOfBytesAndGoOnBehindAName(kind: BackendKind) throws {
    let backend = try backend(kind)
    let n = Namespace(["n"])
    // In this order by bytes; "é" composed and decomposed are two names.
    let names = [
      " ", "%", "-", ".", "..", ".a", "/", "B", "_", "a", "a b", "a-", "a.", "a.b", "a.b.c", "a/",
      "aa", "b", "e\u{301}", "z", "\u{e9}", "\u{1F600}",
    ]
    for name in names.shuffled() {
      #expect(
        try backend.apply([
          .insert(entry(name)), .insert(entry(name + "!", "m0", in: ["n"], .view)),
        ]) == .applied)
      try backend.createNamespace(Namespace(["n", name]), properties: ["a": "1", "b": "2"])
    }
    func all(_ list: (String?) throws -> [String]) rethrows -> [[UInt8]] {
      var seen: [String] = []
      while true {
        let page = try list(seen.last)
        seen += page
        if page.count < 3 { return seen.map { Array($0.utf8) } }
      }
    }
    let expected = names.map { Array($0.utf8) }
    let tables = try all { try backend.listEntries(in: n, kind: .table, after: $0, limit: 3) }
    #expect(tables == expected)
    let views = try all { try backend.listEntries(in: n, kind: .view, after: $0, limit: 3) }
    #expect(views.count == names.count)
    let inner = try all { after in
      try backend.listNamespaces(in: n, after: after, limit: 3).map { $0.levels.last! }
    }
    #expect(inner == expected)
    #expect(try backend.listNamespaces(in: nil, after: nil, limit: 9) == [n])
    #expect(try backend.listNamespaces(in: Namespace(["n", "a"]), after: nil, limit: 9) == [])
    #expect(
      try backend.listEntries(in: Namespace(["n", "a"]), kind: .table, after: nil, limit: 9) == [])
    for missing in [Namespace(["q"]), Namespace(["n", "a", "b"])] {
      #expect(
        tableErrorCode { try backend.listNamespaces(in: missing, after: nil, limit: 9) }
          == .notFound)
      #expect(
        tableErrorCode { try backend.listEntries(in: missing, kind: .table, after: nil, limit: 9) }
          == .notFound)
    }
  }

  @Test(arguments: BackendKind.available)
  func namesWithDotsAreNotNestedOnes(kind: BackendKind) throws {
    let backend = try backend(kind)
    try backend.createNamespace(Namespace(["n.x"]), properties: ["a": "dotted"])
    #expect(try backend.namespaceProperties(Namespace(["n", "x"])) == nil)
    try backend.createNamespace(Namespace(["n", "x"]), properties: ["a": "nested"])
    #expect(try backend.namespaceProperties(Namespace(["n.x"])) == ["a": "dotted"])
    #expect(try backend.apply([.insert(entry("t", "d", in: ["n.x"]))]) == .applied)
    #expect(try backend.apply([.insert(entry("t", "n", in: ["n", "x"]))]) == .applied)
    #expect(try backend.entry(entry("t", in: ["n.x"]).identifier)?.metadataLocation == "d")
    #expect(
      try backend.listNamespaces(in: nil, after: nil, limit: 9)
        == [Namespace(["n"]), Namespace(["n.x"])])
    #expect(
      try backend.listNamespaces(in: Namespace(["n"]), after: nil, limit: 9)
        == [Namespace(["n", "x"])])
  }

  @Test(arguments: BackendKind.available)
  func keysAreReservedOnceAndAnsweredFromThenOn(kind: BackendKind) throws {
    let backend = try backend(kind)
    func reserve(_ now: Int64) throws -> IdempotencyReservation {
      try backend.reserveIdempotencyKey(
        "k", fingerprint: "f", leaseMilliseconds: now + 100, now: now)
    }
    #expect(try reserve(0) == .reserved)
    #expect(try reserve(50) == .inProgress(fingerprint: "f"))
    #expect(try reserve(100) == .reserved)
    try backend.releaseIdempotencyKey("k")
    #expect(try reserve(120) == .reserved)
    let record = IdempotencyRecord(
      key: "k", fingerprint: "f", status: 200, body: [1, 0, 255], expiresMilliseconds: 1_000)
    // Not made, so nothing is recorded.
    #expect(
      try backend.apply(
        [.delete(entry("a").identifier, .table, ifLocation: nil)], recording: record)
        != .applied)
    #expect(try reserve(121) == .inProgress(fingerprint: "f"))
    #expect(try backend.apply([.insert(entry("a"))], recording: record) == .applied)
    #expect(try reserve(130) == .done(record))
    try backend.releaseIdempotencyKey("k")
    var other = record
    other.status = 500
    try backend.recordIdempotency(other)
    #expect(try reserve(999) == .done(record))
    #expect(try reserve(1_000) == .reserved)
    other.body = []
    try backend.recordIdempotency(other)
    #expect(try reserve(999) == .done(other))
    // A swap by itself records, too.
    #expect(
      try backend.apply(
        [.swap(entry("a").identifier, .table, from: "m0", to: "m1")],
        recording: IdempotencyRecord(
          key: "l", fingerprint: "g", status: 204, body: [], expiresMilliseconds: 9_000))
        == .applied)
    #expect(
      try backend.reserveIdempotencyKey("l", fingerprint: "x", leaseMilliseconds: 9, now: 5)
        == .done(
          IdempotencyRecord(
            key: "l", fingerprint: "g", status: 204, body: [], expiresMilliseconds: 9_000)))
  }

  @Test(arguments: BackendKind.databases)
  func whatDoesNotFitIsRefused(kind: BackendKind) throws {
    let backend = try backend(kind)
    let long = Namespace((0..<9).map { _ in String(repeating: "x", count: 255) })
    #expect(tableErrorCode { try backend.createNamespace(long, properties: [:]) } == .limit)
    #expect(tableErrorCode { try backend.entry(TableIdentifier(long, "t")) } == .limit)
    let widest = Namespace((0..<5).map { _ in String(repeating: "é", count: 127) })
    for depth in 1...5 {
      try backend.createNamespace(
        Namespace(Array(widest.levels.prefix(depth))),
        properties: [randomText(1_000): "v"])
    }
    let name = randomText(255)
    #expect(try backend.apply([.insert(entry(name, in: widest.levels))]) == .applied)
    #expect(
      tableErrorCode {
        try backend.createNamespace(Namespace(["m"]), properties: [randomText(1_001): ""])
      } == .limit)
    #expect(
      tableErrorCode {
        try backend.createNamespace(Namespace(["m"]), properties: ["a": "b\0c"])
      } == .invalidArgument)
    #expect(
      tableErrorCode { try backend.apply([.insert(entry("z", "m\0"))]) } == .invalidArgument)
    #expect(tableErrorCode { try backend.entry(entry("z\0").identifier) } == .invalidArgument)
    #expect(try backend.namespaceProperties(Namespace(["m"])) == nil)
    let value = String(repeating: "v", count: 1 << 20)
    try backend.createNamespace(Namespace(["m"]), properties: ["a": value])
    #expect(try backend.namespaceProperties(Namespace(["m"])) == ["a": value])
  }

  /// Letters by chance, which do not compress.
  private func randomText(_ count: Int) -> String {
    String((0..<count).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789".randomElement()! })
  }

  @Test(arguments: BackendKind.databases)
  func catalogsOfOneDatabaseDoNotSeeEachOther(kind: BackendKind) throws {
    let database = try kind.database(in: folder)
    let first = try database.open()
    try first.createNamespace(Namespace(["n"]), properties: [:])
    _ = try first.apply([.insert(entry("t"))])
    let second: SQLCatalogBackend
    switch database {
    case .sqlite(let path, _):
      second = try SQLCatalogBackend(SQLiteCatalogOptions(path: path, catalogName: "other"))
    case .postgres(let address, let name):
      second = try SQLCatalogBackend(
        PostgresCatalogOptions(address: address, catalogName: name + "-other"))
    }
    #expect(try second.namespaceProperties(Namespace(["n"])) == nil)
    #expect(try second.entry(entry("t").identifier) == nil)
    #expect(try second.listNamespaces(in: nil, after: nil, limit: 9) == [])
    try second.createNamespace(Namespace(["n"]), properties: [:])
    #expect(try second.apply([.insert(entry("t", "theirs"))]) == .applied)
    #expect(try first.entry(entry("t").identifier)?.metadataLocation == "m0")
  }
}
