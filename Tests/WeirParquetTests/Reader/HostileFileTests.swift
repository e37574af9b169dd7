// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirCompression
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Files of a few hundred bytes that ask for gigabytes: each is refused, or read in small batches,
/// quickly and in little memory.
@Suite(.serialized) struct HostileFileTests {
  /// A file of one row group with one leaf.
  private struct File {
    var schema: [SchemaElement]
    var codec = CompressionCodec.uncompressed
    var pages: [(header: PageHeader, body: [UInt8])] = []
    var rowCount: Int
    var valueCount: Int
    var keyValues: [KeyValue] = []

    var bytes: [UInt8] {
      var out = Array("PAR1".utf8)
      for page in pages { out += page.header.encoded() + page.body }
      let leaf = schema[schema.count - 1]
      let chunk = ColumnMetaData(
        type: leaf.type ?? .int32, encodings: [.plain, .rle, .rleDictionary], path: [leaf.name],
        codec: codec, valueCount: valueCount, totalUncompressedSize: out.count - 4,
        totalCompressedSize: out.count - 4, dataPageOffset: 4)
      let footer = FileMetaData(
        version: 2, schema: schema, rowCount: rowCount,
        rowGroups: [
          RowGroupMetaData(
            columns: [ColumnChunk(metaData: chunk)], totalByteSize: out.count, rowCount: rowCount)
        ], keyValues: keyValues
      ).encoded()
      out += footer
      for shift in [0, 8, 16, 24] { out.append(UInt8(truncatingIfNeeded: footer.count >> shift)) }
      return out + Array("PAR1".utf8)
    }
  }

  /// Reads some batches; the rows seen, or the error.
  private func read(_ file: File, batches count: Int = 3) throws(ParquetError) -> Int {
    let scan = try ParquetReader(ExactReader(name: "h", bytes: file.bytes)).batches()
    var rows = 0
    for _ in 0..<count {
      guard let batch = try scan.next() else { break }
      rows += batch.rowCount
    }
    return rows
  }

  /// Runs `body` and checks what it took.
  private func modestly(_ body: () throws -> Void) rethrows {
    let memory = peakMemory()
    let begin = ContinuousClock().now
    try body()
    #expect(peakMemory() - memory < 1200 << 20)
    #expect(ContinuousClock().now - begin < .seconds(20))
  }

  private func refused(_ file: File, _ code: ParquetError.Code) {
    modestly {
      let error = #expect(throws: ParquetError.self) { _ = try read(file) }
      #expect(error?.code == code, "\(String(describing: error))")
      #expect(error?.file == "h")
    }
  }

  private func root(_ children: [SchemaElement], _ count: Int32 = 1) -> [SchemaElement] {
    [SchemaElement(name: "root", childCount: count)] + children
  }

  private func page(
    _ body: [UInt8], values: Int, encoding: Encoding = .plain, uncompressed: Int? = nil
  ) -> (PageHeader, [UInt8]) {
    let header = PageHeader(
      kind: .data(.init(valueCount: values, encoding: encoding)),
      uncompressedByteCount: uncompressed ?? body.count, compressedByteCount: body.count)
    return (header, body)
  }

  /// Levels of one run, with their length in front.
  private func run(_ level: UInt8, _ count: Int) -> [UInt8] {
    let run = DecoderTests.varint(UInt64(count) << 1) + [level]
    return [UInt8(run.count), 0, 0, 0] + run
  }

  private let manyValues = Int(Int32.max)

  /// 2^31 null rows in 20 bytes: valid, and read batch by batch.
  @Test func manyNulls() throws {
    let leaf = SchemaElement(name: "x", type: .int64, repetition: .optional)
    let file = File(
      schema: root([leaf]), pages: [page(run(0, 1 << 30), values: 1 << 30)], rowCount: 1 << 30,
      valueCount: 1 << 30)
    try modestly {
      let rows = try read(file)
      #expect(rows == 3 * 65_536)
    }
  }

  /// Null values of 16 MiB each: few rows to a batch.
  @Test func wideNulls() throws {
    let leaf = SchemaElement(
      name: "x", type: .fixedLenByteArray, typeLength: 1 << 24, repetition: .optional)
    let file = File(
      schema: root([leaf]), pages: [page(run(0, 100_000), values: 100_000)], rowCount: 100_000,
      valueCount: 100_000)
    try modestly {
      let rows = try read(file, batches: 1)
      #expect(rows <= 16)
    }
  }

  /// One row that is a list of 2^31 items, null or booleans of one run.
  @Test func oneRowOfManyItems() {
    for definition in [UInt8(0), 1] {
      let list = [
        SchemaElement(name: "l", repetition: .required, childCount: 1, convertedType: .list),
        SchemaElement(name: "list", repetition: .repeated, childCount: 1),
        SchemaElement(name: "e", type: .int64, repetition: .optional),
      ]
      // Repetition: one 0, then 1 for ever.
      let first: [UInt8] = DecoderTests.varint(1 << 1) + [0]
      let rest: [UInt8] = DecoderTests.varint(UInt64(manyValues - 1) << 1) + [1]
      let repetition = [UInt8(first.count + rest.count), 0, 0, 0] + first + rest
      let body = repetition + run(definition, manyValues)
      let file = File(
        schema: root(list), pages: [page(body, values: manyValues)], rowCount: 1,
        valueCount: manyValues)
      refused(file, .limitExceeded)
    }
  }

