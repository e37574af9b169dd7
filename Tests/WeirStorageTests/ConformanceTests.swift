// SPDX-License-Identifier: Apache-2.0
//
// The tests of other stores read this file, too: each target has its own `StoreKind`.

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

/// What every store promises.
@Suite struct ConformanceTests {
  let folder = TemporaryFolder()

  @Test(arguments: StoreKind.allCases) func putsAndGets(kind: StoreKind) throws {
    let store = try kind.make(folder)
    for path in ["a", "b/c", "b/d/e/f.parquet", "ü/日本 語", "-", "x..y", "~"] {
      #expect(errorCode { try store.head(path) } == .notFound)
      #expect(errorCode { try store.get(path) } == .notFound)
      #expect(errorCode { try store.get(path, range: 0..<0) } == .notFound)
      #expect(errorCode { try store.open(path) } == .notFound)
      let put = try store.put(path, Buffer("hello \(path)"))
      #expect(put.path == path)
      #expect(put.size == 6 + path.utf8.count)
      #expect(kind.agree(put, try store.head(path)))
      #expect(try store.get(path).text == "hello \(path)")
      #expect(try store.get(path, range: 1..<4).text == "ell")
      #expect(try store.get(path, range: 3..<3).count == 0)
      for range in [0..<(put.size + 1), -1..<1, put.size + 1..<put.size + 1, 0..<Int.max] {
        #expect(errorCode { try store.get(path, range: range) } == .invalidRange)
      }
      let reader = try store.open(path)
      let again = try store.put(path, Buffer("new"))
      #expect(again.etag != put.etag)
      #expect(again.lastModified >= put.lastModified)
      #expect(reader.size == put.size)
      #expect(try reader.read(0..<5).text == "hello")
      #expect(try reader.read([4..<5, 0..<0, 0..<2]).map(\.text) == ["o", "", "he"])
      #expect(errorCode { try reader.read(0..<put.size + 1) } == .invalidRange)
      try store.delete(path)
      try store.delete(path)
      #expect(errorCode { try store.get(path) } == .notFound)
    }
    let empty = try store.put("empty", Buffer())
    #expect(empty.size == 0)
    #expect(try store.get("empty").count == 0)
    #expect(try store.get("empty", range: 0..<0).count == 0)
  }

