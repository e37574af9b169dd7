// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import weir

@Suite struct NumbersTests {
  @Test func grouped() {
    #expect(Numbers.grouped(0) == "0")
    #expect(Numbers.grouped(999) == "999")
    #expect(Numbers.grouped(1_000) == "1,000")
    #expect(Numbers.grouped(-1_234_567) == "-1,234,567")
    #expect(Numbers.grouped(.min) == "-9,223,372,036,854,775,808")
    #expect(Numbers.counted(1, "row", "rows") == "1 row")
    #expect(Numbers.counted(2_000, "row", "rows") == "2,000 rows")
  }

  @Test func fixed() {
    #expect(Numbers.fixed(0, 0) == "0")
    #expect(Numbers.fixed(3.14159, 2) == "3.14")
    #expect(Numbers.fixed(0.005, 2) == "0.01")
    #expect(Numbers.fixed(-0.001, 2) == "0.00")
    #expect(Numbers.fixed(-1.5, 0) == "-2")
    #expect(Numbers.fixed(9.999, 2) == "10.00")
    #expect(Numbers.fixed(0.05, 3) == "0.050")
    #expect(Numbers.fixed(.nan, 1) == "–")
    #expect(Numbers.fixed(1e300, 2) == "1e+300")
  }

  @Test func bytesAndCounts() {
    #expect(Numbers.bytes(0) == "0 B")
    #expect(Numbers.bytes(999) == "999 B")
    #expect(Numbers.bytes(1_000) == "1.0 kB")
    #expect(Numbers.bytes(9_949) == "9.9 kB")
    #expect(Numbers.bytes(9_960) == "10 kB")
    #expect(Numbers.bytes(999_600) == "1.0 MB")
    #expect(Numbers.bytes(.max) == "9.2 EB")
    #expect(Numbers.compact(950) == "950")
    #expect(Numbers.compact(3_400_000) == "3.4 M")
    #expect(Numbers.percent(1, of: 3) == "33.3%")
    #expect(Numbers.percent(1, of: 0) == "–")
    #expect(Numbers.short(0.01234) == "0.0123")
    #expect(Numbers.short(12.345) == "12.3")
    #expect(Numbers.short(1_234.5) == "1,235")
  }

  @Test func durations() {
    #expect(Numbers.seconds(.microseconds(1_300)) == "1.3 ms")
    #expect(Numbers.seconds(.milliseconds(64)) == "64 ms")
    #expect(Numbers.seconds(.milliseconds(840)) == "0.8 s")
    #expect(Numbers.seconds(.seconds(12)) == "12 s")
    #expect(Numbers.seconds(.seconds(200)) == "3 min 20 s")
  }

  @Test func byteCounts() {
    #expect(ByteCount(argument: "1048576")?.value == 1_048_576)
    #expect(ByteCount(argument: "64MiB")?.value == 64 << 20)
    #expect(ByteCount(argument: "128mb")?.value == 128_000_000)
    for text in ["", "0", "-1", "12x", "MB", "99999999999999999999", "9999999GB"] {
      #expect(ByteCount(argument: text) == nil, "\(text)")
    }
  }
}

@Suite struct TextWidthTests {
  @Test func widths() {
    #expect(TextWidth.of("abc") == 3)
    #expect(TextWidth.of("é") == 1)
    #expect(TextWidth.of("e\u{301}") == 1)
    #expect(TextWidth.of("日本") == 4)
    #expect(TextWidth.of("🍷") == 2)
    #expect(TextWidth.of("Винодельня") == 10)
    #expect(TextWidth.of("▏█…★×") == 5)
  }

  @Test func truncation() {
    #expect(TextWidth.truncated("abcdef", to: 6) == "abcdef")
    #expect(TextWidth.truncated("abcdef", to: 4) == "abc…")
    #expect(TextWidth.truncated("日本語", to: 4) == "日…")
    #expect(TextWidth.truncated("abc", to: 1) == "…")
    #expect(TextWidth.truncated("abc", to: 0) == "")
    #expect(TextWidth.padded("ab", to: 4) == "ab  ")
    #expect(TextWidth.padded("ab", to: 4, .right) == "  ab")
  }

