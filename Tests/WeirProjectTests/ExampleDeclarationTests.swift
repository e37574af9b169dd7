// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirPipelines
internal import WeirProject
internal import WeirStreaming

@Suite struct ExampleDeclarationTests {
  private func text(_ examples: String) -> String {
    """
    streams:
      shop.events:
        columns: {user_id: long, item_id: long, at: timestamptz, kind: string, request_id: string}
        event_time: at
    profiles:
      shop.users: {source: shop.events, entity: user_id, features: {events: count}}
      shop.goods: {source: shop.events, entity: item_id, features: {events: count}}
    feature_views:
      shop.ranking:
        user: {table: shop.users, key: user_id}
        item: {table: shop.goods, key: item_id}
    examples:
      shop.examples:
    \(examples.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
    """
  }

  @Test func examplesAreReadAsWritten() throws {
    let project = try Project(
      parsing: text(
        """
        features: shop.ranking
        requests: shop.requests
        feedback: shop.events
        request: request_id
        labels:
          click: {where: kind = 'click', window: 30m}
          buy: {where: kind = 'buy', window: 7d}
        negatives: {rate: 0.25}
        history: {where: kind = 'view', negatives: 4, seed: 9}
        shards: 2
        """), file: "weir.yaml")
    let examples = try #require(project.examples.first)
    #expect("\(examples.features)" == "shop.ranking")
    #expect(examples.requests.map { "\($0)" } == "shop.requests")
    #expect(examples.labels.map(\.name) == ["click", "buy"])
    #expect(examples.labels.map(\.window) == [1_800_000_000, 604_800_000_000])
    #expect(examples.negativeRate == 0.25)
    #expect(examples.history?.negatives == 4)
    #expect(examples.history?.seed == 9)
    #expect(examples.shardCount == 2)
    let made = try project.pipelines.streams(sources: project.streams)
    #expect(
      made.map { "\($0.table)" } == [
        "shop.users", "shop.goods", "shop.examples", PipelineJobs.requestsName,
        PipelineJobs.statesName, PipelinePositions.tableName,
      ])
    #expect(try project.requestLogs([]).map { "\($0.table)" } == ["shop.requests"])
    #expect(
      made[2].columns.fields.map(\.name) == [
        "request_id", "item_id", "user_id", "surface", "at", "position", "model_version",
        "user_events", "item_events", "click", "click_at", "buy", "buy_at", "sampling_rate",
        "propensity", "is_correction", "source",
      ])
  }

  @Test func whatIsWrongIsSaidWhereItStands() {
    let found = problems(
      text(
        """
        features: shop.ranking
        feedback: shop.events
        requests: requests
        labels:
          click: {where: knd = 'click', window: 30m}
          buy: {where: kind = 'buy'}
          like: {where: kind = 'like', window: 3 moons}
        negatives: {share: 1}
        history: {negatives: -1}
        """))
    #expect(
      found.map { String($0.prefix { $0 != ":" }) } == ["16", "18", "19", "20", "21", "22"])
    func first(_ lines: String) -> String? { problems(text(lines)).first }
    #expect(
      first("features: shop.rank\nfeedback: shop.events")?.hasSuffix(
        "there is no feature view 'shop.rank'; did you mean 'shop.ranking'?") == true)
    let start = "features: shop.ranking\nfeedback: shop.events\n"
    let label = "labels: {click: {where: kind = 'click', window: 30m}}\n"
    #expect(first(start + label)?.contains("of 'requests', of 'history', or of both") == true)
    #expect(
      first(start + label + "requests: shop.requests")?.contains("'request' must name") == true)
    #expect(
      first(start + label + "requests: shop.requests\nrequest: request")?.contains(
        "did you mean 'request_id'?") == true)
    #expect(first(start + "history: {negatives: 1}")?.contains("there are 0 labels") == true)
    #expect(
      first(
        start + "labels: {position: {where: kind = 'click', window: 1h}}\nhistory: {negatives: 1}")?
        .contains("give the label another name") == true)
    #expect(
      first(start + label + "requests: shop.users\nrequest: request_id")?.contains(
        "it is another table") == true)
  }
}
