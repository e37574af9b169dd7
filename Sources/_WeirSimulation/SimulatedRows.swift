// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A stream of some kind, and the rows that its producers send. Few keys, sequences and times, so that
/// rows meet.
struct SimulatedRows {
  /// How the columns are by now; they only ever grow.
  enum Stage: Int { case first, withExtra, withLongExtra }

  private let base: StreamDefinition
  /// The probability that a row deletes.
  private let deletes: Double
  var stage = Stage.first
  /// Different for every row that is ever sent, in the column `value`.
  private(set) var nextValue = 0

  /// Extra is a column that comes later.
  static let extra = "extra"
  static let keyCount = 15
  private static let timeType = DataType.timestamp(.microsecond, timeZone: "UTC")

  init(_ random: inout SeededRandom) {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([Field("key", .int64, nullable: false), Field("value", .int64)]))
    var deletes = 0.2
    switch random.int(0..<10) {
    case 0, 1:
      definition.shardKey = random.chance(0.5) ? ["key"] : []
      deletes = 0
    case 2, 3:
      definition.merge = .lastWrite(sequence: Self.sequence(&random, &definition))
    case 4:
      definition.merge = .firstRow(sequence: Self.sequence(&random, &definition))
      deletes = 0.03
    case 5, 6, 7: Self.partialUpdate(&random, &definition)
    default: Self.aggregation(&random, &definition)
    }
    if deletes > 0 { definition.primaryKey = ["key"] }
    definition.shardCount = random.pick([1, 1, 2, 3])
    definition.flush.intervalMilliseconds = 5_000
    definition.logRetentionSeconds = Int64(random.pick([0, 10, 1_000]))
    definition.format = random.pick([nil, .parquet, .weir, .weir])
    base = definition
    self.deletes = deletes
  }

  private static func sequence(
    _ random: inout SeededRandom, _ definition: inout StreamDefinition
  ) -> [String] {
    definition.columns.fields.append(Field("sequence", .int64))
    return random.chance(0.6) ? ["sequence"] : []
  }

  private static func partialUpdate(
    _ random: inout SeededRandom, _ definition: inout StreamDefinition
  ) {
    definition.columns.fields += [
      Field("sequence", .int64), Field("a1", .int64), Field("a2", .utf8),
      Field("sequence_b", .int64), Field("b1", .int64), Field("plain", .int64),
    ]
    var groups = [SequenceGroup(sequence: ["sequence"], columns: ["a1", "a2"])]
    if random.chance(0.7) {
      groups.append(SequenceGroup(sequence: ["sequence_b"], columns: ["b1"]))
    }
    definition.merge = .partialUpdate(random.chance(0.9) ? groups : [])
  }

  private static func aggregation(
    _ random: inout SeededRandom, _ definition: inout StreamDefinition
  ) {
    definition.columns.fields += [
      Field("time", timeType), Field("total", .int32), Field("exact", .float64),
      Field("n", .utf8), Field("low", .int64), Field("high", .utf8), Field("recent", .int64),
      Field("best", .utf8), Field("by", .int64),
    ]
    definition.eventTime = "time"
    definition.merge = .aggregation([
      "total": .sum, "exact": .sum, "n": .count, "low": .min, "high": .max,
      "recent": .lastK(count: random.int(1...3)),
      "best": .topK(count: random.int(1...3), by: "by"),
    ])
  }

  /// As it is declared now.
  var definition: StreamDefinition {
    var definition = base
    switch stage {
    case .first: break
    case .withExtra: definition.columns.fields.append(Field(Self.extra, .int32))
    case .withLongExtra: definition.columns.fields.append(Field(Self.extra, .int64))
    }
    return definition
  }

  /// Whether a delete leaves something behind that a row of before it meets.
  var hasTombstones: Bool {
    switch base.merge {
    case .lastWrite(let sequence): !sequence.isEmpty
    case .firstRow, .partialUpdate: true
    case .aggregation: false
    }
  }

  mutating func newValue() -> Int64 {
    nextValue += 1
    return Int64(nextValue)
  }

  /// - Parameter hasExtra: whether the process that they are sent to knows the column.
  mutating func rows(_ random: inout SeededRandom, hasExtra: Bool) -> [LoggedRow] {
    (0..<random.int(1..<12)).map { _ in row(&random, hasExtra: hasExtra) }
  }

  private mutating func row(_ random: inout SeededRandom, hasExtra: Bool) -> LoggedRow {
    let isDelete = random.chance(deletes)
    var values: [String: Scalar] = [:]
    for field in base.columns.fields + (hasExtra ? [Field(Self.extra, .int32)] : []) {
      values[field.name] = value(field, isDelete, &random)
    }
    if random.chance(0.1) {
      values[StreamColumns.knownAt] = .int(1_600_000_000_000_000 + Int64(random.int(0..<9)))
    }
    return LoggedRow(values: values, isDelete: isDelete)
  }

  private mutating func value(
    _ field: Field, _ isDelete: Bool, _ random: inout SeededRandom
  ) -> Scalar {
    switch field.name {
    case "key": return .int(Int64(random.int(0..<Self.keyCount)))
    case "value": return .int(newValue())
    case "sequence", "sequence_b":
      return random.chance(0.15) ? .null : .int(Int64(random.int(0..<40)))
    // A delete needs its key and its sequences.
    case _ where isDelete && random.chance(0.7): return .null
    case _ where random.chance(0.25): return .null
    default: break
    }
    switch field.type {
    case .utf8: return .string(random.pick(["", "a", "b", "ä", "longer text"]))
    case .float64: return .float64(random.pick([0.1, -0.2, 1e17, -1e17, 3]))
    case .int32, .int64: return .int(Int64(random.int(-5..<20)))
    default: return .int(1_700_000_000_000_000 + Int64(random.int(0..<30)) * 1_000_000)
    }
  }

  /// Rows in the columns that a stream takes.
  static func batch(_ rows: [LoggedRow], _ schema: Schema) throws -> RecordBatch {
    let builders = schema.fields.map { makeBuilder(for: $0.type) }
    for row in rows {
      for (field, builder) in zip(schema.fields, builders) {
        if field.name == StreamColumns.operation {
          try builder.append(.int(row.isDelete ? 1 : 0))
        } else {
          try builder.append(row.values[field.name] ?? .null)
        }
      }
    }
    return try RecordBatch(
      schema: schema, columns: builders.map { $0.finish() }, rowCount: rows.count)
  }
}
