// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Statistics of pages and files, against the values one by one.
struct StatisticsTests {
  /// Of values that are neither null nor NaN.
  private static func isOrdered(_ value: Scalar) -> Bool { Scalar.order(value, value) == 0 }

  private static func isNaN(_ value: Scalar) -> Bool {
    switch value {
    case .float16(let number): number.isNaN
    case .float32(let number): number.isNaN
    case .float64(let number): number.isNaN
    default: false
    }
  }

  /// Whether what is said of the values is true; and, of numbers, as exact as it can be.
  static func check(_ metrics: ColumnMetrics, _ values: [Scalar], _ type: DataType) {
    #expect(metrics.valueCount == Int64(values.count))
    #expect(metrics.nullCount == Int64(values.count(where: \.isNull)), "\(type)")
    if type.isFloatingPoint {
      #expect(metrics.nanCount == Int64(values.count(where: isNaN)), "\(type)")
    }
    let ordered = values.filter(isOrdered)
    guard let lower = metrics.lower, let upper = metrics.upper else {
      #expect(metrics.lower == nil && metrics.upper == nil)
      if !type.isVariableBinary, PageStatistics.hasBounds(type) {
        if case .fixedSizeBinary = type { return }
        #expect(ordered.isEmpty, "\(type)")
      }
      return
    }
    for value in ordered {
      #expect(Scalar.order(lower, value) ?? 1 <= 0 && Scalar.order(value, upper) ?? 1 <= 0)
    }
    if case .binary(let least) = lower, case .binary(let most) = upper {
      #expect(least.count <= 15 && most.count <= 15)
      return
    }
    #expect(ordered.contains { Scalar.order(lower, $0) == 0 }, "\(type)")
    #expect(ordered.contains { Scalar.order(upper, $0) == 0 }, "\(type)")
  }

