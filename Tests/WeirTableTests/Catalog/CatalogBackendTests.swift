// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirTable
internal import _WeirTestSupport

@Suite struct CatalogBackendTests {
  private func entry(_ name: String, _ location: String = "m0", in levels: [String] = ["n"])
    -> CatalogEntry
  {
    CatalogEntry(
      identifier: TableIdentifier(Namespace(levels), name), kind: .table,
      metadataLocation: location)
  }

  private func backend() throws -> MemoryCatalogBackend {
    let backend = MemoryCatalogBackend()
    try backend.createNamespace(Namespace(["n"]), properties: ["owner": "me"])
    return backend
  }

  @Test func namespacesNestAndRefuseToGoWhileTheyHoldSomething() throws {
    let backend = try backend()
    let inner = Namespace(["n", "x"])
    #expect(
      tableErrorCode { try backend.createNamespace(Namespace(["q", "x"]), properties: [:]) }
        == .notFound)
    try backend.createNamespace(inner, properties: [:])
    #expect(
      tableErrorCode { try backend.createNamespace(inner, properties: [:]) }
        == .alreadyExists)
    #expect(tableErrorCode { try backend.dropNamespace(Namespace(["n"])) } == .notEmpty)
    #expect(try backend.apply([.insert(entry("t", in: ["n", "x"]))]) == .applied)
    #expect(tableErrorCode { try backend.dropNamespace(inner) } == .notEmpty)
    #expect(
      try backend.apply([
        .delete(TableIdentifier(inner, "t"), .table, ifLocation: "m0")
      ]) == .applied)
    try backend.dropNamespace(inner)
    try backend.dropNamespace(Namespace(["n"]))
    #expect(try backend.namespaceProperties(Namespace(["n"])) == nil)
    #expect(tableErrorCode { try backend.dropNamespace(inner) } == .notFound)
  }

  @Test func propertiesTellWhatChanged() throws {
    let backend = try backend()
    let changes = try backend.updateNamespaceProperties(
      Namespace(["n"]), removals: ["owner", "gone"], updates: ["b": "2", "a": "1"])
    #expect(
      changes
        == NamespacePropertyChanges(updated: ["a", "b"], removed: ["owner"], missing: ["gone"]))
    #expect(try backend.namespaceProperties(Namespace(["n"])) == ["a": "1", "b": "2"])
  }

  @Test func severalChangesHappenTogetherOrNotAtAll() throws {
    let backend = try backend()
    #expect(try backend.apply([.insert(entry("a")), .insert(entry("b"))]) == .applied)
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
  }

  @Test func refusalsNameTheReason() throws {
    let backend = try backend()
    _ = try backend.apply([.insert(entry("a")), .insert(entry("b"))])
    let a = entry("a").identifier
    #expect(try backend.apply([.insert(entry("a"))]) == .refused(index: 0, .taken(by: entry("a"))))
    #expect(
      try backend.apply([.swap(a, .view, from: "m0", to: "m1")])
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

  @Test func listingsAreInTheOrderOfBytesAndGoOnBehindAName() throws {
    let backend = try backend()
    // In this order by bytes; "é" composed and decomposed are two names.
    let names = ["B", "a", "aa", "b", "e\u{301}", "z", "\u{e9}", "\u{1F600}"]
    for name in names.shuffled() { _ = try backend.apply([.insert(entry(name))]) }
    var seen: [String] = []
    var after: String?
    while true {
      let page = try backend.listEntries(
        in: Namespace(["n"]), kind: .table, after: after, limit: 3)
      seen += page
      guard page.count == 3 else { break }
      after = page.last
    }
    #expect(seen.map { Array($0.utf8) } == names.map { Array($0.utf8) })
    #expect(
      try backend.listEntries(in: Namespace(["n"]), kind: .view, after: nil, limit: 9) == [])
  }

  @Test func pageTokensComeBackAndForeignOnesAreRefused() throws {
    for name in ["", "a", "ab", "abc", "\u{1F600}é", String(repeating: "x", count: 255)] {
      #expect(try PageToken.decode(PageToken.encode(lastName: name)) == name)
    }
    for bad in ["", "A", "%%%%", "AAAA", "hello world", String(repeating: "A", count: 5_000)] {
      #expect(tableErrorCode { try PageToken.decode(bad) } == .invalidArgument)
    }
  }

  @Test func keysAreReservedOnceAndAnsweredFromThenOn() throws {
    let backend = try backend()
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
      key: "k", fingerprint: "f", status: 200, body: [1], expiresMilliseconds: 1_000)
    #expect(try backend.apply([.insert(entry("a"))], recording: record) == .applied)
    #expect(try reserve(130) == .done(record))
    try backend.releaseIdempotencyKey("k")
    #expect(try reserve(999) == .done(record))
    #expect(try reserve(1_000) == .reserved)
  }

  @Test func namesAreChecked() {
    #expect(tableErrorCode { try Namespace([]).check() } == .invalidArgument)
    #expect(tableErrorCode { try Namespace(["a", ""]).check() } == .invalidArgument)
    #expect(
      tableErrorCode { try TableIdentifier(Namespace(["a"]), "b\u{1f}").check() }
        == .invalidArgument)
    #expect(tableErrorCode { try TableIdentifier(Namespace(["a"]), "b.c/ d").check() } == nil)
  }
}

/// The code of the `TableError` that `body` throws, `nil` when it throws none.
func tableErrorCode<T>(_ body: () throws -> T) -> TableError.Code? {
  do {
    _ = try body()
    return nil
  } catch {
    return (error as? TableError)?.code
  }
}
