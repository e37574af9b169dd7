// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Lists that share items, as the lists that differ and each row's number of one.
struct UniqueListTests {
  @Test(arguments: 0..<30)
  func numbersOfLists(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let batch = try WindowTests.batch(
      &random, rows: random.pick([1, 200, 900]), large: seed % 3 == 0)
    var options = WeirFileWriteOptions()
    options.profile = random.pick([.fast, .compact])
    options.pageRowsMax = random.pick([50, 300, 65_536])
    options.windowBytesMax = random.pick([1, 20_000, 128 << 20])
    let reader = try WeirFileReader(RoundTripTests.write([batch], batch.schema, options))
    let pools = try reader.columns(["recent"])[0].descriptor.auxiliary.filter { $0.role == .pool }
    let written = rows(batch)
    let range = random.int(0...batch.rowCount / 2)..<batch.rowCount
    let batches = try reader.batches(
      rows: range, batchRows: random.pick([1, 64, 2_000]), uniqueLists: true)
    let type = batch.schema.fields[0].type
    #expect(
      batches.schema.fields[0].type
        == (pools.isEmpty ? type : .dictionary(index: .int32, value: type, ordered: false)))
    var read: [[Scalar]] = []
    while let some = try batches.next() {
      try some.columns[0].validate(full: true)
      read += rows(some)
      guard let lists = some.columns[0].dictionary else { continue }
      #expect(lists.length <= some.rowCount)
      // First appearances ascend.
      let numbers = some.columns[0].buffers[0].array(of: Int32.self)
      var next: Int32 = 0
      for number in numbers {
        #expect(number <= next)
        next = max(next, number + 1)
      }
      #expect(Int(next) == lists.length)
    }
    #expect(read == written[range].map { $0 })
  }

  /// Rows that repeat a list share one.
  @Test func repeatedListsAreDecodedOnce() throws {
    let builder = makeBuilder(for: .list(of: .int64))
    for row in 0..<1_000 {
      let first = row % 7
      try builder.append(.list((first..<first + 20).map { .int(Int64($0 * 7_919)) }))
    }
    let schema = Schema([Field("recent", .list(of: .int64))])
    let batch = try RecordBatch(schema: schema, columns: [builder.finish()])
    let file = try RoundTripTests.write([batch], schema, WeirFileWriteOptions())
    let batches = try WeirFileReader(file).batches(uniqueLists: true)
    let read = try #require(try batches.next())
    #expect(read.columns[0].dictionary?.length == 7)
    #expect(rows(read) == rows(batch))
  }
}
