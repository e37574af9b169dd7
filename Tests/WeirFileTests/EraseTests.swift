// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Files without the values of some rows: the other rows are as they were, and nothing of the erased
/// ones is anywhere in the bytes.
struct EraseTests {
  static func erase(
    _ rows: [Int], columns: [String]? = nil, _ reader: WeirFileReader
  ) throws -> (any ObjectReader, WeirFileEraser.Summary) {
    let store = MemoryObjectStore()
    let summary = try WeirFileEraser.erase(
      rows: rows, columns: columns, of: reader, to: try store.create("e", condition: .none))
    return (try store.open("e"), summary)
  }

  @Test(arguments: 0..<60)
  func theOtherRowsStay(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 3_000)
    let schema = random.schema()
    let batch = random.batch(schema, rows: random.pick([1, 40, 300, 900]))
    var options = RoundTripTests.writeOptions(&random)
    options.pageRowsMax = random.pick([13, 100, 300])
    options.statistics = random.chance(0.8)
    options.keyColumns = schema.fields.filter {
      KeyHash.isSupported($0.type) && random.chance(0.5)
    }.map(\.name)
    let reader = try WeirFileReader(try RoundTripTests.write([batch], schema, options))
    let written = rows(batch)
    let erased =
      random.chance(0.1)
      ? [] : (0..<random.pick([1, 3, 30])).map { _ in random.int(0..<written.count) }
    let names =
      random.chance(0.5) ? nil : schema.fields.map(\.name).filter { _ in random.chance(0.5) }
    let (file, _) = try Self.erase(erased, columns: names, reader)
    let result = try WeirFileReader(file)
    #expect(result.tail.generation == 1)
    #expect(try result.schema == reader.schema)
    #expect(result.problems().map(\.message) == [])
    let found = try RoundTripTests.all(result.batches(batchRows: 100))
    for (row, values) in found.enumerated() {
      for (index, field) in schema.fields.enumerated() {
        let isErased = erased.contains(row) && names?.contains(field.name) ?? true
        if !isErased {
          #expect(values[index] == written[row][index], "row \(row) of \(field)")
        } else if field.nullable || field.type == .null {
          #expect(values[index] == .null)
        }
      }
    }
    // Statistics and key indexes are those of the new rows.
    for (index, column) in try result.allColumns().enumerated() {
      guard let statistics = try result.statistics([column])[0] else { continue }
      for (page, zone) in zip(column.descriptor.pages, statistics.pages) {
        StatisticsTests.check(
          zone.metrics(column.field.type, rowCount: page.rowCount),
          found[page.firstRow..<page.firstRow + page.rowCount].map { $0[index] },
          column.field.type)
      }
    }
    for _ in 0..<3 {
      guard let predicate = MatchesTests.predicate(&random, schema, found, depth: 1) else {
        continue
      }
      try MatchesTests.check(result, predicate, &random)
    }
  }

  // MARK: the marker

  private static let text = "Mq7-erase-me-Zx9"
  private static let number: Int64 = 0x5A13_77C4_9E21_6BD3

  /// A column, the erased value of a row, and other rows' values.
  private struct Planted {
    var field: Field
    var marker: Scalar
    var other: (Int) -> Scalar

    init(_ type: DataType, nullable: Bool, _ marker: Scalar, _ other: @escaping (Int) -> Scalar) {
      field = Field("c", type, nullable: nullable)
      self.marker = marker
      self.other = other
    }
  }

  /// Plain, dictionary, list, window and compressed pages.
  private static func planted(nullable: Bool) -> [Planted] {
    let bytes = Array(text.utf8)
    let list = DataType.list(of: .int64, nullable: false)
    func slide(_ row: Int) -> Scalar {
      .list((row / 3..<row / 3 + 20).map { .int(Int64($0) &* 0x1_0001) })
    }
    return [
      Planted(.utf8, nullable: nullable, .string(text)) { .string("text of row \($0)") },
      Planted(.utf8, nullable: nullable, .string(text)) { .string("word \($0 % 3)") },
      Planted(
        .dictionary(index: .int32, value: .utf8, ordered: false), nullable: nullable,
        .string(text)
      ) { .string("word \($0 % 3)") },
      Planted(.int64, nullable: nullable, .int(number)) { .int(Int64($0) &* 0x1234_5678_9ABC) },
      // Few distinct hashes: a dictionary.
      Planted(.int64, nullable: nullable, .int(number)) {
        .int(Int64($0 % 7) &* 0x1234_5678_9ABC_DE01)
      },
      Planted(.float64, nullable: nullable, .float64(Double(bitPattern: UInt64(number)))) {
        .float64(Double($0) / 8)
      },
      Planted(
        list, nullable: nullable, .list([.int(1), .int(number)]), { .list([.int(Int64($0))]) }),
      // Sliding windows on a pool; the erased list holds items that others have, too.
      Planted(
        list, nullable: nullable,
        .list((100..<119).map { .int(Int64($0) &* 0x1_0001) } + [.int(number)]), slide),
      Planted(
        .list(of: .utf8), nullable: nullable, .list([.string(text)]),
        {
          .list([.string("a\($0)"), .null])
        }),
      Planted(.fixedSizeBinary(16), nullable: nullable, .binary(bytes)) {
        .binary([UInt8](repeating: UInt8($0 % 5), count: 16))
      },
      Planted(
        .struct([Field("a", .utf8), Field("b", .int64, nullable: false)]), nullable: nullable,
        .struct([.init("a", .string(text)), .init("b", .int(number))])
      ) { .struct([.init("a", .null), .init("b", .int(Int64($0)))]) },
      Planted(
        .fixedSizeList(Field("item", .int64, nullable: false), size: 2), nullable: nullable,
        .list([.int(number), .int(number)])
      ) { .list([.int(Int64($0)), .int(1)]) },
    ]
  }

  private static func holds(_ bytes: [UInt8], _ wanted: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { bytes in
      wanted.withUnsafeBytes { wanted in
        guard bytes.count >= wanted.count else { return false }
        return (0...bytes.count - wanted.count).contains { start in
          bytes[start] == wanted[0] && bytes[start..<start + wanted.count].elementsEqual(wanted)
        }
      }
    }
  }

  /// Whether the value is in the raw bytes, or in anything that decodes.
  private static func isReachable(_ reader: WeirFileReader, _ file: any ObjectReader) throws -> Bool
  {
    let little = (0..<8).map { UInt8(truncatingIfNeeded: number >> Int64(8 * $0)) }
    // The start of the text would be in a bound.
    let pieces = [Array(text.utf8.prefix(10)), Array(text.utf8.suffix(10)), little]
    func found(_ bytes: [UInt8]) -> Bool { pieces.contains { holds(bytes, $0) } }
    if found(try file.read(0..<file.size).array(of: UInt8.self)) { return true }
    func found(_ array: ArrayData) -> Bool {
      array.buffers.contains { found($0.array(of: UInt8.self)) }
        || array.children.contains(where: found)
        || array.dictionary.map(found) ?? false
    }
    let batches = try reader.batches()
    while let batch = try batches.next() {
      // The arrays as they are, with what lies under nulls.
      if batch.columns.contains(where: found) { return true }
    }
    for column in try reader.allColumns() {
      for array in column.decoder.auxiliary where array.role != .keys && array.count > 0 {
        for index in 0..<array.pageCount {
          let page = try array.page(index)
          var type = column.field.type
          if array.role == .pool { type = type.children[0].type }
          if page.kind == .eight { type = .int64 }
          if page.kind == .four { type = .int32 }
          if page.kind == .bytes { type = .utf8 }
          let sink = ColumnSink.make(type, SinkLimit(1 << 26))
          try sink.append(page, 0, page.count, array.decoder)
          if found(try sink.finish()) { return true }
        }
      }
    }
    return false
  }

  @Test(arguments: [true, false], WeirFileWriteOptions.Profile.allCases)
  func nothingIsLeft(nullable: Bool, profile: WeirFileWriteOptions.Profile) throws {
    let count = 900
    let places = [0, 1, 450, 899]
    for (number, planted) in Self.planted(nullable: nullable).enumerated() {
      let builder = makeBuilder(for: planted.field.type)
      for row in 0..<count {
        if nullable && row % 10 == 7 {
          builder.appendNull()
        } else {
          try builder.append(places.contains(row) ? planted.marker : planted.other(row))
        }
      }
      let schema = Schema([planted.field])
      let batch = try RecordBatch(schema: schema, columns: [builder.finish()])
      var options = WeirFileWriteOptions()
      options.profile = profile
      options.pageRowsMax = 300
      if KeyHash.isSupported(planted.field.type) { options.keyColumns = ["c"] }
      let before = try RoundTripTests.write([batch], schema, options)
      let reader = try WeirFileReader(before)
      // Otherwise the test would show nothing.
      #expect(try Self.isReachable(reader, before), "column \(number), \(planted.field)")
      let (file, summary) = try Self.erase(places, reader)
      let result = try WeirFileReader(file)
      #expect(try !Self.isReachable(result, file), "column \(number), \(planted.field)")
      #expect(summary.rowCount == 4 && summary.rewrittenPageCount == 3)
      if !options.keyColumns.isEmpty {
        let column = try result.allColumns()[0]
        let hash = try #require(KeyHash.of(planted.marker, planted.field.type))
        let index = try #require(KeyIndex(column, rowCount: count))
        #expect(try index.rows(hash).isEmpty)
      }
    }
  }

  /// Pages without an erased row are copied as they are.
  @Test func otherPagesAreCopied() throws {
    let values = (0..<1_000).map { Int64($0) &* 0x1234_5678_9ABC_DEF1 }
    let schema = Schema([Field("a", .int64)])
    let batch = try RecordBatch(
      schema: schema,
      columns: [ArrayData(type: .int64, length: 1_000, buffers: [Buffer(values)])])
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 100
    let reader = try WeirFileReader(try RoundTripTests.write([batch], schema, options))
    let (file, summary) = try Self.erase([250, 251, 299, 999], reader)
    #expect(
      summary
        == WeirFileEraser.Summary(rowCount: 4, rewrittenPageCount: 2, copiedPageCount: 8))
    let before = try reader.allColumns()[0].descriptor.pages
    let after = try WeirFileReader(file).allColumns()[0].descriptor.pages
    #expect(zip(before, after).count { $0.crc == $1.crc && $0.size == $1.size } == 8)
    let error = #expect(throws: WeirFileError.self) { try Self.erase([1_000], reader) }
    #expect(error?.code == .invalidArgument)
    let missing = #expect(throws: WeirFileError.self) {
      try Self.erase([1], columns: ["b"], reader)
    }
    #expect(missing?.column == "b")
  }
}
