// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirCompression
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirParquet

/// What the writer writes, the reader reads.
struct WriterRoundTripTests {
  /// Types whose every value Parquet holds exactly.
  static var options: RandomOptions {
    var options = RandomOptions()
    options.leafTypes = RandomOptions.allLeafTypes.filter {
      $0 != .date64 && $0 != .timestamp(.second, timeZone: nil) && $0 != .time32(.second)
    }
    return options
  }

  static func writeOptions(_ random: inout SeededRandom) -> ParquetWriteOptions {
    var options = ParquetWriteOptions()
    options.codec = random.pick([Codec.none, .snappy, .gzip, .zstd, .lz4Raw, .brotli])
    options.encodings = random.pick([.all, .widest])
    options.pageVersion = random.pick([.v1, .v2])
    options.pageRowsMax = random.pick([1, 13, 20_000])
    options.pageBytesMax = random.pick([1, 200, 1 << 20])
    options.rowGroupRowsMax = random.pick([7, 100, 1 << 20])
    options.rowGroupBytesMax = random.pick([1_000, 128 << 20])
    options.dictionary = random.chance(0.7)
    options.checksums = random.chance(0.7)
    options.pageIndex = random.chance(0.7)
    return options
  }

  static func write(
    _ batches: [RecordBatch], _ schema: Schema, _ options: ParquetWriteOptions
  ) throws -> (any ObjectReader, FileMetaData) {
    let store = MemoryObjectStore()
    let writer = try ParquetWriter(
      try store.create("f.parquet", condition: .none), schema: schema, options: options)
    for batch in batches { try writer.write(batch) }
    let metadata = try writer.close()
    return (try store.open("f.parquet"), metadata)
  }

  @Test(arguments: 0..<60)
  func randomBatches(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let schema = random.schema(Self.options)
    let batches = (0..<random.int(1...3)).map { _ in
      random.batch(schema, rows: random.pick([0, 1, 9, 150]), Self.options)
    }
    let options = Self.writeOptions(&random)
    let (file, metadata) = try Self.write(batches, schema, options)
    #expect(metadata.rowCount == batches.reduce(0) { $0 + $1.rowCount })
    let scan = try ParquetReader(file).batches()
    var read: [[Scalar]] = []
    while let batch = try scan.next() { read += rows(batch) }
    let written = batches.flatMap { rows($0) }
    #expect(read == written, "\(schema)")
  }

  /// Every encoding that a type allows, by option.
  @Test func namedEncodings() throws {
    var random = SeededRandom(seed: 7)
    var options = RandomOptions()
    options.extremes = true
    let encodings: [Encoding] = [
      .plain, .rleDictionary, .rle, .deltaBinaryPacked, .deltaLengthByteArray, .deltaByteArray,
      .byteStreamSplit,
    ]
    for type in Self.options.leafTypes where type != .null {
      let schema = Schema([Field("a", type), Field("l", .list(of: type))])
      let batch = random.batch(schema, rows: 700, options)
      for encoding in encodings {
        guard ValueEncoder.supports(encoding, LeafStorage(type)!.physicalType) else { continue }
        for version in [ParquetWriteOptions.PageVersion.v1, .v2] {
          var settings = ParquetWriteOptions()
          settings.pageVersion = version
          settings.pageRowsMax = 300
          settings.columns["a"] = .init(encoding: encoding)
          settings.columns["l.list.element"] = .init(encoding: encoding)
          let (file, metadata) = try Self.write([batch], schema, settings)
          let encodings = metadata.rowGroups[0].columns[0].metaData.encodings
          #expect(batch.columns[0].nullCount == 700 || encodings.contains(encoding), "\(type)")
          let scan = try ParquetReader(file).batches()
          var read: [[Scalar]] = []
          while let batch = try scan.next() { read += rows(batch) }
          #expect(read == rows(batch), "\(type) \(encoding)")
        }
      }
    }
  }

