// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirServing
internal import WeirStreaming

@testable internal import WeirProject

struct SurfaceDeclarationTests {
  private static func project(_ surface: String) -> String {
    """
    streams:
      shop.events:
        columns: {user: long, item: long, at: timestamptz, kind: string}
        event_time: at
      shop.similar:
        columns: {item: long not null, items: "list<struct<item: long, score: double>>"}
        primary_key: item
      shop.trending:
        columns: {segment: string not null, items: "list<struct<item: long, score: double>>"}
        primary_key: segment
    profiles:
      shop.users:
        source: shop.events
        entity: user
        features: {events: count, recent: {function: last, columns: [item, kind], count: 9}}
      shop.things: {source: shop.events, entity: item, features: {events: count}}
    feature_views:
      shop.view: {user: {table: shop.users, key: user}, item: {table: shop.things, key: item}}
    surfaces:
      home:
    \(surface.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))

    """
  }

  private static let sound = """
    features: shop.view
    events: shop.events
    sources:
      similar: {from: shop.similar, seeds: user_recent_item, decay: 0.5, seed_count: 7, count: 50}
      trending: {from: shop.trending, weight: 2}
    filter: {seen: user_recent_item, where: item_events > 3}
    score: {count: 100}
    rerank: {count: 5, max_per: {feature: item_events, count: 2}, explore: 0.1}
    budget: {retrieve: 3ms, log: 1s}
    log: shop.requests
    """

  @Test func surfacesAreRead() throws {
    let project = try Project(parsing: Self.project(Self.sound), file: "weir.yaml")
    let surface = try #require(project.surfaces.first)
    #expect(surface.name == "home")
    #expect(surface.sources.map(\.name) == ["similar", "trending"])
    #expect(surface.sources[0].seeds == "user_recent_item")
    #expect(surface.sources[0].seedCount == 7)
    #expect(surface.sources[1].weight == 2)
    #expect(surface.seen == ["user_recent_item"])
    #expect(surface.score.count == 100)
    #expect(surface.rerank.caps == [.init("item_events", 2)])
    #expect(surface.rerank.explore == 0.1)
    #expect(surface.budget.retrieve == 3)
    #expect(surface.budget.log == 1_000)
    let streams = try Serving.streams(project.surfaceShapes())
    #expect(streams.map { "\($0.table)" } == ["shop.requests"])
    #expect(streams[0].primaryKey == ["request_id"])
  }

  @Test(arguments: [
    ("features: shop.view\n", "features: shop.vew\n", "there is no feature view 'shop.vew'"),
    ("features: shop.view\n", "", "has no features"),
    ("events: shop.events", "events: shop.evnts", "did you mean 'shop.events'?"),
    ("from: shop.trending", "from: shop.trend", "there is no table of candidates 'shop.trend'"),
    ("from: shop.trending", "from: shop.users", "has no ranked lists"),
    ("from: shop.trending", "from: shop.similar", "say with 'seeds' whose lists"),
    ("from: shop.trending", "model: shop.m, from: shop.trending", "either 'from' or 'model'"),
    ("seeds: user_recent_item", "seeds: user_events", "not a list of items"),
    ("seeds: user_recent_item", "seeds: user_recent_itm", "did you mean 'user_recent_item'?"),
    ("seeds: user_recent_item", "seeds: user_recent_kind", "not a list of items"),
    ("from: shop.similar", "from: shop.trending", "has no lists of items"),
    ("decay: 0.5", "decay: 1.5", "between 0.0 and 1.0"),
    ("count: 50", "count: 0", "'count' is 0"),
    ("weight: 2", "weigth: 2", "did you mean 'weight'?"),
    ("weight: 2", "segment: user_events", "not a string"),
    ("seen: user_recent_item", "seen: user_nothing", "there is no feature of users"),
    ("where: item_events > 3", "where: item_evnts > 3", "did you mean item_events?"),
    ("where: item_events > 3", "where: item_events >", "'where'"),
    ("feature: item_events", "feature: item_color", "there is no feature of items 'item_color'"),
    ("explore: 0.1", "explore: ten", "must be a number"),
    ("retrieve: 3ms", "retrieve: 3 parsecs", "retrieve"),
    ("log: shop.requests", "log: shop.events", "is a stream already"),
    ("log: shop.requests", "log: requests", "no name of a table"),
  ])
  func whatIsWrongIsTold(_ old: String, _ new: String, _ said: String) throws {
    let text = Self.sound.replacing(old, with: new)
    try #require(text != Self.sound)
    let problems = #expect(throws: ProjectProblems.self) {
      try Project(parsing: Self.project(text), file: "weir.yaml")
    }
    let told = problems?.problems.map(\.description) ?? []
    #expect(told.contains { $0.contains(said) }, "\(told)")
    // The place is within the surface.
    #expect(problems?.problems.allSatisfy { $0.line >= 20 } == true, "\(told)")
  }
}
