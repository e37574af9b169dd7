// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirParquet

struct StatisticsTests {
  /// Statistics of one column written alone.
  private func statistics(
    _ type: DataType, _ values: [Scalar],
    change: (inout ParquetWriteOptions) -> Void = { _ in }
  ) throws -> (Statistics, ColumnIndex?) {
    let schema = Schema([Field("a", type)])
    var options = ParquetWriteOptions()
    change(&options)
    let batch = try RecordBatch(schema: schema, columns: [array(type, values)])
    let (file, metadata) = try WriterRoundTripTests.write([batch], schema, options)
    let chunk = metadata.rowGroups[0].columns[0]
    var index: ColumnIndex?
    if let offset = chunk.columnIndexOffset, let length = chunk.columnIndexLength {
      let bytes = try file.read(offset..<offset + length)
      index = try bytes.withUnsafeBytes {
        var reader = ThriftReader($0)
        return try ColumnIndex(&reader)
      }
    }
    return (try #require(chunk.metaData.statistics), index)
  }

  private func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  @Test func signedAndUnsigned() throws {
    let (signed, _) = try statistics(.int8, [.int(5), .int(-3), .null])
    #expect(signed.min == bytes(Int32(-3)) && signed.max == bytes(Int32(5)))
    #expect(signed.nullCount == 1)
    let (unsigned, _) = try statistics(.uint64, [.uint(.max), .uint(3)])
    #expect(unsigned.min == bytes(UInt64(3)) && unsigned.max == bytes(UInt64.max))
    let (narrow, _) = try statistics(.uint32, [.uint(4_000_000_000), .uint(3)])
    #expect(narrow.min == bytes(UInt32(3)) && narrow.max == bytes(UInt32(4_000_000_000)))
  }

  @Test func floatsSkipNaNAndWidenZeros() throws {
    let (numbers, _) = try statistics(
      .float64, [.float64(.nan), .float64(2), .float64(-1), .float64(.nan)])
    #expect(numbers.min == bytes((-1.0).bitPattern) && numbers.max == bytes(2.0.bitPattern))
    let (zeros, _) = try statistics(.float32, [.float32(0), .float32(-0.0)])
    #expect(zeros.min == bytes(Float(-0.0).bitPattern) && zeros.max == bytes(Float(0).bitPattern))
    let (positive, _) = try statistics(.float32, [.float32(0), .float32(1)])
    #expect(positive.min == bytes(Float(-0.0).bitPattern))
    let (nothing, index) = try statistics(.float32, [.float32(.nan), .null])
    #expect(nothing.min == nil && nothing.max == nil && nothing.nullCount == 1)
    #expect(index == nil)
    let (infinite, _) = try statistics(.float32, [.float32(.infinity)])
    #expect(infinite.min == bytes(Float.infinity.bitPattern))
    let (half, _) = try statistics(.float16, [.float16(2), .float16(-1), .float16(.nan)])
    #expect(half.min == bytes(Float16(-1).bitPattern) && half.max == bytes(Float16(2).bitPattern))
  }

  @Test func wideDecimalsCompareAsSignedNumbers() throws {
    let type = DataType.decimal128(precision: 30, scale: 2)
    let (found, _) = try statistics(
      type, [.decimal(5, scale: 2), .decimal(-7, scale: 2), .decimal(1 << 90, scale: 2)])
    let width = LeafStorage.fixedWidth(ofDigits: 30)
    #expect(found.min == Array(repeating: 0xff, count: width - 1) + [0xf9])
    #expect(found.max?.count == width)
    #expect(found.max?[width - 12] == 0x04)
  }

  @Test func fixedWidthsOfDecimals() {
    // The table of the specification: the most digits that n bytes hold.
    let most = [1: 2, 2: 4, 3: 6, 4: 9, 5: 11, 6: 14, 7: 16, 8: 18, 12: 28, 16: 38]
    for (width, digits) in most {
      #expect(LeafStorage.fixedWidth(ofDigits: digits) == width)
      if digits < 38 { #expect(LeafStorage.fixedWidth(ofDigits: digits + 1) == width + 1) }
    }
  }

  @Test func longStringsAreCut() throws {
    let long = String(repeating: "é", count: 40)
    let (found, index) = try statistics(.utf8, [.string(long), .string("b")])
    #expect(found.min == Array("b".utf8) && found.isMinExact == true)
    #expect(found.max == Array((String(repeating: "é", count: 31) + "ê").utf8))
    #expect(found.isMaxExact == false)
    #expect(index?.maxValues == [found.max!])
    let (raw, _) = try statistics(.binary, [.binary(Array(repeating: 0xff, count: 70))])
    #expect(raw.max == Array(repeating: 0xff, count: 70) && raw.isMaxExact == true)
    #expect(raw.min == Array(repeating: 0xff, count: 64) && raw.isMinExact == false)
  }

  @Test func cutsAreBounds() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<500 {
      let text = Array(random.unicodeString(random.int(0...30)).utf8)
      for (bytes, isText) in [(text, true), (random.bytes(random.int(0...30)), false)] {
        let limit = random.int(4...20)
        let lower = BoundsCut.lower(bytes, max: limit, isText: isText)
        let upper = BoundsCut.upper(bytes, max: limit, isText: isText)
        #expect(!bytes.lexicographicallyPrecedes(lower.bytes))
        #expect(!upper.bytes.lexicographicallyPrecedes(bytes))
        #expect(lower.exact == (lower.bytes == bytes) && upper.exact == (upper.bytes == bytes))
        if isText {
          #expect(String(validating: lower.bytes, as: UTF8.self) != nil)
          #expect(String(validating: upper.bytes, as: UTF8.self) != nil)
        }
      }
    }
  }

  @Test func columnIndexKnowsNullPagesAndOrder() throws {
    let values: [Scalar] = [.int(1), .int(2), .null, .null, .int(2), .int(9)]
    let (_, ascending) = try statistics(.int32, values) { $0.pageRowsMax = 2 }
    #expect(ascending?.nullPages == [false, true, false])
    #expect(ascending?.nullCounts == [0, 2, 0])
    #expect(ascending?.boundaryOrder == .ascending)
    let (_, descending) = try statistics(.int32, values.reversed()) { $0.pageRowsMax = 2 }
    #expect(descending?.boundaryOrder == .descending)
    let (_, neither) = try statistics(.int32, [.int(1), .int(5), .int(2)]) { $0.pageRowsMax = 1 }
    #expect(neither?.boundaryOrder == .unordered)
  }

  @Test func bloomFiltersHoldAllValues() throws {
    let schema = Schema([Field("a", .utf8)])
    let batch = try RecordBatch(
      schema: schema, columns: [array(.utf8, (0..<500).map { .string("value \($0)") })])
    for dictionary in [true, false] {
      var options = ParquetWriteOptions()
      options.columns["a"] = .init(dictionary: dictionary, bloomFilter: .init())
      let (file, metadata) = try WriterRoundTripTests.write([batch], schema, options)
      let chunk = metadata.rowGroups[0].columns[0].metaData
      let start = try #require(chunk.bloomFilterOffset)
      let bytes = try file.read(start..<start + chunk.bloomFilterLength!)
      // The header of a filter below 64 KiB is short; the bits are the rest.
      let filter = bytes.slice(offset: bytes.count - 1_024, count: 1_024)
      func mayContain(_ text: String) -> Bool {
        SplitBlockBloomFilter.mayContain(XXHash64.hash(Array(text.utf8)), in: filter)
      }
      #expect((0..<500).allSatisfy { mayContain("value \($0)") })
      #expect((0..<1_000).count { mayContain("other \($0)") } < 50)
    }
  }
}
