// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

/// What only a local store has: files.
@Suite struct LocalObjectStoreTests {
  let folder = TemporaryFolder()

  @Test func objectsAreFilesOfTheFolder() throws {
    let store = try LocalObjectStore(root: "\(folder.path)/a/b")
    try store.put("x/y", Buffer("text"))
    #expect(TemporaryFolder.names(in: "\(folder.path)/a/b/x") == ["y"])
    let reader = try LocalFile.open("\(folder.path)/a/b/x/y")
    #expect(try reader.read(0..<4).text == "text")
    // A second store of the folder sees the same.
    let other = try LocalObjectStore(root: "\(folder.path)/a/../a/b/", createsRoot: false)
    #expect(try other.head("x/y") == store.head("x/y"))
    #expect(other.root == store.root)
    #expect(
      errorCode { try LocalObjectStore(root: "\(folder.path)/none", createsRoot: false) }
        == .notFound)
    #expect(errorCode { try LocalObjectStore(root: "\(store.root)/x/y") } == .pathConflict)
    #expect(errorCode { try LocalObjectStore(root: "") } == .invalidPath)
  }

  @Test func foreignFilesAreHandled() throws {
    let store = try LocalObjectStore(root: folder.path, syncs: false)
    try store.put("f/object", Buffer("x"))
    func touch(_ name: String) {
      close(Glibc.open("\(folder.path)/f/\(name)", O_CREAT | O_WRONLY, 0o600))
    }
    touch("foreign")
    touch(".hidden")
    touch(".weir-tmp-1-2-3")
    touch("line\nbreak")
    #expect(symlink("object", "\(folder.path)/f/link") == 0)
    #expect(symlink("..", "\(folder.path)/f/up") == 0)
    #expect(mkfifo("\(folder.path)/f/pipe", 0o600) == 0)
    let bad: [CChar] = Array("\(folder.path)/f/".utf8CString.dropLast()) + [-1, -2, 0]
    close(Glibc.open(bad, O_CREAT | O_WRONLY, 0o600))
    #expect(
      try store.list(prefix: "").objects.map(\.path) == ["f/.hidden", "f/foreign", "f/object"])
    #expect(try store.get("f/link").text == "x")
    #expect(errorCode { try store.head("f/pipe") } == .notFound)
    #expect(errorCode { try store.get("f/pipe") } == .unsupported)
    // Temporary files are swept when nobody writes them, or when they are old.
    let writer = try store.create("f/new", condition: .none)
    #expect(try store.sweepTemporaryFiles() == 1)
    #expect(try store.sweepTemporaryFiles() == 0)
    #expect(try writer.finish().size == 0)
    _ = try store.create("f/newer", condition: .none)
    let kept = try store.create("f/newer", condition: .none)
    #expect(try store.sweepTemporaryFiles(olderThan: -1_000_000_000) == 1)
    #expect(errorCode { try kept.finish() } == .notFound)
    #expect(try store.head("f/foreign").size == 0)
  }

  @Test func everyVersionHasItsOwnETag() throws {
    let store = try LocalObjectStore(root: folder.path, syncs: false)
    // Of equal size and within a kernel tick, on an inode that is used again.
    var seen: Set<String> = []
    for _ in 0..<500 { seen.insert(try store.put("x", Buffer("same")).etag) }
    var last = try store.head("x")
    for _ in 0..<500 {
      let next = try store.put("x", Buffer("same"), condition: .ifMatch(last.etag))
      #expect(next.lastModified > last.lastModified)
      seen.insert(next.etag)
      last = next
    }
    #expect(seen.count == 1_000)
    // A clock that went back does not bring an etag back.
    let future = timespec(tv_sec: 9_000_000_000, tv_nsec: 5)
    #expect(utimensat(AT_FDCWD, "\(folder.path)/x", [future, future], 0) == 0)
    last = try store.head("x")
    let next = try store.put("x", Buffer("same"), condition: .ifMatch(last.etag))
    #expect(next.lastModified == last.lastModified + 1)
    #expect(try store.head("x") == next)
  }

  @Test func aFolderRemovedMeanwhileIsMadeAgain() throws {
    let store = try LocalObjectStore(root: folder.path)
    try store.put("a/b/c", Buffer("1"))
    try store.delete("a/b/c")
    #expect(rmdir("\(folder.path)/a/b") == 0)
    #expect(rmdir("\(folder.path)/a") == 0)
    try store.put("a/b/c", Buffer("2"))
    #expect(try store.get("a/b/c").text == "2")
  }

  @Test func largeFoldersAreListedInPages() throws {
    let store = try LocalObjectStore(root: folder.path, syncs: false)
    var expected: [String] = []
    for i in 0..<3_000 {
      let number = String(i + 10_000)
      let path = i % 10 == 0 ? "f/\(number)/x" : "f/\(number)"
      if i % 10 == 0 { mkdir("\(folder.path)/f", 0o700) }
      if i % 10 == 0 { mkdir("\(folder.path)/f/\(number)", 0o700) }
      close(Glibc.open("\(folder.path)/\(path)", O_CREAT | O_WRONLY, 0o600))
      expected.append(path)
    }
    var listed: [String] = []
    var cursor: String?
    repeat {
      let page = try store.list(prefix: "f/", after: cursor, limit: 100)
      listed += page.objects.map(\.path)
      cursor = page.next
    } while cursor != nil
    #expect(listed == expected)
    #expect(try store.list(prefix: "", after: nil, limit: .max).objects.count == 3_000)
  }

  @Test func errorsOfTheSystemAreNamed() async throws {
    let root = folder.path
    let store = try LocalObjectStore(root: root, syncs: false)
    try store.put("kept", Buffer("old"))
    await #expect(processExitsWith: .success) { [root = root as String] in
      let store = try LocalObjectStore(root: root, createsRoot: false, syncs: false)
      // The largest file of this process: 1 MiB.
      signal(SIGXFSZ, SIG_IGN)
      var files = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
      guard setrlimit(__rlimit_resource_t(1), &files) == 0 else { exit(1) }
      let large = Buffer([UInt8](repeating: 1, count: 3 << 20))
      guard errorCode({ try store.put("kept", large) }) == .outOfSpace else { exit(2) }
      guard errorCode({ try store.put("new", large, condition: .ifAbsent) }) == .outOfSpace
      else { exit(3) }
      guard try store.get("kept").text == "old", errorCode({ try store.head("new") }) == .notFound
      else { exit(4) }
      // The most open files of this process.
      var readers: [any ObjectReader] = []
      var open = rlimit(rlim_cur: 40, rlim_max: 40)
      guard setrlimit(__rlimit_resource_t(7), &open) == 0 else { exit(5) }
      let code = errorCode {
        while true { readers.append(try store.open("kept")) }
      }
      guard code == .tooManyOpenFiles else { exit(6) }
      guard errorCode({ try store.put("more", large) }) == .tooManyOpenFiles else { exit(7) }
      readers = []
      guard try store.get("kept").text == "old" else { exit(8) }
    }
    #expect(try store.list(prefix: "").objects.map(\.path) == ["kept"])
    #expect(TemporaryFolder.names(in: root) == [".weir-locks", "kept"])
  }

  /// A file that goes to the disk while it grows holds what was appended, however it was cut.
  @Test(arguments: 0..<6) func largeFilesHoldWhatWasAppended(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let store = try LocalObjectStore(root: folder.path, syncs: seed != 0)
    let writer = try store.create("large", condition: .none)
    var expected: [UInt8] = []
    let step = WriteBehind.stepBytes
    while expected.count < 7 * step {
      let count = random.pick([
        0, 1, 4_096, step / 5, step / 3, step - 1, step, step + 1, 2 * step + 7,
      ])
      let piece = random.bytes(count)
      expected += piece
      try writer.append(Buffer(piece))
      #expect(writer.byteCount == expected.count)
    }
    #expect(try writer.finish().size == expected.count)
    #expect(try store.get("large").array(of: UInt8.self) == expected)
  }

  @Test func stepsThatCannotBeSentAheadAreNoError() throws {
    // A pipe has no place on a disk, and a number that is no open file is told by others.
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    for file in [ends[1], -1] {
      var behind = WriteBehind()
      for step in 1...4 { #expect(behind.advance(file, to: step * WriteBehind.stepBytes) == nil) }
    }
    close(ends[0])
    close(ends[1])
  }
}
