// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Columns of byte strings: which encodings the writer chooses, and that all come back.
struct StringTests {
  /// Strings as tables have them: few and many, short and long, sorted, random, empty.
  static func strings(_ what: Int, _ count: Int, _ random: inout SeededRandom) -> [String] {
    let words = ["red", "blue", "warm", "large", "garden", "kitchen", "", "Ünïcode", "x"]
    func hex(_ n: UInt64) -> String { String(n, radix: 16) }
    return (0..<count).map { row in
      switch what {
      case 0: random.pick(words)
      case 1: "https://www.example.com/c/\(random.pick(words))/\(random.int(0..<5_000))?sort=new"
      case 2: hex(random.next()) + hex(random.next())
      case 3: "s-\(1_790_000_000 + row / 3)"
      case 4: "always"
      case 5: (0..<random.int(0...12)).map { _ in random.pick(words) }.joined(separator: " ")
      case 6: String(decoding: random.bytes(random.int(0...9)).map { $0 & 0x7f }, as: UTF8.self)
      default: random.chance(0.001) ? String(repeating: "long ", count: 700) : "u\(row % 700)"
      }
    }
  }

  static func batch(
    _ values: [String?], _ type: DataType
  ) throws -> RecordBatch {
    let builder = makeBuilder(for: type)
    for value in values {
      if let value {
        let isText = type == .utf8 || type == .largeUtf8
        try builder.append(isText ? .string(value) : .binary(Array(value.utf8)))
      } else {
        builder.appendNull()
      }
    }
    return try RecordBatch(schema: Schema([Field("s", type)]), columns: [builder.finish()])
  }

