// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

@Suite struct RestJSONTests {
  private let schema = TableSchema([
    TableField(1, "id", .long), TableField(2, "name", .string), TableField(3, "d", .date),
    TableField(4, "b", .binary), TableField(5, "ts", .timestamptz), TableField(6, "f", .double),
    TableField(7, "s", .struct(StructType([TableField(8, "x", .int)]))),
  ])

  private func read(_ text: String) throws -> WeirColumnar.Predicate {
    try Predicate(restJSON: try JSONParser().parse(Array(text.utf8)), schema)
  }

  /// As PyIceberg writes them, and in the newer form.
  @Test(arguments: [
    (#"{"term":"id","type":"eq","value":1}"#, "id = 1"),
    (#"{"type":"eq","left":{"type":"reference","name":"id"},"right":1}"#, "id = 1"),
    (#"{"type":"lt","left":5,"right":{"type":"reference","id":8}}"#, "s.x > 5"),
    (#"{"term":"name","type":"in","values":["a","b"]}"#, "name IN ('a', 'b')"),
    (
      #"{"type":"and","left":{"term":"name","type":"eq","value":"x"},"#
        + #""right":{"type":"not","child":{"term":"id","type":"is-null"}}}"#,
      "name = 'x' AND NOT id IS NULL"
    ),
    (#"{"term":"name","type":"not-starts-with","value":"x"}"#, "name NOT LIKE 'x%'"),
    (#"{"term":"d","type":"lt-eq","value":19723}"#, "d <= date '2024-01-01'"),
    (
      #"{"type":"gt","child":1,"term":"b","value":{"type":"literal","value":"6162"}}"#,
      "b > x'6162'"
    ),
    (
      #"{"type":"in","child":{"type":"reference","name":"id"},"#
        + #""values":{"type":"literals","data-type":"long","values":[1,2]}}"#, "id IN (1, 2)"
    ),
    ("true", "true"), (#"{"type":"false"}"#, "false"),
  ])
  func predicates(_ json: String, _ text: String) throws {
    let predicate = try read(json)
    #expect(predicate.description.lowercased() == text.lowercased())
    let again = try #require(predicate.restJSON)
    #expect(try Predicate(restJSON: again, schema) == predicate)
  }

  @Test func badOnesAreNamed() {
    for (json, place) in [
      (#"{"type":"xx","term":"a","value":1}"#, "type"), (#"{"type":"eq","term":"id"}"#, "value"),
      (#"{"type":"and","left":true}"#, "right"),
      (#"{"type":"is-null","child":{"type":"apply","function":"f","arguments":[]}}"#, "child"),
      (
        #"{"type":"eq","left":{"type":"reference","name":"a"},"#
          + #""right":{"type":"reference","name":"b"}}"#, "right"
      ),
    ] {
      #expect("\(place) is named") {
        _ = try read(json)
      } throws: { "\($0)".contains(place) }
    }
    let deep = String(repeating: #"{"type":"not","child":"#, count: 120)
    #expect(throws: JSONError.self) {
      try read(deep + "true" + String(repeating: "}", count: 120))
    }
  }

  @Test func tasks() throws {
    let table = try GoldenTable("deletes")
    let planner = try ScanPlanner(table.metadata, stores: table.stores, keepsMetrics: true)
    var tasks = ScanTasksJSON(planner.schema, metricsFieldIDs: [1])
    while let task = try planner.next() { tasks.append(task) }
    let json = tasks.json
    let files = try json.array("file-scan-tasks")
    #expect(files.count == tasks.taskCount && tasks.taskCount > 0)
    let deletes = try json.array("delete-files")
    for file in files {
      let references = try file.asObject().optionalArray("delete-file-references") ?? []
      for reference in references { #expect(try deletes.indices.contains(reference.asInt())) }
      let data = try file.asObject().object("data-file")
      #expect(try data.string("content") == "data" && data.string("file-format") == "parquet")
      #expect(try data.object("lower-bounds").array("keys") == [1])
    }
    let kinds = Set(try deletes.map { try $0.asObject().string("content") })
    #expect(kinds.isSubset(of: ["position-deletes", "equality-deletes"]) && !kinds.isEmpty)
  }
}
