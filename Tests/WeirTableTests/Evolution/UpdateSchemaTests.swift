// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

@Suite struct UpdateSchemaTests {
  private static let nested = TableSchema(
    [
      TableField(1, "id", .int, required: true),
      TableField(
        2, "address",
        .struct(StructType([TableField(3, "city", .string), TableField(4, "zip", .int)]))),
      TableField(
        5, "tags",
        .list(ListType(elementID: 6, element: .struct(StructType([TableField(7, "t", .float)]))))),
      TableField(
        8, "props", .map(MapType(keyID: 9, key: .string, valueID: 10, value: .int))),
    ], identifierFieldIDs: [1])

  private func table(_ properties: StringMap = [:]) throws -> Table {
    let test = try TestCatalog()
    _ = try test.catalog.createTable(
      test.identifier("t"), TableCreation(schema: Self.nested, properties: properties))
    return try test.catalog.table(test.identifier("t"))
  }

  private func update(_ table: Table, _ body: (UpdateSchema) -> Void) throws {
    let transaction = table.transaction()
    body(transaction.updateSchema())
    try transaction.commit()
  }

  private func names(_ table: Table) -> [String] { table.schema.fields.map(\.name) }

  @Test func columnsComeGoAndMove() throws {
    let table = try table()
    // Ids are given level by level: id 1, address 2, tags 3, props 4, then those within.
    let highest = table.metadata.lastColumnID
    try update(table) {
      $0.addColumn("score", .double, doc: "how good").addColumn("lat", .double, in: "address")
        .addColumn("weight", .int, in: "tags")
        .move("score", .first).move("address.lat", .before("zip")).move("id", .after("tags"))
    }
    #expect(names(table) == ["score", "address", "tags", "id", "props"])
    #expect(table.schema.field(path: "address.lat")?.id == highest + 2)
    #expect(table.schema.field(path: "tags.element.weight")?.id == highest + 3)
    #expect(table.schema.field(path: "score")?.doc == "how good")
    #expect(table.metadata.lastColumnID == highest + 3)
    #expect(table.metadata.schemas.count == 2)
    guard case .struct(let address) = table.schema.field(path: "address")!.type else { return }
    #expect(address.fields.map(\.name) == ["city", "lat", "zip"])
    let cityID = table.schema.field(path: "address.city")!.id
    try update(table) {
      $0.dropColumn("address.zip").renameColumn("address.city", to: "town").dropColumn("props")
    }
    #expect(table.schema.field(path: "address.town")?.id == cityID)
    #expect(table.schema.field(path: "address.zip") == nil)
    #expect(names(table) == ["score", "address", "tags", "id"])
    // A name that was dropped comes back as another column.
    try update(table) { $0.addColumn("props", .string) }
    #expect(table.schema.field(path: "props")?.id == highest + 4)
  }

  @Test func typesWidenOnly() throws {
    let table = try table()
    try update(table) {
      $0.changeType("id", to: .long).changeType("tags.element.t", to: .double)
        .changeType("props.value", to: .long)
    }
    #expect(table.schema.field(path: "id")?.type == .long)
    #expect(table.schema.field(path: "tags.element.t")?.type == .double)
    #expect(table.schema.field(path: "props.value")?.type == .long)
    for (path, type) in [("id", TableType.int), ("address", .string), ("address.city", .int)] {
      #expect(
        tableErrorCode { try update(table) { $0.changeType(path, to: type) } }
          == .invalidArgument)
    }
  }

  @Test func whatIsRefused() throws {
    let table = try table()
    let refused: [(TableError.Code, (UpdateSchema) -> Void)] = [
      (.notFound, { $0.dropColumn("none") }),
      (.invalidArgument, { $0.dropColumn("id") }),
      (.invalidArgument, { $0.makeOptional("id") }),
      (.alreadyExists, { $0.addColumn("id", .int) }),
      (.alreadyExists, { $0.renameColumn("tags", to: "id") }),
      (.invalidArgument, { $0.addColumn("x", .int, required: true) }),
      (.invalidArgument, { $0.addColumn("x", .int, in: "id") }),
      (.invalidArgument, { $0.renameColumn("tags.element", to: "e") }),
      (.notFound, { $0.move("id", .before("none")) }),
      (.invalidArgument, { $0.setIdentifiers(["address.city"]) }),
    ]
    for (index, (code, body)) in refused.enumerated() {
      #expect(tableErrorCode { try update(table, body) } == code, "case \(index)")
    }
    #expect(table.metadata.schemas.count == 1)
  }

  @Test func defaultsServeRequiredColumns() throws {
    let table = try table()
    try update(table) {
      $0.addColumn("country", .string, required: true, defaultValue: .string("de"))
    }
    #expect(table.schema.field(path: "country")?.initialDefault == .string("de"))
    try update(table) { $0.setDefault("country", .string("fr")) }
    let field = table.schema.field(path: "country")
    #expect(field?.initialDefault == .string("de"))
    #expect(field?.writeDefault == .string("fr"))
  }

  @Test func unionTakesInAnotherSchema() throws {
    let table = try table(["schema.name-mapping.default": "[]"])
    try update(table) {
      $0.unionByName(
        Schema([
          Field("id", .int64), Field("new", .utf8, nullable: false),
          Field("address", .struct([Field("city", .utf8), Field("street", .utf8)])),
          Field(
            "props", .map(key: .utf8, value: .int64)),
        ]))
    }
    #expect(names(table) == ["id", "address", "tags", "props", "new"])
    #expect(table.schema.field(path: "id")?.type == .long)
    #expect(table.schema.field(path: "new")?.required == false)
    #expect(table.schema.field(path: "address.street")?.type == .string)
    #expect(table.schema.field(path: "props.value")?.type == .long)
    #expect(table.metadata.properties["schema.name-mapping.default"]?.contains("street") == true)
    #expect(
      tableErrorCode {
        try update(table) { $0.unionByName(Schema([Field("tags", .utf8)])) }
      } == .invalidArgument)
    let count = table.metadata.schemas.count
    try update(table) { $0.unionByName(Schema([Field("id", .int32)])) }
    #expect(table.metadata.schemas.count == count)
  }

  @Test func changesAreMadeOnWhatOthersLeft() throws {
    let test = try TestCatalog()
    let mine = try test.table()
    let theirs = try test.catalog.table(mine.identifier)
    let transaction = mine.transaction()
    transaction.updateSchema().addColumn("a", .int)
    try update(theirs) { $0.addColumn("b", .int) }
    try transaction.commit()
    #expect(names(mine) == ["id", "name", "b", "a"])
    #expect(Set(mine.schema.fields.map(\.id)).count == 4)
    let late = mine.transaction()
    late.updateSchema().renameColumn("a", to: "c")
    _ = try theirs.refresh()
    try update(theirs) { $0.dropColumn("a") }
    #expect(tableErrorCode { try late.commit() } == .notFound)
  }
}

