// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

/// What one parse of `text` gives.
func parseLines(
  _ text: String, _ schema: Schema, _ options: JSONLinesOptions = JSONLinesOptions(),
  pieceMax: Int = .max, seed: UInt64 = 1
) throws -> (rows: [[Scalar]], failures: [JSONLinesFailure]) {
  let parser = try JSONLinesParser(schema: schema, options: options)
  var random = SeededRandom(seed: seed)
  var bytes = Array(text.utf8)[...]
  while !bytes.isEmpty {
    let count = min(bytes.count, pieceMax == .max ? .max : random.int(1...pieceMax))
    try parser.append(Array(bytes.prefix(count)))
    bytes = bytes.dropFirst(count)
  }
  try parser.finish()
  let batches = try parser.takeBatches()
  for batch in batches {
    #expect(batch.rowCount <= options.batchRowCountMax)
    for column in batch.columns { try column.validate(full: true) }
  }
  #expect(batches.reduce(0) { $0 + $1.rowCount } == parser.rowCount)
  let failures = parser.takeFailures()
  #expect(failures.count == parser.failureCount)
  return (batches.flatMap { rows($0) }, failures)
}

@Suite struct JSONLinesTests {
  /// The types that lines of JSON may have.
  static let leafTypes: [DataType] = [
    .null, .bool, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .float32,
    .float64, .decimal128(precision: 9, scale: 2), .decimal128(precision: 38, scale: 10),
    .date32, .timestamp(.millisecond, timeZone: "UTC"), .timestamp(.microsecond, timeZone: "UTC"),
    .timestamp(.microsecond, timeZone: nil), .timestamp(.nanosecond, timeZone: nil),
    .utf8, .largeUtf8, .binary, .largeBinary, .fixedSizeBinary(7),
  ]

  static var randomOptions: RandomOptions {
    var options = RandomOptions()
    options.leafTypes = leafTypes
    options.dictionaries = false
    return options
  }

  @Test(arguments: 0..<150)
  func whatIsWrittenIsReadAgain(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.schema(Self.randomOptions)
    let batch = random.batch(schema, rows: random.int(0...60), Self.randomOptions)
    var options = JSONLinesOptions()
    options.binary = random.pick([.base64, .hex])
    options.batchRowCountMax = random.int(1...80)
    let omitsNulls = random.chance(0.5)
    let writer = JSONLinesWriter(binary: options.binary, omitsNulls: omitsNulls)
    let text = String(decoding: writer.bytes(batch), as: UTF8.self)
    for line in text.split(separator: "\n") { _ = try JSONValue(parsing: String(line)) }
    let result = try parseLines(text, schema, options, pieceMax: 40, seed: seed)
    #expect(result.failures == [])
    let same = result.rows == rows(batch)
    #expect(same)
  }

  /// Members in another order, spaces, escapes where none are needed.
  @Test(arguments: 0..<60)
  func otherFormsOfTheSame(seed: UInt64) throws {
    var random = SeededRandom(seed: seed &+ 500)
    // Maps have an order, and may have a key twice.
    var types = Self.randomOptions
    types.maps = false
    let schema = random.schema(types)
    let batch = random.batch(schema, rows: random.int(0...40), types)
    let text = String(decoding: JSONLinesWriter().bytes(batch), as: UTF8.self)
    let shuffled = try text.split(separator: "\n").map { line in
      Self.rewrite(try JSONValue(parsing: String(line)), &random)
    }
    let again = try parseLines(shuffled.joined(separator: "\r\n"), schema)
    #expect(again.failures == [])
    let same = again.rows == rows(batch)
    #expect(same)
  }

  /// The same value in another form.
  static func rewrite(_ value: JSONValue, _ random: inout SeededRandom) -> String {
    let space = random.pick(["", "", " ", "\t "])
    switch value {
    case .string(let text):
      var result = ""
      for unit in text.utf16 {
        let scalar = Unicode.Scalar(unit)
        if let scalar, random.chance(0.7), unit >= 0x20, unit != 0x22, unit != 0x5c {
          result.unicodeScalars.append(scalar)
        } else {
          let hex = String(unit, radix: 16, uppercase: random.chance(0.5))
          result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        }
      }
      // Times and bytes are not looked at through escapes.
      return text.utf8.contains(where: { $0 > 0x7f }) ? "\"\(result)\"" : value.text
    case .array(let items):
      return "[" + space + items.map { rewrite($0, &random) }.joined(separator: space + "," + space)
        + space + "]"
    case .object(let members):
      // Those of entries of maps stay in order; others are shuffled.
      let parts = members.map { "\(JSONValue.string($0).text)\(space):" + rewrite($1, &random) }
      return "{" + space + parts.shuffled(using: &random).joined(separator: space + ",") + space
        + "}"
    default: return value.text
    }
  }

