// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct EqualityTests {
  /// Equal values in other memory: rebuilt through builders, so without offsets and garbage.
  @Test(arguments: 0..<150)
  func otherMemorySameValues(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let type = random.type()
    let original = random.array(type, random.int(0...150))
    let rebuilt = try array(type, rows(original))
    #expect(original.isEqual(to: rebuilt) && rebuilt.isEqual(to: original))
    #expect(firstDifference(original, rebuilt) == nil)
  }

  /// The naive oracle compares row by row.
  @Test(arguments: 0..<300)
  func firstDifferenceIsTheOraclesFirst(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let type = random.type()
    let length = random.int(1...150)
    let original = random.array(type, length)
    let other = random.array(type, length)
    let (aRows, otherRows) = (rows(original), rows(other))
    var bRows = aRows
    for _ in 0..<random.int(1...3) {
      let row = random.int(0..<length)
      bRows[row] = otherRows[row]
    }
    let b = try array(type, bRows)
    let expected = zip(aRows, bRows).enumerated().first { $1.0 != $1.1 }?.offset
    #expect(firstDifference(original, b)?.row == expected)
    #expect(original.isEqual(to: b) == (expected == nil))
    if let expected {
      let from = random.int(0...expected)
      let count = length - from
      let slices = (
        original.slice(offset: from, length: count), b.slice(offset: from, length: count)
      )
      #expect(firstDifference(slices.0, slices.1)?.row == expected - from)
      let before = (
        original.slice(offset: 0, length: expected), b.slice(offset: 0, length: expected)
      )
      #expect(before.0.isEqual(to: before.1))
    }
  }

  @Test func options() throws {
    let a = try array(.float64, [.float64(.nan), .float64(-0.0)])
    let b = try array(.float64, [.float64(-.nan), .float64(0)])
    #expect(a.isEqual(to: b))
    var options = EqualityOptions()
    options.nanEqual = false
    #expect(firstDifference(a, b, options: options)?.row == 0)
    options = EqualityOptions()
    options.signedZerosEqual = false
    #expect(firstDifference(a, b, options: options)?.row == 1)

    let values: [Scalar] = [.string("x"), .null, .string("y"), .string("x")]
    let dictionary = try array(.dictionary(index: .int8, value: .utf8, ordered: false), values)
    let plain = try array(.utf8, values)
    #expect(!dictionary.isEqual(to: plain))
    options = EqualityOptions()
    options.dictionaryMatters = false
    #expect(dictionary.isEqual(to: plain, options: options))
    #expect(plain.isEqual(to: dictionary, options: options))
    let other = try array(.utf8, [.string("x"), .null, .string("y"), .string("y")])
    #expect(firstDifference(dictionary, other, options: options)?.row == 3)
  }

  @Test func differencesNameThePath() throws {
    let type = DataType.struct([
      Field("a", .int32), Field("b", .list(of: .struct([Field("c", .utf8)]))),
    ])
    func row(_ a: Int64, _ c: [String]) -> Scalar {
      .struct([
        Scalar.Member("a", .int(a)),
        Scalar.Member("b", .list(c.map { .struct([Scalar.Member("c", .string($0))]) })),
      ])
    }
    let schema = Schema([Field("s", type)])
    func batch(_ rows: [Scalar]) throws -> RecordBatch {
      try RecordBatch(schema: schema, columns: [array(type, rows)])
    }
    let a = try batch([row(1, ["x"]), row(2, ["y", "z"])])
    let b = try batch([row(1, ["x"]), row(2, ["y", "Z"])])
    let found = firstDifference(a, b)
    #expect(found?.path == "s.b.item.c" && found?.row == 1)
    #expect(!a.isEqual(to: b) && a.isEqual(to: a))
    #expect(
      found?.description == "row 1 in s.b.item.c: {a: 2, b: [{c: \"y\"}, {c: \"z\"}]}"
        + " is not {a: 2, b: [{c: \"y\"}, {c: \"Z\"}]}")
    #expect(firstDifference(a, a.slice(offset: 0, length: 1))?.row == nil)
  }

  @Test func typesThatMeanTheSame() {
    let a = DataType.list(Field("item", .int32, id: 4))
    let b = DataType.list(Field("element", .int32, nullable: false))
    #expect(a != b && a.isEquivalent(to: b))
    #expect(!a.isEquivalent(to: .largeList(Field("item", .int32))))
    #expect(!DataType.struct([Field("a", .int8)]).isEquivalent(to: .struct([Field("b", .int8)])))
  }
}
