// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

func arrowStream(
  _ schema: Schema, _ batches: [RecordBatch], _ options: ArrowWriteOptions = ArrowWriteOptions()
) throws -> Buffer {
  let target = MutableBuffer()
  let writer = try ArrowStreamWriter(schema: schema, options: options, into: target)
  for batch in batches { try writer.write(batch) }
  try writer.finish()
  #expect(writer.byteCount == target.count)
  return target.finish()
}

func readAll(_ reader: any RecordBatchReader) throws -> [RecordBatch] {
  var batches: [RecordBatch] = []
  while let batch = try reader.next() { batches.append(batch) }
  return batches
}

@Suite struct ArrowStreamTests {
  @Test(arguments: 0..<40, ArrowWriteOptions.Compression.allCases)
  func streamsRoundTrip(seed: UInt64, compression: ArrowWriteOptions.Compression) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.annotatedSchema()
    let batches = (0..<random.int(0...3)).map { _ in
      random.batch(schema, rows: random.int(0...60))
    }
    var options = ArrowWriteOptions(compression: compression)
    options.alignment = random.pick([8, 16, 32, 64])
    let bytes = try arrowStream(schema, batches, options)
    try expectEqual(try ArrowStreamReader(bytes), schema, batches)

    // The same in chunks of odd sizes.
    var position = 0
    let chunks = ArrowChunkSource {
      guard position < bytes.count else { return nil }
      let count = min(random.int(0...700), bytes.count - position)
      defer { position += count }
      return bytes.slice(offset: position, count: count)
    }
    try expectEqual(try ArrowStreamReader(chunks), schema, batches)
  }

  private func expectEqual(
    _ reader: ArrowStreamReader, _ schema: Schema, _ batches: [RecordBatch]
  ) throws {
    #expect(reader.schema == schema)
    let copies = try readAll(reader)
    #expect(copies.count == batches.count)
    for (batch, copy) in zip(batches, copies) {
      #expect(firstDifference(batch, copy)?.description == nil)
    }
  }

  @Test(arguments: 0..<30)
  func columnsCanBeChosen(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.schema(columns: 6)
    let batch = random.batch(schema, rows: 30)
    let bytes = try arrowStream(schema, [batch], ArrowWriteOptions(compression: .lz4Frame))
    let reader = try ArrowStreamReader(bytes, options: ArrowReadOptions(columns: ["c4", "c1"]))
    #expect(reader.schema.fields == [schema.fields[4], schema.fields[1]])
    let copy = try #require(try reader.next())
    #expect(firstDifference(copy.columns[0], batch.columns[4])?.description == nil)
    #expect(firstDifference(copy.columns[1], batch.columns[1])?.description == nil)
    #expect(throws: ColumnarError.self) {
      try ArrowStreamReader(bytes, options: ArrowReadOptions(columns: ["none"]))
    }
  }

  @Test func buffersAreSharedWithTheSource() throws {
    let schema = Schema([Field("x", .int64)])
    let values = ArrayData(type: .int64, length: 3, buffers: [Buffer([1, 2, 3] as [Int64])])
    let bytes = try arrowStream(schema, [try RecordBatch(schema: schema, columns: [values])])
    let copy = try #require(try ArrowStreamReader(bytes).next())
    let distance = copy.columns[0].buffers[0].base - bytes.base
    #expect(distance > 0 && distance < bytes.count && distance % 64 == 0)
  }

  @Test func legacyStreamsWithoutMarkersAreRead() throws {
    let schema = Schema([Field("x", .int32)])
    let values = ArrayData(type: .int32, length: 2, buffers: [Buffer([8, 9] as [Int32])])
    let modern = try arrowStream(schema, [try RecordBatch(schema: schema, columns: [values])])
      .array(of: UInt32.self)
    // Every marker is on a 4-byte boundary here, and no other word looks like it.
    let legacy = Buffer(modern.filter { $0 != 0xffff_ffff })
    let copy = try readAll(try ArrowStreamReader(legacy))
    #expect(copy.count == 1)
    #expect(firstDifference(copy[0].columns[0], values)?.description == nil)
  }

  @Test func aStreamMayEndWithoutItsMark() throws {
    let schema = Schema([Field("x", .int32)])
    let bytes = try arrowStream(schema, [])
    let cut = bytes.slice(offset: 0, count: bytes.count - 8)
    #expect(try readAll(try ArrowStreamReader(cut)).isEmpty)
    #expect(throws: ColumnarError.self) {
      try ArrowStreamReader(bytes.slice(offset: 0, count: bytes.count - 9))
    }
  }

  @Test func limitsAreKeptBeforeMemoryIsTaken() throws {
    let schema = Schema([Field("x", .int64)])
    let zeros = ArrayData(
      type: .int64, length: 100_000, buffers: [Buffer([Int64](repeating: 0, count: 100_000))])
    let batch = try RecordBatch(schema: schema, columns: [zeros])
    var options = ArrowReadOptions()
    options.bodyBytesMax = 700_000
    let plain = try ArrowStreamReader(try arrowStream(schema, [batch]), options: options)
    #expect(throws: ColumnarError.self) { try plain.next() }
    let bytes = try arrowStream(schema, [batch], ArrowWriteOptions(compression: .zstd))
    #expect(bytes.count < 2_000)
    let packed = try ArrowStreamReader(bytes, options: options)
    let error = #expect(throws: ColumnarError.self) { try packed.next() }
    #expect(error?.message.contains("bodyBytesMax") == true)
    #expect(error?.column == "x")
  }

  @Test func batchesOfOtherTypesAreRefused() throws {
    let writer = try ArrowStreamWriter(
      schema: Schema([Field("x", .int64)]), into: MutableBuffer())
    let other = Schema([Field("x", .int32)])
    let batch = try RecordBatch(
      schema: other, columns: [ArrayData(type: .int32, length: 0, buffers: [Buffer()])])
    #expect(throws: ColumnarError.self) { try writer.write(batch) }
    try writer.finish()
  }
}
