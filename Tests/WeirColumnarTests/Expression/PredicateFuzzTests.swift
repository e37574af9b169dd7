// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct PredicateFuzzTests {
  private static let words = [
    "a", "b.c", "\"x y\"", "`q`", "date", "timestamp", "X'00ff'", "'text'", "'it''s'", "'%a_\\%'",
    "1", "-", "+", "1.50", "1e3", ".5", "'2026-01-31'", "date '2026-01-31'", "time '10:00'",
    "timestamp '2026-01-31 10:00:00.123456789+02:00'", "uuid", "decimal '1e-50'", "double 'NaN'",
    "=", "==", "!=", "<>", "<", "<=", ">", ">=", "(", ")", ",", ".", "AND", "OR", "NOT", "IN", "IS",
    "NULL", "NAN", "LIKE", "ESCAPE", "BETWEEN", "STARTS WITH", "TRUE", "false", "bucket(16, id)",
    "日本", "\u{0}", "🙂", ";", "'", "\"",
  ]

  /// What parses prints as what parses to the same; what does not says where, within the text.
  private func check(_ text: String) {
    do throws(ColumnarError) {
      let predicate = try Predicate(parsing: text)
      let printed = predicate.description
      do throws(ColumnarError) {
        #expect(try Predicate(parsing: printed) == predicate, "\(text) became \(printed)")
      } catch { Issue.record("\(text) became \(printed): \(error)") }
    } catch {
      #expect(error.position.map { $0 <= text.utf8.count } ?? false, "\(text): \(error)")
    }
  }

  @Test(arguments: 0..<20)
  func wordsInAnyOrder(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<150 {
      let count = random.int(1...12)
      check((0..<count).map { _ in random.pick(Self.words) }.joined(separator: " "))
    }
  }

  @Test(arguments: 0..<20)
  func predicatesWithDamage(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let texts = [
      "country = 'de' AND ts >= timestamp '2026-01-01 00:00:00Z' AND NOT (price > 9.5 OR x)",
      "\"a\"\"b\".c IN (1, 2.50, -3e-7) OR d NOT LIKE 'a\\%%_' ESCAPE '\\' AND u = X'00ff'",
      "a BETWEEN date '2026-01-01' AND date '2026-12-31' AND b IS NOT NAN OR bucket(16, id) = 3",
    ]
    for _ in 0..<150 {
      var scalars = Array(random.pick(texts).unicodeScalars)
      for _ in 0..<random.int(1...4) {
        let place = random.int(0..<scalars.count)
        switch random.int(0..<3) {
        case 0: scalars.remove(at: place)
        case 1: scalars.insert(random.pick(Array("'\"\\%_.,()-e0AxZ 日".unicodeScalars)), at: place)
        default: scalars.swapAt(place, random.int(0..<scalars.count))
        }
      }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      check(String(text))
    }
  }

  @Test func longChainsAreFlat() throws {
    let text = (0..<20_000).map { "a = \($0)" }.joined(separator: " OR ")
    let predicate = try Predicate(parsing: text)
    #expect(predicate.description == text)
    let bound = try predicate.bind(to: Schema([Field("a", .int32)]))
    let values = try array(.int32, [.int(19_999), .int(20_000)])
    let batch = try RecordBatch(schema: Schema([Field("a", .int32)]), columns: [values])
    #expect(try bound.selection(batch).rows == [0])
  }

  @Test func literalsPrintAsTheyAreRead() throws {
    var random = SeededRandom(seed: 5)
    for _ in 0..<2_000 {
      let bits = random.next()
      let wide = Int128(truncatingIfNeeded: UInt128(bits) << 64 | UInt128(random.next()))
      let literals: [Literal] = [
        .integer(wide), .integer(.min), .integer(.max),
        .decimal(wide, scale: random.int(-50...100)),
        .double(Double(bitPattern: bits)), .double(-0.0), .string(random.unicodeString(8)),
        .binary(random.bytes(5)), .date(Int64(random.int(-1_000_000...1_000_000))),
        .date(Int64(random.int(-300_000_000_000...300_000_000_000))),
        .time(Int64(bits % 86_400_000_000_000)),
        .timestamp(wide >> 50, zoned: random.chance(0.5)), .uuid(UInt128(bitPattern: wide)),
        .bool(true),
      ]
      for literal in literals {
        let predicate = Predicate.compare(.equal, "a", literal)
        #expect(try Predicate(parsing: predicate.description) == predicate, "\(predicate)")
      }
    }
  }

  @Test func namesPrintAsTheyAreRead() throws {
    for name in [
      "a", "a.b", "a b", "AND", "and", "\"", "1a", "größe", "x", "date", "is", "a'b", "\n",
    ] {
      for predicate: Predicate in [
        .isNull(Term(path: [name])), .compare(.less, Term(path: [name, name]), 1),
        .compare(.equal, Term(path: [name], transform: .init("truncate", argument: 4)), "x"),
        .compare(.equal, Term(path: [name, "b"], transform: .init("day")), .date(0)),
      ] {
        #expect(try Predicate(parsing: predicate.description) == predicate, "\(predicate)")
      }
    }
  }
}
