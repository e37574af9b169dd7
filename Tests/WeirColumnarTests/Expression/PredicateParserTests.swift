// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct PredicateParserTests {
  private func parsed(_ text: String) throws -> Predicate { try Predicate(parsing: text) }

  private func message(_ text: String) -> String {
    do throws(ColumnarError) {
      return "parsed: \(try Predicate(parsing: text))"
    } catch { return error.description }
  }

  @Test func comparisons() throws {
    #expect(try parsed("a = 1") == .compare(.equal, "a", 1))
    #expect(try parsed("a == 1") == .compare(.equal, "a", 1))
    #expect(try parsed("a<>-1") == .compare(.notEqual, "a", -1))
    #expect(try parsed("a != +1") == .compare(.notEqual, "a", 1))
    #expect(try parsed("5 < a.b") == .compare(.greater, "a.b", 5))
    #expect(
      try parsed("\"a.b\" >= 1.50")
        == .compare(.greaterOrEqual, Term(path: ["a.b"]), .decimal(150, scale: 2)))
    #expect(
      try parsed("`x y` <= 1e3") == .compare(.lessOrEqual, Term(path: ["x y"]), .double(1_000)))
    #expect(try parsed("a = 'it''s'") == .compare(.equal, "a", "it's"))
    #expect(try parsed("a = X'00fF'") == .compare(.equal, "a", .binary([0, 255])))
    #expect(try parsed("a = .5") == .compare(.equal, "a", .decimal(5, scale: 1)))
    #expect(try parsed("größe > 1") == .compare(.greater, "größe", 1))
    #expect(
      try parsed("bucket(16, id) = 3")
        == .compare(.equal, Term(path: ["id"], transform: .init("bucket", argument: 16)), 3))
    #expect(
      try parsed("day(ts.x) = date '1970-01-02'")
        == .compare(.equal, Term(path: ["ts", "x"], transform: .init("day")), .date(1)))
  }

  @Test func literalsOfTime() throws {
    #expect(try parsed("d = date '1969-12-31'") == .compare(.equal, "d", .date(-1)))
    #expect(
      try parsed("date >= DATE '2000-02-29'") == .compare(.greaterOrEqual, "date", .date(11_016)))
    #expect(try parsed("t = time '00:00:01.5'") == .compare(.equal, "t", .time(1_500_000_000)))
    #expect(
      try parsed("t = timestamp '1970-01-01T00:00:00.000000001'")
        == .compare(.equal, "t", .timestamp(1, zoned: false)))
    for text in [
      "1970-01-01 02:00Z", "1970-01-01 04:00:00+02:00", "1970-01-01T00:00-0200",
      "1970-01-01 03:00:00 +01",
    ] {
      #expect(
        try parsed("t = timestamp '\(text)'")
          == .compare(.equal, "t", .timestamp(7_200_000_000_000, zoned: true)))
    }
    #expect(
      try parsed("u = uuid 'f79c3e09-677c-4bbd-a479-3f349cb785e7'")
        == .compare(.equal, "u", .uuid(0xf79c_3e09_677c_4bbd_a479_3f34_9cb7_85e7)))
  }

  @Test func logic() throws {
    let (a, b, c): (Predicate, Predicate, Predicate) = (.isNull("a"), .isNull("b"), .isNull("c"))
    #expect(try parsed("a is null AND b IS NULL or c IS NULL") == .or([.and([a, b]), c]))
    #expect(try parsed("a IS NULL AND (b IS NULL OR c IS NULL)") == .and([a, .or([b, c])]))
    #expect(try parsed("a IS NULL OR b IS NULL OR c IS NULL") == .or([a, b, c]))
    #expect(try parsed("NOT a IS NULL AND b IS NULL") == .and([.not(a), b]))
    #expect(try parsed("(a IS NULL AND b IS NULL) AND c IS NULL") == .and([.and([a, b]), c]))
    #expect(try parsed("((TRUE))") == .always(true))
    #expect(try parsed("1 = 1 AND 2 < 1") == .and([.always(true), .always(false)]))
    #expect(
      try parsed("active AND NOT x")
        == .and([.compare(.equal, "active", true), .not(.compare(.equal, "x", true))]))
    #expect(
      try parsed("a BETWEEN 1 AND 2 AND b IS NULL")
        == .and([.compare(.greaterOrEqual, "a", 1), .compare(.lessOrEqual, "a", 2), b]))
    #expect(
      try parsed("a NOT BETWEEN 1 AND 2")
        == .or([.compare(.less, "a", 1), .compare(.greater, "a", 2)]))
    #expect(try parsed("a IN (1, 2,3)") == .isIn("a", [1, 2, 3]))
    #expect(try parsed("a not in ('x')") == .notIn("a", ["x"]))
    #expect(try parsed("a IS NOT NAN") == .notNaN("a"))
    #expect(try parsed("a IS NOT TRUE") == .or([.compare(.notEqual, "a", true), .isNull("a")]))
  }

  @Test func patterns() throws {
    #expect(try parsed("a LIKE 'abc%'") == .startsWith("a", "abc"))
    #expect(try parsed("a NOT LIKE '50\\%%'") == .notStartsWith("a", "50%"))
    #expect(try parsed("a LIKE 'a!_%' ESCAPE '!'") == .startsWith("a", "a_"))
    #expect(try parsed("a LIKE 'a\\%' ESCAPE ''") == .startsWith("a", "a\\"))
    #expect(try parsed("a LIKE 'abc'") == .compare(.equal, "a", "abc"))
    #expect(try parsed("a LIKE '%b%%_c'") == .like("a", "%b%_c"))
    #expect(try parsed("a STARTS WITH 'x%'") == .startsWith("a", "x%"))
    #expect(try parsed("a NOT STARTS WITH 'x'") == .notStartsWith("a", "x"))
  }

  @Test func errorsSayWhereAndWhat() {
    for (text, parts) in [
      ("", ["character 1", "a column", "the end of the text"]),
      ("country = ", ["character 11", "a value after =", "the end"]),
      ("größe = de", ["character 9", "single quotes: 'de'"]),
      ("a = \"de\"", ["single quotes: 'de'"]),
      ("a = NULL", ["IS NULL"]),
      ("a IN ()", ["a value of the list", "found )"]),
      ("a IN 1", ["parentheses after IN"]),
      ("a = 1 b", ["character 7", "AND, OR or the end", "found b"]),
      ("a && b", ["write AND"]), ("a || b", ["write OR"]), ("!a", ["write NOT"]),
      ("(a = 1", ["closing parenthesis"]), ("a = 'x", ["no closing '"]),
      ("a = X'0'", ["hexadecimal"]), ("a = 12ab", ["12a", "no number"]),
      ("a = date '2026-02-30'", ["date '2026-01-31'"]),
      ("a = timestamp '2026-01-01 00:00 Europe/Berlin'", ["zones by offset"]),
      ("a = 1e999", ["too large"]),
      ("a = 99999999999999999999999999999999999999999", ["38"]),
      ("1 = 'x'", ["neither side"]), ("a BETWEEN 1 OR 2", ["upper bound"]),
      ("a LIKE 'x\\'", ["escape"]), ("a LIKE 'x' ESCAPE 'ab'", ["one character"]),
      ("a NOT = 1", ["IN, BETWEEN, LIKE"]), ("and = 1", ["double quotes"]),
      (String(repeating: "(", count: 5_000), ["nested deeper"]),
      (String(repeating: "NOT ", count: 5_000) + "a", ["nested deeper"]),
    ] as [(String, [String])] {
      let found = message(text)
      for part in parts { #expect(found.contains(part), "\(text.prefix(40)): \(found)") }
    }
    #expect(message(String(repeating: " ", count: 2 << 20)).contains("bytes"))
  }

  @Test func bindingErrorsNameTheColumn() throws {
    let schema = Schema([
      Field("country", .utf8), Field("ts", .timestamp(.microsecond, timeZone: nil)),
      Field("point", .struct([Field("x", .int32), Field("y", .float64)])),
      Field("tags", .list(of: .utf8)),
    ])
    for (text, parts) in [
      ("ts > date '2026-01-01' AND contry = 'de'", ["character 28", "did you mean country?"]),
      ("point.z = 1", ["did you mean point.x?"]), ("COUNTRY = 'x'", ["did you mean country?"]),
      ("tags = 'x'", ["not compared"]), ("tags.x = 1", ["not a struct"]),
      ("point = 1", ["not compared"]),
      ("country = 5", ["single quotes"]), ("ts = 5", ["timestamp '2026"]),
      ("ts > timestamp '2026-01-01 00:00Z'", ["without Z"]), ("ts LIKE 'a%'", ["string column"]),
      ("bucket(3, country) = 1", ["partition transform"]),
    ] as [(String, [String])] {
      do throws(ColumnarError) {
        _ = try BoundPredicate(parsing: text, schema: schema)
        Issue.record("bound: \(text)")
      } catch {
        for part in parts { #expect(error.description.contains(part), "\(text): \(error)") }
        #expect(error.column != nil)
      }
    }
    let bound = try BoundPredicate(
      parsing: "COUNTRY = 'x' AND Point.X < 3", schema: schema, caseSensitive: false)
    #expect(bound.columns.map(\.name) == ["country", "point.x"])
  }
}
