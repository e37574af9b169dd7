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

  @Test(arguments: 0..<150)
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
