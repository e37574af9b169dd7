// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirPipelines
internal import WeirProject

@Suite struct ProfileDeclarationTests {
  private func text(_ profile: String) -> String {
    """
    streams:
      shop.events:
        columns: {user: long, item: string, at: timestamptz, kind: string, price: double}
        event_time: at
      shop.items: {columns: {item: string not null}, primary_key: item}
    profiles:
      shop.users:
    \(profile.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
    """
  }

  @Test func profilesAreReadAsWritten() throws {
    let project = try Project(
      parsing: text(
        """
        source: shop.events
        entity: [user, item]
        where: kind != 'robot'
        shards: 2
        features:
          all: count
          clicks: {function: count, where: kind = 'click', window: 7d, tile: 1h}
          spent: {function: sum, column: price, window: 30d}
          rate: {function: ratio, of: kind = 'buy', to: kind = 'view', prior: 0.1, weight: 5}
          heat: {function: decayed_count, half_life: 12h}
          recent: {function: last, columns: [kind, price], count: 10}
        """), file: "weir.yaml")
    let profile = try #require(project.profiles.first)
    #expect(profile.entity == ["user", "item"])
    #expect(profile.shardCount == 2)
    #expect(profile.features.map(\.name) == ["all", "clicks", "spent", "rate", "heat", "recent"])
    #expect(
      profile.features[1].window == ProfileWindow(length: 604_800_000_000, tile: 3_600_000_000))
    #expect(profile.features[4].function == .decayedCount(halfLifeMicroseconds: 43_200_000_000))
    #expect(profile.features[5].function == .last(columns: ["kind", "price"], count: 10))
  }

  @Test func whatIsWrongIsSaidWhereItStands() {
    #expect(
      problems(
        text(
          """
          source: shop.event
          entity: user
          features: {all: count}
          """)) == ["8:13: there is no stream 'shop.event'; did you mean 'shop.events'?"])
    #expect(
      problems(
        text(
          """
          source: shop.items
          entity: item
          features: {all: count}
          """)
      ).map { $0.contains("profiles are made of events") } == [true])
    let found = problems(
      text(
        """
        source: shop.events
        entity: user
        features:
          a: {function: sum, column: kind}
          b: {function: sum}
          c: {function: counts}
          d: {function: count, where: knd = 1}
          e: {function: count, window: 7d, tile: 1s}
          f: {function: last, columns: prize, count: 3}
          _g: count
        """))
    #expect(
      found.map { String($0.prefix { $0 != ":" }) } == ["11", "12", "13", "14", "15", "16", "17"])
    #expect(found.first?.contains("the column 'kind' has no numbers") == true)
    #expect(found.dropFirst(2).first?.hasSuffix("did you mean 'count'?") == true)
  }
}