  @Test(arguments: StoreKind.allCases) func keepsConditions(kind: StoreKind) throws {
    let store = try kind.make(folder)
    let path = "f/object"
    #expect(
      errorCode { try store.put(path, Buffer("x"), condition: .ifMatch("1-2-3")) }
        == .preconditionFailed)
    let first = try store.put(path, Buffer("1"), condition: .ifAbsent)
    #expect(
      errorCode { try store.put(path, Buffer("2"), condition: .ifAbsent) } == .alreadyExists)
    #expect(errorCode { try store.create(path, condition: .ifAbsent) } == .alreadyExists)
    let second = try store.put(path, Buffer("2"), condition: .ifMatch(first.etag))
    #expect(
      errorCode { try store.put(path, Buffer("3"), condition: .ifMatch(first.etag)) }
        == .preconditionFailed)
    #expect(try store.get(path).text == "2")
    try store.delete(path)
    #expect(
      errorCode { try store.put(path, Buffer("3"), condition: .ifMatch(second.etag)) }
        == .preconditionFailed)
    _ = try store.put(path, Buffer("4"), condition: .ifAbsent)
    #expect(try store.get(path).text == "4")
  }

  @Test(arguments: StoreKind.allCases) func writersShowNothingBeforeTheEnd(
    kind: StoreKind
  ) throws {
    let store = try kind.make(folder)
    var random = SeededRandom(seed: 5)
    let writer = try store.create("f/x", condition: .none)
    var expected: [UInt8] = []
    for count in [3, 0, 300_000, 1, 100_000, 200_000] {
      let piece = random.bytes(count)
      try writer.append(Buffer(piece))
      expected += piece
    }
    #expect(writer.byteCount == expected.count)
    #expect(errorCode { try store.head("f/x") } == .notFound)
    #expect(try store.list(prefix: "").objects == [])
    let metadata = try writer.finish()
    #expect(kind.agree(metadata, try store.head("f/x")))
    #expect(try store.get("f/x").array(of: UInt8.self) == expected)
    writer.abort()
    #expect(errorCode { try writer.finish() } == .invalidArgument)
    #expect(errorCode { try writer.append(Buffer("x")) } == .invalidArgument)

    for condition in [PutCondition.ifAbsent, .ifMatch(metadata.etag)] {
      let path = condition == .ifAbsent ? "f/y" : "f/x"
      let a = try store.create(path, condition: condition)
      let b = try store.create(path, condition: condition)
      let c = try store.create(path, condition: condition)
      for (writer, text) in [(a, "a"), (b, "b"), (c, "c")] { try writer.append(Buffer(text)) }
      c.abort()
      _ = try b.finish()
      #expect(
        errorCode { try a.finish() }
          == (condition == .ifAbsent ? .alreadyExists : .preconditionFailed))
      #expect(try store.get(path).text == "b")
    }
    _ = try store.create("f/z", condition: .none)
    #expect(try store.list(prefix: "f/").objects.map(\.path) == ["f/x", "f/y"])
  }

  @Test(arguments: StoreKind.allCases) func refusesBadPaths(kind: StoreKind) throws {
    let store = try kind.make(folder)
    let bad = [
      "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\0b", "a\nb",
      ".weir-locks", "a/.weir-tmp-1/b", "a\u{7f}", String(repeating: "n", count: 256),
      "b/" + String(repeating: "n", count: 256), String(repeating: "abc/", count: 256) + "d",
    ]
    for path in bad {
      #expect(errorCode { try store.head(path) } == .invalidPath, "\(path.debugDescription)")
      #expect(errorCode { try store.get(path) } == .invalidPath)
      #expect(errorCode { try store.open(path) } == .invalidPath)
      #expect(errorCode { try store.put(path, Buffer("x")) } == .invalidPath)
      #expect(errorCode { try store.create(path, condition: .none) } == .invalidPath)
      #expect(errorCode { try store.delete(path) } == .invalidPath)
    }
    let badPrefixes = ["/", "/a", "a//b", "../", "../a", "a/../b", "a\0b", ".weir-locks/"]
    for prefix in badPrefixes {
      #expect(errorCode { try store.list(prefix: prefix) } == .invalidPath, "prefix \(prefix)")
    }
    #expect(errorCode { try store.list(prefix: "", after: nil, limit: 0) } == .invalidArgument)
    let longest = (0..<4).map { "\($0)" + String(repeating: "n", count: 254) }
      .joined(separator: "/")
    try store.put(String(longest.prefix(900)), Buffer("x"))
    #expect(try store.list(prefix: "0").objects.count == 1)
  }

  @Test(arguments: StoreKind.allCases) func objectsAreNotFolders(kind: StoreKind) throws {
    guard kind.hasFolders else { return }
    let store = try kind.make(folder)
    try store.put("a/b", Buffer("x"))
    for condition in [PutCondition.none, .ifAbsent] {
      #expect(errorCode { try store.put("a", Buffer("y"), condition: condition) } == .pathConflict)
      #expect(
        errorCode { try store.put("a/b/c", Buffer("y"), condition: condition) } == .pathConflict)
    }
    for path in ["a", "a/b/c"] {
      #expect(errorCode { try store.head(path) } == .notFound)
      #expect(errorCode { try store.get(path) } == .notFound)
      try store.delete(path)
      #expect(
        errorCode { try store.put(path, Buffer("y"), condition: .ifMatch("1-1-1")) }
          == .preconditionFailed)
    }
    #expect(try store.get("a/b").text == "x")
    #expect(try store.list(prefix: "").objects.map(\.path) == ["a/b"])
  }

  @Test(arguments: StoreKind.allCases) func listsInTheOrderOfBytes(kind: StoreKind) throws {
    let store = try kind.make(folder)
    var random = SeededRandom(seed: 11)
    // Names around "/" in the order of bytes, and ones that String orders otherwise.
    let names = ["a", "a-", "a.b", "a0", "b", "z", "é", "e\u{301}", "Z", " ", "~", "日本"]
    var paths: Set<[UInt8]> = []
    var byPath: [[UInt8]: String] = [:]
    for _ in 0..<(kind.isFast ? 400 : 150) {
      let depth = 1 + Int(random.next() % 4)
      let path = (0..<depth).map { _ in names.randomElement(using: &random)! }
        .joined(separator: "/")
      if errorCode({ try store.put(path, Buffer(path)) }) == nil {
        paths.insert(Array(path.utf8))
        byPath[Array(path.utf8)] = path
      }
    }
    #expect(paths.count > (kind.isFast ? 60 : 30))
    let sorted = paths.sorted { $0.lexicographicallyPrecedes($1) }
    func expected(_ prefix: String, _ after: String?) -> [[UInt8]] {
      sorted.filter { path in
        path.starts(with: prefix.utf8)
          && after.map { Array($0.utf8).lexicographicallyPrecedes(path) } ?? true
      }
    }
    let some = sorted.shuffled(using: &random).prefix(8).map { byPath[$0]! }
    let allPrefixes = ["", "a", "a/", "a/a", "a-", "b/z/", "nothing", "nothing/at/all", "é", "e"]
    let prefixes = kind.isFast ? allPrefixes + some : ["", "a/", "e", some[0]]
    let afters = [nil, "", "a", "a/", "a/zzz", "b", "~~~", "z/é/x"] + some.map({ $0 })
    for prefix in prefixes {
      for after in kind.isFast ? afters : [nil, "a/zzz", some[1]] {
        for limit in kind.isFast ? [1, 7, 100_000] : [7, 100_000] {
          var listed: [[UInt8]] = []
          var cursor = after
          var pageCount = 0
          repeat {
            let page = try store.list(prefix: prefix, after: cursor, limit: limit)
            #expect(page.objects.count <= limit)
            listed += page.objects.map { Array($0.path.utf8) }
            cursor = page.next
            pageCount += 1
          } while cursor != nil && pageCount < 20
          let all = expected(prefix, after)
          #expect(
            listed.elementsEqual(cursor == nil ? all[...] : all.prefix(20 * limit)),
            "prefix \(prefix) after \(after ?? "-") limit \(limit)")
        }
      }
    }
    let page = try store.list(prefix: "")
    for object in page.objects.prefix(kind.isFast ? .max : 10) {
      #expect(try store.head(object.path) == object)
    }
  }

  @Test(arguments: StoreKind.allCases) func onlyOneOfManyCreates(kind: StoreKind) async throws {
    let store = try kind.make(folder)
    for round in 0..<(kind.isFast ? 20 : 5) {
      let winners = await withTaskGroup(of: Int?.self) { group in
        for task in 0..<8 {
          group.addTask {
            let put = try? store.put(
              "round/\(round)", Buffer("by \(task)"), condition: .ifAbsent)
            return put == nil ? nil : task
          }
        }
        return await group.reduce(into: [Int]()) { if let winner = $1 { $0.append(winner) } }
      }
      #expect(winners.count == 1)
      #expect(try store.get("round/\(round)").text == "by \(winners[0])")
    }
  }

  @Test(arguments: StoreKind.allCases) func countersLoseNothing(kind: StoreKind) async throws {
    let store = try kind.make(folder)
    try store.put("counter", Buffer("0"))
    let times = kind.isFast ? 50 : 5
    let total = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<4 { group.addTask { try increment("counter", in: store, times: times) } }
      return try await group.reduce(0, +)
    }
    #expect(total == 4 * times)
    #expect(try store.get("counter").text == "\(4 * times)")
  }
}

/// Adds 1 to the number in an object `times` times, and returns how many conditional puts succeeded.
func increment(_ path: String, in store: any ObjectStore, times: Int) throws -> Int {
  var done = 0
  while done < times {
    do {
      // The etag first: a newer value behind it makes the put fail.
      let metadata = try store.head(path)
      let value = Int(try store.get(path).text)!
      _ = try store.put(path, Buffer("\(value + 1)"), condition: .ifMatch(metadata.etag))
      done += 1
    } catch {
      guard error.code == .preconditionFailed else { throw error }
    }
  }
  return done
}
