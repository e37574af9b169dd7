// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirParquet

/// The examples of apache/parquet-format, LogicalTypes.md, "Nested Types".
struct SchemaMappingTests {
  private func columns(_ elements: [SchemaElement]) throws(ParquetError) -> [Field] {
    let count = Int32(elements.isEmpty ? 0 : 1)
    return try SchemaMapping.columns(
      of: [SchemaElement(name: "root", childCount: count)] + elements, options: .init()
    ).map(\.field)
  }

  private func group(
    _ name: String, _ repetition: Repetition, _ children: Int32, _ type: ConvertedType? = nil,
    logical: LogicalType? = nil
  ) -> SchemaElement {
    SchemaElement(
      name: name, repetition: repetition, childCount: children, convertedType: type,
      logicalType: logical)
  }

  private func leaf(
    _ name: String, _ repetition: Repetition, _ type: PhysicalType = .byteArray,
    _ converted: ConvertedType? = .utf8
  ) -> SchemaElement {
    SchemaElement(name: name, type: type, repetition: repetition, convertedType: converted)
  }

  private func list(_ item: Field, nullable: Bool) -> Field {
    Field("my_list", .list(item), nullable: nullable)
  }

  @Test func threeLevels() throws {
    for annotation in [true, false] {
      let outer =
        annotation
        ? group("my_list", .required, 1, .list) : group("my_list", .required, 1, logical: .list)
      #expect(
        try columns([outer, group("list", .repeated, 1), leaf("element", .optional)])
          == [list(Field("element", .utf8), nullable: false)])
    }
    #expect(
      try columns([
        group("my_list", .optional, 1, .list), group("list", .repeated, 1),
        leaf("element", .required),
      ]) == [list(Field("element", .utf8, nullable: false), nullable: true)])
    // The middle group may have any name.
    #expect(
      try columns([
        group("my_list", .optional, 1, .list), group("element", .repeated, 1),
        leaf("str", .required),
      ]) == [list(Field("str", .utf8, nullable: false), nullable: true)])
    // A list of lists.
    #expect(
      try columns([
        group("my_list", .optional, 1, .list), group("list", .repeated, 1),
        group("element", .required, 1, .list), group("list", .repeated, 1),
        leaf("element", .required, .int32, nil),
      ]) == [
        list(
          Field("element", .list(Field("element", .int32, nullable: false)), nullable: false),
          nullable: true)
      ])
  }

  @Test func twoLevels() throws {
    // Rule 1: the repeated field is no group.
    #expect(
      try columns([
        group("my_list", .optional, 1, .list), leaf("element", .repeated, .int32, nil),
      ]) == [list(Field("element", .int32, nullable: false), nullable: true)])
    // Rule 2: a group with several fields.
    #expect(
      try columns([
        group("my_list", .optional, 1, .list), group("element", .repeated, 2),
        leaf("str", .required), leaf("num", .required, .int32, nil),
      ]) == [
        list(
          Field(
            "element",
            .struct([
              Field("str", .utf8, nullable: false), Field("num", .int32, nullable: false),
            ]), nullable: false), nullable: true)
      ])
    // Rule 3: a group with one field that is repeated.
    #expect(
      try columns([
        group("my_list", .optional, 1, .list), group("array", .repeated, 1, .list),
        leaf("array", .repeated, .int32, nil),
      ]) == [
        list(
          Field("array", .list(Field("array", .int32, nullable: false)), nullable: false),
          nullable: true)
      ])
    // Rule 4: a group with one field, named "array" or after the list.
    for name in ["array", "my_list_tuple"] {
      #expect(
        try columns([
          group("my_list", .optional, 1, .list), group(name, .repeated, 1),
          leaf("str", .required),
        ]) == [
          list(
            Field(name, .struct([Field("str", .utf8, nullable: false)]), nullable: false),
            nullable: true)
        ])
    }
  }

  @Test func maps() throws {
    let map = Field(
      "my_map",
      .map(
        entries: Field(
          "key_value",
          .struct([Field("key", .utf8, nullable: false), Field("value", .int32)]),
          nullable: false), keysSorted: false))
    let value = leaf("value", .optional, .int32, nil)
    for annotation in [ConvertedType.map, .mapKeyValue] {
      // Keys that are marked as optional are still keys.
      for key in [Repetition.required, .optional] {
        #expect(
          try columns([
            group("my_map", .optional, 1, annotation), group("key_value", .repeated, 2),
            leaf("key", key), value,
          ]) == [map])
      }
    }
    // Without values: a list of the keys.
    #expect(
      try columns([
        group("my_map", .optional, 1, .map), group("key_value", .repeated, 1),
        leaf("key", .required),
      ]) == [Field("my_map", .list(Field("key", .utf8, nullable: false)))])
  }

  @Test func repeatedFieldsOutsideLists() throws {
    #expect(
      try columns([leaf("numbers", .repeated, .int32, nil)])
        == [
          Field(
            "numbers", .list(Field("numbers", .int32, nullable: false)), nullable: false)
        ])
  }

  @Test func levels() throws {
    // optional group a (LIST) { repeated group list { optional group element { required int32 x } } }
    let nodes = try SchemaMapping.columns(
      of: [
        SchemaElement(name: "root", childCount: 1), group("a", .optional, 1, .list),
        group("list", .repeated, 1), group("element", .optional, 1),
        leaf("x", .required, .int32, nil),
      ], options: .init())
    let x = nodes[0].firstLeaf
    #expect(x.path == "a.list.element.x")
    #expect(x.definitionMax == 3)
    #expect(x.repetitionMax == 1)
    #expect(x.slotLevel == 2)
    guard case .list(_, let item, let info) = nodes[0] else { preconditionFailure("no list") }
    #expect(info == LevelInfo(slotLevel: 0, repetition: 0, definedLevel: 1, itemLevel: 2))
    guard case .structure(_, _, let inner) = item else { preconditionFailure("no struct") }
    #expect(inner == LevelInfo(slotLevel: 2, repetition: 1, definedLevel: 3, itemLevel: 0))
  }

  @Test func impossibleSchemas() {
    let wrong: [[SchemaElement]] = [
      [group("g", .optional, 1)],
      [group("g", .optional, -1)],
      [group("g", .optional, 1_000_000), leaf("x", .required)],
      [leaf("x", .required), leaf("y", .required)],
      [group("l", .optional, 2, .list), leaf("x", .repeated), leaf("y", .repeated)],
      [group("l", .optional, 1, .list), leaf("x", .optional)],
      (0..<100).map { group("g\($0)", .optional, 1) } + [leaf("x", .required)],
    ]
    for elements in wrong {
      #expect(throws: ParquetError.self) { _ = try columns(elements) }
    }
  }
}
