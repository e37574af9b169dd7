// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Damaged manifests, manifest lists and Puffin files: readers give values or throw an error that
/// names the file, in bounded time and memory. `dev/fuzz` runs this suite for hours under address
/// sanitizer.
@Suite(.serialized) struct IcebergFuzzTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let seconds = environment["WEIR_FUZZ_SECONDS"].flatMap(Double.init)
  private static let firstSeed = environment["WEIR_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
  private static let folder = environment["WEIR_FUZZ_FOLDER"]
  private static let name = "damaged"
  private static let secondsMax = 5.0
  private static let memoryGrowthMax = 768 << 20

  /// Bytes in an allocation of exactly their size: address sanitizer sees every read beyond it.
  private func exact(_ bytes: [UInt8]) -> Buffer {
    guard !bytes.isEmpty, let memory = malloc(bytes.count) else { return Buffer() }
    // Safe: both sides hold bytes.count bytes.
    bytes.withUnsafeBytes {
      memory.copyMemory(from: $0.baseAddress!, byteCount: bytes.count)
    }
    let address = UInt(bitPattern: memory)
    return Buffer(foreign: memory, count: bytes.count) {
      free(UnsafeMutableRawPointer(bitPattern: address))
    }
  }

  private func peakMemory() -> Int {
    var usage = rusage()
    // 0 is RUSAGE_SELF, whose imported type does not fit.
    getrusage(__rusage_who_t(0), &usage)
    return Int(usage.ru_maxrss) * 1024
  }

  /// Tries mutants until the time is over; `read` returns false when the input was refused.
  private func run(
    _ corpus: [[UInt8]], _ mutate: ([UInt8], inout SeededRandom) -> [UInt8],
    _ read: (Buffer) throws -> Bool
  ) throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(Self.seconds.map { $0 / 3 } ?? 1.5)
    var seed = Self.firstSeed
    var (tried, refused) = (0, 0)
    while clock.now < end {
      var random = SeededRandom(seed: seed)
      let input = mutate(random.pick(corpus), &random)
      let (begin, memory) = (clock.now, peakMemory())
      if let folder = Self.folder {
        try Data(input).write(to: URL(fileURLWithPath: "\(folder)/current-iceberg"))
      }
      tried += 1
      if try !read(exact(input)) { refused += 1 }
      #expect(clock.now - begin < .seconds(Self.secondsMax), "seed \(seed)")
      #expect(peakMemory() - memory < Self.memoryGrowthMax, "seed \(seed)")
      seed += 1
    }
    print("IcebergFuzzTests: \(tried) inputs, \(refused) refused, up to seed \(seed)")
    #expect(tried > 20 && refused > tried / 10)
  }

  /// False when `body` threw, which must be an error that names the file.
  private func refuses(_ body: () throws(TableError) -> Void) -> Bool {
    do throws(TableError) {
      try body()
      return false
    } catch {
      #expect(error.file == Self.name, "\(error)")
      return true
    }
  }

  @Test func manifests() throws {
    let corpus = try GoldenFiles.names("manifests", suffix: ".avro")
      .filter { !$0.contains("-list-") && $0 != "encrypted.avro" }.map {
        try GoldenFiles.bytes("manifests/\($0)")
      }
    let mutator = AvroMutator()
    try run(corpus, mutator.mutate) { bytes in
      let manifest = ManifestFile(
        path: Self.name, length: bytes.count, partitionSpecID: 0, sequenceNumber: 3,
        minSequenceNumber: 0, addedSnapshotID: 1, firstRowID: 10)
      return !refuses { () throws(TableError) in
        let reader = try ManifestReader(bytes, of: manifest)
        while let entry = try reader.next() {
          let metrics = entry.dataFile.metrics
          let maps = metrics.maps
          #expect(metrics.detached().maps == maps)
          for id in maps.lowerBounds?.keys.prefix(2) ?? [:].keys.prefix(2) {
            #expect(metrics.lowerBound(of: id) != nil)
          }
        }
      }
    }
  }

  @Test func manifestLists() throws {
    let corpus = try GoldenFiles.names("manifests", suffix: ".avro")
      .filter { $0.contains("-list-") }.map { try GoldenFiles.bytes("manifests/\($0)") }
    let mutator = AvroMutator()
    try run(corpus, mutator.mutate) { bytes in
      !refuses { () throws(TableError) in _ = try ManifestListReader.read(bytes, name: Self.name) }
    }
  }

  @Test func puffinFilesAndBitmaps() throws {
    let names = ["runs", "high", "few-runs", "limits"]
    let bitmaps = try names.map {
      try RoaringBitmap64(serialized: try GoldenFiles.buffer("puffin/\($0).bitmap"))
    }
    let writer = PuffinWriter()
    for bitmap in bitmaps { try writer.append(deletionVector: bitmap, of: "/data/file") }
    for codec in [PuffinCodec.lz4, .zstd] {
      try writer.append(
        PuffinBlob(type: "x", fields: [1], snapshotID: 1, sequenceNumber: 1),
        Buffer([UInt8](repeating: 1, count: 10_000)), codec: codec)
    }
    var corpus = [try writer.finish().array(of: UInt8.self)]
    corpus += try GoldenFiles.names("puffin", suffix: ".bin").map {
      try GoldenFiles.bytes("puffin/\($0)")
    }
    corpus += try GoldenFiles.names("puffin", suffix: ".bitmap").map {
      try GoldenFiles.bytes("puffin/\($0)")
    }
    func damaged(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
      var bytes = bytes
      for _ in 0..<random.int(1...3) { AvroMutator.damage(&bytes, &random) }
      return bytes
    }
    try run(corpus, damaged) { bytes in
      // Both readers see everything: what is one is never the other.
      if let bitmap = try? RoaringBitmap64(serialized: bytes), bitmap.count < 1 << 20 {
        #expect(bitmap.positions.count == bitmap.count)
      }
      let store = MemoryObjectStore()
      try store.put(Self.name, bytes)
      let object = try store.open(Self.name)
      return !refuses { () throws(TableError) in
        let reader = try PuffinReader(object)
        for blob in reader.blobs {
          let content = try reader.read(blob)
          if blob.type == DeletionVector.blobType { _ = try? DeletionVector.decode(content) }
        }
      }
    }
  }
}
