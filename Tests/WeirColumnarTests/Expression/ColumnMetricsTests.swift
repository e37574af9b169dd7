// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@Suite struct ColumnMetricsTests {
  private struct Bounds: ColumnBounds {
    var columns: [String: ColumnMetrics]
    func metrics(of column: BoundColumn) -> ColumnMetrics {
      columns[column.name] ?? ColumnMetrics()
    }
  }

  private let schema = Schema([
    Field("i", .int64), Field("s", .utf8), Field("f", .float64),
    Field("r", .struct([Field("x", .int32)])),
  ])

  /// "must", "may" or "no".
  private func decision(_ text: String, _ columns: [String: ColumnMetrics]) throws -> String {
    let bound = try BoundPredicate(parsing: text, schema: schema)
    let bounds = Bounds(columns: columns)
    #expect(bound.residual(bounds).isAlwaysTrue == bound.mustMatch(bounds))
    #expect(bound.residual(bounds).isNeverTrue == !bound.mayMatch(bounds))
    return bound.mustMatch(bounds) ? "must" : bound.mayMatch(bounds) ? "may" : "no"
  }

  @Test func numbers() throws {
    let metrics = [
      "i": ColumnMetrics(lower: .int(10), upper: .int(20), nullCount: 0, valueCount: 5)
    ]
    for (text, expected) in [
      ("i < 10", "no"), ("i <= 10", "may"), ("i < 21", "must"), ("i <= 20", "must"),
      ("i > 20", "no"), ("i >= 20", "may"), ("i > 9", "must"), ("i >= 10", "must"), ("i = 9", "no"),
      ("i = 15", "may"), ("i != 15", "may"), ("i != 9", "must"), ("i IN (1, 9, 21)", "no"),
      ("i IN (1, 15, 21)", "may"), ("i NOT IN (1, 9, 21)", "must"), ("i IS NULL", "no"),
      ("i IS NOT NULL", "must"), ("i < 1e300", "must"), ("i > 9.5 AND i < 20.5", "must"),
      ("i < 10 OR i > 20", "no"), ("i < 15 OR i > 9", "must"), ("NOT i < 10", "must"),
      ("i < 10 AND s = 'x'", "no"), ("i > 9 OR s = 'x'", "must"), ("r.x > 1", "may"),
    ] {
      #expect(try decision(text, metrics) == expected, "\(text)")
    }
  }

  @Test func nulls() throws {
    let some = ["i": ColumnMetrics(lower: .int(1), upper: .int(1), nullCount: 2, valueCount: 5)]
    #expect(try decision("i = 1", some) == "may")
    #expect(try decision("i != 1", some) == "no")
    #expect(try decision("i = 2", some) == "no")
    #expect(try decision("i IS NULL", some) == "may")
    let all = ["i": ColumnMetrics(constant: .null, rows: 5)]
    #expect(try decision("i = 1", all) == "no")
    #expect(try decision("i IS NULL", all) == "must")
    #expect(try decision("i IS NOT NULL", all) == "no")
    // Others count nulls as unequal.
    #expect(try decision("i != 1", all) == "may")
    let constant = ["i": ColumnMetrics(constant: .int(1))]
    #expect(try decision("i = 1", constant) == "must")
    #expect(try decision("i IN (1, 2)", constant) == "must")
    #expect(try decision("i NOT IN (1, 2)", constant) == "no")
    let uncounted = ["i": ColumnMetrics(lower: .int(1), upper: .int(1))]
    #expect(try decision("i = 1", uncounted) == "may")
  }

  @Test func prefixes() throws {
    // "abc…" to "ad…", both cut to two bytes and the upper one rounded up.
    let metrics = [
      "s": ColumnMetrics(lower: .string("ab"), upper: .binary([0x61, 0x65]), nullCount: 0)
    ]
    for (text, expected) in [
      ("s LIKE 'a%'", "must"), ("s LIKE 'abc%'", "may"), ("s LIKE 'ae%'", "may"),
      ("s LIKE 'af%'", "no"), ("s LIKE 'aa%'", "no"), ("s LIKE 'b%'", "no"),
      ("s NOT LIKE 'a%'", "no"), ("s NOT LIKE 'b%'", "must"), ("s LIKE 'af%x'", "no"),
      ("s LIKE 'ab%x'", "may"), ("s LIKE '%x'", "may"), ("s NOT LIKE 'af_'", "must"),
      ("s = 'aa'", "no"), ("s = 'abc'", "may"), ("s < 'ab'", "no"), ("s <= 'ae'", "must"),
    ] {
      #expect(try decision(text, metrics) == expected, "\(text)")
    }
  }

  @Test func notANumber() throws {
    let none = ColumnMetrics(
      lower: .float64(1), upper: .float64(2), nullCount: 0, nanCount: 0, valueCount: 9)
    var some = none
    some.nanCount = 3
    var unknown = none
    unknown.nanCount = nil
    let only = ColumnMetrics(constant: .float64(.nan), rows: 9)
    let broken = ColumnMetrics(
      lower: .float64(.nan), upper: .float64(.nan), nullCount: 0, nanCount: 0, valueCount: 9)
    for (text, expected) in [
      ("f >= 1e0", ["must", "may", "may", "no", "may"]),
      ("NOT f >= 1e0", ["no", "may", "may", "must", "may"]),
      ("f < 1e0", ["no", "no", "no", "no", "may"]),
      ("NOT f < 1e0", ["must", "must", "must", "must", "may"]),
      ("f IS NAN", ["no", "may", "may", "must", "no"]),
      ("f IS NOT NAN", ["must", "may", "may", "no", "must"]),
      ("f != 3e0", ["must", "must", "must", "must", "may"]),
    ] {
      let found = try [none, some, unknown, only, broken].map { try decision(text, ["f": $0]) }
      #expect(found == expected, "\(text)")
    }
  }

  @Test func residualsKeepWhatIsOpen() throws {
    let bound = try BoundPredicate(parsing: "i > 5 AND s = 'x' OR i = 3", schema: schema)
    let bounds = Bounds(columns: ["i": ColumnMetrics(constant: .int(7))])
    let residual = bound.residual(bounds)
    #expect(residual.predicate.description == "s = 'x'")
    #expect(residual.columns.map(\.name) == ["s"])
  }
}