  @Test(arguments: 0..<60)
  func whatIsTrueOfTheValues(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 500)
    let schema = random.schema()
    let batches = (0..<random.int(1...3)).map { _ in
      random.batch(schema, rows: random.pick([0, 1, 9, 150, 700]))
    }
    let written = batches.flatMap { rows($0) }
    let store = MemoryObjectStore()
    let writer = try WeirFileWriter(
      try store.create("f", condition: .none), schema: schema,
      options: RoundTripTests.writeOptions(&random))
    for batch in batches { try writer.write(batch) }
    try writer.close()
    let reader = try WeirFileReader(try store.open("f"))
    let all = try reader.columns(nil)
    let pages = try reader.statistics(all)
    let metrics = try reader.columnMetrics()
    #expect(metrics == writer.columnMetrics)
    for (index, field) in schema.fields.enumerated() where pages[index] != nil {
      let values = written.map { $0[index] }
      Self.check(metrics[index], values, field.type)
      for (page, statistics) in zip(all[index].descriptor.pages, pages[index]!.pages) {
        Self.check(
          statistics.metrics(field.type, rowCount: page.rowCount),
          Array(values[page.firstRow..<page.firstRow + page.rowCount]), field.type)
      }
    }
  }

  @Test func boundsOfText() throws {
    func bounds(_ texts: [String?]) throws -> PageStatistics.Bounds? {
      let builder = makeBuilder(for: .utf8)
      for text in texts { try builder.append(text.map { .string($0) } ?? .null) }
      return PageMeasure.of(builder.finish()).bounds
    }
    func text(_ bound: UInt128) -> Scalar? { PageStatistics.scalar(bound, .utf8) }
    let long = try #require(try bounds(["a text that is longer than a bound", nil, "ä"]))
    #expect(text(long.lower) == .binary(Array("a text that is ".utf8)) && !long.isLowerExact)
    #expect(text(long.upper) == .binary(Array("ä".utf8)) && long.isUpperExact)
    // Whole characters: é would be cut, so that the z before it is raised.
    let cut = try #require(try bounds(["zzzzzzzzzzzzzzé and more"]))
    #expect(text(cut.lower) == .binary(Array("zzzzzzzzzzzzzz".utf8)))
    #expect(text(cut.upper) == .binary(Array("zzzzzzzzzzzzz{".utf8)) && !cut.isUpperExact)
    let bytes = makeBuilder(for: .binary)
    try bytes.append(.binary([UInt8](repeating: 0xff, count: 20)))
    #expect(PageMeasure.of(bytes.finish()).bounds == nil)
  }

  @Test func zerosAndInfinities() throws {
    func bounds(_ values: [Double]) -> [UInt64]? {
      PageMeasure.of(
        ArrayData(type: .float64, length: values.count, buffers: [Buffer(values)])
      ).bounds.map { [UInt64($0.lower), UInt64($0.upper)] }
    }
    let minusZero = (-0.0 as Double).bitPattern
    #expect(bounds([0]) == [minusZero, 0])
    #expect(bounds([-0.0]) == [minusZero, 0])
    #expect(bounds([.nan, -.nan]) == nil)
    #expect(
      bounds([.nan, -.infinity, 1, .infinity])
        == [(-Double.infinity).bitPattern, Double.infinity.bitPattern])
    #expect(bounds([-1, -2]) == [(-2.0).bitPattern, (-1.0).bitPattern])
  }

  /// `problems` finds statistics that are sound as bytes and not true.
  @Test func whatIsNotTrueOfTheValues() throws {
    let schema = Schema([Field("a", .int64)])
    let batch = try RecordBatch(
      schema: schema,
      columns: [ArrayData(type: .int64, length: 3, buffers: [Buffer([Int64(5), 6, 7])])])
    var options = WeirFileWriteOptions()
    options.keyColumns = ["a"]
    let file = try RoundTripTests.write([batch], schema, options)
    let reader = try WeirFileReader(file)
    #expect(reader.problems().isEmpty)
    let column = try reader.columns(["a"])[0]
    let good = try #require(try reader.statistics([column])[0])
    var wrong = [good, good, good]
    wrong[0].pages[0].nullCount = 1
    wrong[1].pages[0].bounds?.upper = 6
    wrong[2].filter = Buffer([UInt8](repeating: 0, count: 32))
    for statistics in wrong {
      column.knownStatistics.withLock { $0 = statistics }
      #expect(reader.problems().map(\.column) == ["a"])
    }
  }

  @Test func withoutStatistics() throws {
    var options = WeirFileWriteOptions()
    options.statistics = false
    let schema = Schema([Field("a", .int64)])
    let batch = try RecordBatch(
      schema: schema,
      columns: [ArrayData(type: .int64, length: 2, buffers: [Buffer([Int64(1), 2])])])
    let reader = try WeirFileReader(try RoundTripTests.write([batch], schema, options))
    #expect(try reader.columnMetrics() == [ColumnMetrics(valueCount: 2)])
    let found = try reader.matches(.compare(.equal, "a", 2))
    #expect(try found.next().map(rows) == [[.int(2)]])
    #expect(found.rows == [1])
  }
}

/// Scans with predicates, against filtering all rows.
struct MatchesTests {
  /// A predicate on columns of single values, with literals that occur in them.
  static func predicate(
    _ random: inout SeededRandom, _ schema: Schema, _ rows: [[Scalar]], depth: Int
  ) -> Predicate? {
    if depth > 0 && random.chance(0.5) {
      let parts = (0..<random.int(1...3)).compactMap { _ in
        predicate(&random, schema, rows, depth: depth - 1)
      }
      return random.pick([.and(parts), .or(parts), .not(.or(parts))])
    }
    let index = random.int(0..<schema.fields.count)
    let field = schema.fields[index]
    let term = Term(path: [field.name])
    if random.chance(0.2) { return random.pick([.isNull(term), .notNull(term)]) }
    if random.chance(0.1), field.type.isFloatingPoint {
      return random.pick([.isNaN(term), .notNaN(term)])
    }
    var type = field.type
    if case .dictionary(_, let value, _) = type { type = value }
    let literals = (0..<3).compactMap { _ -> Literal? in
      rows.isEmpty ? nil : Literal(random.pick(rows)[index], as: type)
    }
    guard literals.count == 3 else { return nil }
    return random.pick([
      .isIn(term, literals), .notIn(term, literals),
      .compare(random.pick(Predicate.Operator.allCases), term, literals[0]),
      .and([
        .compare(.greaterOrEqual, term, literals[0]), .compare(.less, term, literals[1]),
      ]),
    ])
  }

