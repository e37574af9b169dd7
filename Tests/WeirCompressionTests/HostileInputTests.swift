// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirCompression
internal import _WeirTestSupport

/// Damaged input gives an error or some bytes: never a crash, and never a byte outside the output
/// (`Decompressor.decompress(_:capacity:)` checks guard bytes).
@Suite struct HostileInputTests {
  static let rounds = 600

  /// A copy of `input` that somebody tampered with.
  static func mutated(_ input: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var bytes = input
    for _ in 0..<(1 + random.next() % 4) {
      let at = bytes.isEmpty ? 0 : Int(random.next() % UInt64(bytes.count))
      switch random.next() % 8 {
      case 0: bytes.removeSubrange(at...)
      case 1: bytes += random.bytes(1 + Int(random.next() % 30))
      case 2: bytes.insert(contentsOf: random.bytes(1 + Int(random.next() % 8)), at: at)
      case 3 where !bytes.isEmpty:
        bytes.removeSubrange(at..<min(bytes.count, at + 1 + Int(random.next() % 8)))
      case 4 where !bytes.isEmpty: bytes[at] = 0xff
      case 5 where !bytes.isEmpty: bytes[at] = 0
      case 6 where !bytes.isEmpty:
        // The first bytes hold the lengths and flags.
        bytes[at % min(bytes.count, 16)] = UInt8(truncatingIfNeeded: random.next())
      default: if !bytes.isEmpty { bytes[at] ^= 1 << UInt8(random.next() % 8) }
      }
    }
    return bytes
  }

  @Test(arguments: Codec.allCases) func neverOverruns(codec: Codec) throws {
    var random = SeededRandom(seed: 31)
    let decompressor = Decompressor(codec)
    let compressor = try Compressor(codec.canCompress ? codec : .lz4Raw)
    for round in 0..<Self.rounds {
      let size = round % 10 == 0 ? 60_000 : Int(random.next() % 2_000)
      let input = round % 3 == 0 ? random.bytes(size) : random.compressibleBytes(size)
      var packed = try compressor.compress(input)
      if codec == .lz4Hadoop && round % 2 == 0 {
        let sizes = [UInt32(size), UInt32(packed.count)].map(\.bigEndian)
        packed = sizes.withUnsafeBytes { Array($0) } + packed
      }
      let hostile = round % 20 == 19 ? random.bytes(100) : Self.mutated(packed, &random)
      for capacity in [size, size / 2, size + 1_000, 0] {
        do {
          let result = try decompressor.decompress(hostile, capacity: capacity)
          #expect(result.count <= capacity)
        } catch is CompressionError {}
      }
      // The context still works.
      #expect(try decompressor.decompress(packed, capacity: size) == input)
    }
  }

  @Test(arguments: [Codec.gzip, .zstd]) func streamsNeverOverrun(codec: Codec) throws {
    var random = SeededRandom(seed: 32)
    let compressor = try Compressor(codec)
    for _ in 0..<Self.rounds {
      let input = random.compressibleBytes(Int(random.next() % 3_000))
      let hostile = Self.mutated(try compressor.compress(input), &random)
      do {
        let result = try StreamDecompressor(codec, zstdWindowLogMax: 20).decompressAll(
          hostile, inputStep: 1 + Int(random.next() % 100), outputStep: 1 + Int(random.next() % 500)
        )
        #expect(result.count < 4_000_000)
      } catch is CompressionError {}
    }
  }
}