  /// Whatever bytes come: nothing traps, good lines stay, and what is taken is JSON.
  @Test(arguments: 0..<200)
  func damagedLines(seed: UInt64) throws { try Self.tryDamagedLines(seed: seed &+ 9_000) }

  static func tryDamagedLines(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.schema(randomOptions)
    let batch = random.batch(schema, rows: random.int(1...20), randomOptions)
    var bytes = JSONLinesWriter().bytes(batch)
    for _ in 0..<random.int(1...6) where !bytes.isEmpty {
      let place = random.int(0..<bytes.count)
      switch random.int(0...3) {
      case 0: bytes[place] = UInt8(random.int(0...255))
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(random.pick(Array("{}[]\",:\\0en-. \n".utf8)), at: place)
      default: bytes.removeSubrange(place..<min(bytes.count, place + random.int(1...9)))
      }
    }
    let parser = try JSONLinesParser(schema: schema)
    try parser.append(bytes)
    try parser.finish()
    let read = try parser.takeBatches()
    let bad = Set(parser.takeFailures().map(\.line))
    var good: [[UInt8]] = []
    for (index, line) in bytes.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated()
    where !bad.contains(index + 1) && !line.allSatisfy({ $0 == 0x20 || $0 == 9 || $0 == 13 }) {
      good.append(Array(line))
      #expect(throws: Never.self) { try JSONValue(parsing: Array(line)) }
    }
    #expect(good.count == read.reduce(0) { $0 + $1.rowCount })
    for batch in read { for column in batch.columns { try column.validate(full: true) } }
    // Lines do not depend on each other.
    var alone: [[Scalar]] = []
    for line in good {
      alone += try parseLines(String(decoding: line, as: UTF8.self), schema).rows
    }
    #expect(alone == read.flatMap { rows($0) })
  }

  private let event = Schema([
    Field("id", .int64, nullable: false), Field("name", .utf8),
    Field("at", .timestamp(.microsecond, timeZone: "UTC")),
    Field("tags", .list(of: .int32)),
    Field("place", .struct([Field("x", .float64, nullable: false), Field("y", .float64)])),
  ])

