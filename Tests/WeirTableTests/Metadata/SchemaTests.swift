// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable

@Suite struct SchemaTests {
  private let schema = TableSchema(
    [
      TableField(1, "id", .long, required: true), TableField(2, "Name", .string),
      TableField(
        3, "items",
        .list(
          ListType(
            elementID: 4,
            element: .struct(
              StructType([TableField(5, "price", .double), TableField(6, "a.b", .int)]))))),
      TableField(
        7, "m", .map(MapType(keyID: 8, key: .string, valueID: 9, value: .long))),
      TableField(10, "u", .uuid),
    ], schemaID: 3, identifierFieldIDs: [1])

  @Test func lookUps() {
    #expect(schema.field(path: "items.element.price")?.id == 5)
    #expect(schema.field(path: "items.price")?.id == 5)
    #expect(schema.field(path: "items.a.b")?.id == 6)
    #expect(schema.field(path: "m.key")?.id == 8)
    #expect(schema.field(path: "name") == nil)
    #expect(schema.field(path: "NAME", caseSensitive: false)?.id == 2)
    #expect(schema.field(path: "Items.Price", caseSensitive: false)?.id == 5)
    #expect(schema.path(ofFieldID: 6) == "items.element.a.b")
    #expect(schema.parentID(ofFieldID: 5) == 4 && schema.parentID(ofFieldID: 3) == nil)
    #expect(schema.allFieldIDs == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    #expect(schema.highestFieldID == 10)
  }

  @Test func arrowAndBack() throws {
    let arrow = schema.arrowSchema()
    #expect(arrow.fields.map(\.id) == [1, 2, 3, 7, 10])
    #expect(arrow.fields[2].type.children[0].name == "element")
    let back = try TableSchema(arrow: arrow)
    #expect(back.allPaths == schema.allPaths)
    #expect(back.field(path: "u")?.type == .uuid)
    // All fields of a level before those within them.
    #expect(back.fields.map(\.id) == [1, 2, 3, 4, 5])
    #expect(back.field(path: "items.element")?.id == 6)
    let small = Schema([
      Field("a", .uint8), Field("b", .dictionary(index: .int8, value: .utf8, ordered: false)),
      Field("c", .timestamp(.second, timeZone: "Europe/Berlin")), Field("d", .largeBinary),
      Field("e", .fixedSizeList(Field("item", .float32), size: 4)), Field("f", .null),
    ])
    let types = try TableSchema(arrow: small).fields.map(\.type.description)
    #expect(types == ["int", "string", "timestamptz", "binary", "list<float>", "unknown"])
    let refused: [(DataType, Int, String)] = [
      (.uint64, 3, "cast it to int64"), (.duration(.second), 3, "cast it to int64"),
      (.timestamp(.nanosecond, timeZone: nil), 2, "format version 3"), (.null, 2, "version 3"),
      (.date64, 3, "date32"), (.decimal128(precision: 3, scale: -1), 3, "scale"),
      (.list(of: .uint64), 3, "column x.element"),
    ]
    for (type, version, reason) in refused {
      let message = failure {
        _ = try TableSchema(arrow: Schema([Field("x", type)]), formatVersion: version)
      }
      #expect(message?.contains(reason) == true, "\(message ?? "accepted")")
    }
  }

