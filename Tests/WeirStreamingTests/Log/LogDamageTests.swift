// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// Bytes that a failing medium, or somebody with an editor, changed.
@Suite struct LogDamageTests {
  /// A log of some segments, closed or killed, and what was acknowledged.
  private struct Prepared {
    var machine: SimulatedDisk
    var options: SegmentLogOptions
    var groups: [[LogSimulation.Known]]
    var files: [(name: String, size: Int)]
  }

  private func prepare(seed: UInt64, closes: Bool) throws -> Prepared {
    let numbers = Mutex(SeededRandom(seed: seed))
    let machine = SimulatedDisk { numbers.withLock { $0.next() } }
    let options = SegmentLogOptions.small(segmentBytes: 4 << 10, seed: seed)
    let process = machine.process("writer")
    let log = try SegmentLog(process, folder: "/log", options)
    var random = SeededRandom(seed: seed &+ 1)
    var groups: [[LogSimulation.Known]] = []
    var next: Int64 = 0
    for sequence in 0..<12 {
      let group = (0..<random.int(1...3)).map { _ in
        let rows = Int64(random.int(1...5))
        defer { next += rows }
        return LogAppend(
          WeirStreamingTests.numbers(next..<next + rows), ingestTime: next,
          producer: ProducerStamp(id: "p\(next)", sequence: Int64(sequence)))
      }
      let receipts = try log.append(group)
      groups.append(
        zip(group, receipts).map { append, receipt in
          LogSimulation.Known(
            offsets: receipt.offsets, values: Array(receipt.offsets),
            ingestTime: append.ingestTime, producer: append.producer)
        })
    }
    if closes { log.close() } else { machine.kill(process) }
    let reader = machine.process("reader")
    let files = try reader.list("/log").sorted().map {
      (name: $0, size: try reader.open("/log/\($0)").size())
    }
    return Prepared(machine: machine, options: options, groups: groups, files: files)
  }

  private func read(_ prepared: Prepared) throws -> [LogSimulation.Known] {
    let process = prepared.machine.process("reader")
    defer { prepared.machine.kill(process) }
    let log = try SegmentLog(process, folder: "/log", prepared.options)
    return try log.entries().map(LogSimulation.known)
  }

  /// Any byte of a log that was closed: an error that names the file, or no harm at all.
  @Test func everyByteOfAClosedLogIsWatched() throws {
    var errors = 0
    for seed in LogSimulationTests.seeds(80) {
      let prepared = try prepare(seed: seed, closes: true)
      var random = SeededRandom(seed: seed &+ 2)
      let file = random.pick(prepared.files)
      let mask = UInt8(1 << random.int(0..<8))
      prepared.machine.damage("/log/\(file.name)", at: random.int(0..<file.size), xor: mask)
      do {
        #expect(try read(prepared) == prepared.groups.flatMap { $0 }, "seed \(seed)")
      } catch let error as StreamError {
        #expect(error.code == .damaged && error.file != nil, "seed \(seed): \(error)")
        errors += 1
      }
    }
    #expect(errors > 15)
  }