  /// Nothing from a file may steer the terminal.
  @Test func hostileText() {
    let text = TextWidth.printable("a\u{1b}[31mred\nb\tc\u{7f}\u{202e}d\r\u{9b}")
    #expect(text == "a\u{fffd}[31mred↵b c\u{fffd}\u{fffd}d\u{fffd}")
    #expect(TextWidth.printable("Château · 日本") == "Château · 日本")
  }
}

@Suite struct BarsTests {
  @Test func bars() {
    #expect(Bars.bar(0, of: 10, width: 8) == "")
    #expect(Bars.bar(10, of: 10, width: 8) == "████████")
    #expect(Bars.bar(5, of: 10, width: 8) == "████")
    #expect(Bars.bar(1, of: 1_000_000, width: 8) == "▏")
    #expect(Bars.bar(3, of: 16, width: 2) == "▍")
    #expect(Bars.bar(20, of: 10, width: 2) == "██")
    #expect(Bars.bar(1, of: 0, width: 2) == "")
  }

  @Test func sparklines() {
    #expect(Bars.sparkline([0, 1, 4, 8]) == " ▁▄█")
    #expect(Bars.sparkline([0, 0]) == "  ")
    #expect(Bars.sparkline([]) == "")
    #expect(Bars.sparkline([.max / 16, .max / 16]).count == 2)
  }

  @Test func grouping() {
    let (values, size) = Bars.grouped([1, 2, 3, 4, 5], into: 2)
    #expect(values == [6, 9] && size == 3)
    #expect(Bars.grouped([1, 2], into: 5).values == [1, 2])
  }
}

@Suite struct TextTableTests {
  @Test func alignsAndShrinks() {
    var table = TextTable([.left("name", min: 4), .right("n")])
    table.add(["a long name here", "1"])
    table.add(["b", "1,234"])
    #expect(
      table.lines(width: 80, style: .plain) == [
        "  name                  n", "  a long name here      1", "  b                 1,234",
      ])
    #expect(
      table.lines(width: 16, style: .plain) == [
        "  name         n", "  a long…      1", "  b        1,234",
      ])
    // Never narrower than the minimum, even when it does not fit.
    #expect(table.lines(width: 5, style: .plain)[1] == "  a l…      1")
  }

  @Test func noLineEndsInSpaces() {
    var table = TextTable([.left("a"), .left("b"), .right("c")])
    table.add(["x", "", ""])
    table.add(["", "y", ""])
    table.add(["", "", "z"])
    #expect(
      table.lines(width: 80, style: .plain) == ["  a  b  c", "  x", "     y", "        z"])
  }

  @Test func stylesAreLaidOverTheLayout() {
    var table = TextTable([.left("a").styled(Style(isEnabled: true).bold), .right("b")])
    table.add(["x\ny", "2"])
    #expect(table.lines(width: 80, style: .plain)[1] == "  \u{1b}[1mx↵y\u{1b}[0m  2")
  }
}

@Suite struct StyleTests {
  @Test func decisions() {
    func decide(
      _ isTerminal: Bool, noColor: String? = nil, force: String? = nil, term: String? = "xterm"
    ) -> Bool {
      Style.decide(isTerminal: isTerminal, noColor: noColor, force: force, term: term)
    }
    #expect(decide(true))
    #expect(!decide(false))
    #expect(!decide(true, noColor: "1"))
    #expect(decide(true, noColor: ""))
    #expect(!decide(true, term: "dumb"))
    #expect(decide(false, force: "1"))
    #expect(!decide(false, force: "0"))
    #expect(!decide(true, noColor: "1", force: "1"))
    #expect(Style.plain.bold("x") == "x")
    #expect(Style(isEnabled: true).red("") == "")
  }
}
