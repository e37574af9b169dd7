// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// What is planned does not depend on what is cached, and in which form.
@Suite struct ManifestCacheTests {
  @Test func cachesOfAllSizesPlanTheSame() throws {
    let test = try TestCatalog(seed: 5)
    let table = try test.table(partitioned: true)
    for commit in 0..<6 {
      let append = table.transaction()
      let files = append.append()
      for index in 0..<40 {
        let first = Int64(commit * 400 + index * 10)
        files.add(
          dataFile(
            table, "f\(commit)-\(index)", first...(first + 9), partition: "p\(index % 4)"))
      }
      try append.commit()
    }
    let filters: [WeirColumnar.Predicate] = [
      .always(true), .compare(.equal, Term("id"), .integer(815)),
      .compare(.greaterOrEqual, Term("id"), .integer(2_100)),
      .and([
        .compare(.equal, Term("name"), .string("p1")),
        .compare(.less, Term("id"), .integer(500)),
      ]), .startsWith(Term("name"), "p3"), .isIn(Term("id"), [.integer(5), .integer(1_205)]),
      .isIn(Term("name"), [.string("p0"), .string("x")]),
    ]
    func paths(_ filter: WeirColumnar.Predicate, _ cache: ManifestCache) throws -> [String] {
      let planner = try ScanPlanner(
        table.metadata, stores: table.stores, filter: filter, cache: cache)
      var paths: [String] = []
      while let task = try planner.next() { paths.append(task.dataFile.path) }
      return paths
    }
    for filter in filters {
      let wanted = try paths(filter, ManifestCache(byteCountMax: 0))
      #expect(!wanted.isEmpty)
      for byteCountMax in [20 << 10, 200 << 10, ManifestCache.byteCountMaxDefault] {
        let cache = ManifestCache(byteCountMax: byteCountMax)
        // From the files, from the cache, and once more.
        for _ in 0..<3 { #expect(try paths(filter, cache) == wanted) }
      }
    }
    #expect(try paths(filters[1], ManifestCache()).count == 1)
    #expect(try paths(filters[3], ManifestCache()).count == 13)
  }

  @Test func manifestsReadToTheEndAreKeptDecoded() throws {
    let test = try TestCatalog(seed: 6)
    let table = try test.table()
    let append = table.transaction()
    append.append().add(dataFile(table, "f"))
    try append.commit()
    let cache = ManifestCache()
    let planner = try ScanPlanner(table.metadata, stores: table.stores, cache: cache)
    while try planner.next() != nil {}
    let manifests = try ManifestFiles(stores: table.stores, cache: cache)
      .manifests(of: #require(table.metadata.currentSnapshot))
    guard case .decoded(let decoded) = cache.file(manifests[0].path, table.stores) else {
      Issue.record("the manifest is not kept decoded")
      return
    }
    #expect(decoded.chunks.count == 1 && decoded.chunks[0].blocks[0].recordCount == 1)
  }
}