  @Test func unsuitableEncodingIsAnError() throws {
    var options = ParquetWriteOptions()
    options.columns["a"] = .init(encoding: .deltaByteArray)
    let schema = Schema([Field("a", .int32)])
    let batch = try RecordBatch(
      schema: schema, columns: [array(.int32, [.int(1), .null])])
    let error = #expect(throws: ParquetError.self) {
      _ = try Self.write([batch], schema, options)
    }
    #expect(error?.column == "a")
  }

  @Test func secondsAndDaysBecomeMillisecondsAndBack() throws {
    let schema = Schema([
      Field("t", .timestamp(.second, timeZone: "UTC")), Field("c", .time32(.second)),
      Field("d", .date64),
    ])
    let columns = try [
      array(schema.fields[0].type, [.int(-5), .null, .int(1_700_000_000)]),
      array(.time32(.second), [.int(0), .int(86_399), .null]),
      array(.date64, [.int(-86_400_000), .int(86_400_000), .null]),
    ]
    let batch = try RecordBatch(schema: schema, columns: columns)
    let (file, _) = try Self.write([batch], schema, ParquetWriteOptions())
    let reader = try ParquetReader(file)
    let read = try #require(try reader.batches().next())
    // Arrow writers give the stored unit back for seconds, and dates of days.
    let factors: [DataType: Int64] = [
      .timestamp(.millisecond, timeZone: "UTC"): 1_000, .time32(.millisecond): 1_000,
      .timestamp(.second, timeZone: "UTC"): 1, .time32(.second): 1, .date64: 1,
    ]
    for (column, original) in zip(read.columns, columns) {
      for row in 0..<3 {
        guard case .int(let value) = original.scalar(at: row) else {
          #expect(column.isNull(row))
          continue
        }
        let expected = column.type == .date32 ? value / 86_400_000 : value * factors[column.type]!
        #expect(column.scalar(at: row) == .int(expected))
      }
    }
  }

  @Test func tooLargeSecondsAreAnError() throws {
    let type = DataType.timestamp(.second, timeZone: nil)
    let schema = Schema([Field("t", type)])
    let batch = try RecordBatch(schema: schema, columns: [array(type, [.int(.max)])])
    #expect(throws: ParquetError.self) {
      _ = try Self.write([batch], schema, ParquetWriteOptions())
    }
  }

  @Test func nullInRequiredColumnNamesColumnAndRow() throws {
    let item = Field("item", .int64, nullable: false)
    let schema = Schema([Field("a", .int32), Field("l", .list(item))])
    let lists = try array(
      .list(of: .int64), [.list([.int(1)]), .list([]), .list([.int(2), .null])])
    let retyped = ArrayData(
      type: .list(item), length: lists.length, validity: lists.validity, buffers: lists.buffers,
      children: lists.children)
    let batch = try RecordBatch(
      schema: schema, columns: [array(.int32, [.null, .int(1), .int(2)]), retyped])
    let store = MemoryObjectStore()
    let writer = try ParquetWriter(try store.create("f", condition: .none), schema: schema)
    let error = #expect(throws: ParquetError.self) {
      try writer.write(batch)
      _ = try writer.close()
    }
    #expect(error?.column == "l.list.element")
    #expect(error?.message.contains("row 2") == true)
    // Nothing became visible, and the writer is of no more use.
    #expect(throws: StorageError.self) { _ = try store.head("f") }
    #expect(throws: ParquetError.self) { try writer.write(batch) }
  }

  @Test func droppedWriterLeavesNothing() throws {
    let store = MemoryObjectStore()
    let schema = Schema([Field("a", .int32)])
    do {
      let writer = try ParquetWriter(try store.create("f", condition: .none), schema: schema)
      try writer.write(try RecordBatch(schema: schema, columns: [array(.int32, [.int(1)])]))
    }
    #expect(throws: StorageError.self) { _ = try store.head("f") }
  }

  @Test func typesThatParquetLacksAreErrors() throws {
    let types: [DataType] = [
      .struct([]), .fixedSizeBinary(0), .decimal128(precision: 5, scale: -2),
      .decimal128(precision: 5, scale: 6),
    ]
    for type in types {
      let store = MemoryObjectStore()
      let error = #expect(throws: ParquetError.self) {
        _ = try ParquetWriter(
          try store.create("f", condition: .none), schema: Schema([Field("x", type)]))
      }
      #expect(error?.column == "x")
      #expect(error?.code == .unsupported)
    }
  }

  @Test func rowGroupsAreBoundedByBytesAndRows() throws {
    let schema = Schema([Field("a", .int64, nullable: false)])
    let batch = try RecordBatch(
      schema: schema, columns: [array(.int64, (0..<1_000).map { .int($0) })])
    var options = ParquetWriteOptions()
    options.rowGroupBytesMax = 2_000
    let (_, bySize) = try Self.write([batch, batch], schema, options)
    #expect(bySize.rowGroups.map(\.rowCount) == Array(repeating: 250, count: 8))
    options.rowGroupBytesMax = 1 << 20
    options.rowGroupRowsMax = 900
    let (_, byRows) = try Self.write([batch, batch], schema, options)
    #expect(byRows.rowGroups.map(\.rowCount) == [900, 900, 200])
  }

  @Test func footerHoldsMetadataIDsAndOrder() throws {
    var schema = Schema(
      [Field("a", .int64, nullable: false, id: 4), Field("s", .utf8, id: 9)],
      metadata: ["owner": "weir"])
    schema.fields[1].nullable = false
    let batch = try RecordBatch(
      schema: schema,
      columns: [
        array(.int64, [.int(1), .int(2)]), array(.utf8, [.string("x"), .string("y")]),
      ])
    var options = ParquetWriteOptions()
    options.sorting = [.init("a"), .init("s", descending: true, nullsFirst: true)]
    options.metadata = ["k": "v"]
    let (file, metadata) = try Self.write([batch], schema, options)
    let reader = try ParquetReader(file)
    #expect(reader.schema.fields.map(\.id) == [4, 9])
    #expect(reader.metadata.keyValues.prefix(2).map(\.key) == ["owner", "k"])
    #expect(metadata.rowGroups[0].sortingColumns.map(\.columnIndex) == [0, 1])
    #expect(metadata.rowGroups[0].sortingColumns.map(\.descending) == [false, true])
    options.sorting = [.init("nothing")]
    #expect(throws: ParquetError.self) { _ = try Self.write([batch], schema, options) }
  }
}