  @Test func badRecordsAreTold() throws {
    let text = """
      {"id": 1, "name": "a"}

      {"id": "x"}
      {"name": "b"}
      {"id": 2, "nmae": "c"}
      {"id": 3, "tags": [1, 2.5]}
      {"id": 4, "place": {"y": 1}}
      {"id": 5, "id": 6}
      {"id": 7} {"id": 8}
      [1]
      {"id": 9, "name": "d"
      {"id": null}
      {"id": 10, "at": 1700000000}
      {"id": 11, "place": {"x": 1, "y": 2}, "tags": [], "at": "2026-01-31T22:31:08.5+02:00"}
      """
    let result = try parseLines(text, event)
    #expect(result.rows.map { $0[0] } == [.int(1), .int(11)])
    #expect(result.rows[1][2] == .int(1_769_891_468_500_000))
    let expected: [(Int, String?, String)] = [
      (3, "id", "\"x\" where a whole number should be"),
      (4, "id", "the record lacks the field, which may not be null"),
      (5, nil, "there is no column 'nmae'; did you mean 'name'?"),
      (6, "tags", "2.5 is no whole number that fits"),
      (7, "place.x", "the record lacks the field, which may not be null"),
      (8, "id", "the record has the field twice"),
      (9, nil, "{\"id\": 8 where the end of the line should be"),
      (10, nil, "[1 where an object, one on each line, should be"),
      (11, nil, "the record ends where ',' or '}' should be"),
      (12, "id", "null in a column that does not allow it"),
      (13, "at", "1700000000 says no unit of time"),
    ]
    #expect(result.failures.count == expected.count)
    for (failure, (line, column, reason)) in zip(result.failures, expected) {
      #expect(failure.line == line)
      #expect(failure.column == column)
      #expect(failure.reason.hasPrefix(reason), "\(failure.reason)")
      #expect(
        failure.bytes
          == Array(
            text.split(separator: "\n", omittingEmptySubsequences: false)[line - 1].utf8))
    }
  }

  @Test func optionsAreFollowed() throws {
    var options = JSONLinesOptions()
    options.unknownFields = .ignore
    options.timestampUnit = .millisecond
    options.defaults = ["name": .string("nobody")]
    options.words = ["id": ["upsert": 0, "delete": 1]]
    let text = """
      {"id": "upsert", "at": 1700000000123.4567, "other": {"a": [1, {"b": null}], "c": "\\n"}}
      {"id": 1, "name": null, "at": -0.0005}
      {"id": 2}
      """
    let result = try parseLines(text, event, options)
    #expect(
      result.rows.map { Array($0.prefix(3)) } == [
        [.int(0), .string("nobody"), .int(1_700_000_000_123_456)], [.int(1), .null, .int(-1)],
      ])
    #expect(result.failures.map(\.line) == [3])
  }

  @Test(arguments: [
    ("{\"d\": 1.25}", Scalar.decimal(12_500, scale: 4)),
    ("{\"d\": \"-0.0001\"}", .decimal(-1, scale: 4)),
    ("{\"d\": 1e3}", .decimal(10_000_000, scale: 4)), ("{\"d\": 0e99}", .decimal(0, scale: 4)),
    ("{\"d\": 12345678901234567890.12340000}", .decimal(123_456_789_012_345_678_901_234, scale: 4)),
    (
      "{\"d\": 100000000000000000000000000000000000e-20}",
      .decimal(10_000_000_000_000_000_000, scale: 4)
    ),
  ])
  func decimals(_ text: String, _ value: Scalar) throws {
    let schema = Schema([Field("d", .decimal128(precision: 38, scale: 4))])
    #expect(try parseLines(text, schema).rows == [[value]])
  }

  @Test(arguments: [
    "{\"d\": 0.00001}", "{\"d\": 1e35}", "{\"d\": \"1", "{\"d\": \"1x\"}", "{\"d\": 1e99999999999}",
    "{\"d\": 01}", "{\"d\": 1.}", "{\"d\": .5}", "{\"d\": +1}", "{\"d\": 1e}", "{\"d\": true}",
  ])
  func noDecimals(_ text: String) throws {
    let schema = Schema([Field("d", .decimal128(precision: 38, scale: 4))])
    let result = try parseLines(text, schema)
    #expect(result.rows.isEmpty && result.failures.count == 1)
  }

  @Test(arguments: 0..<40)
  func numbersAreTheNearest(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = Schema([Field("d", .float64), Field("f", .float32)])
    for _ in 0..<50 {
      var text = random.chance(0.5) ? "-" : ""
      text += "\(random.int(0...9))"
      if text.hasSuffix("0") == false {
        for _ in 0..<random.int(0...24) { text += "\(random.int(0...9))" }
      }
      if random.chance(0.7) {
        text += "."
        for _ in 0..<random.int(1...24) { text += "\(random.int(0...9))" }
      }
      if random.chance(0.5) {
        text += random.pick(["e", "E", "e+", "e-"]) + "\(random.int(0...12))"
      }
      let rows = try parseLines("{\"d\": \(text), \"f\": \(text)}", schema).rows
      #expect(rows == [[.float64(Double(text)!), .float32(Float(text)!)]], "\(text)")
    }
  }

  @Test func limitsHold() throws {
    var options = JSONLinesOptions()
    options.recordByteCountMax = 20
    options.failureByteCountMax = 10
    options.depthMax = 3
    options.unknownFields = .ignore
    let schema = Schema([Field("a", .utf8)])
    let long = "{\"a\": \"" + String(repeating: "x", count: 1_000) + "\"}"
    let text = "\(long)\n{\"a\": \"1234567890\"}\n{\"b\":[[[]]]}\n{\"b\":[[]]}\n\(long)"
    for pieceMax in [1, 7, 300, .max] {
      let result = try parseLines(text, schema, options, pieceMax: pieceMax)
      #expect(result.rows == [[.string("1234567890")], [.null]])
      #expect(result.failures.map(\.line) == [1, 3, 5])
      #expect(result.failures[0].reason == "the record has 1009 bytes, at most 20 are taken")
      #expect(result.failures[0].bytes == Array(long.utf8.prefix(10)))
      #expect(result.failures[0].isCut && result.failures[2].isCut)
    }
    options.failureCountMax = 2
    #expect(throws: ColumnarError.self) { try parseLines(text, schema, options) }
    options.failureCountMax = 10
    options.rowCountMax = 1
    #expect(throws: ColumnarError.self) { try parseLines(text, schema, options) }
  }

  @Test func namesOfAllLengths() throws {
    let names = (1...40).map { String(repeating: "n", count: $0) } + ["naïve \"q\" \\ \n", ""]
    let schema = Schema(names.map { Field($0, .int32) })
    var text = ""
    for shift in 0..<names.count {
      let order = names[shift...] + names[..<shift]
      text += JSONValue.object(order.map { ($0, .int(names.firstIndex(of: $0)!)) }).text + "\n"
    }
    let result = try parseLines(text, schema)
    #expect(result.failures == [])
    let row = names.indices.map { Scalar.int(Int64($0)) }
    #expect(result.rows == names.map { _ in row })
  }
}

/// The same for as long as `dev/fuzz` says.
@Suite struct JSONLinesFuzzTests {
  private static let environment = ProcessInfo.processInfo.environment

  @Test func damagedLinesForLong() throws {
    guard let seconds = Self.environment["WEIR_FUZZ_SECONDS"].flatMap(Double.init) else { return }
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var seed = Self.environment["WEIR_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
    while clock.now < end {
      try JSONLinesTests.tryDamagedLines(seed: seed)
      seed &+= 1
    }
  }
}
