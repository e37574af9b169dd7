// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@Suite struct LiteralConversionTests {
  private func converted(_ text: String, _ type: DataType) throws -> ConvertedLiteral {
    guard case .compare(_, _, let literal) = try Predicate(parsing: "a = \(text)") else {
      preconditionFailure("no comparison")
    }
    return try literal.converted(to: type)
  }

  @Test func integers() throws {
    #expect(try converted("127", .int8) == .exact(.int(127)))
    #expect(try converted("128", .int8) == .aboveAll)
    #expect(try converted("-129", .int8) == .belowAll)
    #expect(try converted("-1", .uint64) == .belowAll)
    #expect(try converted("18446744073709551615", .uint64) == .exact(.uint(.max)))
    #expect(try converted("-1.5", .int32) == .between(floor: .int(-2)))
    #expect(try converted("2.0", .int32) == .exact(.int(2)))
    #expect(try converted("1e300", .int64) == .aboveAll)
    #expect(try converted("9007199254740993e0", .int64) == .exact(.int(9_007_199_254_740_992)))
    #expect(try converted("decimal '1e-10000'", .int64) == .between(floor: .int(0)))
    #expect(try converted("decimal '-1e10000'", .int64) == .belowAll)
    #expect(try converted("double 'NaN'", .int64) == .unordered)
    #expect(try converted("42", .duration(.second)) == .exact(.int(42)))
  }

  @Test func decimals() throws {
    let type = DataType.decimal128(precision: 9, scale: 2)
    #expect(try converted("1.5", type) == .exact(.decimal(150, scale: 2)))
    #expect(try converted("1.505", type) == .between(floor: .decimal(150, scale: 2)))
    #expect(try converted("-1.505", type) == .between(floor: .decimal(-151, scale: 2)))
    #expect(try converted("1e-1", type) == .exact(.decimal(10, scale: 2)))
    #expect(try converted("'14.20'", type) == .exact(.decimal(1_420, scale: 2)))
    #expect(try converted("170141183460469231731687303715884105727", type) == .aboveAll)
    #expect(try converted("double '-Infinity'", type) == .belowAll)
  }

  @Test func floats() throws {
    #expect(try converted("0.1", .float32) == .exact(.float32(0.1)))
    #expect(try converted("1e-1", .float32) == .between(floor: .float32(Float(0.1).nextDown)))
    #expect(try converted("0.1", .float64) == .exact(.float64(0.1)))
    #expect(try converted("16777217", .float32) == .between(floor: .float32(16_777_216)))
    #expect(
      try converted("9007199254740993", .float64)
        == .between(floor: .float64(9_007_199_254_740_992)))
    #expect(try converted("1e39", .float32) == .between(floor: .float32(.greatestFiniteMagnitude)))
    #expect(try converted("-1e39", .float32) == .between(floor: .float32(-.infinity)))
    #expect(try converted("double 'Infinity'", .float16) == .exact(.float16(.infinity)))
    #expect(try converted("65504", .float16) == .exact(.float16(65_504)))
    #expect(try converted("65505", .float16) == .between(floor: .float16(65_504)))
    #expect(
      try converted("decimal '1e400'", .float64)
        == .between(floor: .float64(.greatestFiniteMagnitude)))
    #expect(
      try converted("170141183460469231731687303715884105727", .float64)
        == .between(floor: .float64(0x1p127.nextDown)))
  }

  @Test func times() throws {
    let second = DataType.timestamp(.second, timeZone: nil)
    let zoned = DataType.timestamp(.microsecond, timeZone: "Europe/Berlin")
    #expect(try converted("'1970-01-02'", second) == .exact(.int(86_400)))
    #expect(try converted("timestamp '1970-01-01 00:00:00.5'", second) == .between(floor: .int(0)))
    #expect(try converted("timestamp '1969-12-31 23:59:59.5'", second) == .between(floor: .int(-1)))
    #expect(try converted("date '1970-01-02'", zoned) == .exact(.int(86_400_000_000)))
    #expect(try converted("'1970-01-01T02:00:00+02:00'", zoned) == .exact(.int(0)))
    #expect(try converted("timestamp '1970-01-01 00:00'", zoned) == .exact(.int(0)))
    #expect(
      try converted("date '2300-01-01'", .timestamp(.nanosecond, timeZone: nil)) == .aboveAll)
    #expect(try converted("timestamp '1970-01-02 12:00'", .date32) == .between(floor: .int(1)))
    #expect(try converted("'1970-01-02 12:00'", .date64) == .exact(.int(129_600_000)))
    #expect(
      try converted("'10:00:00.0005'", .time32(.millisecond)) == .between(floor: .int(36_000_000)))
    #expect(throws: ColumnarError.self) { try converted("'1970-01-01 00:00Z'", second) }
    #expect(throws: ColumnarError.self) { try converted("'yesterday'", second) }
    #expect(throws: ColumnarError.self) { try converted("5", .date32) }
  }

  @Test func outOfRangeTestsStayNullAware() throws {
    let schema = Schema([Field("a", .int8)])
    for (text, expected) in [
      ("a < 300", "a IS NOT NULL"), ("a = 300", "FALSE"), ("a != 300", "a IS NOT NULL"),
      ("a >= 1.5", "a > 1"), ("a < 1.5", "a <= 1"), ("NOT a < 1.5", "a > 1"),
      ("a IN (300, 2, 2.0)", "a = 2"), ("a NOT IN (300)", "a IS NOT NULL"),
      ("a IN (1000)", "FALSE"),
      ("NOT (a = 1 AND a > 3)", "a != 1 OR a <= 3"), ("a = 1 AND (a = 1 AND TRUE)", "a = 1"),
      ("a = 2 OR a > 5 OR a IN (1, 2, 3)", "a IN (1, 2, 3) OR a > 5"),
      ("a != 2 AND NOT a = 1", "a NOT IN (1, 2)"), ("a = 1 AND a = 2", "a = 1 AND a = 2"),
      ("a = 1 OR TRUE", "TRUE"), ("a IS NAN", "FALSE"),
    ] {
      #expect(try BoundPredicate(parsing: text, schema: schema).predicate.description == expected)
    }
  }

  @Test func orderOfScalars() {
    #expect(Scalar.order(.int(-1), .uint(.max)) == -1)
    #expect(Scalar.order(.decimal(150, scale: 2), .decimal(15, scale: 1)) == 0)
    #expect(Scalar.order(.decimal(.max, scale: 0), .decimal(1, scale: 38)) == 1)
    #expect(Scalar.order(.decimal(-1, scale: 60), .int(0)) == -1)
    #expect(Scalar.order(.float32(0.1), .float64(0.1)) == 1)
    #expect(Scalar.order(.float64(-0.0), .float64(0)) == 0)
    #expect(Scalar.order(.float64(.nan), .float64(0)) == nil)
    #expect(Scalar.order(.string("a"), .binary([0x61, 0])) == -1)
    #expect(Scalar.order(.string("\u{10000}"), .string("\u{ffff}")) == 1)
    #expect(Scalar.order(.null, .int(1)) == nil)
  }
}
