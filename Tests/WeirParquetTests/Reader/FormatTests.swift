// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Thrift, base64, and the footer's structures there and back.
struct FormatTests {
  private func parse<T>(
    _ bytes: [UInt8], _ body: (inout ThriftReader) throws(ParquetError) -> T
  ) throws -> T {
    let (value, count) = try Buffer(bytes).parseThrift(at: 0, body)
    #expect(count == bytes.count)
    return value
  }

  @Test func pageHeaders() throws {
    let statistics = Statistics(
      min: [1, 2], max: [3], nullCount: 4, distinctCount: 5, isMinExact: true, isMaxExact: false)
    let kinds: [PageHeader.Kind] = [
      .data(
        .init(valueCount: 7, encoding: .deltaByteArray, statistics: statistics)),
      .dataV2(
        .init(
          valueCount: 70_000, nullCount: 3, rowCount: 9, encoding: .plain,
          definitionLevelsByteCount: 11, repetitionLevelsByteCount: 13, isCompressed: false,
          statistics: statistics)),
      .dictionary(.init(valueCount: 5, encoding: .plain, isSorted: true)),
    ]
    for kind in kinds {
      let header = PageHeader(
        kind: kind, uncompressedByteCount: 1 << 30, compressedByteCount: 0, crc: 0xffff_fffe)
      let read = try parse(header.encoded()) { (reader) throws(ParquetError) in
        try PageHeader(&reader)
      }
      #expect(read.encoded() == header.encoded())
      #expect("\(read)" == "\(header)")
    }
  }

  @Test func indexes() throws {
    let column = ColumnIndex(
      nullPages: [false, true, false], minValues: [[1], [], [0xff, 0]], maxValues: [[2], [], [3]],
      boundaryOrder: .descending, nullCounts: [0, 5, 1], repetitionLevelHistograms: [1, 2, 3],
      definitionLevelHistograms: [4, 5, 6])
    let readColumn = try parse(column.encoded()) { (reader) throws(ParquetError) in
      try ColumnIndex(&reader)
    }
    #expect("\(readColumn)" == "\(column)")
    let offset = OffsetIndex(
      pages: (0..<40).map {
        .init(offset: 4 + $0 * 1_000_000_000, compressedByteCount: $0, firstRow: $0 * 7)
      }, unencodedByteArrayBytes: [1, 2])
    let readOffset = try parse(offset.encoded()) { (reader) throws(ParquetError) in
      try OffsetIndex(&reader)
    }
    #expect("\(readOffset)" == "\(offset)")
    let bloom = try parse(BloomFilterHeader(byteCount: 1024).encoded()) {
      (reader) throws(ParquetError) in try BloomFilterHeader(&reader)
    }
    #expect(bloom.byteCount == 1024)
  }

  @Test func footers() throws {
    let logical: [LogicalType] = [
      .string, .map, .list, .enumeration, .decimal(precision: 38, scale: 7), .date,
      .time(.millisecond, isAdjustedToUTC: false), .time(.nanosecond, isAdjustedToUTC: true),
      .timestamp(.microsecond, isAdjustedToUTC: true), .integer(bitWidth: 8, isSigned: false),
      .integer(bitWidth: 64, isSigned: true), .unknown, .json, .bson, .uuid, .float16,
      .geometry(crs: "OGC:CRS84"), .geography(crs: nil), .other(40),
    ]
    var schema = [SchemaElement(name: "root", childCount: Int32(logical.count))]
    for (index, type) in logical.enumerated() {
      schema.append(
        SchemaElement(
          name: "c\(index)", type: .fixedLenByteArray, typeLength: 16, repetition: .optional,
          convertedType: .decimal, scale: 1, precision: 2, fieldID: Int32(index) - 1,
          logicalType: type))
    }
    var chunk = ColumnMetaData(
      type: .byteArray, encodings: [.plain, .rleDictionary, Encoding(rawValue: 77)],
      path: ["a", "b"], codec: .zstd, valueCount: 1 << 40, totalUncompressedSize: 1,
      totalCompressedSize: 2, dataPageOffset: 4)
    chunk.keyValues = [KeyValue(key: "k", value: nil)]
    chunk.dictionaryPageOffset = 5
    chunk.statistics = Statistics(min: [], max: [0xff], nullCount: 0)
    chunk.encodingStats = [PageEncodingStats(pageType: .dataPageV2, encoding: .rle, count: 3)]
    chunk.bloomFilterOffset = 100
    chunk.bloomFilterLength = 32
    chunk.sizeStatistics = SizeStatistics(
      unencodedByteArrayBytes: 9, repetitionLevelHistogram: [1], definitionLevelHistogram: [2, 3])
    var column = ColumnChunk(fileOffset: 0, metaData: chunk)
    column.offsetIndexOffset = 200
    column.offsetIndexLength = 20
    column.columnIndexOffset = 220
    column.columnIndexLength = 21
    let group = RowGroupMetaData(
      columns: [column], totalByteSize: 12, rowCount: 34,
      sortingColumns: [SortingColumn(columnIndex: 0, descending: true, nullsFirst: true)],
      fileOffset: 4, totalCompressedSize: 10, ordinal: 3)
    let footer = FileMetaData(
      version: 2, schema: schema, rowCount: 34, rowGroups: [group, group],
      keyValues: [KeyValue(key: "ключ", value: "значение")], createdBy: "test",
      hasTypeDefinedOrder: [true])
    let read = try parse(footer.encoded()) { (reader) throws(ParquetError) in
      try FileMetaData(&reader)
    }
    #expect(read.encoded() == footer.encoded())
    #expect(read.schema == footer.schema)
    #expect("\(read)" == "\(footer)")
  }

  /// A hostile number in a 32-bit field, and fields that every chunk has.
  @Test func impossibleMetadata() {
    var writer = ThriftWriter()
    writer.nested {
      $0.int32(1, 0)
      $0.int64(2, 1)
    }
    let wrongSize = writer.bytes
    #expect(throws: ParquetError.self) {
      _ = try Buffer(wrongSize).parseThrift(at: 0) { (reader) throws(ParquetError) in
        try PageHeader(&reader)
      }
    }
    #expect(throws: ParquetError.self) {
      _ = try Buffer([UInt8](repeating: 0, count: 4)).parseThrift(at: 0) {
        (reader) throws(ParquetError) in try ColumnChunk(&reader)
      }
    }
  }
}