@Suite struct UpdateSpecTests {
  private func update(_ table: Table, _ body: (UpdateSpec) -> Void) throws {
    let transaction = table.transaction()
    body(transaction.updateSpec())
    try transaction.commit()
  }

  @Test func fieldsComeGoAndComeBackUnderTheirIDs() throws {
    let test = try TestCatalog()
    let table = try test.table()
    try update(table) { $0.addField("id", .bucket(16)).addField("name", .truncate(4)) }
    #expect(table.spec.fields.map(\.name) == ["id_bucket_16", "name_trunc_4"])
    #expect(table.spec.fields.map(\.fieldID) == [1000, 1001])
    try update(table) { $0.removeField("id_bucket_16").addField("name", .identity, name: "n") }
    #expect(table.spec.fields.map(\.fieldID) == [1001, 1002])
    try update(table) { $0.addField("id", .bucket(16)) }
    #expect(table.spec.fields.map(\.fieldID) == [1001, 1002, 1000])
    try update(table) { $0.renameField("n", to: "who") }
    #expect(table.spec.fields.map(\.name) == ["name_trunc_4", "who", "id_bucket_16"])
    #expect(table.metadata.specs.count == 5)
    #expect(
      tableErrorCode { try update(table) { $0.addField("id", .bucket(16)) } }
        == .alreadyExists)
    #expect(tableErrorCode { try update(table) { $0.removeField("none") } } == .notFound)
    #expect(tableErrorCode { try update(table) { $0.addField("none") } } == .notFound)
    #expect(tableErrorCode { try update(table) { $0.addField("name", .day) } } != nil)
  }

  @Test func formatVersion1KeepsPositions() throws {
    let test = try TestCatalog()
    let table = try test.table(partitioned: true, ["format-version": "1"])
    try update(table) { $0.removeField("name").addField("id", .bucket(4)) }
    #expect(table.spec.fields.map(\.transform) == [.void, .bucket(4)])
    #expect(table.spec.fields.map(\.fieldID) == [1000, 1001])
    try update(table) { $0.addField("name") }
    #expect(table.spec.fields.map(\.name) == ["name_1000", "id_bucket_4", "name"])
    #expect(table.spec.fields.map(\.fieldID) == [1000, 1001, 1002])
  }

  @Test func sortOrdersAndProperties() throws {
    let test = try TestCatalog()
    let table = try test.table()
    var transaction = table.transaction()
    transaction.setSortOrder([SortColumn("name"), SortColumn("id", .descending)])
      .setProperties(["a": "1", "b": "2"]).removeProperties(["a"])
    try transaction.commit()
    #expect(table.metadata.defaultSortOrder.fields.map(\.sourceID) == [2, 1])
    #expect(table.metadata.defaultSortOrder.fields.map(\.nullOrder) == [.first, .last])
    #expect(table.metadata.properties == ["b": "2"])
    transaction = table.transaction()
    transaction.setSortOrder([])
    try transaction.commit()
    #expect(table.metadata.defaultSortOrder.isUnsorted)
  }
}
