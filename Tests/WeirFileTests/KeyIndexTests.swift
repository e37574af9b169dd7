// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Rows that are looked up by a key, against comparing all of them.
struct KeyIndexTests {
  static let types: [DataType] = [
    .int64, .int32, .int8, .uint16, .uint64, .utf8, .largeBinary, .fixedSizeBinary(5),
    .decimal128(precision: 20, scale: 3), .timestamp(.microsecond, timeZone: nil), .date32,
    .dictionary(index: .int16, value: .utf8, ordered: false),
  ]

  @Test(arguments: 0..<48)
  func randomKeys(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 70)
    let type = Self.types[seed % Self.types.count]
    let schema = Schema([Field("key", type), Field("row", .int32, nullable: false)])
    var columns: [RecordBatch] = []
    var options = RoundTripTests.writeOptions(&random)
    options.keyColumns = ["key"]
    options.keyIndexBytesMax = random.pick([1_000, 100_000, 256 << 20])
    for rows in [random.pick([0, 30, 700]), 200] {
      columns.append(random.batch(schema, rows: rows))
    }
    let file = try RoundTripTests.write(columns, schema, options)
    let reader = try WeirFileReader(file)
    let written = columns.flatMap { rows($0) }
    var valueType = type
    if case .dictionary(_, let value, _) = type { valueType = value }
    for _ in 0..<5 {
      let values = (0..<random.int(1...4)).map { _ in random.pick(written)[0] }
      let literals = values.compactMap { Literal($0, as: valueType) }
      guard literals.count == values.count else { continue }
      let predicate = random.pick([
        Predicate.isIn("key", literals),
        .and([.isIn("key", literals), .compare(.greater, "row", 0)]),
      ])
      try MatchesTests.check(reader, predicate, &random)
    }
  }

  private static func reader(
    _ keys: [Int64], pageRows: Int = 65_536, indexBytes: Int = 256 << 20, rate: Double = 0.01
  ) throws -> WeirFileReader {
    let schema = Schema([Field("key", .int64, nullable: false), Field("other", .int64)])
    let column = ArrayData(type: .int64, length: keys.count, buffers: [Buffer(keys)])
    var options = WeirFileWriteOptions()
    options.keyColumns = ["key"]
    options.pageRowsMax = pageRows
    options.keyIndexBytesMax = indexBytes
    options.keyFalsePositiveRate = rate
    return try WeirFileReader(
      try RoundTripTests.write(
        [try RecordBatch(schema: schema, columns: [column, column])], schema, options))
  }

  @Test func onlyTheRowsOfTheKey() throws {
    // Keys of several pages of the index, some of them of many rows.
    let keys = (0..<30_000).map { Int64($0 % 3 == 0 ? $0 % 50 : $0) &* 7_919 }
    let reader = try Self.reader(keys)
    let column = try reader.columns(["key"])[0]
    #expect(column.decoder.auxiliary.last?.pageCount == 8)
    for key in [keys[1], keys[0], keys[20_000], keys[29_999]] {
      let matches = try reader.matches(.compare(.equal, "key", .integer(Int128(key))))
      let expected = keys.indices.filter { keys[$0] == key }
      var found: [Int] = []
      while let batch = try matches.next() {
        found += matches.rows
        #expect(rows(batch).allSatisfy { $0 == [.int(key), .int(key)] })
      }
      #expect(found == expected)
      #expect(matches.candidateRowCount <= expected.count + 1)
    }
    // What is not there is known from the filter or the index: no row is read.
    let index = try #require(KeyIndex(column, rowCount: keys.count))
    for missing in 1...100 {
      let hash = try #require(KeyHash.of(.int(Int64(missing)), .int64))
      #expect(try index.rows(hash).isEmpty)
    }
  }

  /// Many rows of one key lie on several pages of the index.
  @Test func oneKeyOfManyRows() throws {
    let keys = (0..<20_000).map { Int64($0 < 10_000 ? 5 : $0) }
    let reader = try Self.reader(keys)
    let index = try #require(
      KeyIndex(try reader.columns(["key"])[0], rowCount: keys.count))
    let hash = try #require(KeyHash.of(.int(5), .int64))
    #expect(try index.rows(hash) == Array(0..<10_000))
  }

  /// The share of absent values that pass the filter, against the rate asked for; also where the
  /// filter was made smaller in the end.
  @Test(arguments: [(0.01, 256 << 20), (0.001, 256 << 20), (0.01, 1 << 17), (0.1, 1 << 16)])
  func falsePositives(rate: Double, bytes: Int) throws {
    var random = SeededRandom(seed: 11)
    let count = 20_000
    let keys = (0..<count).map { _ in Int64(bitPattern: random.next()) }
    let reader = try Self.reader(keys, indexBytes: bytes, rate: rate)
    let statistics = try #require(try reader.statistics(reader.columns(["key"]))[0])
    let filter = statistics.filter
    for key in keys.prefix(2_000) {
      #expect(
        SplitBlockBloomFilter.mayContain(try #require(KeyHash.of(.int(key), .int64)), in: filter))
    }
    var passed = 0
    let tries = 40_000
    for _ in 0..<tries {
      let hash = try #require(KeyHash.of(.int(Int64(bitPattern: random.next())), .int64))
      if SplitBlockBloomFilter.mayContain(hash, in: filter) { passed += 1 }
    }
    // A block holds about 256·count/bits values, and each sets one of 32 bits in each of eight words:
    // Putze, Sanders, Singler. Sizes are powers of two, so that the rate is met or better.
    let expected = Self.rate(count: count, byteCount: filter.count)
    let found = Double(passed) / Double(tries)
    let deviation = 5 * (expected * (1 - expected) / Double(tries)).squareRoot()
    #expect(abs(found - expected) < deviation + 0.0003, "\(found) for \(expected)")
    #expect(expected <= rate * 1.2)
    #expect(
      filter.count
        <= 2 * SplitBlockBloomFilter.byteCount(distinctCount: count, falsePositiveRate: rate))
  }

  /// The rate in theory: blocks have Poisson numbers of values.
  private static func rate(count: Int, byteCount: Int) -> Double {
    let mean = Double(count) * 32 / Double(byteCount)
    // e^-mean by its series.
    var exponential = 1.0
    var term = 1.0
    for index in 1...80 {
      term *= mean / Double(index)
      exponential += term
    }
    var poisson = 1 / exponential
    var total = 0.0
    var empty = 1.0
    for values in 0..<80 {
      var pass = 1.0
      for _ in 0..<8 { pass *= 1 - empty }
      total += poisson * pass
      poisson *= mean / Double(values + 1)
      empty *= 31.0 / 32
    }
    return total
  }

  @Test func whatCannotBeAKey() throws {
    var options = WeirFileWriteOptions()
    for (name, type) in [("f", DataType.float32), ("l", .list(of: .int8)), ("missing", .int8)] {
      options.keyColumns = [name]
      let schema = Schema([Field(name == "missing" ? "other" : name, type)])
      let error = #expect(throws: WeirFileError.self) {
        try RoundTripTests.write([], schema, options)
      }
      #expect(error?.code == .invalidArgument && error?.column == name)
    }
  }
}
