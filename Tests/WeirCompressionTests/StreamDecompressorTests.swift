// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirCompression
internal import _WeirTestSupport

@Suite struct StreamDecompressorTests {
  @Test(arguments: [Codec.gzip, .zstd]) func readsMembersInPiecesOfAnySize(codec: Codec) throws {
    var random = SeededRandom(seed: 41)
    let compressor = try Compressor(codec)
    for round in 0..<60 {
      var expected: [UInt8] = []
      var input: [UInt8] = []
      for _ in 0...(random.next() % 4) {
        let size = [0, 1, 500, 70_000].randomElement(using: &random)!
        let piece = round % 2 == 0 ? random.bytes(size) : random.compressibleBytes(size)
        expected += piece
        input += try compressor.compress(piece)
      }
      let inputStep = [1, 7, 1_000, 1 << 20].randomElement(using: &random)!
      let outputStep = [1, 13, 4_096, 1 << 20].randomElement(using: &random)!
      let stream = try StreamDecompressor(codec)
      let result = try stream.decompressAll(input, inputStep: inputStep, outputStep: outputStep)
      #expect(result == expected, "steps \(inputStep) and \(outputStep)")
      #expect(stream.totalConsumed == input.count)
      #expect(stream.totalProduced == expected.count)
    }
  }

  @Test func readsWhatOthersWrote() throws {
    for (codec, hex) in [
      (Codec.gzip, KnownVectorTests.gzip), (.gzip, KnownVectorTests.zlib),
      (.zstd, KnownVectorTests.zstd), (.zstd, KnownVectorTests.zstdPlain),
    ] {
      let result = try StreamDecompressor(codec).decompressAll(
        bytes(hex: hex + hex), inputStep: 5, outputStep: 16)
      #expect(result == KnownVectorTests.text + KnownVectorTests.text)
    }
  }

  @Test(arguments: [Codec.gzip, .zstd]) func detectsATruncatedEnd(codec: Codec) throws {
    let input = bytes(hex: codec == .gzip ? KnownVectorTests.gzip : KnownVectorTests.zstd)
    for cut in 0..<input.count {
      let pieces = [Array(input[..<cut]), input + input[..<cut]]
      for piece in cut == 0 ? [pieces[0]] : pieces {
        #expect(
          errorCode {
            try StreamDecompressor(codec).decompressAll(piece, inputStep: 9, outputStep: 100)
          } == .truncated, "cut to \(cut)")
      }
    }
  }

  @Test(arguments: [Codec.gzip, .zstd]) func failsForGoodOnOtherBytes(codec: Codec) throws {
    let input = bytes(hex: codec == .gzip ? KnownVectorTests.gzip : KnownVectorTests.zstd)
    let stream = try StreamDecompressor(codec)
    #expect(
      errorCode {
        try stream.decompressAll(input + [1, 2, 3, 4, 5, 6], inputStep: 9, outputStep: 100)
      } == .invalidData)
    #expect(
      errorCode { try stream.decompressAll(input, inputStep: 9, outputStep: 100) } == .invalidData)
    #expect(errorCode { try stream.finish() } == .truncated)
  }

  @Test(arguments: [Codec.gzip, .zstd]) func emptyPushesAreNothing(codec: Codec) throws {
    let input = bytes(hex: codec == .gzip ? KnownVectorTests.gzip : KnownVectorTests.zstd)
    let stream = try StreamDecompressor(codec)
    var space = [UInt8](repeating: 0, count: 100)
    func push(_ piece: [UInt8]) throws -> Int {
      try piece.withUnsafeBytes { source in
        try space.withUnsafeMutableBytes { try stream.decompress(source, into: $0).produced }
      }
    }
    for _ in 0..<40 { #expect(try push([]) == 0) }
    var produced = 0
    for byte in input {
      produced += try push([byte])
      for _ in 0..<40 { produced += try push([]) }
    }
    #expect(produced == KnownVectorTests.text.count)
    try stream.finish()
    for _ in 0..<40 { #expect(try push([]) == 0) }
    try stream.finish()
  }

  @Test func boundsTheWindow() throws {
    var random = SeededRandom(seed: 42)
    let input = random.bytes(3 << 20)
    let packed = try Compressor(.zstd, level: 19).compress(input)
    let small = try StreamDecompressor(.zstd, zstdWindowLogMax: 12)
    #expect(
      errorCode { try small.decompressAll(packed, inputStep: 10_000, outputStep: 10_000) }
        == .unsupported)
    let large = try StreamDecompressor(.zstd)
    #expect(
      try large.decompressAll(packed, inputStep: 10_000, outputStep: 10_000) == input)
    #expect(errorCode { try StreamDecompressor(.zstd, zstdWindowLogMax: 5) } == .invalidArgument)
    #expect(errorCode { try StreamDecompressor(.brotli) } == .unsupported)
  }
}
