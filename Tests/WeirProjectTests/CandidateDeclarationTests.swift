// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirPipelines
internal import WeirProject
internal import WeirStreaming

@Suite struct CandidateDeclarationTests {
  private func text(_ candidates: String) -> String {
    """
    streams:
      shop.events:
        columns: {user: long, item: long, at: timestamptz, country: string}
        event_time: at
      shop.items: {columns: {item: long not null, kind: string, since: timestamptz}, primary_key: item}
    profiles:
      shop.users:
        source: shop.events
        entity: user
        features: {recent: {function: last, columns: item, count: 20}}
      shop.heat:
        source: shop.events
        entity: [country, item]
        features:
          trend: {function: decayed_count, half_life: 7d}
          week: {function: count, window: 7d}
    candidates:
    \(candidates.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
    """
  }

  @Test func candidatesAreReadAsWritten() throws {
    let project = try Project(
      parsing: text(
        """
        shop.trending: {kind: trending, profile: shop.heat, feature: trend, by: country, count: 50}
        shop.similar:
          kind: similar
          profile: shop.users
          feature: recent
          column: item
          shrinkage: 2.5
          depth: 10
          min_entities: 3
          interval: 500ms
          memory: 64MiB
        shop.fresh: {kind: fresh, table: shop.items, time: since, where: kind = 'new', shards: 2}
        """), file: "weir.yaml")
    let (trending, similar, fresh) = (
      project.candidates[0], project.candidates[1], project.candidates[2]
    )
    #expect(trending.kind == .trending(feature: "trend"))
    #expect(trending.by == ["country"])
    #expect(trending.count == 50)
    #expect(
      similar.kind
        == .similar(
          SimilarItems(
            feature: "recent", column: "item", shrinkage: 2.5, depth: 10, entityCountMin: 3)))
    #expect(similar.intervalMilliseconds == 500)
    #expect(similar.memoryBytesMax == 64 << 20)
    #expect(fresh.kind == .fresh(time: "since"))
    #expect(fresh.shardCount == 2)
    #expect(fresh.filter != nil)
    let streams = try project.pipelines.streams(sources: project.streams)
    #expect(streams.contains { "\($0.table)" == "shop.similar" && $0.primaryKey == ["item"] })
  }

  @Test(arguments: [
    (
      "shop.a: {kind: trending, profile: shop.heats, feature: trend}",
      "18:37: there is no profile 'shop.heats'; did you mean 'shop.heat'?"
    ),
    (
      "shop.a: {kind: trendng, profile: shop.heat}",
      "18:18: there are no candidates of the kind 'trendng'; did you mean 'trending'?"
    ),
    (
      "shop.a: {kind: trending, profile: shop.heat, feature: trend}",
      "18:3: the candidates 'shop.a': which column names the items? The key is country, item: say it "
        + "with 'item', or keep lists apart with 'by'"
    ),
    (
      "shop.a: {kind: trending, profile: shop.heat, feature: week, by: country}",
      "18:57: the candidates 'shop.a': 'week' has a window, and items whose events stopped would keep "
        + "what they had: take decayed_count"
    ),
    (
      "shop.a: {kind: fresh, table: shop.items, time: kind}",
      "18:50: the candidates 'shop.a': the column 'kind' is no timestamp"
    ),
    (
      "shop.a: {kind: similar, profile: shop.users, feature: recent, column: itm}",
      "18:57: the candidates 'shop.a': 'recent' keeps no column 'itm'; did you mean 'item'?"
    ),
    (
      "shop.a: {kind: fresh, table: shop.events, time: at}",
      "18:3: the candidates 'shop.a': candidates follow a keyed table; 'shop.events' has no primary "
        + "key: make a profile of it"
    ),
    (
      "shop.a: {kind: fresh, table: shop.items, time: since, depth: 3}",
      "18:57: candidates of this kind take no 'depth'; take it out"
    ),
    ("shop.users: {kind: fresh}", "18:3: 'shop.users' is a profile already; choose another name"),
  ])
  func whatIsWrongIsSaidWhereItStands(_ candidates: String, _ problem: String) {
    #expect(problems(text(candidates)) == [problem])
  }
}
