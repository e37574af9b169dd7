// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines

/// Lists of the greatest, lists of distinct events, first and last times, by the plainest means.
struct ProfileFunctionTests {
  private static func definition() throws -> ProfileDefinition {
    var kinds = ProfileFeature("kinds", .last(columns: ["kind"], count: 2))
    kinds.distinct = ["kind"]
    var best = ProfileFeature("best_kinds", .topK(columns: ["kind"], by: "price", count: 2))
    best.distinct = ["kind"]
    return ProfileDefinition(
      table: try TableIdentifier(parsing: "shop.profile"),
      source: try TableIdentifier(parsing: "shop.events"), entity: ["user"],
      features: [
        ProfileFeature("dearest", .topK(columns: ["kind"], by: "price", count: 3)), kinds, best,
        ProfileFeature("first", .firstTime),
        ProfileFeature("last_click", .lastTime, filter: try Predicate(parsing: "kind = 'click'")),
      ])
  }

  private struct Placed {
    var event: Event
    var offset: Int64
  }

  private static func events(_ random: inout SeededRandom) -> [Placed] {
    Sample.events(random.int(0...80), &random).enumerated().map { offset, event in
      var event = event
      // Few prices, so that some are equal, and some that are no numbers.
      event.user = 1
      event.price = random.chance(0.2) ? nil : random.chance(0.1) ? .nan : Double(random.int(0...4))
      return Placed(event: event, offset: Int64(offset))
    }
  }

  private static func batch(_ events: [Placed]) throws -> RecordBatch {
    let source = try Sample.source(shards: 1).columns.fields
    let rows = try Sample.batch(
      events.map(\.event), Schema(source + [StreamColumns.knownAtField]))
    let shards = makeBuilder(for: .int32)
    let offsets = makeBuilder(for: .int64)
    for event in events {
      try shards.append(.int(0))
      try offsets.append(.int(event.offset))
    }
    return try RecordBatch(
      schema: Schema(
        rows.schema.fields + [StreamColumns.shardField, StreamColumns.offsetField]),
      columns: rows.columns + [shards.finish(), offsets.finish()], rowCount: events.count)
  }

  private static func expected(_ events: [Placed]) -> [String] {
    let known = events.filter { placed in
      guard let time = placed.event.time else { return false }
      return time <= placed.event.knownAt + 24 * Sample.hour
    }
    let byTime = known.sorted { ($0.event.time!, $0.offset) > ($1.event.time!, $1.offset) }
    let priced = byTime.filter { $0.event.price?.isFinite ?? false }
    // Sorting keeps the order of equals only where it is asked to.
    let byPrice = priced.enumerated().sorted {
      ($1.element.event.price!, $0.offset) < ($0.element.event.price!, $1.offset)
    }.map(\.element)
    func distinct(_ events: [Placed]) -> [Placed] {
      var seen: Set<String> = []
      return events.filter { seen.insert($0.event.kind).inserted }
    }
    func list(_ events: ArraySlice<Placed>, _ isPriced: Bool) -> String {
      events.map {
        "\($0.event.kind)\(isPriced ? " \($0.event.price!)" : "") \($0.event.time!)"
      }.joined(separator: ", ")
    }
    let clicks = known.filter { $0.event.kind == "click" }
    return [
      list(byPrice.prefix(3), true), list(distinct(byTime).prefix(2), false),
      list(distinct(byPrice).prefix(2), true),
      known.map { "\($0.event.time!)" }.min() ?? "null",
      clicks.map { "\($0.event.time!)" }.max() ?? "null",
    ]
  }

  private static func text(_ value: Scalar) -> String {
    switch value {
    case .int(let value): "\(value)"
    case .float64(let value): "\(value)"
    case .string(let value): value
    case .list(let items): items.map(text).joined(separator: ", ")
    case .struct(let members): members.map { text($0.value) }.joined(separator: " ")
    default: "null"
    }
  }

  @Test(arguments: 1...60)
  func valuesAreThoseOfAllEvents(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let events = Self.events(&random)
    let definition = try Self.definition()
    let source = try Sample.source(shards: 1)
    let fold = try ProfileOperator(definition, source: source, store: OneState())
    let store = OneState()
    var start = 0
    while start < events.count {
      let end = min(events.count, start + random.int(1...20))
      // Each part by an operator of its own, on the bytes that the one before has left.
      let part = try ProfileOperator(definition, source: source, store: store)
      let rows = try part.apply(
        Self.batch(Array(events[start..<end])),
        schema: ProfileOperator.stream(definition, source: source).columns)
      if case .binary(let bytes)? = rows?[ProfileOperator.stateColumn]?.scalar(at: 0) {
        store.bytes = bytes
      }
      start = end
    }
    let found = try store.bytes.map { try fold.values(of: $0).map { Self.text($0.value) } }
    #expect(found ?? ["", "", "", "null", "null"] == Self.expected(events))
  }

  private final class OneState: ProfileStore {
    var bytes: [UInt8]?
    func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?] {
      [[UInt8]?](repeating: bytes, count: entities.rowCount)
    }
  }

  @Test func definitionsThatDoNotFitAreRefused() throws {
    func message(_ change: (inout ProfileFeature) -> Void) throws -> String {
      var definition = try Self.definition()
      change(&definition.features[0])
      do {
        _ = try ProfileOperator.stream(definition, source: Sample.source(shards: 1))
        return "taken"
      } catch let error as StreamError { return error.message }
    }
    #expect(
      try message { $0.distinct = ["item"] }
        == "the feature 'dearest': 'distinct' names 'item', which is not kept")
    #expect(
      try message { $0.function = .topK(columns: [], by: "kind", count: 2) }
        == "the feature 'dearest': the column 'kind' has no numbers")
    #expect(
      try message { $0.window = ProfileWindow(length: Sample.hour) }
        == "the feature 'dearest': takes no window")
  }
}
