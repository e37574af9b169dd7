// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

@Suite struct TransformTests {
  /// Iceberg's specification, appendix B.
  @Test func hashesOfTheSpecification() throws {
    let vectors: [(Scalar, TableType, Int32)] = [
      (.int(34), .int, 2_017_239_379), (.int(34), .long, 2_017_239_379),
      (.decimal(1420, scale: 2), .decimal(precision: 9, scale: 2), -500_754_589),
      (.int(17486), .date, -653_330_422), (.int(81_068_000_000), .time, -662_762_989),
      (.int(1_510_871_468_000_000), .timestamp, -2_047_944_441),
      (.int(1_510_871_468_000_001), .timestamp, -1_207_196_810),
      (.int(1_510_871_468_000_001), .timestamptz, -1_207_196_810),
      (.int(1_510_871_468_000_000_000), .timestampNs, -2_047_944_441),
      (.int(1_510_871_468_000_001_001), .timestamptzNs, -1_207_196_810),
      (.string("iceberg"), .string, 1_210_000_089),
      (.binary([0, 1, 2, 3]), .fixed(4), -188_683_207),
      (.binary([0, 1, 2, 3]), .binary, -188_683_207),
      (
        .binary(UUIDText.bytes("f79c3e09-677c-4bbd-a479-3f349cb785e7") ?? []), .uuid, 1_488_055_340
      ),
    ]
    for (value, type, hash) in vectors {
      #expect(Transform.hash(value, type).map { Int32(bitPattern: $0) } == hash, "\(value) \(type)")
    }
  }

  /// Values, whole columns (with nulls, sliced) and texts as PyIceberg gives them.
  @Test func resultsOfPyIceberg() throws {
    let groups = try MetadataFiles.own("transforms.json").asArray()
    #expect(groups.count > 20)
    for json in groups {
      let group = try json.asObject()
      let type = try TableType(json: try #require(group["type"]))
      let transform = try Transform(json: try #require(group["transform"]))
      let resultType = try #require(transform.resultType(of: type))
      let values = try group.array("values").map { try scalar($0, type) }
      let results = try group.array("results").map { try scalar($0, resultType) }
      let texts = try group.array("texts").map { try $0.asString() }
      for ((value, expected), text) in zip(zip(values, results), texts) {
        let result = try transform.apply(value, type)
        #expect(result == expected, "\(transform) of \(value)")
        #expect(transform.text(result, source: type) == text)
      }
      let builder = makeBuilder(for: type.arrowType)
      builder.appendNull()
      for value in values { try builder.append(value) }
      builder.appendNull()
      let column = builder.finish()
      let all = try transform.apply(column, type)
      #expect(all.type == resultType.arrowType)
      #expect((0..<all.length).map { all.scalar(at: $0) } == [.null] + results + [.null])
      let slice = try transform.apply(column.slice(offset: 3, length: column.length - 3), type)
      #expect((0..<slice.length).map { slice.scalar(at: $0) } == results.dropFirst(2) + [.null])
    }
  }

  /// Dates and times are plain integers in the generated file.
  private func scalar(_ json: JSONValue, _ type: TableType) throws -> Scalar {
    switch type {
    case .date, .time, .timestamp, .timestamptz: .int(try json.asInt64())
    default: try Scalar(json: json, type)
    }
  }

  @Test func dictionaryColumns() throws {
    let type = DataType.dictionary(index: .int32, value: .utf8, ordered: false)
    let builder = makeBuilder(for: type)
    for value in ["iceberg", nil, "abc", "iceberg"] {
      try builder.append(value.map { .string($0) } ?? .null)
    }
    let result = try Transform.bucket(16).apply(builder.finish(), .string)
    let expected = try Transform.bucket(16).apply(.string("iceberg"), .string)
    #expect(result.scalar(at: 0) == expected && result.scalar(at: 3) == expected)
    #expect(result.scalar(at: 1) == .null)
  }

  @Test func nanosecondsAndEdges() throws {
    #expect(try Transform.day.apply(.int(-1), .timestampNs) == .int(-1))
    #expect(try Transform.hour.apply(.int(-1), .timestamptzNs) == .int(-1))
    #expect(try Transform.year.apply(.int(-1), .timestampNs) == .int(-1))
    #expect(try Transform.month.apply(.int(-1), .date) == .int(-1))
    #expect(try Transform.truncate(10).apply(.int(Int64.min), .long) != .null)
    #expect(try Transform.void.apply(.int(5), .int) == .null)
    #expect(try Transform.year.apply(.int(.max), .timestamp) != .null)
    let column = try Transform.void.apply(
      ArrayData(type: .int32, length: 3, buffers: [Buffer([Int32](repeating: 1, count: 3))]), .int)
    #expect(column.nullCount == 3 && column.type == .int32)
    #expect(throws: TableError.self) { try Transform.unknown("zorder").apply(.int(1), .int) }
    #expect(throws: TableError.self) { try Transform.hour.apply(.int(1), .date) }
    #expect(throws: TableError.self) { try Transform.bucket(4).apply(.string("a"), .int) }
    let texts = ArrayData(type: .int64, length: 0, buffers: [Buffer()])
    #expect(throws: TableError.self) { try Transform.bucket(4).apply(texts, .string) }
  }

  @Test func namesComeBack() {
    for name in [
      "identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour", "void", "x[y]",
    ] {
      #expect(Transform(named: name)?.description == name)
    }
    #expect(Transform(named: "bucket[0]") == nil)
    #expect(Transform(named: "truncate[-1]") == nil)
    #expect(Transform(named: "Bucket[ 7 ]") == .bucket(7))
  }

  @Test func partitionFolders() throws {
    let schema = TableSchema([
      TableField(1, "ts", .timestamp), TableField(2, "na/me", .string), TableField(3, "b", .binary),
      TableField(4, "d", .decimal(precision: 9, scale: 2)), TableField(5, "u", .uuid),
      TableField(6, "t", .time),
    ])
    let spec = PartitionSpec(
      specID: 0,
      fields: [
        PartitionField(sourceID: 1, fieldID: 1000, name: "ts hour", transform: .hour),
        PartitionField(sourceID: 2, fieldID: 1001, name: "na/me", transform: .identity),
        PartitionField(sourceID: 3, fieldID: 1002, name: "b", transform: .truncate(2)),
        PartitionField(sourceID: 4, fieldID: 1003, name: "d", transform: .identity),
        PartitionField(sourceID: 1, fieldID: 1004, name: "m", transform: .month),
        PartitionField(sourceID: 1, fieldID: 1005, name: "ts", transform: .identity),
        PartitionField(sourceID: 6, fieldID: 1006, name: "t", transform: .identity),
      ])
    let path = spec.path(
      [
        .int(-1), .string("ä =%/"), .binary([1, 2]), .decimal(-5, scale: 2), .int(-1),
        .int(1_500_000), .int(36_000_000_000),
      ], schema)
    #expect(
      path == "ts+hour=1969-12-31-23/na%2Fme=%C3%A4+%3D%25%2F/b=AQI%3D/d=-0.05/m=1969-12/"
        + "ts=1970-01-01T00%3A00%3A01.5/t=10%3A00")
    #expect(PartitionSpec.unpartitioned.path([], schema) == "")
  }
}
