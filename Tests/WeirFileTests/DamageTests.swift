// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Bytes that are not what a writer wrote: errors, and never a trap or much memory.
struct DamageTests {
  /// Pages with some bytes changed, decoded as what they were: whatever comes out, it comes back.
  @Test(arguments: 0..<120)
  func changedPages(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let batch =
      seed % 4 == 0
      ? try WindowTests.batch(&random, rows: 300, large: seed % 8 == 0)
      : random.batch(random.schema(columns: 3), rows: random.pick([1, 40, 700]))
    var options = RoundTripTests.writeOptions(&random)
    options.pageRowsMax = 300
    let file = try RoundTripTests.write([batch], batch.schema, options)
    let good = try file.read(0..<file.size).array(of: UInt8.self)
    for _ in 0..<12 {
      var bad = good
      for _ in 0..<random.int(1...4) {
        let place = random.int(8..<bad.count - FileTail.byteCount)
        bad[place] = random.chance(0.5) ? UInt8(random.int(0...255)) : random.pick([0, 1, 255])
      }
      try readAll(bad, &random)
    }
  }

  /// Reads everything in every way; only errors of the library may come.
  private func readAll(_ bytes: [UInt8], _ random: inout SeededRandom) throws {
    let store = MemoryObjectStore()
    try store.put("f", Buffer(bytes))
    var options = WeirFileReadOptions()
    // With checksums nearly every change would end there.
    options.verifiesChecksums = false
    options.batchBytesMax = 64 << 20
    do throws(WeirFileError) {
      let reader: WeirFileReader
      do {
        reader = try WeirFileReader(try store.open("f"), options: options)
      } catch let error as WeirFileError {
        throw error
      } catch {
        Issue.record("\(error)")
        return
      }
      let batches = try reader.batches(batchRows: 100)
      while let batch = try batches.next() {
        for column in batch.columns { try? column.validate(full: false) }
      }
      let rows = (0..<5).map { _ in random.int(0..<max(reader.rowCount, 1)) }
      if reader.rowCount > 0 { _ = try reader.take(rows: rows) }
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  /// Pages of nothing but chance, and of a right header over chance.
  @Test(arguments: 0..<60)
  func randomPages(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 1_000)
    for _ in 0..<200 {
      let bytes = MutableBuffer()
      let nodes = random.int(1...4)
      let buffers = random.int(0...4)
      let tail = random.bytes(random.int(0...200))
      bytes.put(UInt16(nodes))
      bytes.put(UInt16(buffers))
      bytes.put(UInt32(8 + nodes * 32 + buffers * 8 + tail.count))
      for node in 0..<nodes {
        bytes.put(UInt8(random.int(0...25)))
        bytes.put(UInt8(random.int(0...11)))
        bytes.put(UInt8(node == nodes - 1 ? 0 : random.int(0...3)))
        bytes.put(UInt8(random.pick([0, 1, 3, 8, 23, 64])))
        bytes.put(UInt16(random.int(0...buffers)))
        bytes.put(UInt16(random.int(0...2)))
        bytes.put(UInt64(random.pick([0, 1, 5, 64, 300])))
        bytes.put(UInt64(random.int(0...70)))
        bytes.put(UInt64(random.int(0...70)))
      }
      for _ in 0..<buffers {
        bytes.put(UInt32((8 + nodes * 32 + buffers * 8 + random.int(0...60)) & ~7))
        bytes.put(UInt32(random.int(0...100)))
      }
      bytes.append(contentsOf: tail)
      guard let page = try? PageParser.parse(bytes.finish()) else { continue }
      let type = random.pick([
        DataType.bool, .int8, .int16, .float32, .int64, .utf8, .list(of: .int64), .null,
        .decimal128(precision: 9, scale: 2), .fixedSizeBinary(7),
      ])
      let sink = ColumnSink.make(type, SinkLimit(1 << 20))
      do throws(WeirFileError) {
        try sink.append(page, 0, page.count, PageDecoder(auxiliary: []))
        _ = try sink.finish()
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
  }

  @Test func whatIsNoFile() throws {
    let store = MemoryObjectStore()
    for bytes in [[], [UInt8](repeating: 0, count: 135), [UInt8](repeating: 0, count: 4_000)] {
      try store.put("f", Buffer(bytes))
      let error = #expect(throws: WeirFileError.self) { try WeirFileReader(try store.open("f")) }
      #expect(error?.code == .notWeirFile)
      #expect(error?.file == "f")
    }
  }

  @Test func wrongColumnsAndRows() throws {
    let schema = Schema([Field("a", .int64, nullable: false)])
    let column = ArrayData(type: .int64, length: 2, buffers: [Buffer([Int64(1), 2])])
    let batch = try RecordBatch(schema: schema, columns: [column])
    let reader = try WeirFileReader(
      try RoundTripTests.write([batch], schema, WeirFileWriteOptions()))
    var error = #expect(throws: WeirFileError.self) { try reader.batches(columns: ["b"]) }
    #expect(error?.column == "b" && error?.code == .invalidArgument)
    error = #expect(throws: WeirFileError.self) { try reader.batches(rows: 0..<3) }
    #expect(error?.code == .invalidArgument)
    error = #expect(throws: WeirFileError.self) { try reader.take(rows: [2]) }
    #expect(error?.message.contains("row 2") == true)
    let nulls = ArrayData(
      type: .int64, length: 1, validity: Buffer([UInt8(0)]), buffers: [Buffer([Int64(0)])])
    error = #expect(throws: WeirFileError.self) {
      try RoundTripTests.write(
        [try RecordBatch(schema: schema, columns: [nulls])], schema, WeirFileWriteOptions())
    }
    #expect(error?.column == "a")
  }
}

/// What the format cannot hold is refused before anything is written.
struct LimitTests {
  @Test func structsOfManyFields() throws {
    let fields = (0..<256).map { Field("f\($0)", .int8) }
    let error = #expect(throws: WeirFileError.self) {
      try RoundTripTests.write([], Schema([Field("s", .struct(fields))]), WeirFileWriteOptions())
    }
    #expect(error?.code == .unsupported && error?.column == "s")
  }

  @Test func rowsOfMoreItemsThanAPageHolds() throws {
    let type = DataType.largeList(Field("item", .null))
    let count = 1 << 28 + 1
    let lists = ArrayData(
      type: type, length: 1, buffers: [Buffer([Int64(0), Int64(count)])],
      children: [ArrayData(type: .null, length: count)])
    let schema = Schema([Field("l", type)])
    let error = #expect(throws: WeirFileError.self) {
      try RoundTripTests.write(
        [try RecordBatch(schema: schema, columns: [lists])], schema, WeirFileWriteOptions())
    }
    #expect(error?.code == .limitExceeded && error?.column == "l")
  }
}
