// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirSimulation
internal import _WeirTestSupport

@testable internal import WeirStreaming

@Suite struct KeyEncoderTests {
  static let types: [DataType] = RandomOptions.allLeafTypes.filter { $0 != .null }

  /// Bytes compare as the columns do, and are equal exactly for equal values.
  @Test(arguments: 0..<200) func orderIsThatOfTheColumns(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let nulls: KeyEncoder.Nulls = random.chance(0.5) ? .first : .refused
    let fields = (0..<random.int(1...3)).map { Field("c\($0)", random.pick(Self.types)) }
    var options = RandomOptions()
    options.bytesMax = 4
    let batch = try RecordBatch(
      schema: Schema(fields),
      columns: fields.map { random.array($0.type, 40, nullable: nulls == .first, options) })
    let keys = try KeyEncoder(batch.schema, columns: Array(fields.indices), nulls: nulls)
      .encode(batch)
    #expect(keys.nullCount == 0)
    let values = rows(batch)
    for i in 0..<40 {
      for j in 0..<40 {
        var expected = 0
        for (a, b) in zip(values[i], values[j]) where expected == 0 { expected = naiveOrder(a, b) }
        #expect(
          VersionBytes.compare(keys, i, keys, j).signum() == expected, "\(values[i]) \(values[j])")
      }
    }
  }

  @Test func whatCannotBeAKey() throws {
    let schema = Schema([
      Field("l", .list(of: .int32)), Field("s", .utf8),
      Field("d", .dictionary(index: .int8, value: .utf8, ordered: false)),
    ])
    for column in [0, 2] {
      let error = #expect(throws: StreamError.self) { try KeyEncoder(schema, columns: [column]) }
      #expect(error?.code == .unsupported)
      #expect(error?.column == schema.fields[column].name)
    }
    let encoder = try KeyEncoder(Schema([Field("s", .utf8)]), columns: [0])
    let long = try array(.utf8, [.string("a"), .string(String(repeating: "x", count: 33_000))])
    let tooLong = #expect(throws: StreamError.self) { try encoder.encode([long], rowCount: 2) }
    #expect(tooLong?.message.contains("row 1") == true)
    let null = #expect(throws: StreamError.self) {
      try encoder.encode([try array(.utf8, [.null])], rowCount: 1)
    }
    #expect(null?.column == "s")
  }

  /// A column that is widened keeps its keys.
  @Test func widthsAreTheSame() throws {
    func key(_ type: DataType, _ value: Scalar) throws -> [UInt8] {
      try KeyEncoder(Schema([Field("k", type)]), columns: [0])
        .encode([try array(type, [value])], rowCount: 1).byteArray(0)
    }
    #expect(try key(.int8, .int(-3)) == key(.int64, .int(-3)))
    #expect(try key(.int32, .int(70_000)) == key(.int64, .int(70_000)))
    #expect(try key(.float32, .float32(-1.5)) == key(.float64, .float64(-1.5)))
    #expect(
      try key(.decimal128(precision: 9, scale: 2), .decimal(5, scale: 2))
        == key(.decimal128(precision: 30, scale: 2), .decimal(5, scale: 2)))
  }
}