  @Test(arguments: 0..<8, [WeirFileWriteOptions.Profile.fast, .compact])
  func comeBack(what: Int, profile: WeirFileWriteOptions.Profile) throws {
    var random = SeededRandom(seed: UInt64(what) * 2 + (profile == .fast ? 1 : 0))
    for share in [0, 0.1, 0.9, 1] {
      let type = random.pick([DataType.utf8, .largeUtf8, .binary, .largeBinary])
      var options = WeirFileWriteOptions()
      options.profile = profile
      options.pageRowsMax = random.pick([200, 1_500, 65_536])
      options.dictionaryBytesMax = random.pick([3_000, 16 << 20])
      let values = Self.strings(what, 4_000, &random).map { random.chance(share) ? nil : $0 }
      let parts = try [values[..<1_700], values[1_700...]].map { try Self.batch(Array($0), type) }
      let file = try RoundTripTests.write(parts, parts[0].schema, options)
      let reader = try WeirFileReader(file)
      let expected = parts.flatMap { rows($0) }
      #expect(try RoundTripTests.all(reader.batches(batchRows: 900)) == expected)
      #expect(
        try RoundTripTests.all(reader.batches(rows: 77..<2_222)) == Array(expected[77..<2_222]))
      for count in [1, 20, 900] {
        let chosen = (0..<count).map { _ in random.int(0..<expected.count) }
        #expect(try rows(reader.take(rows: chosen)) == chosen.map { expected[$0] })
      }
    }
  }

  /// The encodings of a file's only column.
  private static func encodings(
    _ values: [String], _ profile: WeirFileWriteOptions.Profile
  ) throws -> Set<PageEncoding> {
    let batch = try batch(values, .utf8)
    var options = WeirFileWriteOptions()
    options.profile = profile
    let reader = try WeirFileReader(RoundTripTests.write([batch], batch.schema, options))
    let column = try reader.columns(named: ["s"]).columns[0]
    var found: Set<PageEncoding> = []
    func add(_ node: PageNode) {
      found.insert(node.encoding)
      for child in node.children { add(child) }
    }
    for (index, page) in column.descriptor.pages.enumerated() {
      add(try column.page(index, reader.bytes([page.range])[0]))
    }
    return found
  }

  @Test func choices() throws {
    var random = SeededRandom(seed: 5)
    let few = Self.strings(0, 5_000, &random)
    #expect(try Self.encodings(few, .fast).contains(.dictionary))
    let texts = (0..<3_000).map { _ in
      Self.strings(5, 1, &random)[0] + " \(random.int(0..<1_000_000))"
    }
    let found = try Self.encodings(texts, .fast)
    #expect(found.contains(.fsst) && !found.contains(.zstd) && !found.contains(.dictionary))
    #expect(try Self.encodings(Self.strings(4, 5_000, &random), .fast).contains(.constant))
  }

  /// Symbols learned from strings code and decode any others; the tables are those of the
  /// specification.
  @Test(arguments: 0..<30)
  func symbols(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    func some() -> StringRows {
      var values: [[UInt8]] = []
      for _ in 0..<random.pick([1, 30, 1_000]) {
        values.append(
          seed % 3 == 0
            ? random.bytes(random.int(0...20)) : Array(Self.strings(5, 1, &random)[0].utf8))
      }
      return StringRows(
        lengths: values.map { UInt32($0.count) }, bytes: Buffer(values.flatMap { $0 }))
    }
    let coder = SymbolCoder(some())
    let other = some()
    let (coded, lengths) = coder.encode(other)
    #expect(lengths.reduce(0) { $0 + Int($1) } == coded.count)
    // One after the other, as the specification says.
    let table = coder.table.array(of: UInt8.self)
    var (symbols, at): ([[UInt8]], Int) = ([], 1 + Int(table[0]))
    for size in table[1..<1 + Int(table[0])] {
      #expect(size >= 1 && size <= 8)
      symbols.append(Array(table[at..<at + Int(size)]))
      at += Int(size)
    }
    #expect(at == table.count)
    let codes = coded.array(of: UInt8.self)
    var (decoded, place): ([UInt8], Int) = ([], 0)
    for length in lengths {
      let end = place + Int(length)
      while place < end {
        if codes[place] == 255 {
          decoded.append(codes[place + 1])
          place += 2
        } else {
          decoded += symbols[Int(codes[place])]
          place += 1
        }
      }
      #expect(place == end)
    }
    #expect(decoded == other.bytes.array(of: UInt8.self))
    let room = Scratch(decoded.count + SymbolTable.slack)
    let known = SymbolTable(coder.table)
    #expect(known.decode(coded.bytes, coded.count, room.base, decoded.count))
    #expect(Array(UnsafeRawBufferPointer(start: room.base, count: decoded.count)) == decoded)
    #expect(!known.decode(coded.bytes, coded.count, room.base, decoded.count + 1))
    if !decoded.isEmpty {
      #expect(!known.decode(coded.bytes, coded.count, room.base, decoded.count - 1))
    }
  }

  /// Symbols are learned from a page's own strings: when rows of another page are erased, nothing of
  /// them is left in this one, which is copied.
  @Test func symbolsStayInTheirPage() throws {
    var random = SeededRandom(seed: 8)
    let secret = "Zq7-Xj9!"
    let values = (0..<1_200).map { row in
      row < 600
        ? "\(secret) \(random.next())" : "order \(random.next()) of \(random.int(0..<99_999))"
    }
    let batch = try Self.batch(values, .utf8)
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 600
    let reader = try WeirFileReader(RoundTripTests.write([batch], batch.schema, options))
    let (file, _) = try EraseTests.erase(Array(0..<600), reader)
    let result = try WeirFileReader(file)
    #expect(try RoundTripTests.all(result.batches(rows: 600..<1_200)) == Array(rows(batch)[600...]))
    let bytes = try file.read(0..<file.size).array(of: UInt8.self)
    for start in bytes.indices.dropLast(4) {
      #expect(!bytes[start...].starts(with: secret.utf8.prefix(4)), "at \(start)")
    }
  }

  /// Codes of a dictionary are the strings' numbers, by frequency after the first page.
  @Test(arguments: 0..<10)
  func dictionary(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    let dictionary = StringDictionary()
    var known: [[UInt8]: UInt32] = [:]
    for round in 0..<4 {
      let values = Self.strings(random.pick([0, 1, 5, 7]), 6_000, &random).map { Array($0.utf8) }
      let rows = StringRows(
        lengths: values.map { UInt32($0.count) }, bytes: Buffer(values.flatMap { $0 }))
      var codes = [UInt32](repeating: .max, count: values.count)
      var place = StringRows.Place()
      #expect(
        dictionary.codes(rows, from: &place, count: values.count, byteCountMax: 1 << 30, &codes))
      if round == 0 {
        dictionary.sortByFrequency(&codes, codes.count)
        var counts = [Int](repeating: 0, count: dictionary.count)
        for code in codes { counts[Int(code)] += 1 }
        #expect(counts == counts.sorted(by: >))
      }
      for (value, code) in zip(values, codes) {
        if let before = known[value] { #expect(before == code) } else { known[value] = code }
      }
      #expect(known.count == dictionary.count)
    }
    let strings = dictionary.strings(0..<dictionary.count)
    var at = 0
    for (code, length) in strings.lengths.enumerated() {
      let value = strings.bytes.slice(offset: at, count: Int(length)).array(of: UInt8.self)
      #expect(known[value] == UInt32(code))
      at += Int(length)
    }
  }
}
