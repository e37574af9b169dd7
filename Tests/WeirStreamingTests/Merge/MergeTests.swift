// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirSimulation
internal import _WeirTestSupport

@testable internal import WeirStreaming

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

  @Test(arguments: 0..<80) func partialUpdate(seed: UInt64) throws {
    try run(seed) { random, definition in
      let columns = definition.columns.fields.map(\.name).filter { $0.hasPrefix("v") }
      var groups: [SequenceGroup] = []
      for number in 0..<random.int(0...2) {
        var sequence = ["q\(number)"]
        if random.chance(0.3) { sequence.append("r\(number)") }
        for name in sequence {
          definition.columns.fields.append(Field(name, random.pick(Self.leafTypes)))
        }
        let taken = Set(groups.flatMap(\.columns))
        groups.append(
          SequenceGroup(
            sequence: sequence,
            columns: columns.filter { !taken.contains($0) && random.chance(0.6) }))
      }
      definition.merge = .partialUpdate(groups)
    }
  }

  @Test(arguments: 0..<80) func aggregation(seed: UInt64) throws {
    try run(seed) { random, definition in
      let hasTime = random.chance(0.8)
      if hasTime {
        definition.columns.fields.append(
          Field("time", .timestamp(.microsecond, timeZone: "UTC"), nullable: random.chance(0.5)))
        definition.eventTime = "time"
      }
      var functions: [String: AggregateFunction] = [:]
      for number in 0..<random.int(1...5) {
        let name = "a\(number)"
        var type = random.pick(Self.leafTypes)
        switch random.int(0..<(hasTime ? 8 : 6)) {
        case 0, 1:
          type = random.pick([
            .int32, .int64, .float32, .float64, .decimal128(precision: 20, scale: 3),
          ])
          functions[name] = .sum
        case 2: functions[name] = .count
        case 3: functions[name] = random.pick([.min, .max])
        case 4:
          definition.columns.fields.append(Field("b\(number)", random.pick(Self.leafTypes)))
          functions[name] = .topK(count: random.int(1...3), by: "b\(number)")
        case 5: functions[name] = .distinctCount(precision: random.int(4...12))
        case 6: functions[name] = .lastK(count: random.int(1...3))
        default:
          type = random.pick([.float32, .float64])
          functions[name] = .decayedSum(halfLifeSeconds: 50)
        }
        definition.columns.fields.append(Field(name, type))
      }
      definition.merge = .aggregation(functions)
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
    if type == .timestamp(.microsecond, timeZone: "UTC"), random.chance(0.8) {
      // Near each other, so that decayed values are of like weight.
      return (0..<count).map { _ in .int(Int64(random.int(0...100_000_000))) }
    }
    return rows(random.array(type, count, nullable: nullable, RandomOptions()))
  }

  private func play(_ definition: StreamDefinition, _ random: inout SeededRandom) throws {
    let layout = try StreamLayout(definition)
    // On disk now and then; restarts then open it again.
    let folder = random.chance(0.1) ? IndexFolder() : nil
    func open() throws -> any KeyIndex {
      guard let folder else { return MemoryKeyIndex() }
      return try RocksKeyIndex(folder: folder.path, cacheBytes: 1 << 20)
    }
    let harness = ShardHarness(layout, index: try open())
    var pools: [String: [Scalar]] = [:]
    for field in definition.columns.fields {
      pools[field.name] = pool(field.type, &random, nullable: field.nullable)
      if case .aggregation(let functions) = definition.merge,
        case .decayedSum? = functions[field.name]
      {
        // Of like size: what greater ones that cancel out leave is rounding.
        pools[field.name] = [.null] + (0..<5).map { _ in .float32(Float(random.int(-99...99)) / 8) }
        if field.type == .float64 {
          pools[field.name] = [.null, .float64(0.1), .float64(-7.3), .float64(1e3)]
        }
      }
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
      if random.chance(0.1) {
        if folder != nil { harness.index.close() }
        try harness.restart(index: folder == nil ? nil : open())
      }
      if random.chance(0.3) || step == 0 { try check(harness, log, &random) }
    }
    try harness.flush(random: &random)
    try check(harness, log, &random)
    let oracle = NaiveMerge(
      definition: definition, fileSchema: layout.fileSchema,
      sketchCount: { Int64(HyperLogLog(encoded: $0)?.estimate ?? -1) })
    #expect(harness.tableRows().map(oracle.text).sorted() == oracle.rows(log))
  }

  /// Rows with sequences of their own, in any order of arrival and with any flushes: the same files'
  /// rows, states too.
  @Test(arguments: 0..<60) func orderOfArrivalDoesNotMatter(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([
        Field("k", .int64, nullable: false), Field("s", .int64), Field("t", .int64),
        Field("a", .float64), Field("b", .utf8), Field("c", .float32), Field("d", .int32),
        Field("time", .timestamp(.microsecond, timeZone: "UTC")),
      ]))
    definition.primaryKey = ["k"]
    definition.eventTime = "time"
    let engine = random.int(0..<4)
    switch engine {
    case 0: definition.merge = .lastWrite(sequence: ["s"])
    case 1: definition.merge = .firstRow(sequence: ["s"])
    case 2:
      definition.merge = .partialUpdate([
        SequenceGroup(sequence: ["s"], columns: ["a", "b", "time"]),
        SequenceGroup(sequence: ["t"], columns: ["c", "d"]),
      ])
    default:
      definition.merge = .aggregation([
        "a": .sum, "b": .distinctCount(precision: 4), "c": .decayedSum(halfLifeSeconds: 3),
        "d": .topK(count: 2, by: "s"), "s": .max, "t": .lastK(count: 3),
      ])
    }
    var rows: [SentRow] = []
    for number in 0..<80 {
      var values: [String: Scalar] = ["k": .int(Int64(random.int(0...5)))]
      values["s"] = random.chance(0.7) || engine != 2 ? .int(Int64(number)) : .null
      values["t"] = random.chance(0.7) || values["s"] == .null ? .int(Int64(-number)) : .null
      values["a"] = random.pick([.null, .float64(0.1 * Double(random.int(-999...999)))])
      values["b"] = random.pick([.null, .string("\(number % 7)")])
      values["c"] = random.pick([.null, .float32(Float(random.int(1...99)))])
      values["d"] = random.pick([.null, .int(Int64(number % 5))])
      values["time"] = .int(Int64(number) * 100_000)
      rows.append(SentRow(values: values, isDelete: engine != 3 && random.chance(0.1)))
    }
    var results: [[String]] = []
    for _ in 0..<3 {
      rows.shuffle(using: &random)
      let harness = ShardHarness(try StreamLayout(definition))
      var rest = rows[...]
      while !rest.isEmpty {
        try harness.append(Array(rest.prefix(random.int(1...9))), random: &random)
        rest = rows[Int(harness.end)...]
        if random.chance(0.3) { try harness.flush(random: &random) }
      }
      try harness.flush(random: &random)
      let added = StreamColumns.added.compactMap { harness.layout.fileSchema.index(of: $0.name) }
      results.append(
        harness.tableRows().map { row in
          var row = row
          for place in added { row[place] = .null }
          return rowText(row)
        }.sorted())
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  private func check(
    _ harness: ShardHarness, _ log: [LoggedRow], _ random: inout SeededRandom
  ) throws {
    let oracle = NaiveMerge(
      definition: harness.layout.definition, fileSchema: harness.layout.fileSchema,
      sketchCount: { Int64(HyperLogLog(encoded: $0)?.estimate ?? -1) })
    #expect(try harness.liveRows().map(oracle.text).sorted() == oracle.rows(log))
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
      let expected = oracle.merge(versions).map(oracle.text)
      #expect(found.places[place].map { oracle.text(foundRows[$0]) } == expected)
    }
  }
}
