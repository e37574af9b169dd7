// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Of columns with dictionaries and pools, too, only the pages are written again that need it.
struct PageErasureTests {
  /// Places at which pages of two files have the same bytes.
  private static func samePages(_ a: FileColumn, _ b: FileColumn) -> [Bool] {
    zip(a.descriptor.pages, b.descriptor.pages).map { $0.crc == $1.crc && $0.size == $1.size }
  }

  /// The first values of a dictionary of 150,000 are in the first rows, each five times.
  @Test func onlyThePagesThatNeedIt() throws {
    let (count, distinct) = (200_000, 150_000)
    let values = (0..<count).map { row in
      SharedDictionaryTests.id(row < 50_000 ? row / 5 : row - 50_000, space: 4)
    }
    let schema = Schema([Field("a", .int64)])
    let batch = try RecordBatch(
      schema: schema, columns: [ArrayData(type: .int64, length: count, buffers: [Buffer(values)])])
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 10_000
    let reader = try WeirFileReader(try RoundTripTests.write([batch], schema, options))
    let before = try reader.allColumns()[0]
    #expect(before.descriptor.auxiliary.map(\.count) == [distinct])
    #expect(before.descriptor.auxiliary[0].pageCount == 3)
    // A value that no other row has, and one that another page's row has.
    let lonely = 190_000
    let common = 50_003
    let (file, summary) = try EraseTests.erase([lonely, common], reader)
    #expect(
      summary
        == WeirFileEraser.Summary(
          rowCount: 2, rewrittenPageCount: 2, copiedPageCount: 18, rewrittenAuxiliaryPageCount: 1,
          copiedAuxiliaryPageCount: 2))
    let result = try WeirFileReader(file)
    let after = try result.allColumns()[0]
    #expect(
      Self.samePages(before, after).enumerated().filter { !$0.element }.map(\.offset) == [5, 19])
    #expect(result.problems().map(\.message) == [])
    #expect(after.descriptor.auxiliary.map(\.count) == [distinct])
    let (old, new) = (before.decoder.auxiliary[0], after.decoder.auxiliary[0])
    #expect(try Self.differences(old, new) == [values[lonely]])
    let found = try RoundTripTests.all(result.batches()).map { $0[0] }
    for (row, value) in found.enumerated() {
      let expected: Scalar = row == lonely || row == common ? .null : .int(values[row])
      if value != expected {
        #expect(value == expected, "row \(row)")
        return
      }
    }
    // Once more: what was blank stays as it is.
    let (again, second) = try EraseTests.erase([0], result)
    #expect(second.rewrittenPageCount == 1)
    #expect(second.rewrittenAuxiliaryPageCount == 0, "another row has the value")
    #expect(try WeirFileReader(again).problems().isEmpty)
  }

  /// Values of a dictionary of 8-byte numbers that another one has not.
  private static func differences(
    _ old: AuxiliaryArray, _ new: AuxiliaryArray
  ) throws -> [Int64] {
    func values(_ array: AuxiliaryArray) throws -> Set<Int64> {
      var result: Set<Int64> = []
      for index in 0..<array.pageCount {
        let page = try array.page(index)
        let sink = ColumnSink.make(.int64, SinkLimit(1 << 26))
        try sink.append(page, 0, page.count, array.decoder)
        for case .int(let value) in rows(try sink.finish()) { result.insert(value) }
      }
      return result
    }
    return try values(old).subtracting(values(new)).sorted()
  }

  /// A value goes when no column has it any more that shares the dictionary.
  @Test(arguments: [true, false], WeirFileWriteOptions.Profile.allCases)
  func sharedDictionaries(nullable: Bool, profile: WeirFileWriteOptions.Profile) throws {
    let list = DataType.list(of: .int64, nullable: false)
    let schema = Schema([
      Field("lists", list, nullable: nullable), Field("ids", .int64, nullable: nullable),
      Field("other", list, nullable: nullable),
    ])
    let ids = (0..<1_200).map { SharedDictionaryTests.id($0, space: 8) }
    // Row 700 alone has id 1,000, in two columns; id 1,001 is in row 701 of one and row 20 of another.
    let builders = schema.fields.map { makeBuilder(for: $0.type) }
    for row in 0..<3_000 {
      let some = (0..<4).map { ids[(row * 7 + $0 * 31) % 1_000] }
      let special: [Int64] = row == 700 ? [ids[1_000]] : row == 701 ? [ids[1_001]] : []
      try builders[0].append(.list((some + special).map { .int($0) }))
      try builders[1].append(.int(row == 700 ? ids[1_000] : row == 20 ? ids[1_001] : some[0]))
      try builders[2].append(.list(some.reversed().map { .int($0) }))
    }
    let batch = try RecordBatch(schema: schema, columns: builders.map { $0.finish() })
    var options = WeirFileWriteOptions()
    options.profile = profile
    options.pageRowsMax = 500
    let reader = try WeirFileReader(try RoundTripTests.write([batch], schema, options))
    let before = try reader.allColumns()
    #expect(Set(before.map(\.tableOffsets)).count == 1, "they share one dictionary")
    let written = rows(batch)

    // Of one column: the other's row keeps the value.
    let (first, _) = try EraseTests.erase([700, 701], columns: ["lists"], reader)
    let one = try WeirFileReader(first)
    let array = try one.allColumns()[0].decoder.auxiliary[0]
    #expect(try Self.differences(before[0].decoder.auxiliary[0], array) == [])
    #expect(Set(try one.allColumns().map(\.tableOffsets)).count == 1)
    // Of all: it is gone, and what stays elsewhere stays.
    let (second, summary) = try EraseTests.erase([700, 701], one)
    let all = try WeirFileReader(second)
    #expect(all.problems().map(\.message) == [])
    #expect(
      try Self.differences(array, all.allColumns()[0].decoder.auxiliary[0]) == [ids[1_000]])
    #expect(summary.rewrittenPageCount == 3 && summary.copiedPageCount == 15)
    #expect(summary.rewrittenAuxiliaryPageCount == 1)
    #expect(Set(try all.allColumns().map(\.tableOffsets)).count == 1)
    let found = try RoundTripTests.all(all.batches())
    for row in written.indices where row != 700 && row != 701 {
      #expect(found[row] == written[row])
    }
    let blanks: [Scalar] =
      nullable
      ? [Scalar.null, Scalar.null, Scalar.null]
      : [Scalar.list([]), Scalar.int(0), Scalar.list([])]
    #expect(found[700] == blanks)
    #expect(second.size < reader.file.size + 2_000)
  }

  /// Lists that slide share their items: those of erased rows alone go, and pages stay windows.
  @Test(arguments: 0..<20)
  func pools(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 900)
    let batch = try WindowTests.batch(&random, rows: 900, large: seed % 3 == 0)
    var options = WeirFileWriteOptions()
    options.profile = random.pick([.fast, .compact])
    options.pageRowsMax = random.pick([50, 300])
    let reader = try WeirFileReader(try RoundTripTests.write([batch], batch.schema, options))
    let before = try reader.allColumns()[0]
    guard before.descriptor.auxiliary.contains(where: { $0.role == .pool }) else { return }
    let erased = (0..<random.pick([1, 5, 60])).map { _ in random.int(0..<900) }
    let (file, summary) = try EraseTests.erase(erased, reader)
    let result = try WeirFileReader(file)
    let after = try result.allColumns()[0]
    #expect(result.problems().map(\.message) == [])
    let size = options.pageRowsMax
    #expect(summary.rewrittenPageCount == Set(erased.map { $0 / size }).count)
    #expect(before.descriptor.auxiliary.map(\.count) == after.descriptor.auxiliary.map(\.count))
    var written = rows(batch)
    for row in erased { written[row] = [.null] }
    #expect(try RoundTripTests.all(result.batches(batchRows: 64)) == written)
    // Nothing else is in the pool than items of rows that stay.
    var items: Set<Int64> = [0]
    for row in written {
      guard case .list(let list) = row[0] else { continue }
      for case .int(let item) in list { items.insert(item) }
    }
    let pool = try #require(after.decoder.auxiliary.last { $0.role == .pool })
    for index in 0..<pool.pageCount {
      let page = try pool.page(index)
      let sink = ColumnSink.make(batch.schema.fields[0].type.children[0].type, SinkLimit(1 << 26))
      try sink.append(page, 0, page.count, pool.decoder)
      for case .int(let item) in rows(try sink.finish()) where !items.contains(item) {
        Issue.record("\(item) is left")
        return
      }
    }
  }
}
