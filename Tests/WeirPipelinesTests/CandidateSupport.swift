// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

@testable internal import WeirPipelines

/// Lists of candidates by key, as texts that are equal when each bit is.
typealias Lists = [String: String]

/// Candidates by the plainest means: all of them, from all rows.
enum NaiveCandidates {
  /// - Parameter lists: the items of each entity's list.
  static func similar(
    _ lists: [[Int64]], shrinkage: Double, depth: Int, least: Int, count: Int
  ) -> Lists {
    let sets = lists.map { Set($0.prefix(depth)) }
    var together: [Int64: [Int64: Int]] = [:]
    var alone: [Int64: Int] = [:]
    for set in sets {
      for item in set {
        alone[item, default: 0] += 1
        for other in set where other != item {
          together[item, default: [:]][other, default: 0] += 1
        }
      }
    }
    var result: Lists = [:]
    for (item, others) in together {
      let scored = others.filter { $0.value >= least }.map { other, both in
        let co = Double(both)
        let root = (Double(alone[item]!) * Double(alone[other]!)).squareRoot()
        return (other, co / root * (co / (co + shrinkage)), "\(both) in common")
      }
      result["\(item)"] = text(scored, count)
    }
    return result.filter { !$0.value.isEmpty }
  }

  /// Items with a number each, by segment: the greatest first.
  static func ranked(
    _ rows: [(segment: String, item: Int64, score: Double, reason: String)], count: Int
  ) -> Lists {
    var segments: [String: [(Int64, Double, String)]] = [:]
    for row in rows { segments[row.segment, default: []].append((row.item, row.score, row.reason)) }
    return segments.mapValues { text($0, count) }.filter { !$0.value.isEmpty }
  }

  private static func text(_ entries: [(Int64, Double, String)], _ count: Int) -> String {
    entries.sorted { $0.1 == $1.1 ? $0.0 < $1.0 : $0.1 > $1.1 }.prefix(count).map {
      "\($0.0) \($0.1.bitPattern) \($0.2)"
    }.joined(separator: ", ")
  }

  /// The lists of a table.
  static func lists(table batch: RecordBatch) -> Lists {
    var result: Lists = [:]
    for row in 0..<batch.rowCount {
      let key: String
      switch batch.columns[0].scalar(at: row) {
      case .int(let value): key = "\(value)"
      case .string(let value): key = value
      default: key = "?"
      }
      guard case .list(let entries)? = batch[CandidateShape.itemsColumn]?.scalar(at: row) else {
        continue
      }
      result[key] = entries.map { entry in
        guard case .struct(let members) = entry, case .int(let item) = members[0].value,
          case .float64(let score) = members[1].value, case .string(let reason) = members[2].value
        else { return "?" }
        return "\(item) \(score.bitPattern) \(reason)"
      }.joined(separator: ", ")
    }
    return result
  }
}

/// A keyed stream of another table's shape, for tests of candidates alone.
enum Followed {
  static let recent = Field(
    "recent",
    .list(
      Field(
        "element", .struct([Field("item", .int64), Field("event_time", .int64)]), nullable: false)))

  static func definition(_ fields: [Field], key: [String]) throws -> StreamDefinition {
    var result = StreamDefinition(
      table: try TableIdentifier(parsing: "shop.rows"),
      columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
    result.primaryKey = key
    return result
  }

  static func users() throws -> StreamDefinition {
    try definition(
      [Field("user", .int64, nullable: false), recent, Field("events", .int64)], key: ["user"])
  }

  static func items() throws -> StreamDefinition {
    try definition(
      [
        Field("item", .int64, nullable: false), Field("category", .utf8),
        Field("trend", .float64),
        Field("created_at", .timestamp(.microsecond, timeZone: "UTC")),
        Field(ProfileShape.timeColumn, .timestamp(.microsecond, timeZone: "UTC")),
      ], key: ["item"])
  }

  static func list(_ items: [Int64?]) -> Scalar {
    .list(
      items.map { item in
        .struct([
          Scalar.Member("item", item.map { .int($0) } ?? .null),
          Scalar.Member("event_time", .int(0)),
        ])
      })
  }

  /// Rows in the columns that a shape wants.
  static func batch(_ shape: CandidateShape, _ rows: [[String: Scalar]]) throws -> RecordBatch {
    let builder = RecordBatchBuilder(shape.sourceSchema)
    for row in rows {
      try builder.append(row: shape.sourceSchema.fields.map { row[$0.name] ?? .null })
    }
    return try builder.finish()
  }

  static func keys(_ shape: CandidateShape, _ keys: [Int64]) throws -> RecordBatch {
    let builder = RecordBatchBuilder(Schema(Array(shape.sourceSchema.fields.prefix(1))))
    for key in keys { try builder.append(row: [.int(key)]) }
    return try builder.finish()
  }
}
