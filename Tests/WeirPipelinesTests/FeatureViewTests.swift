// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines

struct FeatureViewTests {
  private static func streams() throws -> [StreamDefinition] {
    let fields = [
      Field("kind", .utf8, nullable: false), Field("color", .utf8), Field("size", .int64),
    ]
    var kinds = StreamDefinition(
      table: try TableIdentifier(parsing: "shop.kinds"),
      columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
    kinds.primaryKey = ["kind"]
    var all = try World.sample()
    all.append(kinds)
    all.append(try ProfileOperator.stream(kindProfile(), source: all[0]))
    all.append(try RequestLog.stream(TableIdentifier(parsing: "shop.requests"), view: view(all)))
    return all
  }

  private static func kindProfile() throws -> ProfileDefinition {
    ProfileDefinition(
      table: try TableIdentifier(parsing: "shop.kind_profile"),
      source: try TableIdentifier(parsing: "shop.events"), entity: ["kind"],
      features: [
        ProfileFeature("events", .count),
        ProfileFeature("heat", .decayedCount(halfLifeMicroseconds: 6 * Sample.hour)),
      ])
  }

  private static func view(_ streams: [StreamDefinition]) throws -> FeatureView {
    let name = try TableIdentifier(parsing: "shop.ranking")
    return try FeatureView(
      FeatureViewDefinition(
        name: name,
        entries: [
          .init("user", table: TableIdentifier(parsing: "shop.user_profile"), key: "user"),
          .init("item", table: TableIdentifier(parsing: "shop.kind_profile"), key: "kind"),
          .init(
            "attributes", table: TableIdentifier(parsing: "shop.kinds"), key: "kind",
            columns: ["color"]),
        ]),
      profiles: [Sample.profile(), kindProfile()], streams: streams)
  }

  private static func keys(_ values: [Scalar], _ type: DataType) throws -> ArrayData {
    let builder = makeBuilder(for: type)
    for value in values { try builder.append(value) }
    return builder.finish()
  }

  private static func put(
    _ events: [Event], _ streams: Streams, _ runners: [ProfileRunner]
  ) throws {
    let source = try streams.stream(TableIdentifier(parsing: "shop.events"))
    try source.put(Sample.batch(events, source.inputSchema), streams)
    var idle = 0
    while idle < 3 {
      var worked = streams.step()
      for runner in runners { if case .worked = try runner.step() { worked = true } }
      idle = worked ? 0 : idle + 1
    }
  }

  /// Events of one entity that the numbers beside its features say are in them.
  private static func events(
    _ column: String, _ entity: Scalar, _ offsets: [Int64], _ all: RecordBatch
  ) throws -> RecordBatch {
    func int(_ name: String, _ row: Int) -> Int64 {
      if case .int(let value)? = all[name]?.scalar(at: row) { value } else { -1 }
    }
    return try all.take(
      (0..<all.rowCount).filter { row in
        all[column]?.scalar(at: row) == entity
          && int("_offset", row) < offsets[Int(int("_shard", row))]
      })
  }

  /// What is served is what the events say that the offsets name, at any time, to the last bit; also
  /// when there are more events by now.
  @Test(arguments: 1...6)
  func valuesAreThoseOfTheEventsThatOffsetsName(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let definitions = try Self.streams()
    let view = try Self.view(definitions)
    let (streams, _) = try World(seed: UInt64(seed)).start("p", definitions)
    defer { _ = streams.close() }
    let positions = try streams.stream(TableIdentifier(parsing: PipelinePositions.tableName))
    let runners = try [Sample.profile(), Self.kindProfile()].map {
      try ProfileRunner(
        $0, source: streams.stream($0.source), target: streams.stream($0.table),
        positions: positions)
    }
    let reader = try FeatureReader(view, streams: streams)
    let users: [Scalar] = (0..<7).map { .int(Int64($0)) } + [.int(2)]
    let kinds: [Scalar] = ["view", "nothing", "buy", "click"].map { .string($0) }
    let all = Sample.events(200, &random)
    let source = try streams.stream(TableIdentifier(parsing: "shop.events"))
    var later: [() throws -> Void] = []
    for start in stride(from: 0, to: 200, by: 50) {
      try Self.put(Array(all[start..<start + 50]), streams, runners)
      let time = all[start + 49].knownAt + Int64(random.int(0...100)) * Sample.hour
      for (side, entities, profile) in [
        (view.user, users, try Sample.profile()), (view.item, kinds, try Self.kindProfile()),
      ] {
        let rows = try reader.features(
          side.side, of: Self.keys(entities, side.key.type), at: time)
        #expect(rows.columns.schema.fields == side.columns)
        later.append {
          let events = try source.rows()
          for (place, entity) in entities.enumerated() {
            let mine = try Self.events(side.key.name, entity, rows.offsets[place], events)
            let expected = try ProfileHistory.profile(
              profile, source: definitions[0], events: mine, at: time)
            #expect(rows.isKnown[place] == (expected != nil))
            guard let expected else { continue }
            try Self.check(rows, place, expected, side.sources[0])
          }
        }
      }
    }
    for check in later { try check() }
  }

  private static func check(
    _ rows: FeatureRows, _ place: Int, _ expected: RecordBatch, _ source: FeatureSource
  ) throws {
    for (column, field) in zip(rows.columns.columns, rows.columns.schema.fields) {
      let found = column.scalar(at: place)
      let name = String(field.name.dropFirst(source.entry.name.count + 1))
      guard field.name.hasPrefix(source.entry.name + "_") else { continue }
      if let value = expected[name]?.scalar(at: 0) {
        #expect(found == value, "\(field.name)")
      } else if case .list(let items)? = expected["recent"]?.scalar(at: 0) {
        let member = name.dropFirst("recent_".count)
        let values = items.map { item -> Scalar in
          guard case .struct(let members) = item else { return .null }
          return members.first { $0.name == member }?.value ?? .null
        }
        #expect(found == .list(values), "\(field.name)")
      } else {
        Issue.record("no \(field.name)")
      }
    }
  }

  @Test func entitiesWithoutEventsHaveFeaturesOfNone() throws {
    let definitions = try Self.streams()
    let view = try Self.view(definitions)
    let (streams, _) = try World(seed: 1).start("p", definitions)
    defer { _ = streams.close() }
    let kinds = try streams.stream(TableIdentifier(parsing: "shop.kinds"))
    let builder = RecordBatchBuilder(kinds.inputSchema)
    try builder.append(row: [.string("view"), .string("red"), .int(3), .null, .null])
    try kinds.put(builder.finish(), streams)
    let reader = try FeatureReader(view, streams: streams)
    let user = try reader.features(.user, of: Self.keys([.int(1)], .int64), at: Sample.start)
    #expect(
      user.columns.columns.map { $0.scalar(at: 0) } == [
        .int(0), .int(0), .null, .null, .float64(0.05), .float64(0), .list([]), .list([]),
      ])
    #expect(user.offsets == [[0, 0]])
    #expect(user.isKnown == [false])
    let item = try reader.features(
      .item, of: Self.keys([.string("buy"), .string("view")], .utf8), at: Sample.start)
    #expect(item.columns["attributes_color"]?.scalar(at: 0) == .null)
    #expect(item.columns["attributes_color"]?.scalar(at: 1) == .string("red"))
    #expect(item.offsets == [[0, 0, -1], [0, 0, 0]])
    #expect(item.isKnown == [false, true])
  }

  @Test func theRequestLogHasAColumnForEachFeature() throws {
    let log = try #require(try Self.streams().last)
    #expect(log.primaryKey == ["request_id"])
    #expect(
      log.columns.fields.map(\.name) == [
        "request_id", "surface", "user", "at", "model_version", "user_events", "user_clicks",
        "user_spent", "user_mean_price", "user_rate", "user_heat", "user_recent_kind",
        "user_recent_price", "items", "scores", "propensities", "sources", "item_events",
        "item_heat", "attributes_color", "user_offsets", "item_offsets", "candidates", "fallbacks",
      ])
    #expect("\(log.columns["item_heat"]!.type)" == "list<element: float64>")
  }
}
