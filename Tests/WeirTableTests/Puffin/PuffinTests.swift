// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct PuffinTests {
  private func open(_ bytes: [UInt8]) throws -> PuffinReader {
    let store = MemoryObjectStore()
    try store.put("file.puffin", Buffer(bytes))
    return try PuffinReader(try store.open("file.puffin"))
  }

  @Test(arguments: [
    "empty-puffin-uncompressed", "sample-metric-data-uncompressed",
    "sample-metric-data-compressed-zstd",
  ])
  func readsFilesOfJava(name: String) throws {
    let reader = try open(try GoldenFiles.bytes("puffin/\(name).bin"))
    guard name.hasPrefix("sample") else {
      #expect(reader.blobs.isEmpty)
      return
    }
    #expect(reader.properties == ["created-by": "Test 1234"])
    #expect(reader.blobs.map(\.type) == ["some-blob", "some-other-blob"])
    #expect(reader.blobs.map(\.fields) == [[1], [2]])
    #expect(reader.blobs.allSatisfy { $0.snapshotID == 2 && $0.sequenceNumber == 1 })
    let first = try reader.read(reader.blobs[0]).array(of: UInt8.self)
    #expect(first == Array("abcdefghi".utf8))
    let second = try reader.read(reader.blobs[1]).array(of: UInt8.self)
    let text =
      "some blob \0 binary data 🤯 that is not very very very very very very long, is it?"
    #expect(String(decoding: second, as: UTF8.self) == text)
  }

  @Test(arguments: [false, true]) func roundTrip(compressesFooter: Bool) throws {
    var random = SeededRandom(seed: 4)
    let writer = PuffinWriter()
    var contents: [[UInt8]] = []
    for codec in [nil, PuffinCodec.lz4, .zstd] {
      for size in [0, 1, 1_000, 100_000] {
        let content = size % 2 == 0 ? random.bytes(size) : [UInt8](repeating: 7, count: size)
        contents.append(content)
        try writer.append(
          PuffinBlob(
            type: "t", fields: [1, Int32(size)], snapshotID: -1, sequenceNumber: 1 << 40,
            properties: ["größe": "\(size)"]), Buffer(content), codec: codec)
      }
    }
    let vector = RoaringBitmap64([1, 2, 3, 1 << 20])
    let blob = try writer.append(deletionVector: vector, of: "/data/a.parquet")
    let blobs = writer.blobs
    let bytes = try writer.finish(compressesFooter: compressesFooter).array(of: UInt8.self)
    let reader = try open(bytes)
    #expect(reader.blobs == blobs)
    for (blob, content) in zip(reader.blobs, contents) {
      #expect(try reader.read(blob).array(of: UInt8.self) == content)
    }
    let store = MemoryObjectStore()
    try store.put("dv", Buffer(bytes))
    var file = DataFile(
      content: .positionDeletes, path: "dv", format: .puffin, recordCount: 4,
      fileSizeInBytes: bytes.count, contentOffset: Int64(blob.offset),
      contentSizeInBytes: Int64(blob.length))
    #expect(try PuffinReader.deletionVector(try store.open("dv"), file: file) == vector)
    file.contentSizeInBytes = Int64.max
    #expect(throws: TableError.self) {
      try PuffinReader.deletionVector(try store.open("dv"), file: file)
    }
    file.contentSizeInBytes = Int64(blob.length)
    file.recordCount = 5
    let error = #expect(throws: TableError.self) {
      try PuffinReader.deletionVector(try store.open("dv"), file: file)
    }
    #expect(error?.file == "dv")
  }

  @Test func damagedFilesAreRefused() throws {
    var random = SeededRandom(seed: 5)
    let writer = PuffinWriter()
    for codec in [nil, PuffinCodec.lz4, .zstd] {
      try writer.append(
        PuffinBlob(type: "t", fields: [1], snapshotID: 1, sequenceNumber: 1),
        Buffer([UInt8](repeating: 3, count: 500)), codec: codec)
    }
    let plain = try writer.finish().array(of: UInt8.self)
    let other = PuffinWriter()
    for blob in 0..<5 {
      try other.append(
        PuffinBlob(type: "t\(blob)", fields: [], snapshotID: 1, sequenceNumber: 1), Buffer([1, 2]))
    }
    let compressed = try other.finish(compressesFooter: true).array(of: UInt8.self)
    var refused = 0
    for round in 0..<1_000 {
      var bytes = round % 2 == 0 ? plain : compressed
      switch random.int(0...2) {
      case 0: bytes[random.int(0..<bytes.count)] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes.removeLast(random.int(1...bytes.count))
      default:
        for _ in 0..<4 {
          let index = bytes.count - random.int(1...min(40, bytes.count))
          bytes[index] = random.pick([0, 1, 9, 0x7f, 0xff])
        }
      }
      do {
        let reader = try open(bytes)
        for blob in reader.blobs { _ = try reader.read(blob) }
      } catch let error as TableError {
        refused += 1
        #expect(error.file == "file.puffin")
      }
    }
    #expect(refused > 750)
  }
}
