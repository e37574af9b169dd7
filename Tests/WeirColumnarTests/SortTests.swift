// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct SortTests {
  /// Negative, zero or positive, as `a` comes before, with or after `b`; both are no nulls.
  private func order(_ a: Scalar, _ b: Scalar) -> Int {
    func compare<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a > b ? 1 : 0 }
    func compareFloats<T: BinaryFloatingPoint>(_ a: T, _ b: T) -> Int {
      a.isNaN || b.isNaN ? compare(a.isNaN ? 1 : 0, b.isNaN ? 1 : 0) : compare(a, b)
    }
    func compareBytes(_ a: [UInt8], _ b: [UInt8]) -> Int {
      a.lexicographicallyPrecedes(b) ? -1 : b.lexicographicallyPrecedes(a) ? 1 : 0
    }
    switch (a, b) {
    case (.bool(let a), .bool(let b)): return compare(a ? 1 : 0, b ? 1 : 0)
    case (.int(let a), .int(let b)): return compare(a, b)
    case (.uint(let a), .uint(let b)): return compare(a, b)
    case (.float16(let a), .float16(let b)): return compareFloats(a, b)
    case (.float32(let a), .float32(let b)): return compareFloats(a, b)
    case (.float64(let a), .float64(let b)): return compareFloats(a, b)
    case (.decimal(let a, _), .decimal(let b, _)): return compare(a, b)
    case (.string(let a), .string(let b)): return compareBytes(Array(a.utf8), Array(b.utf8))
    case (.binary(let a), .binary(let b)): return compareBytes(a, b)
    default: preconditionFailure("no order of \(a) and \(b)")
    }
  }

  private func expected(_ batch: RecordBatch, _ keys: [SortKey]) -> [Int] {
    let columns = keys.map { rows(batch.columns[$0.column]) }
    return (0..<batch.rowCount).sorted { a, b in
      for (key, column) in zip(keys, columns) {
        let result: Int
        switch (column[a].isNull, column[b].isNull) {
        case (true, true): continue
        case (true, false): result = key.nullsFirst ? -1 : 1
        case (false, true): result = key.nullsFirst ? 1 : -1
        default: result = order(column[a], column[b]) * (key.descending ? -1 : 1)
        }
        if result != 0 { return result < 0 }
      }
      return a < b
    }
  }

  @Test(arguments: 0..<150)
  func sortsLikeTheOracle(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var options = RandomOptions()
    options.depthMax = 0
    options.bytesMax = random.pick([2, 12, 30])
    let schema = random.schema(options, columns: 3)
    let batch = random.batch(schema, rows: random.pick([0, 1, 2, 50, 300, 1_000]), options)
    let keys = (0..<random.int(0...3)).map { _ in
      SortKey(random.int(0..<3), descending: random.chance(0.5), nullsFirst: random.chance(0.5))
    }
    let indices = try batch.sortIndices(by: keys)
    #expect(indices == expected(batch, keys))
    #expect(
      rows(try batch.sorted(by: keys)).map { $0.count }
        == [Int](repeating: 3, count: batch.rowCount))
  }

  @Test func stringsThatShareTheirPrefix() throws {
    let words = [
      "", "\0", "a", "a\0", "a\0\0", "abcdefgh", "abcdefgh\0", "abcdefghi", "abcdefg", "b",
    ]
    var random = SeededRandom(seed: 3)
    let column = try array(.utf8, (0..<800).map { _ in .string(random.pick(words)) })
    let batch = try RecordBatch(schema: Schema([Field("s", .utf8)]), columns: [column])
    for descending in [false, true] {
      let keys = [SortKey(0, descending: descending)]
      #expect(try batch.sortIndices(by: keys) == expected(batch, keys))
    }
  }

  @Test func dictionariesSortByValue() throws {
    let type = DataType.dictionary(index: .int8, value: .utf8, ordered: false)
    // The dictionary holds a null and one value twice.
    let dictionary = try array(.utf8, [.string("z"), .null, .string("a"), .string("z")])
    let column = ArrayData(
      type: type, length: 5, buffers: [Buffer([Int8(3), 1, 0, 2, 3])], dictionary: dictionary)
    #expect(try column.sortIndices() == [3, 0, 2, 4, 1])
    #expect(try column.sortIndices(descending: true, nullsFirst: true) == [1, 0, 2, 4, 3])
  }

  @Test func refusals() throws {
    let list = try array(.list(of: .int8), [.list([])])
    let batch = try RecordBatch(schema: Schema([Field("l", list.type)]), columns: [list])
    #expect(throws: ColumnarError.self) { try batch.sortIndices(by: [SortKey(1)]) }
    #expect(throws: ColumnarError.self) { try batch.sortIndices(by: [SortKey(-1)]) }
    do throws(ColumnarError) {
      _ = try batch.sortIndices(by: [SortKey(0)])
      Issue.record("sorted by a list")
    } catch { #expect(error.code == .unsupported && error.column == "l") }
  }
}