  /// After a kill there is no mark: damage to the last group alone may look like a torn one.
  @Test func afterAKillOnlyTheLastGroupCanBeTakenForTorn() throws {
    for seed in LogSimulationTests.seeds(80) {
      let prepared = try prepare(seed: seed, closes: false)
      var random = SeededRandom(seed: seed &+ 2)
      let file = random.pick(prepared.files)
      prepared.machine.damage("/log/\(file.name)", at: random.int(0..<file.size), xor: 0x10)
      do {
        let found = try read(prepared)
        let sure = prepared.groups.dropLast().flatMap { $0 }
        let all = prepared.groups.flatMap { $0 }
        #expect(
          found.count >= sure.count && found == Array(all.prefix(found.count)), "seed \(seed)")
      } catch let error as StreamError {
        #expect(error.code == .damaged && error.file != nil, "seed \(seed): \(error)")
      }
    }
  }

  @Test func aMissingSegmentIsAnError() throws {
    for index in 0..<3 {
      let prepared = try prepare(seed: 4, closes: true)
      #expect(prepared.files.count > 3)
      let process = prepared.machine.process("hand")
      try process.delete("/log/\(prepared.files[index].name)")
      let error = #expect(throws: StreamError.self) { try read(prepared) }
      #expect(error?.code == .damaged)
    }
  }

  @Test func aLogOfSomethingElseIsRefused() throws {
    var prepared = try prepare(seed: 4, closes: true)
    prepared.options.identity = "another table"
    #expect(#expect(throws: StreamError.self) { try read(prepared) }?.code == .conflict)
    prepared.options.identity = "table"
    prepared.options.shard = 1
    #expect(#expect(throws: StreamError.self) { try read(prepared) }?.code == .conflict)
  }

  /// Bytes that somebody made on purpose: all checksums are right, the contents are not. Whatever comes
  /// of it, it is rows or an error, within bounds.
  @Test func contentsMadeOnPurposeAreRowsOrErrors() throws {
    var errors = 0
    for seed in LogSimulationTests.seeds(100) {
      var random = SeededRandom(seed: seed &+ 9)
      let prepared = try prepare(seed: seed % 8, closes: true)
      let path = "/log/\(random.pick(prepared.files).name)"
      let file = try prepared.machine.process("hand").open(path)
      var bytes = try file.read(at: 0, count: file.size()).array(of: UInt8.self)
      try mutate(&bytes, &random)
      try file.truncate(to: bytes.count)
      try file.write(Buffer(bytes), at: 0)
      do {
        _ = try read(prepared)
      } catch let error as StreamError {
        #expect([.damaged, .conflict, .unsupported].contains(error.code), "seed \(seed): \(error)")
        errors += 1
      }
    }
    #expect(errors > 5)
  }

  /// Changes a few bytes of an entry, or of the header, and makes the checksums right again.
  private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) throws {
    let header = try #require(SegmentHeader(Buffer(bytes)))
    var reader = SegmentReader(BytesFile(bytes), salt: header.salt)
    var entries: [(Int, EntryHeader)] = []
    var position = SegmentFormat.headerBytes
    while let head = try reader.head(at: position, limit: bytes.count) {
      entries.append((position, head))
      position += head.byteCount
    }
    let (place, head) = random.pick(entries)
    let payload = place + head.headBytes
    for _ in 0..<random.int(1...3) {
      if random.chance(0.3) || head.payloadBytes == 0 {
        // Fields of the head, but its kind and the name's length now and then only.
        bytes[place + random.int(random.chance(0.2) ? 12..<64 : 20..<64)] =
          UInt8(truncatingIfNeeded: random.next())
      } else {
        bytes[payload + random.int(0..<head.payloadBytes)] = random.pick([
          0, 1, 0x7f, 0x80, 0xff, UInt8(truncatingIfNeeded: random.next()),
        ])
      }
    }
    Self.seal(&bytes, place, payload, head, header.salt)
  }

  private static func seal(
    _ bytes: inout [UInt8], _ place: Int, _ payload: Int, _ head: EntryHeader, _ salt: UInt64
  ) {
    func put(_ value: UInt32, at offset: Int) {
      withUnsafeBytes(of: value.littleEndian) { raw in
        for (index, byte) in raw.enumerated() { bytes[offset + index] = byte }
      }
    }
    let body = Buffer(Array(bytes[payload..<payload + head.payloadBytes]))
    put(EntryHeader.payloadChecksum(body, salt: salt), at: place + 8)
    let headBytes = Buffer(Array(bytes[place..<place + head.headBytes]))
    put(EntryHeader.headChecksum(headBytes, position: place, salt: salt), at: place + 4)
  }
}

/// Bytes as a file that can only be read.
private final class BytesFile: DiskFile {
  let path = "bytes"
  private let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }
  func size() -> Int { bytes.count }
  func read(at offset: Int, count: Int) -> Buffer {
    offset < bytes.count
      ? Buffer(Array(bytes[offset..<min(bytes.count, offset + count)])) : Buffer()
  }
  func write(_ bytes: Buffer, at offset: Int) {}
  func sync() {}
  func truncate(to size: Int) {}
  func preallocate(to size: Int) -> Bool { false }
}