  static func check(
    _ reader: WeirFileReader, _ predicate: Predicate, _ random: inout SeededRandom
  ) throws {
    let whole = try reader.batches()
    let schema = try reader.schema
    let bound = try predicate.bind(to: schema)
    let first = random.chance(0.5) ? 0 : random.int(0...reader.rowCount)
    let range = first..<(random.chance(0.5) ? reader.rowCount : random.int(first...reader.rowCount))
    let names =
      random.chance(0.3) ? nil : schema.fields.map(\.name).filter { _ in random.chance(0.5) }
    let places = (names ?? schema.fields.map(\.name)).map { schema.index(of: $0)! }
    var expected: [[Scalar]] = []
    var expectedRows: [Int] = []
    var at = 0
    while let batch = try whole.next() {
      let all = rows(batch)
      for row in try bound.selection(batch).rows where range.contains(at + row) {
        expected.append(places.map { all[row][$0] })
        expectedRows.append(at + row)
      }
      at += batch.rowCount
    }
    let matches = try reader.matches(
      predicate, columns: names, rows: range, batchRows: random.pick([3, 50, 65_536]))
    var found: [[Scalar]] = []
    var foundRows: [Int] = []
    while let batch = try matches.next() {
      found += rows(batch)
      foundRows += matches.rows
    }
    #expect(foundRows == expectedRows, "\(predicate)")
    #expect(found == expected, "\(predicate)")
  }

  @Test(arguments: 0..<60)
  func sameAsFilteringAllRows(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 900)
    let schema = random.schema()
    let batch = random.batch(schema, rows: random.pick([0, 1, 9, 150, 700]))
    let file = try RoundTripTests.write(
      [batch], schema, RoundTripTests.writeOptions(&random))
    let reader = try WeirFileReader(file)
    for _ in 0..<6 {
      guard let predicate = Self.predicate(&random, schema, rows(batch), depth: 2) else { continue }
      try Self.check(reader, predicate, &random)
    }
  }

  /// Only the pages that may hold a match are read.
  @Test func pagesThatAreLeftOut() throws {
    let count = 1_000
    let schema = Schema([Field("at", .int64, nullable: false), Field("name", .utf8)])
    let names = makeBuilder(for: .utf8)
    for row in 0..<count { try names.append(row < 500 ? .null : .string("name \(row)")) }
    let batch = try RecordBatch(
      schema: schema,
      columns: [
        ArrayData(type: .int64, length: count, buffers: [Buffer((0..<count).map { Int64($0) })]),
        names.finish(),
      ])
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 100
    let reader = try WeirFileReader(try RoundTripTests.write([batch], schema, options))
    func candidates(_ text: String) throws -> Int {
      try reader.matches(try Predicate(parsing: text)).candidateRowCount
    }
    #expect(try candidates("at = 250") == 100)
    #expect(try candidates("at >= 250 and at < 300") == 100)
    #expect(try candidates("at in (1, 999)") == 200)
    #expect(try candidates("at < 0") == 0)
    #expect(try candidates("name is null") == 500)
    #expect(try candidates("name is not null and at < 600") == 100)
    #expect(try candidates("name like 'name 7%'") == 100)
    #expect(try candidates("not (at >= 100)") == 100)
  }

  @Test func whatIsNoColumn() throws {
    let schema = Schema([Field("price", .int64)])
    let reader = try WeirFileReader(
      try RoundTripTests.write([], schema, WeirFileWriteOptions()))
    let error = #expect(throws: WeirFileError.self) {
      try reader.matches(.compare(.equal, "prise", 1))
    }
    #expect(error?.code == .invalidArgument && error?.message.contains("price") == true)
  }
}
