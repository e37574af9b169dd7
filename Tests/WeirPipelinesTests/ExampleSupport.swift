// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A shop with events, attributes of items, profiles, a feature view and examples.
enum Shop {
  static let minute: Int64 = 60 * 1_000_000
  static let start: Int64 = 1_700_000_000 * 1_000_000
  static let timestamp = DataType.timestamp(.microsecond, timeZone: "UTC")

  struct Event {
    var user: Int64?
    var item: Int64?
    /// Microseconds.
    var time: Int64
    var knownAt: Int64
    var kind: String
    var value: Double?
    var request: String?
    var shard = 0
    var offset: Int64 = 0
  }

  static func table(_ name: String) throws -> TableIdentifier {
    try TableIdentifier(parsing: "shop." + name)
  }

  private static func stream(_ name: String, _ fields: [Field]) throws -> StreamDefinition {
    StreamDefinition(
      table: try table(name), columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
  }

  static func events() throws -> StreamDefinition {
    var result = try stream(
      "events",
      [
        Field("user_id", .int64), Field("item_id", .int64), Field("at", timestamp),
        Field("kind", .utf8), Field("value", .float64), Field("request_id", .utf8),
      ])
    result.eventTime = "at"
    result.shardCount = 2
    result.shardKey = ["kind"]
    result.logRetentionSeconds = 0
    result.flush.intervalMilliseconds = 100
    return result
  }

  static func items() throws -> StreamDefinition {
    var result = try stream(
      "items", [Field("item_id", .int64, nullable: false), Field("category", .utf8)])
    result.primaryKey = ["item_id"]
    return result
  }

  static func profiles() throws -> [ProfileDefinition] {
    let events = try table("events")
    let heat = ProfileFeature("heat", .decayedCount(halfLifeMicroseconds: 30 * minute))
    return [
      ProfileDefinition(
        table: try table("user_profile"), source: events, entity: ["user_id"],
        features: [
          ProfileFeature("events", .count), heat,
          ProfileFeature("recent", .last(columns: ["item_id"], count: 3)),
        ]),
      ProfileDefinition(
        table: try table("item_profile"), source: events, entity: ["item_id"],
        features: [
          ProfileFeature("events", .count), ProfileFeature("mean_value", .mean(column: "value")),
          ProfileFeature(
            "recently", .count, window: ProfileWindow(length: 60 * minute, tile: minute)),
        ]),
    ]
  }

  static func view() throws -> FeatureView {
    let events = try events()
    let view = FeatureViewDefinition(
      name: try table("ranking"),
      entries: [
        .init("user", table: try table("user_profile"), key: "user_id"),
        .init("item", table: try table("item_profile"), key: "item_id"),
        .init("attributes", table: try table("items"), key: "item_id"),
      ])
    return try FeatureView(view, profiles: profiles(), streams: [events, items()])
  }

  static func examples() throws -> ExampleDefinition {
    var result = ExampleDefinition(
      table: try table("examples"), features: try table("ranking"), feedback: try table("events"),
      labels: [
        .init("click", filter: try Predicate(parsing: "kind = 'click'"), window: 30 * minute),
        .init("like", filter: try Predicate(parsing: "value >= 4"), window: 120 * minute),
      ])
    result.requests = try table("requests")
    result.request = "request_id"
    result.negativeRate = 0.5
    result.history = .init(
      filter: try Predicate(parsing: "kind = 'rating'"), negatives: 3, seed: 7)
    return result
  }

  /// All streams, the request log's rows in two shards.
  static func streams() throws -> [StreamDefinition] {
    let events = try events()
    var requests = try RequestLog.stream(table("requests"), view: view())
    requests.shardCount = 2
    requests.logRetentionSeconds = 0
    requests.flush.intervalMilliseconds = 100
    return [
      events, try items(), requests,
      try ExampleRunner.stream(examples(), view: view(), feedback: events),
      try PipelinePositions.stream(),
    ]
  }

  static func batch(_ events: [Event], _ schema: Schema) throws -> RecordBatch {
    let builder = RecordBatchBuilder(schema)
    for event in events {
      let values: [String: Scalar] = [
        "user_id": event.user.map { .int($0) } ?? .null,
        "item_id": event.item.map { .int($0) } ?? .null, "at": .int(event.time),
        "kind": .string(event.kind), "value": event.value.map { .float64($0) } ?? .null,
        "request_id": event.request.map { .string($0) } ?? .null,
        "_known_at": .int(event.knownAt), "_shard": .int(Int64(event.shard)),
        "_offset": .int(event.offset),
      ]
      try builder.append(row: schema.fields.map { values[$0.name] ?? .null })
    }
    return try builder.finish()
  }

  /// Rows as text by request and item; without the columns of `skipped`.
  static func text(_ batch: RecordBatch, without skipped: Set<String>) -> [String: String] {
    var result: [String: String] = [:]
    for row in 0..<batch.rowCount {
      let values = batch.schema.fields.enumerated().filter { !skipped.contains($0.element.name) }
        .map { "\($0.element.name)=\(batch.columns[$0.offset].scalar(at: row))" }
      let key = ["request_id", "item_id"].map { "\(batch[$0]?.scalar(at: row) ?? .null)" }
      result[key.joined(separator: "|")] = values.joined(separator: " ")
    }
    return result
  }
}
