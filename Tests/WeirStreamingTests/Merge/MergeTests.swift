// SPDX-License-Identifier: Apache-2.0

import Testing
import WeirColumnar
import WeirTable
import _WeirTestSupport

@testable import WeirStreaming

/// Random streams, cut into entries and flushes at random, against the oracle: live scans and lookups at
/// every moment, and the table in the end.
@Suite struct MergeTests {
  static let leafTypes: [DataType] = [
    .bool, .int32, .int64, .float32, .float64, .decimal128(precision: 20, scale: 3), .date32,
    .timestamp(.microsecond, timeZone: "UTC"), .utf8, .binary, .fixedSizeBinary(5),
  ]

  @Test(arguments: 0..<60) func lastWrite(seed: UInt64) throws {
    try run(seed) { random, definition in
      definition.merge = .lastWrite(sequence: sequence(&random, &definition))
    }
  }

  @Test(arguments: 0..<60) func firstRow(seed: UInt64) throws {
    try run(seed) { random, definition in
      definition.merge = .firstRow(sequence: sequence(&random, &definition))
    }
  }

  /// None, one or two columns.
  private func sequence(
    _ random: inout SeededRandom, _ definition: inout StreamDefinition
  ) -> [String] {
    let names = (0..<random.int(0...2)).map { "s\($0)" }
    for name in names {
      definition.columns.fields.append(Field(name, random.pick(Self.leafTypes)))
    }
    return names
  }

  private func run(
    _ seed: UInt64, _ define: (inout SeededRandom, inout StreamDefinition) -> Void
  ) throws {
    var random = SeededRandom(seed: seed)
    var fields: [Field] = []
    for key in 0..<random.int(1...2) {
      fields.append(Field("k\(key)", random.pick(Self.leafTypes), nullable: false))
    }
    for column in 0..<random.int(0...3) {
      var options = RandomOptions()
      options.leafTypes = Self.leafTypes
      options.dictionaries = false
      options.fixedSizeLists = false
      options.largeLists = false
      options.depthMax = 2
      options.requiredRate = 0
      fields.append(random.field("v\(column)", options))
    }
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"), columns: Schema(fields))
    definition.primaryKey = fields.filter { $0.name.hasPrefix("k") }.map(\.name)
    define(&random, &definition)
    try play(definition, &random)
  }

  /// A pool of values of a type, few enough that they come again.
  private func pool(_ type: DataType, _ random: inout SeededRandom, nullable: Bool) -> [Scalar] {
    let count = random.int(1...6)
    return rows(random.array(type, count, nullable: nullable, RandomOptions()))
  }

  private func play(_ definition: StreamDefinition, _ random: inout SeededRandom) throws {
    let layout = try StreamLayout(definition)
    let harness = ShardHarness(layout)
    var pools: [String: [Scalar]] = [:]
    for field in definition.columns.fields {
      pools[field.name] = pool(field.type, &random, nullable: field.nullable)
    }
    let deleteRate = random.pick([0, 0.1, 0.4])
    var log: [LoggedRow] = []
    for step in 0..<random.int(1...25) {
      let sent = (0..<random.int(1...12)).map { _ in
        var row = SentRow(values: pools.mapValues { random.pick($0) })
        row.isDelete = random.chance(deleteRate)
        if random.chance(0.1) { row.values["_known_at"] = .int(Int64(random.int(0...99))) }
        return row
      }
      let time = ShardHarness.ingestTime(harness.log.count)
      for (place, row) in sent.enumerated() {
        var values = row.values
        values["_ingest_time"] = .int(time)
        values["_known_at"] = row.values["_known_at"] ?? .int(time)
        values["_shard"] = .int(Int64(ShardHarness.shard))
        values["_offset"] = .int(harness.end + Int64(place))
        log.append(LoggedRow(values: values, isDelete: row.isDelete))
      }
      try harness.append(sent, random: &random)
      if random.chance(0.3) { try harness.flush(random: &random) }
      if random.chance(0.1) { try harness.restart() }
      if random.chance(0.3) || step == 0 { try check(harness, log, &random) }
    }
    try harness.flush(random: &random)
    try check(harness, log, &random)
    let oracle = NaiveMerge(definition: definition, fileSchema: layout.fileSchema)
    #expect(harness.tableRows().map(rowText).sorted() == oracle.rows(log))
  }

  private func check(
    _ harness: ShardHarness, _ log: [LoggedRow], _ random: inout SeededRandom
  ) throws {
    let oracle = NaiveMerge(
      definition: harness.layout.definition, fileSchema: harness.layout.fileSchema)
    #expect(try harness.liveRows().map(rowText).sorted() == oracle.rows(log))
    var keys = log.map { row in
      harness.layout.definition.primaryKey.map { row.values[$0] ?? .null }
    }
    keys = (0..<8).map { _ in random.pick(keys) }
    let found = try harness.memory.lookup(harness.keyBatch(keys))
    #expect(found.cut == harness.end)
    let foundRows = rows(found.rows)
    for (place, key) in keys.enumerated() {
      let versions = log.filter { row in
        harness.layout.definition.primaryKey.map { row.values[$0] ?? .null } == key
      }
      let expected = oracle.merge(versions).map(rowText)
      #expect(found.places[place].map { rowText(foundRows[$0]) } == expected)
    }
  }
}
