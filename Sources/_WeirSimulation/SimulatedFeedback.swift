// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A log of requests, a stream of feedback, the examples that are made of both, and what producers send. Few
/// requests and items, so that they meet; feedback that comes before its request, late, of items that were
/// not served, of requests that never come.
struct SimulatedFeedback {
  let view: FeatureView
  let definition: ExampleDefinition
  let requests: StreamDefinition
  let feedback: StreamDefinition
  let target: StreamDefinition
  /// Different for every event that is ever sent, in the column `value`.
  private var nextValue: Int64 = 0
  private var requestCount = 0

  static let itemCount = 12
  static let minute: Int64 = 60_000_000
  private static let start: Int64 = 1_700_000_000_000_000
  private static let timeType = DataType.timestamp(.microsecond, timeZone: "UTC")

  init(_ random: inout SeededRandom) throws {
    func table(_ name: String) -> TableIdentifier { TableIdentifier(Namespace(["n"]), name) }
    func stream(_ name: String, _ fields: [Field]) throws -> StreamDefinition {
      StreamDefinition(
        table: table(name), columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
    }
    var users = try stream(
      "users", [Field("user_id", .int64, nullable: false), Field("age", .int64)])
    users.primaryKey = ["user_id"]
    var items = try stream(
      "items", [Field("item_id", .int64, nullable: false), Field("category", .utf8)])
    items.primaryKey = ["item_id"]
    view = try FeatureView(
      FeatureViewDefinition(
        name: table("ranking"),
        entries: [
          .init("user", table: users.table, key: "user_id"),
          .init("item", table: items.table, key: "item_id"),
        ]), profiles: [], streams: [users, items])
    var feedback = try stream(
      "feedback",
      [
        Field("user_id", .int64), Field("item_id", .int64), Field("at", Self.timeType),
        Field("kind", .utf8), Field("value", .int64), Field("request_id", .utf8),
      ])
    feedback.eventTime = "at"
    feedback.shardCount = random.pick([1, 2, 3])
    feedback.shardKey = random.pick([[], ["kind"], ["request_id"]])
    feedback.format = random.pick([nil, .parquet, .weir])
    self.feedback = feedback
    var requests = try RequestLog.stream(table("requests"), view: view)
    requests.shardCount = random.pick([1, 2])
    requests.format = random.pick([nil, .parquet, .weir])
    self.requests = requests
    var definition = ExampleDefinition(
      table: table("examples"), features: view.definition.name, feedback: feedback.table,
      labels: [
        .init(
          "click", filter: try Predicate(parsing: "kind = 'click'"),
          window: NaiveExamples.clickWindow),
        .init(
          "like", filter: try Predicate(parsing: "kind = 'like'"),
          window: NaiveExamples.likeWindow),
      ])
    definition.requests = requests.table
    definition.request = "request_id"
    definition.negativeRate = random.pick([0, 0.5, 1])
    definition.shardCount = random.pick([1, 1, 2])
    definition.format = random.pick([nil, .parquet, .weir])
    self.definition = definition
    target = try ExampleRunner.stream(definition, view: view, feedback: feedback)
  }

  /// When a request is made; also of one that was not sent yet.
  private static func time(ofRequest number: Int) -> Int64 { start + Int64(number) * 10_000_000 }

  /// Some requests, one of them perhaps sent before.
  mutating func newRequests(_ random: inout SeededRandom) -> [LoggedRow] {
    let first = requestCount
    requestCount += random.int(1...4)
    return (first..<requestCount).map { request($0) }
      + (first > 0 && random.chance(0.2) ? [request(random.int(0..<first))] : [])
  }

  /// The same each time.
  private func request(_ number: Int) -> LoggedRow {
    var random = SeededRandom(seed: UInt64(number) &+ 77)
    var items: [Int64] = []
    for _ in 0..<random.int(0..<7) {
      let item = Int64(random.int(0..<Self.itemCount))
      if !items.contains(item) || random.chance(0.1) { items.append(item) }
    }
    func list(_ value: (Int64) -> Scalar) -> Scalar { .list(items.map(value)) }
    let time = Self.time(ofRequest: number)
    let user = Int64(random.int(0..<4))
    return LoggedRow(
      values: [
        "request_id": .string("r\(number)"), "surface": .string("home"), "user_id": .int(user),
        "at": .int(time), "model_version": number % 3 == 0 ? .null : .int(Int64(number)),
        "user_age": .int(user * 10), "items": list { .int($0) },
        "propensities": list { .float64(1 / Double($0 + 1)) },
        "item_category": list { $0 % 4 == 0 ? .null : .string("c\($0)") },
        StreamColumns.knownAt: .int(time),
      ], isDelete: false)
  }

  /// Some events. All are known within a few minutes, so that none is let go before its request comes.
  mutating func events(_ random: inout SeededRandom) -> [LoggedRow] {
    (0..<random.int(1..<14)).map { _ in
      nextValue += 1
      let number = random.int(max(0, requestCount - 12)..<requestCount + 3)
      let after = Int64(random.int(-2..<20)) * Self.minute + nextValue
      return LoggedRow(
        values: [
          "user_id": .int(1), "value": .int(nextValue),
          "item_id": random.chance(0.05) ? .null : .int(Int64(random.int(0..<Self.itemCount))),
          "at": random.chance(0.03) ? .null : .int(Self.time(ofRequest: number) + after),
          "kind": .string(random.pick(["view", "click", "click", "like"])),
          "request_id": random.chance(0.05)
            ? .null : .string(random.chance(0.03) ? "nobody" : "r\(number)"),
          StreamColumns.knownAt: .int(Self.start + nextValue * 1_000),
        ], isDelete: false)
    }
  }
}