  @Test func types() {
    let names = [
      "boolean", "int", "long", "float", "double", "decimal(9, 2)", "date", "time", "timestamp",
      "timestamptz", "timestamp_ns", "timestamptz_ns", "string", "uuid", "fixed[16]", "binary",
      "unknown", "variant", "geometry", "geography", "geometry(srid:4326)",
      "geography(srid:4326, spherical)",
    ]
    for name in names { #expect(TableType(named: name)?.description == name) }
    #expect(TableType(named: "decimal( 9 ,2 )") == .decimal(precision: 9, scale: 2))
    for name in ["", "in", "decimal(39,1)", "decimal(3,4)", "fixed[]", "fixed[-1]", "fixed(3"] {
      #expect(TableType(named: name) == nil, "\(name)")
    }
  }

  @Test func rules() throws {
    try schema.validate(formatVersion: 2)
    func refused(_ fields: [TableField], _ version: Int = 3, identifiers: [Int32] = []) -> String {
      let schema = TableSchema(fields, identifierFieldIDs: identifiers)
      return failure { try schema.validate(formatVersion: version) } ?? "accepted"
    }
    let inList = TableType.list(ListType(elementID: 2, element: .long, elementRequired: true))
    let cases: [(String, String)] = [
      (refused([TableField(1, "a", .long), TableField(1, "b", .long)]), "the id 1"),
      (refused([TableField(1, "a", .long), TableField(2, "a", .long)]), "the same name"),
      (refused([TableField(0, "a", .long)]), "field id 0"),
      (refused([TableField(2_147_483_448, "a", .long)]), "field id 2147483448"),
      (refused([TableField(1, "a", .timestampNs)], 2), "format version 3"),
      (refused([TableField(1, "a", .variant)], 2), "format version 3"),
      (refused([TableField(1, "a", .unknown, required: true)]), "optional"),
      (refused([TableField(1, "a", .int, initialDefault: .int(1))], 2), "initial-default"),
      (refused([TableField(1, "a", .int, initialDefault: .int(1))], 3), "accepted"),
      (refused([TableField(1, "a", .int)], identifiers: [1]), "optional"),
      (refused([TableField(1, "a", .int)], identifiers: [2]), "not in the schema"),
      (refused([TableField(1, "a", .double, required: true)], identifiers: [1]), "floating-point"),
      (refused([TableField(1, "a", inList, required: true)], identifiers: [2]), "list or map"),
      (refused([TableField(1, "", .int)]), "no name"),
    ]
    for (message, reason) in cases { #expect(message.contains(reason), "\(message)") }
  }

  @Test func promotions() {
    let allowed: [(TableType, TableType, Int)] = [
      (.int, .long, 1), (.float, .double, 1), (.date, .timestamp, 3), (.date, .timestampNs, 3),
      (.decimal(precision: 9, scale: 2), .decimal(precision: 12, scale: 2), 1), (.unknown, .int, 3),
    ]
    for (from, to, version) in allowed {
      #expect(from.canPromote(to: to, formatVersion: version))
      #expect(!to.canPromote(to: from, formatVersion: 3))
    }
    #expect(!TableType.date.canPromote(to: .timestamp, formatVersion: 2))
    #expect(!TableType.date.canPromote(to: .timestamptz, formatVersion: 3))
    #expect(!TableType.int.canPromote(to: .double, formatVersion: 3))
    #expect(!Transform.bucket(4).survivesPromotion(from: .date, to: .timestamp))
    #expect(Transform.day.survivesPromotion(from: .date, to: .timestamp))
    #expect(Transform.bucket(4).survivesPromotion(from: .int, to: .long))
  }

  @Test func defaultValues() throws {
    let point = TableType.struct(
      StructType([TableField(5, "x", .int), TableField(6, "y", .string)]))
    let cases: [(JSONValue, TableType, Scalar)] = [
      (true, .boolean, .bool(true)), (34, .int, .int(34)), (34, .long, .int(34)),
      (1.5, .float, .float32(1.5)), (0.1, .float, .float32(0.1)), (0.1, .double, .float64(0.1)),
      ("14.20", .decimal(precision: 9, scale: 2), .decimal(1420, scale: 2)),
      ("-0.05", .decimal(precision: 9, scale: 2), .decimal(-5, scale: 2)),
      ("2017-11-16", .date, .int(17486)), ("1969-12-31", .date, .int(-1)),
      ("22:31:08.123456", .time, .int(81_068_123_456)),
      ("2017-11-16T22:31:08.123456", .timestamp, .int(1_510_871_468_123_456)),
      ("2017-11-16T22:31:08.123456+00:00", .timestamptz, .int(1_510_871_468_123_456)),
      ("2017-11-16T22:31:08.123456789", .timestampNs, .int(1_510_871_468_123_456_789)),
      ("2017-11-16T22:31:08.123456789+00:00", .timestamptzNs, .int(1_510_871_468_123_456_789)),
      ("iceberg", .string, .string("iceberg")),
      (
        "f79c3e09-677c-4bbd-a479-3f349cb785e7", .uuid,
        .binary([
          0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd, 0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85,
          0xe7,
        ])
      ),
      ("000102ff", .fixed(4), .binary([0, 1, 2, 255])), ("00ff", .binary, .binary([0, 255])),
      (["5": 1, "6": "b"], point, .struct([.init("x", .int(1)), .init("y", .string("b"))])),
      (.object([:]), point, .struct([])),
      ([1, 2], .list(ListType(elementID: 1, element: .int)), .list([.int(1), .int(2)])),
      (
        ["keys": ["a"], "values": [1]],
        .map(MapType(keyID: 1, key: .string, valueID: 2, value: .int)),
        .map([.init(.string("a"), .int(1))])
      ),
    ]
    for (json, type, value) in cases {
      #expect(try Scalar(json: json, type) == value, "\(json) \(type)")
      #expect(value.json(type) == json, "\(json) \(type)")
      let field = TableField(1, "a", type, initialDefault: value, writeDefault: value)
      #expect(try TableField(json: field.json()) == field)
    }
    // Other ways to write the same.
    #expect(try Scalar(json: "2E+2", .decimal(precision: 9, scale: 2)) == .decimal(20000, scale: 2))
    #expect(try Scalar(json: "22:31:08", .time) == .int(81_068_000_000))
    #expect(try Scalar(json: "1970-01-01T00:00:00Z", .timestamptz) == .int(0))
    let refused: [(JSONValue, TableType)] = [
      (1.5, .int), ("x", .int), (3_000_000_000, .int), ("1.234", .decimal(precision: 9, scale: 2)),
      ("12345678.90", .decimal(precision: 9, scale: 2)), ("2017-02-29", .date),
      ("2017-11-16T22:31:08+01:00", .timestamptz), ("2017-11-16T22:31:08", .timestamptz),
      ("2017-11-16T22:31:08.1234567", .timestamp), ("24:00:00", .time), ("0001", .fixed(4)),
      ("0g", .binary), ("f79c3e09677c4bbda4793f349cb785e7", .uuid), (1, .unknown), (1, .string),
      ("9999999-01-01T00:00:00", .timestampNs),
      (
        ["keys": [1], "values": []],
        .map(MapType(keyID: 1, key: .int, valueID: 2, value: .int))
      ),
    ]
    for (json, type) in refused {
      #expect(throws: JSONError.self, "\(json) \(type)") { try Scalar(json: json, type) }
    }
  }

  @Test func nameMapping() throws {
    let mapping = NameMapping(schema)
    #expect(try NameMapping(json: mapping.json()) == mapping)
    let file = Schema([
      Field("id", .int64), Field("other", .int64),
      Field("items", .list(Field("array", .struct([Field("price", .float64)])))),
      Field("m", .map(key: .utf8, value: .int64)),
    ])
    let fields = mapping.assigningIDs(file.fields)
    #expect(fields.map(\.id) == [1, nil, 3, 7])
    #expect(fields[2].type.children[0].id == 4)
    #expect(fields[2].type.children[0].type.children[0].id == 5)
    #expect(fields[3].type.children[0].type.children.map(\.id) == [8, 9])
    let renamed = TableSchema([
      TableField(1, "Name", .long), TableField(2, "was name", .string), TableField(11, "new", .int),
    ])
    let updated = mapping.updated(for: renamed)
    #expect(updated.entries.first { $0.fieldID == 1 }?.names == ["id", "Name"])
    #expect(updated.entries.first { $0.fieldID == 2 }?.names == ["was name"])
    #expect(updated.entries.contains { $0.fieldID == 11 })
    #expect(throws: TableError.self) {
      try NameMapping(parsing: #"[{"names":["a"],"field-id":1},{"names":["a"]}]"#)
    }
    let text = #"[{"field-id":1,"names":["id","record_id"]},{"names":[]}]"#
    #expect(try NameMapping(parsing: text).json().text == text)
  }
}
