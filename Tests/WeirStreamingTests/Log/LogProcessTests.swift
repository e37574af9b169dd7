// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import _WeirTestSupport

/// Real processes and file systems.
@Suite(.serialized) struct LogProcessTests {
  /// A child appends to a log, notes what was acknowledged in a file, and a thread of it kills it at some
  /// instant; the next child goes on with the same log. WEIR_KILLS says how often.
  @Test func whatWasAcknowledgedSurvivesKills() async throws {
    let folder = LogFolder()
    let count = getenv("WEIR_KILLS").flatMap { Int(String(cString: $0)) } ?? 5
    let acknowledged = "\(folder.path)/acknowledged"
    var rowCount = 0
    for seed in 0..<count {
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [root = folder.path as String, seed = seed as Int] in
        try appendUntilKilled(root, seed: seed)
      }
      let log = try SegmentLog(SystemDisk(), folder: folder.path, .small(segmentBytes: 64 << 10))
      let notes = try SystemDisk().open(acknowledged)
      let text = try notes.read(at: 0, count: notes.size())
        .withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
      // The last line may be cut.
      let ends = text.split(separator: "\n").compactMap { Int64($0) }
      #expect(log.offsets.upperBound >= ends.max() ?? 0)
      var next = log.offsets.lowerBound
      for entry in try log.entries() {
        #expect(entry.offsets.lowerBound == next)
        // Each row is its offset: none is lost, doubled or moved.
        #expect(rows(entry.batch.columns[0]) == entry.offsets.map { .int($0) })
        next = entry.offsets.upperBound
      }
      #expect(next == log.offsets.upperBound)
      rowCount = Int(next)
      log.close()
    }
    #expect(rowCount > 0)
  }

  /// A file system of one mebibyte: full, then trimmed, then written again. Needs the right to mount.
  @Test func aFullDiskTakesNoRowsAndLosesNone() throws {
    let mount = SmallFileSystem(bytes: 1 << 20)
    guard let mount else { return }
    var options = SegmentLogOptions.small(segmentBytes: 256 << 10)
    options.preallocatedBytes = 64 << 10
    var log = try SegmentLog(SystemDisk(), folder: "\(mount.path)/log", options)
    var next: Int64 = 0
    for round in 0..<3 {
      var failure: StreamError?
      while failure == nil {
        do throws(StreamError) {
          _ = try log.append([LogAppend(numbers(next..<next + 100), ingestTime: 0)])
          next += 100
        } catch {
          failure = error
        }
      }
      #expect(failure?.code == .storage && failure?.description.contains("free space") == true)
      #expect(log.isUsable, "\(String(describing: failure))")
      if round == 1 {
        // Opened on a full disk.
        log.close()
        log = try SegmentLog(SystemDisk(), folder: "\(mount.path)/log", options)
      }
      #expect(log.offsets.upperBound == next)
      #expect(try log.entries().last?.offsets.upperBound == next)
      let kept = log.offsets.lowerBound
      try log.trim(before: next)
      #expect(log.offsets.lowerBound > kept)
      _ = try log.append([LogAppend(numbers(next..<next + 100), ingestTime: 0)])
      next += 100
    }
  }

  @Test func aReadOnlyFolderIsSaidSo() throws {
    guard let mount = SmallFileSystem(bytes: 1 << 20) else { return }
    let log = try SegmentLog(SystemDisk(), folder: "\(mount.path)/log", .small())
    _ = try log.append([LogAppend(numbers(0..<5), ingestTime: 0)])
    log.close()
    guard mount.makeReadOnly() else { return }
    let error = #expect(throws: StreamError.self) {
      try SegmentLog(SystemDisk(), folder: "\(mount.path)/log", .small())
    }
    #expect(error?.code == .storage && error?.description.contains("right to write") == true)
  }
}

private func appendUntilKilled(_ root: String, seed: Int) throws {
  var random = SeededRandom(seed: UInt64(seed))
  let log = try SegmentLog(SystemDisk(), folder: root, .small(segmentBytes: 64 << 10))
  let notes = open("\(root)/acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
  var delay = UInt32(500 + random.next() % 40_000)
  var thread = pthread_t()
  pthread_create(
    &thread, nil,
    { argument in
      usleep(argument!.load(as: UInt32.self))
      kill(getpid(), SIGKILL)
      return nil
    }, &delay)
  while true {
    var next = log.offsets.upperBound
    let group = (0..<random.int(1...8)).map { _ in
      let rows = Int64(random.int(1...50))
      defer { next += rows }
      return LogAppend(numbers(next..<next + rows), ingestTime: 0)
    }
    let receipts = try log.append(group)
    let line = "\(receipts[receipts.count - 1].offsets.upperBound)\n"
    _ = write(notes, line, line.utf8.count)
    if random.chance(0.05) { try log.trim(before: log.offsets.upperBound - 3_000) }
  }
}

/// A tmpfs of its own; `nil` where the process may not mount.
private final class SmallFileSystem {
  let path: String

  init?(bytes: Int) {
    var random = SystemRandomNumberGenerator()
    path = "/tmp/weir-small-\(getpid())-\(String(random.next() as UInt64, radix: 16))"
    guard mkdir(path, 0o700) == 0 else { return nil }
    guard mount("weir", path, "tmpfs", 0, "size=\(bytes)") == 0 else {
      rmdir(path)
      return nil
    }
  }

  func makeReadOnly() -> Bool {
    mount("weir", path, "tmpfs", UInt(MS_REMOUNT) | UInt(MS_RDONLY), nil) == 0
  }

  deinit {
    umount2(path, Int32(MNT_DETACH))
    rmdir(path)
  }
}
