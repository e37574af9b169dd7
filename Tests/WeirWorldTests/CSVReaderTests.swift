// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirWorld

/// All records of a text that arrives in the given pieces.
private func read(_ pieces: [[UInt8]], options: CSVOptions = CSVOptions()) throws -> [[[UInt8]]] {
  let reader = CSVReader(MemoryByteSource(pieces, name: "t.csv"), options: options)
  var records: [[[UInt8]]] = []
  while try reader.next() {
    records.append((0..<reader.fieldCount).map { Array(reader.field($0)) })
  }
  return records
}

private func strings(_ text: String) throws -> [[String]] {
  try read([Array(text.utf8)]).map { $0.map { String(decoding: $0, as: UTF8.self) } }
}

@Suite struct CSVReaderTests {
  @Test func plainAndQuotedFields() throws {
    #expect(try strings("a,b\n1,2\n") == [["a", "b"], ["1", "2"]])
    #expect(try strings("\"a,b\",\"say \"\"hi\"\"\"\n") == [["a,b", "say \"hi\""]])
    #expect(try strings("\"two\nlines\",x") == [["two\nlines", "x"]])
    #expect(try strings("a,,\n,,b") == [["a", "", ""], ["", "", "b"]])
    #expect(try strings("\"\",\"\"\n") == [["", ""]])
    #expect(try strings("a \"b\" c,d") == [["a \"b\" c", "d"]])
  }

  @Test func lineEnds() throws {
    let expected = [["a", "b"], ["c", "d"]]
    for end in ["\n", "\r\n", "\r"] {
      #expect(try strings("a,b\(end)c,d\(end)") == expected)
      #expect(try strings("a,b\(end)c,d") == expected)
      #expect(try strings("\(end)a,b\(end)\(end)c,d\(end)\(end)") == expected)
    }
    #expect(try strings("") == [])
    #expect(try strings("\n\r\n\r") == [])
    #expect(try strings("\u{feff}a,b") == [["a", "b"]])
    #expect(try strings("a,\n") == [["a", ""]])
  }

  @Test func errorsNameFileAndLine() {
    #expect(
      throws: WorldError(
        .invalidData,
        "a quoted field that begins in this record is not closed before the text ends",
        file: "t.csv", line: 3)
    ) { try read([Array("a,b\n\n1,".utf8), Array("\"open\n\n".utf8)]) }
    #expect {
      try read([Array("a,b\r\n\r\n\"x\"y,2\n".utf8)])
    } throws: { error in
      let error = error as? WorldError
      return error?.line == 3 && error?.file == "t.csv" && error?.code == .invalidData
    }
  }

  @Test func recordsAreBounded() throws {
    var options = CSVOptions()
    options.recordBytesMax = 1_000
    let long = "\"" + String(repeating: "x", count: 5_000)
    #expect(throws: WorldError.self) { try read([Array(long.utf8)], options: options) }
    for many in [String(repeating: "ab,", count: 2_000), String(repeating: ",", count: 2_000)] {
      #expect(throws: WorldError.self) { try read([Array(many.utf8)], options: options) }
    }
  }

  @Test func linesAreCounted() throws {
    let text = "a\n\"b\nb\"\r\nc\r\rd\n\n\ne"
    let reader = CSVReader(MemoryByteSource(text))
    var lines: [Int] = []
    while try reader.next() { lines.append(reader.line) }
    #expect(lines == [1, 2, 4, 6, 9])
  }

  /// Random texts over the bytes that matter, cut into random pieces.
  @Test func agreesWithTheNaiveParser() throws {
    var random = Xoshiro256(seed: 20_261_121)
    let alphabet = Array("ab,,\"\"\n\r\u{e9}".utf8)
    var valid = 0
    for _ in 0..<20_000 {
      let text = (0..<random.below(24)).map { _ in alphabet[random.below(alphabet.count)] }
      var pieces: [[UInt8]] = []
      var rest = text[...]
      while !rest.isEmpty {
        let part = rest.prefix(1 + random.below(5))
        pieces.append(Array(part))
        rest = rest.dropFirst(part.count)
      }
      let expected = naiveCSV(text)
      let actual = try? read(pieces)
      #expect(actual == expected, "\(String(decoding: text, as: UTF8.self).debugDescription)")
      valid += expected == nil ? 0 : 1
    }
    #expect(valid > 5_000)
  }

  /// Any table survives being written with quotes.
  @Test func roundTrips() throws {
    var random = Xoshiro256(seed: 7)
    let alphabet = Array("xyz ,\"\n\r;".utf8)
    for _ in 0..<500 {
      let columns = 2 + random.below(4)
      let table = (0..<random.below(20)).map { _ in
        (0..<columns).map { _ in
          (0..<random.below(9)).map { _ in alphabet[random.below(alphabet.count)] }
        }
      }
      var text: [UInt8] = []
      for record in table {
        for (index, field) in record.enumerated() {
          if index > 0 { text.append(0x2c) }
          text.append(0x22)
          for byte in field { text += byte == 0x22 ? [0x22, 0x22] : [byte] }
          text.append(0x22)
        }
        text += random.chance(0.5) ? [0x0a] : [0x0d, 0x0a]
      }
      #expect(try read([text]) == table)
    }
  }
}
