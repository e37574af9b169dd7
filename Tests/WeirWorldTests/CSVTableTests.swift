// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirWorld

private func table(
  _ text: String, _ columns: [CSVColumn], passes: [CSVPass] = [CSVPass("")], batchRows: Int = 4
) throws -> CSVTable {
  try CSVTable(
    MemoryByteSource(text, name: "t.csv"), columns: columns, passes: passes, batchRows: batchRows)
}

private func rows(_ reader: any TableReader) throws -> [[String]] {
  var rows: [[String]] = []
  while let batch = try reader.nextBatch() {
    for index in 0..<batch.rowCount {
      rows.append(batch.columns.map { $0.scalar(at: index).text(as: $0.type) })
    }
  }
  return rows
}

@Suite struct CSVTableTests {
  private let id = CSVColumn(Field("id", .int64, nullable: false), from: "id")

  @Test func columnsOfAllTypes() throws {
    let text = """
      id,when,small,real,flag,name,kind,list,unused
      1,2021-11-02 20:52:59,7,1.5,true,Ann,a,"['x', 'y']",
      2,,,,,,,,z
      """
    let reader = try table(
      text,
      [
        id, CSVColumn(EventSchema.eventTime.asNullable, from: "when"),
        CSVColumn(Field("small", .int8), from: "small"),
        CSVColumn(Field("real", .float32), from: "real"),
        CSVColumn(Field("flag", .bool), from: "flag"),
        CSVColumn(Field("name", .utf8), from: "name"),
        CSVColumn(Field("kind", EventSchema.category), from: "kind"),
        CSVColumn(Field("list", .list(of: .utf8)), from: "list"),
        CSVColumn(Field("source", EventSchema.category), .constant("file")),
      ])
    let nulls = [String](repeating: "null", count: 7)
    #expect(
      try rows(reader) == [
        [
          "1", "2021-11-02T20:52:59.000Z", "7", "1.5", "true", "Ann", "a", "[\"x\", \"y\"]", "file",
        ],
        ["2"] + nulls + ["file"],
      ])
  }

  @Test func batchesAreBounded() throws {
    let text = "id\n" + (1...11).map { "\($0)\n" }.joined()
    let reader = try table(text, [id])
    var sizes: [Int] = []
    while let batch = try reader.nextBatch() { sizes.append(batch.rowCount) }
    #expect(sizes == [4, 4, 3])
    #expect(try reader.nextBatch() == nil)
  }

  @Test func batchesOfLargeRecordsEndEarly() throws {
    let text =
      "id,name\n" + (1...7).map { "\($0),\(String(repeating: "x", count: 100))\n" }.joined()
    let name = CSVColumn(Field("name", .utf8), from: "name")
    // 117 bytes a record: 101 of text, 8 for each of the two fields.
    for (batchBytes, expected) in [(1, [1, 1, 1, 1, 1, 1, 1]), (118, [2, 2, 2, 1]), (1_000, [7])] {
      let reader = try CSVTable(
        MemoryByteSource(text, name: "t.csv"), columns: [id, name], batchBytes: batchBytes)
      var sizes: [Int] = []
      while let batch = try reader.nextBatch() { sizes.append(batch.rowCount) }
      #expect(sizes == expected)
    }
  }

  @Test func passesMakeSeveralRows() throws {
    let kind = CSVColumn(Field("kind", EventSchema.category, nullable: false), .passName)
    let reader = try table(
      "id,click\n1,0\n2,1\n3,0\n4,1\n5,1\n", [id, kind],
      passes: [CSVPass("shown"), CSVPass("click", when: "click")])
    #expect(
      try rows(reader).map { $0.joined(separator: " ") } == [
        "1 shown", "2 shown", "2 click", "3 shown", "4 shown", "4 click", "5 shown", "5 click",
      ])
  }

  @Test(arguments: [
    ("", "the file is empty", nil as Int?),
    ("no\n1\n", "no column \"id\"", 1),
    ("id\n1\n2,3\n", "has 2 fields", 3),
    ("id\n\n1\nx\n", "\"x\" in column \"id\" is no int64", 4),
    ("id,b\n,2\n", "column \"id\" is empty", 2),
    ("id\n99999999999999999999\n", "is no int64", 2),
  ])
  func errors(_ text: String, _ message: String, _ line: Int?) {
    #expect {
      _ = try rows(try table(text, [id]))
    } throws: { error in
      let error = error as? WorldError
      return error?.file == "t.csv" && error?.line == line
        && error?.message.contains(message) == true
    }
  }

  @Test func textMustBeUTF8() throws {
    let bytes = Array("name\n".utf8) + [0x61, 0xff, 0x0a]
    let reader = try CSVTable(
      MemoryByteSource([bytes]), columns: [CSVColumn(Field("name", .utf8), from: "name")])
    #expect(throws: WorldError.self) { try reader.nextBatch() }
  }
}

extension Field {
  fileprivate var asNullable: Field {
    var copy = self
    copy.nullable = true
    return copy
  }
}
