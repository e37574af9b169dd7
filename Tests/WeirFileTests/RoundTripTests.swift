// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// What the writer writes, the reader reads.
struct RoundTripTests {
  static func writeOptions(_ random: inout SeededRandom) -> WeirFileWriteOptions {
    var options = WeirFileWriteOptions()
    options.profile = random.pick([.fast, .compact])
    options.pageRowsMax = random.pick([1, 13, 300, 65_536])
    options.pageBytesMax = random.pick([1, 500, 4 << 20])
    options.bufferBytesMax = random.pick([100, 256 << 20])
    options.windowBytesMax = random.pick([0, 500, 128 << 20])
    options.dictionaryBytesMax = random.pick([100, 16 << 20])
    options.bucketPageBytesMax = random.pick([0, 200, 16 << 10])
    options.partBytesMin = random.pick([0, 1, 300, 64 << 10])
    return options
  }

  static func write(
    _ batches: [RecordBatch], _ schema: Schema, _ options: WeirFileWriteOptions
  ) throws -> any ObjectReader {
    let store = MemoryObjectStore()
    let writer = try WeirFileWriter(
      try store.create("f.weir", condition: .none), schema: schema, options: options)
    for batch in batches { try writer.write(batch) }
    try writer.close()
    return try store.open("f.weir")
  }

  static func all(_ batches: WeirFileBatches) throws -> [[Scalar]] {
    var result: [[Scalar]] = []
    while let batch = try batches.next() { result += rows(batch) }
    return result
  }

  @Test(arguments: 0..<80)
  func randomBatches(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let schema = random.schema()
    let batches = (0..<random.int(1...3)).map { _ in
      random.batch(schema, rows: random.pick([0, 1, 9, 150, 700]))
    }
    let file = try Self.write(batches, schema, Self.writeOptions(&random))
    let reader = try WeirFileReader(file)
    let written = batches.flatMap { rows($0) }
    #expect(try reader.schema.fields.map(\.type) == schema.fields.map(\.type))
    let read = try Self.all(reader.batches(batchRows: random.pick([1, 7, 100, 65_536])))
    #expect(read == written, "\(schema)")

    // A part of the columns and rows, then single rows in any order.
    let names = schema.fields.map(\.name).filter { _ in random.chance(0.5) }
    let places = names.map { schema.index(of: $0)! }
    let first = random.int(0...written.count)
    let range = first..<random.int(first...written.count)
    let part = try Self.all(reader.batches(columns: names, rows: range, batchRows: 50))
    #expect(part == written[range].map { row in places.map { row[$0] } })
    if written.isEmpty { return }
    let chosen = (0..<random.int(0...20)).map { _ in random.int(0..<written.count) }
    #expect(try rows(reader.take(rows: chosen)) == chosen.map { written[$0] })
  }
}

/// Columns are found by name and by field id, whatever their number.
struct DirectoryTests {
  @Test(arguments: [1, 2, 40, 700])
  func columnsByNameAndID(count: Int) throws {
    for step in [1, 3] {
      let fields = (0..<count).map { Field("c\($0)", .int32, id: Int32(10 + $0 * step)) }
      let columns = (0..<count).map {
        ArrayData(type: .int32, length: 1, buffers: [Buffer([Int32($0)])])
      }
      // In another order than that of their ids.
      let schema = Schema(fields.reversed())
      let batch = try RecordBatch(schema: schema, columns: columns.reversed())
      let file = try RoundTripTests.write([batch], schema, WeirFileWriteOptions())
      let reader = try WeirFileReader(file)
      let names = [count - 1, 0, count / 2].map { "c\($0)" }
      let values = [count - 1, 0, count / 2].map { [Scalar.int(Int64($0))] }
      for _ in 0..<2 {
        let read = try reader.take(rows: [0], columns: names)
        #expect(read.columns.map { [$0.scalar(at: 0)] } == values)
      }
      let ids = [Int32(10), Int32(10 + (count - 1) * step), 9, Int32(10 + count * step)]
      #expect(try reader.columns(ids: ids).fields.map(\.name) == ["c0", "c\(count - 1)"])
      let error = #expect(throws: WeirFileError.self) { try reader.take(rows: [0], columns: ["x"]) }
      #expect(error?.column == "x")
      #expect(try reader.schema.fields.map(\.name) == schema.fields.map(\.name))
    }
  }
}

/// Lists that repeat and slide from row to row.
struct WindowTests {
  /// Histories of users that grow at one end and are cut at the other, in the order of events.
  static func batch(_ random: inout SeededRandom, rows: Int, large: Bool) throws -> RecordBatch {
    let users = random.int(1...40)
    let newestFirst = random.chance(0.5)
    var histories = (0..<users).map { _ in
      (0..<random.int(0...30)).map { _ in Int64(random.int(0..<5_000)) }
    }
    let type = random.pick([DataType.int64, .int32])
    let builder = makeBuilder(for: .list(of: type, nullable: false))
    for _ in 0..<rows {
      let user = random.int(0..<users)
      for _ in 0..<random.pick([0, 0, 1, 3]) {
        let item =
          large && type == .int64
          ? Int64(bitPattern: random.next()) : Int64(random.int(0..<5_000))
        if newestFirst {
          histories[user].insert(item, at: 0)
          if histories[user].count > 30 { histories[user].removeLast() }
        } else {
          histories[user].append(item)
          if histories[user].count > 30 { histories[user].removeFirst() }
        }
      }
      if random.chance(0.02) {
        builder.appendNull()
      } else {
        try builder.append(.list(histories[user].map { Scalar.int($0) }))
      }
    }
    let schema = Schema([Field("recent", .list(of: type, nullable: false))])
    return try RecordBatch(schema: schema, columns: [builder.finish()])
  }

  @Test(arguments: 0..<40)
  func slidingLists(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let batch = try Self.batch(&random, rows: random.pick([5, 200, 900]), large: seed % 3 == 0)
    var options = WeirFileWriteOptions()
    options.profile = random.pick([.fast, .compact])
    options.pageRowsMax = random.pick([50, 300, 65_536])
    options.windowBytesMax = random.pick([1, 20_000, 128 << 20])
    let file = try RoundTripTests.write([batch], batch.schema, options)
    let reader = try WeirFileReader(file)
    let written = rows(batch)
    #expect(try RoundTripTests.all(reader.batches(batchRows: 64)) == written)
    let chosen = (0..<30).map { _ in random.int(0..<written.count) }
    #expect(try rows(reader.take(rows: chosen)) == chosen.map { written[$0] })
  }

  /// A hundred rows of one user share one list.
  @Test func sharedItemsAreKeptOnce() throws {
    let builder = makeBuilder(for: .list(of: .int64))
    for row in 0..<1_000 {
      try builder.append(.list((row..<row + 100).map { .int(Int64($0 * 7_919 % 100_003)) }))
    }
    let schema = Schema([Field("recent", .list(of: .int64))])
    let batch = try RecordBatch(schema: schema, columns: [builder.finish()])
    let file = try RoundTripTests.write([batch], schema, WeirFileWriteOptions())
    let column = try WeirFileReader(file).columns(["recent"])[0]
    #expect(column.descriptor.auxiliary.map(\.count) == [1_099])
    #expect(column.descriptor.auxiliary.map(\.role) == [.pool])
  }
}
