// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirCompression
internal import _WeirTestSupport

@Suite struct RoundTripTests {
  static let writable = Codec.allCases.filter(\.canCompress)

  @Test(arguments: writable) func roundTripsEverySize(codec: Codec) throws {
    var random = SeededRandom(seed: 7)
    let compressor = try Compressor(codec)
    let decompressor = Decompressor(codec)
    let sizes =
      [0, 1, 2, 3, 7, 8, 63, 64, 65, 255, 4_095, 65_536, 65_537, 1 << 20]
      + (0..<20).map { _ in Int.random(in: 0..<100_000, using: &random) }
    for size in sizes {
      for input in [random.bytes(size), random.compressibleBytes(size)] {
        let packed = try compressor.compress(input)
        #expect(packed.count <= compressor.maxCompressedSize(size))
        let unpacked = try decompressor.decompress(packed, capacity: size)
        #expect(unpacked == input, "\(codec) size \(size)")
        let roomy = try decompressor.decompress(packed, capacity: size + 100)
        #expect(roomy == input, "\(codec) size \(size) with room to spare")
      }
    }
  }

  /// Pieces change how zstd codes a frame, never what comes out; other codecs ignore them.
  @Test(arguments: writable) func piecesRoundTrip(codec: Codec) throws {
    var random = SeededRandom(seed: 9)
    let compressor = try Compressor(codec)
    for count in [0, 1, 999, 1_000, 1_001, 10_000, 400_000] {
      let input = random.bytes(count / 2) + random.compressibleBytes(count - count / 2)
      for pieceCount in [0, 1_000, 150_000] {
        var output = [UInt8](
          repeating: 0,
          count: compressor.maxCompressedSize(count) + 64 * (count / max(pieceCount, 1_000) + 1))
        let written = try input.withUnsafeBytes { source in
          try output.withUnsafeMutableBytes {
            try compressor.compress(source, into: $0, pieceCount: pieceCount)
          }
        }
        let packed = Array(output[..<written])
        #expect(try Decompressor(codec).decompress(packed, capacity: count) == input)
      }
    }
    // A whole input afterwards is not disturbed by the pieces.
    let input = random.compressibleBytes(5_000)
    #expect(
      try Decompressor(codec).decompress(compressor.compress(input), capacity: 5_000) == input)
  }

  @Test(arguments: writable) func everyLevelRoundTrips(codec: Codec) throws {
    var random = SeededRandom(seed: 8)
    let input = random.compressibleBytes(20_000)
    guard let levels = codec.levels else {
      #expect(throws: CompressionError.self) { try Compressor(codec, level: 1) }
      return
    }
    let tried = Set([-5, 0] + (1...22) + [levels.lowerBound, levels.upperBound])
    for level in tried where levels.contains(level) {
      let packed = try Compressor(codec, level: level).compress(input)
      #expect(try Decompressor(codec).decompress(packed, capacity: input.count) == input)
    }
    for level in [levels.lowerBound - 1, levels.upperBound + 1] {
      let error = #expect(throws: CompressionError.self) { try Compressor(codec, level: level) }
      #expect(error?.code == .invalidArgument)
      #expect(
        error?.message.contains("\(levels.lowerBound)...\(levels.upperBound)") == true)
    }
  }

  @Test(arguments: writable) func refusesWhatDoesNotFit(codec: Codec) throws {
    var random = SeededRandom(seed: 9)
    let compressor = try Compressor(codec)
    let decompressor = Decompressor(codec)
    for size in [1, 2, 100, 70_000] {
      for input in [random.bytes(size), random.compressibleBytes(size)] {
        let packed = try compressor.compress(input)
        for capacity in [0, size / 2, size - 1] {
          #expect(throws: CompressionError.self) {
            try decompressor.decompress(packed, capacity: capacity)
          }
        }
        if codec != .none {
          for cut in Set([0, 1, packed.count / 2, packed.count - 1]) {
            // A cut-off input is an error, or (bare LZ4 blocks have no end mark) a shorter result.
            let result = try? decompressor.decompress(Array(packed[..<cut]), capacity: size)
            #expect(result == nil || (codec == .lz4Raw && result!.count < size))
          }
          #expect(throws: CompressionError.self, "\(codec) with bytes behind its end") {
            try decompressor.decompress(packed + [0x7f, 1, 2], capacity: size + 100)
          }
        }
        // The context is as good as new after all these errors.
        #expect(try decompressor.decompress(packed, capacity: size) == input)
        var small = [UInt8](repeating: 0, count: packed.count - 1)
        #expect(throws: CompressionError.self) {
          try input.withUnsafeBytes { source in
            try small.withUnsafeMutableBytes { try compressor.compress(source, into: $0) }
          }
        }
        #expect(try compressor.compress(input) == packed)
      }
    }
  }

  @Test(arguments: Codec.allCases) func emptyInput(codec: Codec) throws {
    let decompressor = Decompressor(codec)
    #expect(try decompressor.decompress([], capacity: 0) == [])
    if codec != .none {
      #expect(errorCode { try decompressor.decompress([], capacity: 1) } == .truncated)
    }
  }

  @Test func namesAreRead() {
    for codec in Codec.allCases { #expect(Codec(name: codec.name.uppercased()) == codec) }
    #expect(Codec(name: "uncompressed") == Codec.none)
    #expect(Codec(name: "LZ4_FRAME") == .lz4Frame)
    #expect(Codec(name: "lzma") == nil)
    #expect(throws: CompressionError.self) { try Compressor(.lz4Hadoop) }
  }
}
