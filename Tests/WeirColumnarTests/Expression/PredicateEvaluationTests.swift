// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct PredicateEvaluationTests {
  /// Bounds as a file's metadata has them: right, but sometimes loose or missing.
  private struct TestBounds: ColumnBounds {
    var metrics: [[String]: ColumnMetrics]
    func metrics(of column: BoundColumn) -> ColumnMetrics {
      metrics[column.names] ?? ColumnMetrics()
    }
  }

  private func isNaN(_ value: Scalar) -> Bool {
    switch value {
    case .float16(let value): value.isNaN
    case .float32(let value): value.isNaN
    case .float64(let value): value.isNaN
    default: false
    }
  }

  private func bounds(_ leaves: [RandomPredicates.Leaf], _ random: inout SeededRandom) -> TestBounds
  {
    var bounds = TestBounds(metrics: [:])
    for leaf in leaves {
      let values = leaf.values.filter { !$0.isNull && !isNaN($0) }
      let sorted = values.sorted { (Scalar.order($0, $1) ?? 0) < 0 }
      var metrics = ColumnMetrics(
        lower: sorted.first, upper: sorted.last,
        nullCount: Int64(leaf.values.count { $0.isNull }),
        nanCount: leaf.type.isFloatingPoint ? Int64(leaf.values.count { isNaN($0) }) : nil,
        valueCount: Int64(leaf.values.count))
      // Truncated: a prefix below, above it the next prefix of that length.
      if case .string(let text) = metrics.lower, random.chance(0.5) {
        metrics.lower = .binary(Array(text.utf8.prefix(2)))
      }
      if case .string(let text) = metrics.upper, random.chance(0.5),
        let first = text.utf8.first, first < 255, text.utf8.count > 1
      {
        metrics.upper = .binary([first + 1])
      }
      if random.chance(0.1) { metrics.lower = nil }
      if random.chance(0.1) { metrics.upper = nil }
      if random.chance(0.1) { metrics.nullCount = nil }
      if random.chance(0.1) { metrics.nanCount = nil }
      if random.chance(0.1) { metrics.valueCount = nil }
      bounds.metrics[leaf.term.path] = random.chance(0.1) ? nil : metrics
    }
    return bounds
  }

  @Test(arguments: 0..<300)
  func agreesWithTheOracle(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var options = RandomOptions()
    options.depthMax = random.pick([0, 0, 2])
    options.bytesMax = random.pick([3, 12])
    options.nullRate = random.pick([0, 0.2, 0.9])
    let schema = random.schema(options, columns: random.int(1...4))
    let batch = random.batch(schema, rows: random.pick([0, 1, 3, 63, 64, 65, 200]), options)
    let generator = RandomPredicates(batch)
    let oracle = PredicateOracle(schema: schema)
    let data = rows(batch)
    for _ in 0..<12 {
      let predicate = generator.predicate(&random, depth: random.int(0...3))
      #expect(try Predicate(parsing: predicate.description) == predicate, "\(predicate)")
      let bound = try predicate.bind(to: schema)
      let expected = data.map { oracle.value(predicate, $0) }
      let found = rows(try bound.evaluate(batch))
      if found != expected.map({ $0.map { .bool($0) } ?? .null }) {
        let row = zip(found, expected).enumerated().first {
          $0.element.0 != ($0.element.1.map { .bool($0) } ?? .null)
        }!
        Issue.record(
          "seed \(seed), \(predicate): row \(row.offset), \(data[row.offset]): \(row.element)")
        continue
      }
      let selected = expected.indices.filter { expected[$0] == true }
      let selection = try bound.selection(batch)
      #expect(selection.rows == selected)
      #expect(selection.count == selected.count)
      #expect(try batch.filter(bound).rowCount == selected.count)
      // What binding made of it says the same.
      let again = try bound.predicate.bind(to: schema)
      #expect(try again.selection(batch).rows == selected, "\(predicate) became \(bound.predicate)")

      let bounds = bounds(generator.leaves, &random)
      if !bound.mayMatch(bounds) { #expect(selected.isEmpty, "\(predicate)") }
      if bound.mustMatch(bounds) { #expect(selected.count == batch.rowCount, "\(predicate)") }
      #expect(try bound.residual(bounds).selection(batch).rows == selected, "\(predicate)")
    }
  }

  @Test func columnsMayComeInAnyOrder() throws {
    let bound = try BoundPredicate(
      parsing: "a > 1", schema: Schema([Field("b", .utf8), Field("a", .int32)]))
    let values = try array(.int32, [.int(1), .int(2), .null])
    let batch = try RecordBatch(schema: Schema([Field("a", .int32)]), columns: [values])
    #expect(try bound.selection(batch).rows == [1])
    #expect(throws: ColumnarError.self) {
      try bound.selection(RecordBatch(schema: Schema([]), columns: []))
    }
    let other = try RecordBatch(
      schema: Schema([Field("a", .int64)]), columns: [try array(.int64, [.int(1)])])
    #expect(throws: ColumnarError.self) { try bound.selection(other) }
  }

  /// Each way to look up a list: bitmaps, hash tables, tables of bytes, one by one.
  @Test(arguments: [
    DataType.int32, .int64, .uint64, .float16, .float32, .float64, .date32, .utf8, .largeBinary,
    .decimal128(precision: 38, scale: 2), .fixedSizeBinary(3),
    .dictionary(index: .int16, value: .utf8, ordered: false),
  ])
  func longLists(type: DataType) throws {
    var random = SeededRandom(seed: 11)
    var options = RandomOptions()
    for spread in [false, true] {
      options.extremes = spread
      let schema = Schema([Field("a", type)])
      let batch = random.batch(schema, rows: 2_000, options)
      let leaf = RandomPredicates(batch).leaves[0]
      let values = leaf.values.filter { !$0.isNull }
      for count in [2, 5, 30, 300, 1_500] where !values.isEmpty {
        let literals = (0..<count).compactMap { _ in Literal(random.pick(values), as: leaf.type) }
        let bound = try Predicate.isIn("a", literals).bind(to: schema)
        let wanted = Set(
          literals.compactMap { literal -> Scalar? in
            guard case .exact(let value)? = try? literal.converted(to: type) else { return nil }
            return value
          })
        let expected = leaf.values.indices.filter {
          !leaf.values[$0].isNull && wanted.contains(leaf.values[$0])
        }
        #expect(try bound.selection(batch).rows == expected, "\(type), \(count)")
      }
    }
  }

  @Test func fewRowsOfALargeDictionary() throws {
    let type = DataType.dictionary(index: .int32, value: .utf8, ordered: false)
    let values = try array(.utf8, (0..<10_000).map { .string("v\($0)") })
    let column = ArrayData(
      type: type, length: 3, buffers: [Buffer([7, 9_999, 4_000] as [Int32])], dictionary: values)
    let batch = try RecordBatch(schema: Schema([Field("a", type)]), columns: [column])
    let bound = try BoundPredicate(parsing: "a LIKE 'v9%' OR a = 'v7'", schema: batch.schema)
    #expect(try bound.selection(batch).rows == [0, 1])
  }
}
