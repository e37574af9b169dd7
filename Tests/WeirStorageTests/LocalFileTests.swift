// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@Suite struct LocalFileTests {
  let folder = TemporaryFolder()

  @Test func writesAndReads() throws {
    var random = SeededRandom(seed: 3)
    let path = "\(folder.path)/file"
    var expected: [UInt8] = []
    let writer = try LocalFile.create(path, overwrite: false)
    for count in [0, 1, 10, 100_000, 200_000, 1_000_000, 5, 262_144, 1, 131_073] {
      let piece = random.bytes(count)
      try writer.append(Buffer(piece))
      expected += piece
    }
    #expect(writer.byteCount == expected.count)
    #expect(TemporaryFolder.names(in: folder.path).count == 1)
    #expect(errorCode { try LocalFile.open(path) } == .notFound)
    let metadata = try writer.finish()
    #expect(metadata.size == expected.count)
    #expect(TemporaryFolder.names(in: folder.path) == ["file"])
    let reader = try LocalFile.open(path)
    #expect(reader.size == expected.count)
    #expect(try reader.read(0..<reader.size).array(of: UInt8.self) == expected)
    for _ in 0..<100 {
      let start = Int.random(in: 0...expected.count, using: &random)
      let end = Int.random(in: start...expected.count, using: &random)
      #expect(
        try reader.read(start..<end).array(of: UInt8.self) == Array(expected[start..<end]))
    }
    for range in [0..<(reader.size + 1), -1..<2, Int.max - 1..<Int.max, Int.min..<Int.max] {
      #expect(errorCode { try reader.read(range) } == .invalidRange)
      #expect(errorCode { try reader.read([0..<1, range]) } == .invalidRange)
    }
  }

  @Test func keepsWhatIsThereUnlessAsked() throws {
    let path = "\(folder.path)/file"
    func write(_ text: String, overwrite: Bool) throws {
      let writer = try LocalFile.create(path, overwrite: overwrite)
      try writer.append(Buffer(text))
      _ = try writer.finish()
    }
    try write("one", overwrite: false)
    #expect(errorCode { try write("two", overwrite: false) } == .alreadyExists)
    let old = try LocalFile.open(path)
    try write("three", overwrite: true)
    #expect(try old.read(0..<3).text == "one")
    #expect(try LocalFile.open(path).read(0..<5).text == "three")
    // Two writers at once: the second to finish finds the file.
    let second = "\(folder.path)/second"
    let a = try LocalFile.create(second, overwrite: false)
    let b = try LocalFile.create(second, overwrite: false)
    try a.append(Buffer("a"))
    _ = try a.finish()
    #expect(errorCode { try b.finish() } == .alreadyExists)
    #expect(TemporaryFolder.names(in: folder.path) == ["file", "second"])
  }

  @Test func abortedAndDroppedWritersLeaveNothing() throws {
    let path = "\(folder.path)/file"
    let writer = try LocalFile.create(path, overwrite: false)
    try writer.append(Buffer("text"))
    writer.abort()
    writer.abort()
    #expect(errorCode { try writer.append(Buffer("more")) } == .invalidArgument)
    #expect(errorCode { try writer.finish() } == .invalidArgument)
    _ = try LocalFile.create(path, overwrite: false)
    #expect(TemporaryFolder.names(in: folder.path) == [])
  }

  @Test func namesWhatIsWrong() throws {
    #expect(errorCode { try LocalFile.open("") } == .invalidPath)
    #expect(errorCode { try LocalFile.open(folder.path) } == .pathConflict)
    #expect(errorCode { try LocalFile.open("/dev/null") } == .unsupported)
    #expect(errorCode { try LocalFile.create(folder.path, overwrite: true) } == .pathConflict)
    #expect(errorCode { try LocalFile.create("/dev/null", overwrite: true) } == .unsupported)
    #expect(
      errorCode { try LocalFile.create("\(folder.path)/no/file", overwrite: true) } == .notFound)
    let error = #expect(throws: StorageError.self) { try LocalFile.open("/no/such/file") }
    #expect(error?.errno == ENOENT)
    #expect(error?.description.contains("/no/such/file") == true)
  }

  @Test func aFileThatShrinksIsAnError() throws {
    let path = "\(folder.path)/file"
    let writer = try LocalFile.create(path, overwrite: false)
    try writer.append(Buffer([UInt8](repeating: 1, count: 10_000)))
    _ = try writer.finish()
    let reader = try LocalFile.open(path)
    #expect(truncate(path, 5_000) == 0)
    #expect(try reader.read(0..<5_000).count == 5_000)
    #expect(errorCode { try reader.read(4_000..<6_000) } == .changed)
    #expect(errorCode { try reader.read([0..<10, 9_000..<9_001]) } == .changed)
  }
}
