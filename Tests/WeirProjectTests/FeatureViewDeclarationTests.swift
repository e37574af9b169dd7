// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirPipelines
internal import WeirProject

@Suite struct FeatureViewDeclarationTests {
  private func text(_ view: String) -> String {
    """
    streams:
      shop.events:
        columns: {user_id: long, item_id: long, at: timestamptz, kind: string, price: double}
        event_time: at
      shop.items:
        columns: {item_id: long not null, category: string, brand: string}
        primary_key: item_id
      shop.words: {columns: {word: string not null, n: long}, primary_key: word}
    profiles:
      shop.users:
        source: shop.events
        entity: user_id
        features: {events: count, recent: {function: last, columns: [item_id, price], count: 5}}
      shop.goods: {source: shop.events, entity: item_id, features: {events: count}}
    feature_views:
      shop.ranking:
    \(view.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
    """
  }

  @Test func viewsAreReadAsWritten() throws {
    let project = try Project(
      parsing: text(
        """
        user: {table: shop.users, key: user_id}
        item: {table: shop.goods, key: item_id, columns: [events]}
        attributes: {table: shop.items, key: item_id, columns: [category]}
        """), file: "weir.yaml")
    let view = try FeatureView(
      try #require(project.featureViews.first), profiles: project.profiles,
      streams: project.streams)
    #expect(
      view.user.columns.map(\.name)
        == ["user_events", "user_recent_item_id", "user_recent_price"])
    #expect(view.item.columns.map(\.name) == ["item_events", "attributes_category"])
    #expect(view.item.columns.map { "\($0.type)" } == ["int64", "utf8"])
    #expect(view.user.key.name == "user_id")
  }

  @Test func whatIsWrongIsSaidWhereItStands() {
    let found = problems(
      text(
        """
        user: {table: shop.user, key: user_id}
        item: {table: shop.goods, key: item}
        a: {table: shop.items, key: item_id, columns: [categor]}
        b: {table: shop.items, key: item_id, side: items}
        c: {table: shop.events, key: item_id}
        d: {table: shop.users, key: user_id, columns: recent.item}
        e: {table: shop.users}
        """))
    #expect(
      found.map { String($0.prefix { $0 != ":" }) } == ["17", "18", "19", "20", "21", "22", "23"])
    #expect(found.first?.hasSuffix("did you mean 'shop.users'?") == true)
    #expect(found.dropFirst(2).first?.contains("did you mean 'category'?") == true)
    #expect(
      problems(text("user: {table: shop.users, key: user_id}")).first?.contains(
        "no entry of the item") == true)
    #expect(
      problems(
        text(
          """
          user: {table: shop.users, key: user_id}
          item: {table: shop.words, key: word}
          attributes: {table: shop.items, key: item_id}
          """)
      ).first?.contains("say 'side: user' or 'side: item'") == true)
    #expect(
      problems(
        text(
          """
          user: {table: shop.users, key: user_id}
          item: {table: shop.words, key: word}
          attributes: {table: shop.items, key: item_id, side: item}
          """)
      ).first?.contains("have two types") == true)
  }
}
