// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct JSONTests {
  private func error(_ text: String, limits: JSONParser.Limits = .init()) -> JSONError? {
    do {
      _ = try JSONParser(limits: limits).parse(text)
      return nil
    } catch {
      return error
    }
  }

  @Test func values() throws {
    #expect(try JSONValue(parsing: "null") == .null)
    #expect(try JSONValue(parsing: " true ") == .bool(true))
    #expect(try JSONValue(parsing: "[false]") == [false])
    #expect(try JSONValue(parsing: "[]") == .array([]))
    #expect(try JSONValue(parsing: "{}") == .object([:]))
    #expect(try JSONValue(parsing: "\u{feff}{}") == .object([:]))
    let nested = try JSONValue(parsing: #"{"a": [1, {"b": null}], "c": "x"}"#)
    #expect(nested == ["a": [1, ["b": .null]], "c": "x"])
    #expect(nested.text == #"{"a":[1,{"b":null}],"c":"x"}"#)
  }

  @Test(arguments: [
    ("0", JSONValue.int(0)), ("-1", .int(-1)), ("9223372036854775807", .int(.max)),
    ("-9223372036854775808", .int(.min)), ("9223372036854775808", .number("9223372036854775808")),
    ("-9223372036854775809", .number("-9223372036854775809")),
    ("123456789012345678901234567890", .number("123456789012345678901234567890")),
    ("1.5", .double(1.5)), ("1e3", .double(1000)), ("-0", .double(-0.0)), ("0.1", .double(0.1)),
    ("1.0", .double(1)), ("1E-7", .double(1e-7)), ("1e999", .number("1e999")),
    ("1e-999", .number("1e-999")), ("0.1234567890123456789", .number("0.1234567890123456789")),
    ("0.30000000000000004", .double(0.30000000000000004)),
  ])
  func numbers(_ text: String, _ value: JSONValue) throws {
    #expect(try JSONValue(parsing: text) == value)
    #expect(try JSONValue(parsing: try JSONValue(parsing: text).text) == value)
  }

  @Test func strings() throws {
    let cases: [(String, String)] = [
      (#""""#, ""), (#""abc""#, "abc"), (#""a\"b\\c\/d\b\f\n\r\t""#, "a\"b\\c/d\u{8}\u{c}\n\r\t"),
      (#""\u00e4\u20ac\ud834\udd1e""#, "ä€𝄞"),
      (
        #""ä€𝄞 and plain text of some length""#,
        "ä€𝄞 and plain text of some length"
      ), (#""1234567\\""#, "1234567\\"),
      (#""12345678\n2345678""#, "12345678\n2345678"), ("\"\u{7f}\"", "\u{7f}"),
    ]
    for (text, value) in cases {
      #expect(try JSONValue(parsing: text) == .string(value), "\(text)")
    }
    #expect(JSONValue.string("a\"\\\n\u{1}\u{2028}ä").text == #""a\"\\\n\u0001\u2028ä""#)
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
    "{\"a\" 1}", "[1 2]", "tru", "nul", "01", "-", "1.", ".5", "1e", "1e+", "+1", "NaN", "Infinity",
    "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud834\"", "\"\\udd1e\"",
    "\"\\ud834\\u0041\"", "\"a\nb\"", "1 1", "{} x", "'a'", "[1]]", "{1:2}", "/**/1", "\"\\",
  ])
  func refused(_ text: String) {
    #expect(error(text)?.code == .syntax, "\(text)")
  }

  @Test func badUTF8IsRefused() {
    let bad: [[UInt8]] = [
      [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0xe2, 0x82, 0x22],
      [0x22, 0x5c, 0x6e, 0x80, 0x22], [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
    ]
    for bytes in bad {
      #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
    }
  }

  @Test func errorsSayWhere() {
    let error = error("{\"a\": [1,\n {\"b\": tru}]}")
    #expect(error?.line == 2)
    #expect(error?.column == 8)
    #expect(error?.path == "a[1].b")
    #expect(
      error?.description == "'t' where a value should be (at a[1].b) (line 2, column 8)")
  }

  @Test func limits() {
    let deep = String(repeating: "[", count: 200)
    #expect(error(deep)?.code == .limit)
    #expect(error("[[[]]]", limits: .init(depthMax: 3)) == nil)
    #expect(error("[[[[]]]]", limits: .init(depthMax: 3))?.code == .limit)
    #expect(error("{\"a\":{\"b\":{}}}", limits: .init(depthMax: 2))?.code == .limit)
    #expect(error("[1,2,3]", limits: .init(byteCountMax: 6))?.code == .limit)
    let many = String(repeating: "{\"a\":", count: 1_000_000)
    #expect(error(many)?.code == .limit)
  }

  @Test func objects() throws {
    var object: JSONObject = ["b": 1, "a": 2]
    #expect(object.keys == ["b", "a"])
    object["c"] = 3
    let copy = object
    object["b"] = nil
    object["a"] = "x"
    #expect(object == ["c": 3, "a": "x"])
    #expect(object != copy)
    #expect(copy == ["a": 2, "b": 1, "c": 3])
    #expect(copy.hashValue == (["c": 3, "b": 1, "a": 2] as JSONObject).hashValue)
    #expect(copy.members(besides: ["b", "x"]) == ["a": 2, "c": 3])
    // The last of a name counts, in its first place.
    let twice = try JSONValue(parsing: #"{"a":1,"b":2,"a":3,"c":4,"b":5}"#)
    #expect(twice.text == #"{"a":3,"b":5,"c":4}"#)
  }

  @Test func objectsOfOneShapeAndManyNames() throws {
    var text = "["
    for row in 0..<100 {
      text +=
        #"{"id":\#(row),"a name that is long":"v\#(row)","x\u0041":[{"id":1},{"id":2,"k":3}]},"#
      text += #"{"id":\#(row),"a name that is long":null},{"n\#(row)":1},"#
    }
    let wide = (0..<1000).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    text += "{\(wide)}]"
    let value = try JSONValue(parsing: text)
    let foundation = try JSONSerialization.jsonObject(with: Data(text.utf8))
    #expect(same(value, foundation))
    let last = try #require(try value.asArray().last).asObject()
    #expect(last.count == 1000)
    #expect(last["k999"] == 999)
    #expect(last["k1000"] == nil)
  }

  @Test func accessorsNameThePath() throws {
    let object = try JSONValue(parsing: #"{"a":{"n":1.5,"s":"x","big":3000000000},"l":[1,"2"]}"#)
      .asObject()
    let inner = try object.object("a")
    #expect(try inner.string("s") == "x")
    #expect(try inner.int("big") == 3_000_000_000)
    #expect(try inner.optionalInt("none") == nil)
    func path(_ body: () throws(JSONError) -> Void) -> String? {
      do {
        try body()
        return nil
      } catch {
        return "\(error.code) \(error.path)"
      }
    }
    #expect(path { () throws(JSONError) in _ = try inner.int32("big") } == "invalidValue big")
    #expect(path { () throws(JSONError) in _ = try inner.int("n") } == "invalidValue n")
    #expect(path { () throws(JSONError) in _ = try inner.bool("s") } == "wrongType s")
    #expect(path { () throws(JSONError) in _ = try inner.bool("t") } == "missing ")
    let list = path { () throws(JSONError) in
      _ = try object.array("l") { value throws(JSONError) in try value.asInt() }
    }
    #expect(list == "wrongType l[1]")
  }

  @Test func prettyText() throws {
    let value: JSONValue = [
      "name": "a\"b", "none": .null, "list": [1, true],
      "rows": [["n": 1], .object([:]), ["a": 1, "b": 2, "c": 3, "d": 4, "e": [5]]], "empty": [],
    ]
    let expected = """
      {
        "name": "a\\"b",
        "none": null,
        "list": [1, true],
        "rows": [
          {"n": 1},
          {},
          {
            "a": 1,
            "b": 2,
            "c": 3,
            "d": 4,
            "e": [5]
          }
        ],
        "empty": []
      }
      """
    #expect(value.prettyText == expected)
  }

  @Test func writerPieceByPiece() throws {
    var writer = JSONWriter()
    writer.object { writer in
      writer.pair("a", 1)
      writer.pair("b", String?.none)
      writer.key("c")
      writer.array([1, 2]) { writer, value in writer.object { $0.pair("x", value) } }
      writer.pair("d", true)
      writer.key("e")
      writer.write(.int(-1), as: .date32)
      writer.key("f")
      writer.write(Double.nan)
    }
    #expect(
      writer.finishText()
        == #"{"a":1,"b":null,"c":[{"x":1},{"x":2}],"d":true,"e":"1969-12-31","f":"NaN"}"#)
    #expect(Scalar.int(-1).jsonValue(as: .date32) == "1969-12-31")
  }

  @Test func randomValuesComeBackAndMatchFoundation() throws {
    var random = SeededRandom(seed: 7)
    for _ in 0..<300 {
      let value = randomValue(&random, 0)
      let bytes = value.bytes
      #expect(try JSONValue(parsing: bytes) == value)
      #expect(try JSONValue(parsing: value.prettyText) == value)
      let foundation = try JSONSerialization.jsonObject(
        with: Data(bytes), options: .fragmentsAllowed)
      #expect(same(value, foundation))
    }
  }

  @Test func damagedTextNeverCrashes() {
    var random = SeededRandom(seed: 11)
    for _ in 0..<3000 {
      var bytes = randomValue(&random, 0).bytes
      for _ in 0..<random.int(1...4) where !bytes.isEmpty {
        let position = random.int(0..<bytes.count)
        switch random.int(0..<4) {
        case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.removeSubrange(position...)
        case 2: bytes.insert(random.pick(Array("\"\\{}[],:0e-u".utf8)), at: position)
        default: bytes.remove(at: position)
        }
      }
      if let value = try? JSONValue(parsing: bytes) {
        #expect(throws: Never.self) { try JSONValue(parsing: value.bytes) }
      }
    }
  }

  private func randomValue(_ random: inout SeededRandom, _ depth: Int) -> JSONValue {
    let names = ["a", "id", "sequence-number", "a very long name", "ä\"\\", "x\ny", "𝄞"]
    switch random.int(0..<(depth > 4 ? 6 : 9)) {
    case 0: return .null
    case 1: return .bool(random.chance(0.5))
    case 2: return .int(Int64(bitPattern: random.next()) >> Int64(random.int(0..<64)))
    case 3: return .double(Double(random.int(-1000...1000)) / 64 + 0.5)
    case 4, 5: return .string((0..<random.int(0..<4)).map { _ in random.pick(names) }.joined())
    case 6: return .array((0..<random.int(0..<6)).map { _ in randomValue(&random, depth + 1) })
    default:
      var object = JSONObject()
      for _ in 0..<random.int(0..<14) {
        object[random.pick(names) + (random.chance(0.3) ? "\(random.int(0..<9))" : "")] =
          randomValue(&random, depth + 1)
      }
      return .object(object)
    }
  }

  private func same(_ value: JSONValue, _ other: Any) -> Bool {
    switch value {
    case .null: return other is NSNull
    case .bool(let value): return (other as? Bool) == value
    case .int(let value): return (other as? NSNumber)?.int64Value == value
    case .double(let value): return (other as? NSNumber)?.doubleValue == value
    case .number: return other is NSNumber
    case .string(let value):
      return (other as? String).map { Array($0.utf8) == Array(value.utf8) } ?? false
    case .array(let items):
      guard let other = other as? [Any] else { return false }
      return items.count == other.count && zip(items, other).allSatisfy { same($0, $1) }
    case .object(let members):
      guard let other = other as? [String: Any] else { return false }
      return members.count == other.count
        && members.allSatisfy { name, value in other[name].map { same(value, $0) } ?? false }
    }
  }
}
