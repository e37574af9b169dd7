// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage

@Suite struct ObjectStoresTests {
  @Test(arguments: [
    ("/data/x", "/data/x"), ("file:/data/x", "/data/x"), ("file:///data/x", "/data/x"),
    ("file://localhost/data/x/", "/data/x"), ("FILE:/data//x", "/data/x"), ("/", "/"),
    ("s3://bucket/key", "s3://bucket/key"), ("s3a://bucket/a/b/", "s3://bucket/a/b"),
    ("s3://bucket", "s3://bucket/"), ("memory://m/a", "memory://m/a"),
    ("/data/city=a%2Fb/x y?.parquet#1", "/data/city=a%2Fb/x y?.parquet#1"),
  ])
  func waysToWriteALocation(_ text: String, _ canonical: String) throws {
    #expect(try StorageLocation(text).description == canonical)
  }

  @Test(arguments: [
    "", "data/x", "file:data", "s3:///key", "s3:key", "file://other/x", "/a/../etc/passwd",
    "/a/./b", "file:///../etc", "s3://b/a/../c", "s3://b//key", "s3://../x", "/a/.weir-locks/x",
    "/a\u{0}b", "1s3://b/k", ":/x", "://x", "memory:/x",
    "/" + String(repeating: "a/", count: 3_000),
  ])
  func whatIsNoLocation(_ text: String) {
    #expect(errorCode { try StorageLocation(text) } == .invalidPath)
  }

  @Test func confinedStoresOpenNothingElse() throws {
    let stores = try ObjectStores(confinedTo: ["memory://m/warehouse/", "/tmp/weir-warehouse"])
    try stores.put("memory://m/warehouse/t/f", Buffer("x"))
    #expect(try stores.get("memory://m/warehouse/t/f").text == "x")
    for other in [
      "memory://m/warehouse2/f", "memory://n/warehouse/f", "memory://m/f", "/etc/passwd",
      "/tmp/weir-warehouse-2/x", "file:///etc/passwd", "s3://bucket/key",
    ] {
      #expect(errorCode { try stores.resolve(other) } == .permissionDenied)
    }
    #expect(
      errorCode { try stores.resolve("/tmp/weir-warehouse/../../etc/passwd") } == .invalidPath)
  }

  @Test func storesAreOpenedOnceAndUnknownSchemesNamed() throws {
    let stores = try ObjectStores()
    let first = try stores.resolve("memory://m/a")
    let again = try stores.resolve("memory://m/b")
    #expect(first.store as AnyObject === again.store as AnyObject)
    #expect(errorCode { try stores.resolve("gs://bucket/x") } == .unsupported)
    for index in 0..<(ObjectStores.storeCountMax - 1) {
      _ = try stores.resolve("memory://n\(index)/a")
    }
    #expect(errorCode { try stores.resolve("memory://one-more/a") } == .unavailable)
  }

  @Test func localFilesAreFoundByAbsolutePaths() throws {
    let folder = TemporaryFolder()
    let stores = try ObjectStores()
    try stores.put("file://\(folder.path)/t%20a/city=a%2Fb/x", Buffer("1"), condition: .ifAbsent)
    #expect(try stores.get("\(folder.path)/t%20a/city=a%2Fb/x").text == "1")
    #expect(
      errorCode {
        try stores.put("\(folder.path)/t%20a/city=a%2Fb/x", Buffer("2"), condition: .ifAbsent)
      }
        == .alreadyExists)
    #expect(
      errorCode { try stores.put("\(folder.path)/y", Buffer("2"), condition: .ifMatch("e")) }
        == .unsupported)
    let place = try stores.resolve(folder.path)
    let page = try place.store.list(prefix: place.path + "/")
    #expect(page.objects.map(\.path) == ["\(place.path)/t%20a/city=a%2Fb/x"])
    try stores.delete("\(folder.path)/t%20a/city=a%2Fb/x")
    #expect(try place.store.list(prefix: place.path + "/").objects == [])
    #expect(TemporaryFolder.names(in: "/").contains(".weir-locks") == false)
  }

  @Test func belowIsByWholeNames() throws {
    let folder = try StorageLocation("/a/b")
    #expect(try StorageLocation("/a/b/c").isWithin(folder))
    #expect(try StorageLocation("/a/b").isWithin(folder))
    #expect(try !StorageLocation("/a/bc").isWithin(folder))
    #expect(try StorageLocation("/x").isWithin(StorageLocation("/")))
  }
}