  /// A page of 20 bytes that says it holds 2 GiB.
  @Test func claimsOfPages() {
    let leaf = SchemaElement(name: "x", type: .int64, repetition: .required)
    for codec in [CompressionCodec.snappy, .gzip, .lz4Raw, .zstd, .brotli] {
      for size in [1 << 20, 1 << 28, (1 << 31) - 1] {
        var file = File(
          schema: root([leaf]), rowCount: size / 8, valueCount: size / 8)
        file.codec = codec
        file.pages = [
          page([UInt8](repeating: 7, count: 20), values: size / 8, uncompressed: size)
        ]
        modestly {
          let error = #expect(throws: ParquetError.self) { _ = try read(file) }
          #expect(error?.code == .damaged || error?.code == .limitExceeded)
          #expect(error?.column == "x")
        }
      }
    }
  }

  /// Zeros that really decompress to a gigabyte from a thousand bytes of brotli are read in batches.
  @Test func bombs() throws {
    let zeros = [UInt8](repeating: 0, count: 64 << 20)
    let leaf = SchemaElement(name: "x", type: .int64, repetition: .required)
    for (codec, number) in [(Codec.brotli, CompressionCodec.brotli), (.zstd, .zstd)] {
      let compressor = try Compressor(codec)
      var room = [UInt8](repeating: 0, count: compressor.maxCompressedSize(zeros.count))
      let count = try zeros.withUnsafeBytes { input in
        try room.withUnsafeMutableBytes { try compressor.compress(input, into: $0) }
      }
      var file = File(
        schema: root([leaf]), rowCount: zeros.count / 8, valueCount: zeros.count / 8)
      file.codec = number
      file.pages = [
        page(Array(room.prefix(count)), values: zeros.count / 8, uncompressed: zeros.count)
      ]
      try modestly {
        let rows = try read(file)
        #expect(rows > 0)
      }
    }
  }

  /// DELTA_BYTE_ARRAY where every value repeats a long one before it.
  @Test func repeatedPrefixes() {
    let count = 60_000
    let long = 100_000
    let leaf = SchemaElement(name: "x", type: .byteArray, repetition: .required)
    let prefixes = [0] + [Int64](repeating: Int64(long), count: count - 1)
    let suffixes = [Int64(long)] + [Int64](repeating: 0, count: count - 1)
    let body =
      DecoderTests.delta(prefixes, block: 65_536, miniblocks: 1, cut: false)
      + DecoderTests.delta(suffixes, block: 65_536, miniblocks: 1, cut: false)
      + [UInt8](repeating: 97, count: long)
    let file = File(
      schema: root([leaf]), pages: [page(body, values: count, encoding: .deltaByteArray)],
      rowCount: count, valueCount: count)
    refused(file, .limitExceeded)
  }

  /// A stored Arrow schema that says that null lists have 2^31 - 1 items each.
  @Test func hugeFixedSizeLists() throws {
    let type = DataType.fixedSizeList(Field("e", .int64), size: Int(Int32.max))
    let schema = Schema([Field("l", type)])
    var stream: [UInt8] = []
    let writer = try ArrowStreamWriter(schema: schema) { stream += $0.array(of: UInt8.self) }
    try writer.finish()
    let list = [
      SchemaElement(name: "l", repetition: .optional, childCount: 1, convertedType: .list),
      SchemaElement(name: "list", repetition: .repeated, childCount: 1),
      SchemaElement(name: "e", type: .int64, repetition: .optional),
    ]
    let levels = run(0, 1_000)
    let file = File(
      schema: root(list), pages: [page(levels + levels, values: 1_000)], rowCount: 1_000,
      valueCount: 1_000, keyValues: [KeyValue(key: "ARROW:schema", value: Base64.encode(stream))])
    refused(file, .limitExceeded)
  }

  /// Strings of a page that are not UTF-8, or that cut a character in two.
  @Test func stringsThatAreNone() throws {
    let leaf = SchemaElement(
      name: "x", type: .byteArray, repetition: .required, convertedType: .utf8)
    func plain(_ values: [[UInt8]]) -> [UInt8] {
      values.flatMap { [UInt8($0.count), 0, 0, 0] + $0 }
    }
    func file(_ values: [[UInt8]]) -> File {
      File(
        schema: root([leaf]), pages: [page(plain(values), values: values.count)],
        rowCount: values.count, valueCount: values.count)
    }
    #expect(try read(file([Array("é".utf8), [], Array("日本".utf8)])) == 3)
    refused(file([[97], [0xff]]), .damaged)
    refused(file([[0xc3], [0xa9]]), .damaged)
    refused(file([Array("ok".utf8), [0xe6, 0x97]]), .damaged)
  }
}
