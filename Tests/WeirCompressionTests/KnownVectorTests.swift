// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirCompression

/// Bytes that other programs wrote: Python's gzip and zlib, the zstd and lz4 command lines, pyarrow.
@Suite struct KnownVectorTests {
  static let text = Array(String(repeating: "Weir reads what others wrote. ", count: 3).utf8)
  static let block = """
    ff0f576569722072656164732077686174206f74686572732077726f74652e201e0024506f74652e20
    """
  static let gzip = """
    1f8b08000000000002030b4fcd2c52284a4d4c295628cf482c51c82fc9482d02b28bf24b52f514c229900500852c4c\
    c55a000000
    """
  static let zlib = """
    789c0b4fcd2c52284a4d4c295628cf482c51c82fc9482d02b28bf24b52f514c229900500dce720cb
    """
  static let zstd = """
    28b52ffd245a2d0100f0576569722072656164732077686174206f74686572732077726f74652e2001002648ca0922\
    86d10c
    """
  static let zstdPlain = """
    28b52ffd205a2d0100f0576569722072656164732077686174206f74686572732077726f74652e2001002648ca09
    """
  static let lz4 = """
    04224d186440a729000000ff0f576569722072656164732077686174206f74686572732077726f74652e201e002450\
    6f74652e2000000000526486cf
    """
  static let lz4Plain = """
    04224d1860408229000000ff0f576569722072656164732077686174206f74686572732077726f74652e201e002450\
    6f74652e2000000000
    """
  static let snappy = """
    5a78576569722072656164732077686174206f74686572732077726f74652e2057ea1e00
    """
  static let brotli = """
    1b590000046a72a4079469400f51db7f5bbd8824aafc23312bab3506355870be85f79e8a02
    """

  @Test(arguments: [
    (Codec.gzip, gzip), (.gzip, zlib), (.zstd, zstd), (.zstd, zstdPlain), (.lz4Frame, lz4),
    (.lz4Frame, lz4Plain), (.lz4Raw, block), (.snappy, snappy), (.brotli, brotli),
    (.lz4Hadoop, "0000005a00000029" + block), (.lz4Hadoop, block), (.lz4Hadoop, lz4),
  ])
  func reads(codec: Codec, hex: String) throws {
    let input = bytes(hex: hex)
    let decompressor = Decompressor(codec)
    let capacity = Self.text.count
    #expect(try decompressor.decompress(input, capacity: capacity) == Self.text)
    #expect(throws: CompressionError.self) {
      try decompressor.decompress(input, capacity: capacity - 1)
    }
    for cut in 0..<input.count {
      let result = try? decompressor.decompress(Array(input[..<cut]), capacity: capacity)
      #expect(result == nil || result!.count < capacity, "\(codec) cut to \(cut) bytes")
    }
  }

  @Test(arguments: [(Codec.gzip, gzip), (.zstd, zstd), (.lz4Frame, lz4)])
  func readsConcatenatedMembers(codec: Codec, hex: String) throws {
    let input = bytes(hex: hex + hex + hex)
    let text = Self.text + Self.text + Self.text
    #expect(try Decompressor(codec).decompress(input, capacity: text.count) == text)
  }

  @Test func namesTheFailure() {
    func code(_ codec: Codec, _ hex: String, _ capacity: Int) -> CompressionError.Code? {
      errorCode { try Decompressor(codec).decompress(bytes(hex: hex), capacity: capacity) }
    }
    for (codec, hex) in [
      (Codec.gzip, Self.gzip), (.zstd, Self.zstd), (.lz4Frame, Self.lz4), (.snappy, Self.snappy),
      (.brotli, Self.brotli),
    ] {
      #expect(code(codec, hex, 89) == .outputTooSmall, "\(codec)")
      if codec != .snappy {
        #expect(code(codec, String(hex.dropLast(18)), 90) == .truncated, "\(codec)")
      }
      #expect(code(codec, String(repeating: "ff", count: 40), 90) == .invalidData, "\(codec)")
    }
    #expect(code(.brotli, Self.brotli + "00", 90) == .trailingBytes)
  }

  @Test func readsHadoopFramingOfSeveralBlocks() throws {
    // The text as two inner blocks of one group, then as two groups: literals only.
    let half = Array(Self.text[..<45])
    let rest = Array(Self.text[45...])
    func literals(_ bytes: [UInt8]) -> [UInt8] { [0xf0, UInt8(bytes.count - 15)] + bytes }
    func size(_ n: Int) -> [UInt8] { [0, 0, 0, UInt8(n)] }
    let inner = size(90) + size(47) + literals(half) + size(47) + literals(rest)
    let groups = size(45) + size(47) + literals(half) + size(45) + size(47) + literals(rest)
    let empty = size(0) + groups + size(0)
    let decompressor = Decompressor(.lz4Hadoop)
    for input in [inner, groups, empty] {
      #expect(try decompressor.decompress(input, capacity: 90) == Self.text)
    }
    #expect(try decompressor.decompress(size(0) + size(1) + [0], capacity: 10) == [])
    #expect(throws: CompressionError.self) {
      try decompressor.decompress(size(91) + inner.dropFirst(4), capacity: 91)
    }
  }
}
