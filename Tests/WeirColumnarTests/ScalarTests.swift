// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct ScalarTests {
  @Test(arguments: [
    (0, 1970, 1, 1), (-1, 1969, 12, 31), (11_016, 2000, 2, 29), (11_017, 2000, 3, 1),
    (-719_528, 0, 1, 1), (20_413, 2025, 11, 21), (-25_508, 1900, 3, 1), (-25_509, 1900, 2, 28),
  ])
  func civilDates(days: Int, year: Int, month: Int, day: Int) {
    let date = CivilTime.Date(year: year, month: month, day: day)
    #expect(CivilTime.date(daysSinceEpoch: days) == date)
    #expect(CivilTime.daysSinceEpoch(date) == days)
  }

  @Test func everyDayOfSixCenturiesFollowsTheOneBefore() {
    var previous = CivilTime.date(daysSinceEpoch: -146_097)
    for days in -146_096..<80_000 {
      let date = CivilTime.date(daysSinceEpoch: days)
      let next =
        date.day == previous.day + 1 && date.month == previous.month && date.year == previous.year
        || date.day == 1 && previous.day >= 28
          && (date.month == previous.month + 1 && date.year == previous.year
            || date.month == 1 && previous.month == 12 && date.year == previous.year + 1)
      if !next || CivilTime.daysSinceEpoch(date) != days { Issue.record("day \(days)") }
      previous = date
    }
  }

  @Test func text() {
    let utc = DataType.timestamp(.microsecond, timeZone: "UTC")
    #expect(Scalar.int(1_700_000_000_000_001).text(as: utc) == "2023-11-14T22:13:20.000001Z")
    #expect(
      Scalar.int(-1).text(as: .timestamp(.nanosecond, timeZone: nil))
        == "1969-12-31T23:59:59.999999999")
    #expect(
      Scalar.int(.min).text(as: .timestamp(.nanosecond, timeZone: nil))
        == "1677-09-21T00:12:43.145224192")
    #expect(
      Scalar.int(.max).text(as: .timestamp(.second, timeZone: nil)).hasPrefix("+292277026596-"))
    #expect(Scalar.int(.min).text(as: .timestamp(.second, timeZone: nil)).hasPrefix("-"))
    #expect(Scalar.int(-719_529).text(as: .date32) == "-0001-12-31")
    #expect(Scalar.int(86_400_000).text(as: .date64) == "1970-01-02")
    #expect(Scalar.int(1).text(as: .date64) == "1970-01-01T00:00:00.001")
    #expect(Scalar.int(46_869).text(as: .time32(.second)) == "13:01:09")
    #expect(Scalar.int(86_400).text(as: .time32(.second)) == "86400s")
    #expect(Scalar.int(-5).text(as: .duration(.millisecond)) == "-5ms")
    #expect(Scalar.decimal(-5, scale: 2).text(as: .decimal128(precision: 9, scale: 2)) == "-0.05")
    #expect(Scalar.decimal(12345, scale: 2).text(as: .null) == "123.45")
    #expect(Scalar.decimal(12, scale: -3).text(as: .null) == "12000")
    #expect(Scalar.decimal(.min, scale: 0).text(as: .null) == String(Int128.min))
    #expect(Scalar.binary([0, 0xab]).text(as: .binary) == "00ab")
    #expect(Scalar.string("a\"b").text(as: .utf8) == "a\"b")
    #expect(
      Scalar.list([.string("a\"b"), .null]).text(as: .list(of: .utf8)) == "[\"a\\\"b\", null]")
    let map = Scalar.map([Scalar.Entry(.string("k"), .int(0))])
    #expect(map.text(as: .map(key: .utf8, value: .date32)) == "{\"k\": 1970-01-01}")
    #expect(
      map.json(as: .map(key: .utf8, value: .date32)) == "[{\"key\":\"k\",\"value\":\"1970-01-01\"}]"
    )
    #expect(
      Scalar.struct([Scalar.Member("a", .int(1))]).text(as: .struct([Field("a", .int8)]))
        == "{a: 1}")
    #expect(Scalar.float32(0.1).text(as: .float32) == "0.1")
  }

  @Test func json() {
    #expect(Scalar.float64(.nan).json(as: .float64) == "\"NaN\"")
    #expect(Scalar.float64(-.infinity).json(as: .float64) == "\"-Infinity\"")
    #expect(Scalar.float64(1e300).json(as: .float64) == "1e+300")
    #expect(
      Scalar.string("a\"\\\n\u{1}\u{2028}é").json(as: .utf8) == "\"a\\\"\\\\\\n\\u0001\\u2028é\"")
    #expect(Scalar.decimal(5, scale: 1).json(as: .null) == "\"0.5\"")
    #expect(
      Scalar.struct([Scalar.Member("a\"", .bool(true)), Scalar.Member("b", .binary([1]))])
        .json(as: .struct([Field("a\"", .bool), Field("b", .binary)]))
        == "{\"a\\\"\":true,\"b\":\"01\"}")
    #expect(
      Scalar.int(0).json(as: .dictionary(index: .int8, value: .date32, ordered: false))
        == "\"1970-01-01\"")
  }

  @Test func equality() {
    #expect(Scalar.float64(.nan) == .float64(.nan))
    #expect(Scalar.float64(0) == .float64(-0.0))
    #expect(Scalar.string("e\u{301}") != .string("é"))
    #expect(Scalar.int(1) != .uint(1))
    #expect(Set([Scalar.float32(.nan), .float32(-.nan)]).count == 1)
  }
}
