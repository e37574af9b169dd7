// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct BuilderTests {
  @Test(arguments: 0..<60)
  func buildersRoundTripRandomRows(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let type = random.type()
    let original = random.array(type, random.int(0...120))
    let expected = rows(original)
    let built = try array(type, expected)
    #expect(rows(built) == expected)
    #expect(built.nullCount == original.nullCount)
    #expect(built.offset == 0)
    #expect((built.validity == nil) == (built.nullCount == 0))
  }

  @Test(arguments: 0..<60)
  func truncateAndFailedAppendsLeaveTheRowsBefore(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let type = random.type()
    let expected = rows(random.array(type, 40))
    let builder = makeBuilder(for: type)
    var kept: [Scalar] = []
    for row in expected {
      try builder.append(row)
      kept.append(row)
      if random.chance(0.2) {
        let cut = random.int(0...kept.count)
        builder.truncate(to: cut)
        kept.removeLast(kept.count - cut)
      }
      // No type takes a map in a list of maps.
      let wrong = Scalar.list([row, .map([Scalar.Entry(.list([.map([])]), .null)])])
      #expect(throws: ColumnarError.self) { try builder.append(wrong) }
      #expect(builder.length == kept.count)
    }
    #expect(rows(builder.finish()) == kept)
    #expect(builder.length == 0)
    try builder.append(.null)
    #expect(rows(builder.finish()) == [.null])
  }

  @Test func rangeChecks() throws {
    let int8 = makeBuilder(for: .int8)
    #expect(throws: ColumnarError.self) { try int8.append(.int(128)) }
    #expect(throws: ColumnarError.self) { try int8.append(.string("1")) }
    try int8.append(.uint(127))
    try int8.append(.float64(-128))
    try int8.append(.decimal(100, scale: 2))
    #expect(rows(int8.finish()) == [.int(127), .int(-128), .int(1)])

    let float = makeBuilder(for: .float32)
    #expect(throws: ColumnarError.self) { try float.append(.float64(1e300)) }
    #expect(throws: ColumnarError.self) { try float.append(.int(16_777_217)) }
    try float.append(.float64(0.1))
    try float.append(.float64(.infinity))
    #expect(rows(float.finish()) == [.float32(0.1), .float32(.infinity)])

    let decimal = makeBuilder(for: .decimal128(precision: 4, scale: 2))
    #expect(throws: ColumnarError.self) { try decimal.append(.int(100)) }
    #expect(throws: ColumnarError.self) { try decimal.append(.decimal(1, scale: 3)) }
    try decimal.append(.int(-99))
    try decimal.append(.decimal(1_230, scale: 3))
    #expect(rows(decimal.finish()) == [.decimal(-9900, scale: 2), .decimal(123, scale: 2)])

    let text = makeBuilder(for: .utf8)
    #expect(throws: ColumnarError.self) { try text.append(.binary([0xff])) }
    try text.append(.binary([0x61]))
    #expect(rows(text.finish()) == [.string("a")])

    let dictionary = DictionaryBuilder(.dictionary(index: .int8, value: .int32, ordered: false))
    for value in 0..<128 { try dictionary.append(.int(Int64(value))) }
    #expect(throws: ColumnarError.self) { try dictionary.append(.int(128)) }
    try dictionary.append(.int(5))
    #expect(dictionary.distinctCount == 128 && dictionary.length == 129)
  }

  @Test func bulkAppends() throws {
    let builder = PrimitiveBuilder<Int32>(.date32)
    builder.append(contentsOf: Array(0..<1_000))
    builder.append(contentsOf: [nil, 5, nil])
    builder.append(7)
    let made = builder.finish()
    #expect(made.length == 1_004 && made.nullCount == 2)
    #expect(made.scalar(at: 999) == .int(999) && made.scalar(at: 1_000) == .null)
    #expect(made.scalar(at: 1_003) == .int(7))

    let bools = BooleanBuilder()
    bools.append(true)
    bools.append(contentsOf: [false, true, true])
    bools.appendNull()
    #expect(rows(bools.finish()) == [.bool(true), .bool(false), .bool(true), .bool(true), .null])
  }

  @Test func batchesRefuseHalfRowsAndNullsWhereForbidden() throws {
    let schema = Schema([Field("a", .int8), Field("b", .utf8, nullable: false)])
    let builder = RecordBatchBuilder(schema)
    try builder.append(row: [.int(1), .string("x")])
    #expect(throws: ColumnarError.self) { try builder.append(row: [.int(2), .null]) }
    #expect(throws: ColumnarError.self) { try builder.append(row: [.int(2)]) }
    let batch = try builder.finish()
    #expect(rows(batch) == [[.int(1), .string("x")]])
  }
}
