// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirParquet

/// A scan with predicates yields every row that meets them, whatever it passes over.
struct PruningTests {
  @Test func intersections() {
    var random = SeededRandom(seed: 1)
    for _ in 0..<300 {
      let sets = (0..<2).map { _ in Set((0..<40).filter { _ in random.chance(0.6) }) }
      let ranges = sets.map(Self.ranges)
      let both = Pruning.intersect(ranges[0], ranges[1])
      #expect(both.flatMap { Array($0) } == sets[0].intersection(sets[1]).sorted())
      #expect(both.allSatisfy { !$0.isEmpty })
    }
  }

  private static func ranges(_ rows: Set<Int>) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for row in rows.sorted() {
      if let last = ranges.last, last.upperBound == row {
        ranges[ranges.count - 1] = last.lowerBound..<row + 1
      } else {
        ranges.append(row..<row + 1)
      }
    }
    return ranges
  }

  private static let types: [DataType] = [
    .bool, .int8, .int32, .int64, .uint16, .uint32, .uint64, .float16, .float32, .float64,
    .decimal128(precision: 9, scale: 2), .decimal128(precision: 18, scale: 0),
    .decimal128(precision: 38, scale: 10), .date32, .date64, .time32(.second),
    .time64(.microsecond), .timestamp(.second, timeZone: nil),
    .timestamp(.microsecond, timeZone: "UTC"), .duration(.nanosecond), .utf8, .largeUtf8,
    .binary, .fixedSizeBinary(7),
  ]

  @Test(arguments: 0..<40)
  func everyMatchComes(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var options = RandomOptions()
    options.nullRate = random.pick([0, 0.2, 0.9])
    options.bytesMax = random.pick([3, 120])
    let fields =
      [Field("row", .int64, nullable: false)]
      + Self.types.enumerated().map { Field("c\($0.offset)", $0.element) }
    let schema = Schema(fields)
    let count = random.pick([1, 40, 300])
    let written = try rowsOf(schema, count, &random, options)
    let (file, _) = try WriterRoundTripTests.write(
      [written], schema, writeOptions(schema, &random))
    let reader = try ParquetReader(file)
    // Predicates are in the units that are read: seconds have become milliseconds.
    let batch = try all(reader)
    for _ in 0..<30 {
      let predicates = (0..<random.int(1...2)).map { _ in
        predicate(batch, random.int(1..<fields.count), &random)
      }
      let scan = try reader.batches(
        columns: ["c3", "row"], predicates: predicates, batchRows: random.pick([1, 7, 1_000]))
      var seen: Set<Int64> = []
      while let part = try scan.next() {
        for row in 0..<part.rowCount {
          guard case .int(let number) = part.columns[1].scalar(at: row) else { continue }
          seen.insert(number)
          // What comes is what was written there.
          #expect(part.columns[0].scalar(at: row) == batch.columns[4].scalar(at: Int(number)))
        }
      }
      for row in 0..<count where predicates.allSatisfy({ matches($0, batch, row) }) {
        #expect(seen.contains(Int64(row)), "row \(row) is missing for \(predicates)")
      }
    }
  }

  private func all(_ reader: ParquetReader) throws -> RecordBatch {
    let scan = try reader.batches()
    var parts: [RecordBatch] = []
    while let part = try scan.next() { parts.append(part) }
    let columns = try reader.schema.fields.indices.map { index in
      try ArrayData.concatenate(parts.map { $0.columns[index] })
    }
    return try RecordBatch(schema: reader.schema, columns: columns, rowCount: reader.rowCount)
  }

  /// Rows are passed over at all: a sorted column, and a value that is nowhere.
  @Test func rowsArePassedOver() throws {
    let schema = Schema([Field("x", .int64, nullable: false), Field("y", .utf8)])
    let x = Buffer((0..<10_000).map { Int64($0) })
    let y = try array(.utf8, (0..<10_000).map { .string("v\($0 % 50)") })
    let batch = try RecordBatch(
      schema: schema, columns: [ArrayData(type: .int64, length: 10_000, buffers: [x]), y],
      rowCount: 10_000)
    var options = ParquetWriteOptions()
    options.pageRowsMax = 100
    options.rowGroupRowsMax = 4_000
    options.columns = ["y": .init(bloomFilter: .init())]
    let (file, _) = try WriterRoundTripTests.write([batch], schema, options)
    let reader = try ParquetReader(file)
    func count(_ predicate: ColumnPredicate) throws -> Int {
      let scan = try reader.batches(predicates: [predicate])
      var rows = 0
      while let part = try scan.next() { rows += part.rowCount }
      return rows
    }
    #expect(try count(ColumnPredicate("x", .equal, [.int(5_000)])) == 100)
    #expect(try count(ColumnPredicate("x", .less, [.int(250)])) == 300)
    #expect(try count(ColumnPredicate("x", .isIn, [.int(-1), .int(9_999)])) == 100)
    #expect(try count(ColumnPredicate("y", .equal, [.string("v100")])) == 0)
    #expect(try count(ColumnPredicate("y", .isNull)) == 0)
  }

  // MARK: making files

  private func rowsOf(
    _ schema: Schema, _ count: Int, _ random: inout SeededRandom, _ options: RandomOptions
  ) throws -> RecordBatch {
    var columns = [
      ArrayData(
        type: .int64, length: count, buffers: [Buffer((0..<count).map { Int64($0) })])
    ]
    for field in schema.fields.dropFirst() {
      // Values that Parquet holds exactly: whole days, seconds that fit milliseconds.
      var scalars = rows(random.array(field.type, count, nullable: true, options)).map {
        (scalar) -> Scalar in
        guard case .int(let value) = scalar else { return scalar }
        switch field.type {
        case .date64: return .int(value % 20_000 * 86_400_000)
        case .timestamp(.second, _): return .int(value % 4_000_000_000)
        case .time32(.second): return .int(value % 86_400)
        default: return scalar
        }
      }
      if random.chance(0.5) { scalars.sort(by: Self.isBefore) }
      columns.append(try array(field.type, scalars))
    }
    return try RecordBatch(schema: schema, columns: columns, rowCount: count)
  }

  private func writeOptions(
    _ schema: Schema, _ random: inout SeededRandom
  ) -> ParquetWriteOptions {
    var options = WriterRoundTripTests.writeOptions(&random)
    options.pageIndex = random.chance(0.8)
    options.boundsBytesMax = random.pick([2, 64])
    options.arrowSchema = true
    options.pageRowsMax = random.pick([1, 5, 20])
    for field in schema.fields where random.chance(0.5) && field.type != .bool {
      options.columns[field.name] = .init(bloomFilter: .init())
    }
    return options
  }

  private func predicate(
    _ batch: RecordBatch, _ column: Int, _ random: inout SeededRandom
  ) -> ColumnPredicate {
    let name = batch.schema.fields[column].name
    let values = rows(batch.columns[column]).filter { !$0.isNull }
    let comparison = random.pick([
      ColumnPredicate.Comparison.equal, .less, .lessOrEqual, .greater, .greaterOrEqual, .isIn,
      .isNull, .isNotNull,
    ])
    switch comparison {
    case .isNull, .isNotNull: return ColumnPredicate(name, comparison)
    default:
      guard !values.isEmpty else { return ColumnPredicate(name, .isNull) }
      let count = comparison == .isIn ? random.int(1...3) : 1
      return ColumnPredicate(name, comparison, (0..<count).map { _ in random.pick(values) })
    }
  }

  // MARK: the oracle

  private func matches(_ predicate: ColumnPredicate, _ batch: RecordBatch, _ row: Int) -> Bool {
    let index = batch.schema.index(of: predicate.column) ?? 0
    let value = batch.columns[index].scalar(at: row)
    switch predicate.comparison {
    case .isNull: return value.isNull
    case .isNotNull: return !value.isNull
    default: break
    }
    if value.isNull { return false }
    let wanted = predicate.values
    switch predicate.comparison {
    case .equal, .isIn: return wanted.contains(value)
    case .less: return Self.isLess(value, wanted[0])
    case .lessOrEqual: return Self.isLess(value, wanted[0]) || value == wanted[0]
    case .greater: return Self.isLess(wanted[0], value)
    default: return Self.isLess(wanted[0], value) || value == wanted[0]
    }
  }

  /// False where either is NaN or null.
  private static func isLess(_ a: Scalar, _ b: Scalar) -> Bool {
    switch (a, b) {
    case (.bool(let a), .bool(let b)): !a && b
    case (.int(let a), .int(let b)): a < b
    case (.uint(let a), .uint(let b)): a < b
    case (.float16(let a), .float16(let b)): a < b
    case (.float32(let a), .float32(let b)): a < b
    case (.float64(let a), .float64(let b)): a < b
    case (.decimal(let a, _), .decimal(let b, _)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    case (.binary(let a), .binary(let b)): a.lexicographicallyPrecedes(b)
    default: false
    }
  }

  /// An order of all, for sorting: nulls first.
  private static func isBefore(_ a: Scalar, _ b: Scalar) -> Bool {
    a.isNull != b.isNull ? a.isNull : isLess(a, b)
  }
}
