// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirFile

/// Floats and decimals: encodings that lose nothing where values allow them, and rounding on request.
struct FloatTests {
  private static func batch(_ type: DataType, _ values: [Scalar]) throws -> RecordBatch {
    let builder = makeBuilder(for: type)
    for value in values { try builder.append(value) }
    return try RecordBatch(schema: Schema([Field("x", type)]), columns: [builder.finish()])
  }

  /// What comes back, by scan and row by row, the encodings of the pages, and the column's field.
  private static func written(
    _ batch: RecordBatch, _ options: WeirFileWriteOptions = .init()
  ) throws -> (rows: [[Scalar]], encodings: Set<PageEncoding>, field: Field) {
    let reader = try WeirFileReader(RoundTripTests.write([batch], batch.schema, options))
    let column = try reader.columns(named: ["x"]).columns[0]
    var found: Set<PageEncoding> = []
    func add(_ node: PageNode) {
      found.insert(node.encoding)
      for child in node.children { add(child) }
    }
    for (index, page) in column.descriptor.pages.enumerated() {
      add(try column.page(index, reader.bytes([page.range])[0]))
    }
    let all = try RoundTripTests.all(reader.batches(batchRows: 300))
    let chosen = stride(from: 0, to: batch.rowCount, by: 7).map { $0 }
    #expect(try rows(reader.take(rows: chosen)) == chosen.map { all[$0] })
    return (all, found, column.field)
  }

  private static func normal(_ random: inout SeededRandom) -> Float {
    (0..<6).reduce(Float(-3)) { sum, _ in sum + Float(random.int(0..<1 << 24)) / 0x1p24 }
  }

  @Test func exactForms() throws {
    var random = SeededRandom(seed: 3)
    let halves = (0..<2_000).map { _ in Scalar.float32(Float(Float16(Self.normal(&random)))) }
    let short = (0..<2_000).map { _ in
      Scalar.float32(Float(bitPattern: Self.normal(&random).bitPattern & 0xffff_0000))
    }
    let zeros = (0..<2_000).map { _ in
      Scalar.float32(random.chance(0.9) ? 0 : Self.normal(&random))
    }
    for (values, encoding) in [
      (halves, PageEncoding.float16), (short, .bfloat16), (zeros, .sparse),
    ] {
      let batch = try Self.batch(.float32, values)
      let (read, encodings, field) = try Self.written(batch)
      #expect(read == rows(batch))
      #expect(encodings.contains(encoding), "\(encoding.name)")
      #expect(field.metadata.entries.isEmpty)
    }
    // Float64 whose lower bytes are those of a few values only.
    let tails = (0..<3).map { _ in random.next() & 0xffff_ffff_ffff }
    let streams = (0..<2_000).map { _ in
      Scalar.float64(Double(bitPattern: random.next() & 0x7fef << 48 | random.pick(tails)))
    }
    let batch = try Self.batch(.float64, streams)
    #expect(try Self.written(batch).rows == rows(batch))
  }

  @Test func mostlyEqualNumbers() throws {
    var random = SeededRandom(seed: 4)
    let values = (0..<3_000).map { _ in
      Scalar.int(random.chance(0.95) ? 500 : Int64(random.int(0..<1_000_000)) - 500_000)
    }
    let batch = try Self.batch(.int64, values)
    let (read, encodings, _) = try Self.written(batch)
    #expect(read == rows(batch))
    #expect(encodings.contains(.sparse))
  }

  @Test(arguments: [0.0, 0.3, 0.9])
  func rounding(nulls: Double) throws {
    var random = SeededRandom(seed: UInt64(nulls * 10) + 9)
    for type in [
      DataType.float32, .list(of: .float32, nullable: true),
      .fixedSizeList(Field("item", .float32), size: 24),
    ] {
      for (bound, form) in [(0.1, "int8"), (0.001, "float16"), (1e-9, nil)] {
        func value() -> Scalar {
          random.chance(nulls / 2) ? .null : .float32(Self.normal(&random))
        }
        let values = (0..<700).map { _ -> Scalar in
          if random.chance(nulls) { return .null }
          switch type {
          case .float32: return value()
          case .list: return .list((0..<random.int(0...9)).map { _ in value() })
          default: return .list((0..<24).map { _ in value() })
          }
        }
        let batch = try Self.batch(type, values)
        var options = WeirFileWriteOptions()
        options.quantise = ["x": bound]
        options.pageRowsMax = random.pick([100, 65_536])
        let (read, _, field) = try Self.written(batch, options)
        let before = rows(batch).map { $0[0] }
        for (given, got) in zip(before, read.map { $0[0] }) {
          #expect(Self.difference(given, got) <= bound)
        }
        let declared = field.metadata.entries.first { $0.key == "weir.quantised" }?.value
        #expect(declared == form, "\(type), \(bound)")
        #expect(field.metadata.entries.contains { $0.key == "weir.error" } == (form != nil))
        if form == nil { #expect(read.map { $0[0] } == before) }
      }
    }
  }

  /// Infinity for values of another shape.
  private static func difference(_ a: Scalar, _ b: Scalar) -> Double {
    switch (a, b) {
    case (.null, .null): return 0
    case (.float32(let x), .float32(let y)): return Double(abs(x - y))
    case (.list(let x), .list(let y)) where x.count == y.count:
      return zip(x, y).map { difference($0, $1) }.max() ?? 0
    default: return .infinity
    }
  }

  @Test func roundedValuesAreScaled() throws {
    var random = SeededRandom(seed: 12)
    let type = DataType.fixedSizeList(Field("item", .float32, nullable: false), size: 16)
    let values = (0..<500).map { _ in
      Scalar.list((0..<16).map { _ in .float32(Self.normal(&random)) })
    }
    let batch = try Self.batch(type, values)
    var options = WeirFileWriteOptions()
    options.quantise = ["x": 0.05]
    #expect(try Self.written(batch, options).encodings.contains(.scaled))
    options.quantise = ["x": 0.002]
    #expect(try Self.written(batch, options).encodings.contains(.float16))
    options.quantise = ["y": 0.1]
    #expect(throws: WeirFileError.self) { try Self.written(batch, options) }
  }

  @Test(arguments: 0..<4)
  func halfFloats(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    for _ in 0..<20_000 {
      let bits = UInt32(truncatingIfNeeded: random.next())
      let value = Float(bitPattern: random.chance(0.5) ? bits : bits & 0xc7ff_ffff | 0x3000_0000)
      if value.isNaN {
        #expect(HalfFloat.value(HalfFloat.nearest(value.bitPattern)).isNaN)
      } else {
        #expect(HalfFloat.nearest(value.bitPattern) == Float16(value).bitPattern)
      }
    }
  }

  @Test func decimals() throws {
    var random = SeededRandom(seed: 1)
    let values = (0..<1_500).map { _ in
      Scalar.decimal(Int128(random.int(0..<100_000)) - 50_000, scale: 2)
    }
    let batch = try Self.batch(.decimal128(precision: 20, scale: 2), values)
    let (read, encodings, _) = try Self.written(batch)
    #expect(read == rows(batch))
    #expect(encodings.contains(.halves))
  }
}
