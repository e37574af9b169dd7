// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

/// What a local store promises between processes, and when one is killed.
@Suite(.serialized) struct LocalProcessTests {
  let folder = TemporaryFolder()

  @Test func twoProcessesCountWithoutLoss() async throws {
    let store = try LocalObjectStore(root: folder.path, syncs: false)
    try store.put("counter", Buffer("0"))
    async let first: Void = Self.incrementInChild(folder.path)
    async let second: Void = Self.incrementInChild(folder.path)
    let here = try increment("counter", in: store, times: 300)
    _ = await (first, second)
    #expect(here == 300)
    #expect(try store.get("counter").text == "900")
  }

  private static func incrementInChild(_ path: String) async {
    await #expect(processExitsWith: .success) { [path = path as String] in
      let store = try LocalObjectStore(root: path, createsRoot: false, syncs: false)
      let done = try increment("counter", in: store, times: 300)
      if done != 300 { exit(1) }
    }
  }

  /// A child puts objects, and a thread of it kills it at some instant. Whatever is visible then is
  /// whole; what was acknowledged is there.
  @Test(arguments: 0..<6) func aKilledProcessLeavesWholeObjects(seed: Int) async throws {
    // Beside the store's folder, or it were one of its objects.
    let acknowledged = "\(folder.path)/acknowledged"
    let root = "\(folder.path)/store"
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [root = root as String, acknowledged = acknowledged as String, seed = seed as Int] in
      let store = try LocalObjectStore(root: root, syncs: false)
      let log = Glibc.open(acknowledged, O_WRONLY | O_CREAT | O_APPEND, 0o600)
      var random = SeededRandom(seed: UInt64(seed))
      var delay = UInt32(1_000 + random.next() % 60_000)
      var thread = pthread_t()
      pthread_create(
        &thread, nil,
        { argument in
          usleep(argument!.load(as: UInt32.self))
          kill(getpid(), SIGKILL)
          return nil
        }, &delay)
      var number = 0
      while true {
        let path = "f\(number % 40 % 3)/object-\(number % 40)"
        let content = wholeObject(number)
        if number % 5 == 4 {
          try store.put(path, content)
        } else if number < 40 {
          _ = try store.put(path, content, condition: .ifAbsent)
        } else {
          let etag = try store.head(path).etag
          _ = try store.put(path, content, condition: .ifMatch(etag))
        }
        let line = "\(path)\n"
        _ = write(log, line, line.utf8.count)
        number += 1
      }
    }
    let store = try LocalObjectStore(root: root, syncs: false)
    let objects = try store.list(prefix: "").objects
    for object in objects {
      let text = try store.get(object.path).array(of: UInt8.self)
      #expect(isWholeObject(text), "\(object.path) with \(object.size) bytes")
    }
    let paths = Set(objects.map(\.path))
    let log = try LocalFile.open(acknowledged)
    for line in try log.read(0..<log.size).text.split(separator: "\n") {
      #expect(paths.contains(String(line)), "acknowledged and not there")
    }
    // The locks went with the process, and what it left is swept.
    for object in objects {
      _ = try store.put(object.path, Buffer("1"), condition: .ifMatch(object.etag))
    }
    try store.sweepTemporaryFiles(olderThan: -1_000_000_000)
    #expect(try store.sweepTemporaryFiles(olderThan: -1_000_000_000) == 0)
    #expect(try store.list(prefix: "").objects.map(\.path) == objects.map(\.path))
  }
}

/// Content that shows whether it is whole: its number, bytes that follow from it, and an end.
private func wholeObject(_ number: Int) -> Buffer {
  let count = number * 7_919 % 300_000
  var bytes = Array("\(count):".utf8)
  bytes += [UInt8](repeating: UInt8(number & 0x7f), count: count)
  bytes += Array("end".utf8)
  return Buffer(bytes)
}

private func isWholeObject(_ bytes: [UInt8]) -> Bool {
  guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
    let count = Int(String(decoding: bytes[..<colon], as: UTF8.self))
  else { return false }
  return bytes.count == colon + 1 + count + 3 && bytes.suffix(3).elementsEqual("end".utf8)
    && Set(bytes[(colon + 1)..<(colon + 1 + count)]).count <= 1
}
