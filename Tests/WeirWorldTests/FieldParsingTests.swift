// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirWorld

private func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

@Suite struct FieldParsingTests {
  @Test func integers() {
    for value in [0, 7, -7, 12_345, Int64.max, Int64.min] {
      #expect(FieldParsing.int64(bytes(String(value))) == value)
    }
    #expect(FieldParsing.int64(bytes("+5")) == 5)
    for text in ["", "-", "+", "1.0", " 1", "1 ", "9223372036854775808", "0x1", "1_0"] {
      #expect(FieldParsing.int64(bytes(text)) == nil, "\(text)")
    }
  }

  @Test func numbersAgreeWithTheStandardLibrary() {
    var random = Xoshiro256(seed: 3)
    for _ in 0..<20_000 {
      var text = String(random.below(1 << (1 + random.below(60))))
      if random.chance(0.7) { text += ".\(random.below(1 << (1 + random.below(55))))" }
      if random.chance(0.2) { text += "e\(random.below(40) - 20)" }
      if random.chance(0.3) { text = "-" + text }
      #expect(FieldParsing.double(bytes(text)) == Double(text), "\(text)")
    }
    #expect(FieldParsing.double(bytes("0.029411764705882353")) == 0.029411764705882353)
    #expect(FieldParsing.double(bytes("-.5")) == -0.5)
    #expect(FieldParsing.double(bytes("nan"))?.isNaN == true)
    for text in ["", ".", "-", "1,5", "abc", "1 ", "--1"] {
      #expect(FieldParsing.double(bytes(text)) == nil, "\(text)")
    }
  }

  @Test func booleans() {
    #expect(FieldParsing.bool(bytes("True")) == true)
    #expect(FieldParsing.bool(bytes("0")) == false)
    #expect(FieldParsing.bool(bytes("yes")) == nil)
  }

  @Test func pythonLists() {
    func list(_ text: String) -> [String]? {
      FieldParsing.pythonList(bytes(text))?.map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(list("[]") == [])
    #expect(list("['Beef', 'Lamb']") == ["Beef", "Lamb"])
    #expect(list("[\"Trebbiano D'Abruzzo\"]") == ["Trebbiano D'Abruzzo"])
    #expect(list("[2020, 1999, 'N.V.']") == ["2020", "1999", "N.V."])
    for text in ["", "[", "['a'", "['a' 'b']", "['a]", "['a',]x"] {
      #expect(list(text) == nil, "\(text)")
    }
  }

  @Test func times() {
    func time(_ text: String) -> Int64? { EventTime.milliseconds(parsing: bytes(text)) }
    #expect(time("1970-01-01") == 0)
    #expect(time("2021-11-02 20:52:59") == 1_635_886_379_000)
    #expect(time("2018-03-12T00:00:00.000") == 1_520_812_800_000)
    #expect(time("2019-11-24 00:01:03.979311+00:00") == 1_574_553_663_979)
    #expect(time("2019-11-24 09:01:03.9+09:00") == 1_574_553_663_900)
    #expect(time("2019-11-23T20:31:03Z") == 1_574_541_063_000)
    #expect(time("1969-12-31 23:59:59.999") == -1)
    #expect(time("2000-02-29") != nil)
    for text in [
      "", "2021", "2021-13-01", "2021-02-29", "1900-02-29", "2021-11-02 24:00:00", "2021-11-02x",
      "2021-11-02 20:52:59.", "2021-11-02 20:52:59+1", "2021-11-02 20:52:59Zx", "21-11-02",
    ] {
      #expect(time(text) == nil, "\(text)")
    }
    #expect(EventTime.day(ofMilliseconds: -1) == -1)
    #expect(EventTime.day(ofMilliseconds: 86_400_000) == 1)
  }
}
