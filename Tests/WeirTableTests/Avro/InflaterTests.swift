// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirCompression
internal import _WeirTestSupport

@testable internal import WeirTable

/// libdeflate against zlib: the same bytes from what zlib compressed, and errors where it has them.
@Suite struct InflaterTests {
  /// Bytes of several characters: noise, few symbols, runs, repetitions.
  private static func content(_ random: inout SeededRandom) -> [UInt8] {
    let count = Int.random(in: 0...3_000, using: &random)
    let kind = Int.random(in: 0..<4, using: &random)
    let alphabet = UInt8.random(in: 1...255, using: &random)
    var bytes: [UInt8] = []
    for index in 0..<count {
      switch kind {
      case 0: bytes.append(.random(in: 0...255, using: &random))
      case 1: bytes.append(.random(in: 0...alphabet, using: &random))
      case 2: bytes.append(UInt8(truncatingIfNeeded: index / 97))
      default:
        let back = Int.random(in: 1...40, using: &random)
        let isNew = index < back || Int.random(in: 0..<9, using: &random) == 0
        bytes.append(isNew ? .random(in: 0...alphabet, using: &random) : bytes[index - back])
      }
    }
    return bytes
  }

  private static func deflated(_ bytes: [UInt8], level: Int) throws -> [UInt8] {
    let deflate = BareDeflate(level: level)
    var output = [UInt8](repeating: 0, count: deflate.maxCompressedSize(bytes.count))
    let count = try bytes.withUnsafeBytes { input in
      try output.withUnsafeMutableBytes { try deflate.compress(input, into: $0) }
    }
    return Array(output[..<count])
  }

  /// What zlib makes of it; `nil` for an error.
  private static func zlib(_ bytes: [UInt8]) -> (consumed: Int, output: [UInt8])? {
    let inflate = BareDeflate()
    inflate.start()
    var output = [UInt8](repeating: 0, count: 1 << 20)
    let step = bytes.withUnsafeBytes { input in
      output.withUnsafeMutableBytes { try? inflate.decompress(input, into: $0) }
    }
    guard let step, step.ended else { return nil }
    return (step.consumed, Array(output[..<step.produced]))
  }

  private static func own(_ bytes: [UInt8], readable: Int? = nil) -> [UInt8]? {
    let output = MutableBuffer()
    output.append(UInt8(7))
    let count = readable ?? bytes.count
    do {
      try DeflateDecompressor().append(
        Buffer(Array(bytes.prefix(count))), to: output, byteCountMax: 1 << 20)
    } catch { return nil }
    return Array(output.finish().array(of: UInt8.self).dropFirst())
  }

  @Test func sameAsZlib() throws {
    var random = SeededRandom(seed: 11)
    for round in 0..<300 {
      let bytes = Self.content(&random)
      let stored = try Self.deflated(bytes, level: round % 9 + 1)
      #expect(Self.own(stored) == bytes)
      // Other bytes behind the block, as in a file.
      let noise = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
      #expect(Self.own(stored + noise, readable: stored.count) == bytes)
      #expect(Self.own(Array(stored.dropLast())) == nil)
    }
  }

  @Test func damageIsNoticedWhereZlibNoticesIt() throws {
    var random = SeededRandom(seed: 12)
    var lenient = 0
    for round in 0..<600 {
      var stored = try Self.deflated(Self.content(&random), level: round % 9 + 1)
      for _ in 0...round % 3 {
        let index = Int.random(
          in: 0..<min(stored.count, round % 2 == 0 ? 60 : .max), using: &random)
        stored[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
      if let known = Self.zlib(stored) {
        // Up to 4 bytes may follow.
        let isRefused = stored.count - known.consumed > 4
        #expect(Self.own(stored) == (isRefused ? nil : known.output))
      } else {
        // libdeflate takes Huffman codes that are not complete, as RFC 1951 allows; zlib mostly does not.
        lenient += Self.own(stored) == nil ? 0 : 1
      }
    }
    #expect(lenient < 6)
  }

  @Test func resultsAreBounded() throws {
    let stored = try Self.deflated([UInt8](repeating: 1, count: 2 << 20), level: 9)
    #expect(Self.own(stored) == nil)
    for bytes: [UInt8] in [
      [], [0], [3], [6], [7], [0xff], [1, 0, 0, 0xff, 0xff], [5, 0, 0, 0, 0],
    ] {
      #expect(Self.own(bytes) == Self.zlib(bytes)?.output)
    }
  }
}
