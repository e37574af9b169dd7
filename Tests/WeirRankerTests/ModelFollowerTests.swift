// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirVector
internal import _WeirTestSupport

@testable internal import WeirRanker

@Suite(.enabled(if: Runtime.isThere, .init(rawValue: Runtime.missing)))
struct ModelFollowerTests {
  /// All that a bundle says of some requests, bit for bit.
  private static func answers(_ bundle: ModelBundle, _ model: SampleModel) throws -> [String] {
    try model.cases.map { sample in
      let vector = try bundle.userVector(
        userDense: sample.userDense, user: sample.user, history: sample.history)
      let scores = try bundle.scores(
        userDense: sample.userDense, user: sample.user, history: sample.history,
        items: sample.items, itemDense: sample.itemDense)
      let hits = try bundle.search(vector, count: 7)
      return "\(vector) \(scores) \(hits.map { "\($0.key) \($0.score)" })"
    }
  }

  @Test func followsAndSwapsAsAWhole() throws {
    let world = try ModelWorld(seed: 1)
    let model = try SampleModel()
    let follower = try world.follower()
    #expect(try !follower.step() && follower.current == nil)
    try world.put(model.embeddings)
    #expect(try !follower.step() && follower.current == nil)
    try world.register(1, model.metadata.text, graphs: ("retriever", "ranker"))
    #expect(try follower.step())
    let first = try #require(follower.current)
    #expect(first.version == 1 && first.vectorCount == model.embeddings.count)
    #expect(first.createdAt == 1_000 && first.lineage == "{}" && first.metrics == nil)
    let before = try Self.answers(first, model)
    #expect(try before == Self.answers(try model.bundle(), model))
    // The vectors of the next version are not seen before its row.
    let changed = model.embeddings.filter { $0.role != .user }.prefix(20).map { row in
      EmbeddingRow(
        role: row.role, key: row.key, version: 2, vector: row.vector.map { 0.5 - $0 })
    }
    try world.put(changed)
    #expect(try !follower.step())
    #expect(try follower.current.map { try Self.answers($0, model) } == before)
    try world.register(2, model.metadata.text, graphVersion: 1)
    #expect(try follower.step())
    let second = try #require(follower.current)
    #expect(second.version == 2 && second.graphVersion == 1)
    #expect(try Self.answers(second, model) != before)
    #expect(try Self.answers(first, model) == before)
    #expect(
      world.takeEvents() == [
        "model_served: version 1 serves, with 83 vectors",
        "model_served: version 2 serves, with 83 vectors",
      ])
    #expect(try Self.answers(try follower.bundle(version: 1), model) == before)
    #expect(try follower.bundle(version: 2) === second)
    let error = #expect(throws: RankerError.self) { try follower.bundle(version: 3) }
    #expect(error?.description == "the model 'shop.model' has no version 3")
  }

  @Test func aVersionThatDoesNotStandLeavesTheOlderOne() throws {
    let world = try ModelWorld(seed: 2)
    let model = try SampleModel()
    let follower = try world.follower()
    try world.put(model.embeddings)
    try world.register(1, model.metadata.text, graphs: ("retriever", "ranker"))
    try follower.step()
    let bad: [(Int64, String, (String, String)?, Int64?, String)] = [
      (2, "{}", ("retriever", "ranker"), nil, "the model's metadata: "),
      (3, model.metadata.text, ("retriever", "ranker_of_nulls"), nil, "a score is not finite"),
      (4, model.metadata.text, ("retriever", "ranker_of_three"), nil, "'scores' [?, 3]"),
      (5, model.metadata.text, nil, 77, "which is not there"),
      (6, model.metadata.text, nil, nil, "neither a retriever's nor a ranker's"),
    ]
    for (version, metadata, graphs, graphVersion, reason) in bad {
      _ = world.takeEvents()
      try world.register(version, metadata, graphs: graphs, graphVersion: graphVersion)
      #expect(try !follower.step())
      #expect(try !follower.step())
      let events = world.takeEvents()
      #expect(events.count == 1)
      let event = try #require(events.first)
      #expect(
        event.hasPrefix("model_refused: version \(version) was refused, version 1 goes on: "))
      #expect(event.contains(reason), "\(event)")
      #expect(follower.current?.version == 1)
      #expect(throws: RankerError.self) { try follower.bundle(version: version) }
    }
    try world.put([
      EmbeddingRow(role: .item, key: .integer(100), version: 7, vector: [1, 2, 3, .nan])
    ])
    try world.register(7, model.metadata.text, graphVersion: 1)
    #expect(try !follower.step())
    #expect(
      world.takeEvents().last?.hasSuffix(
        "role 'item', version 7: the vector of 100: element 3 is nan") == true)
    // What was bad is mended by the next version.
    try world.put([
      EmbeddingRow(role: .item, key: .integer(100), version: 8, vector: [1, 2, 3, 4])
    ])
    try world.register(8, model.metadata.text, graphVersion: 1)
    _ = try follower.step()
    #expect(follower.current?.version == 8)
  }

  /// A version as the naive fold of all rows has it.
  private struct Oracle {
    var rows: [EmbeddingRow] = []
    var versions: [Int64: (metadata: ModelMetadata, graphs: (String, String))] = [:]

    func bundle(_ version: Int64) throws -> ModelBundle? {
      guard let (metadata, graphs) = versions[version] else { return nil }
      var latest: [String: EmbeddingRow] = [:]
      for row in rows where row.version <= version && row.version >= metadata.embeddingsFrom {
        let key = "\(row.role) \(row.key)"
        if latest[key].map({ $0.version <= row.version }) ?? true { latest[key] = row }
      }
      var vectors = ModelEmbeddings(metadata)
      for row in latest.values { try vectors.apply(row) }
      let row = RegistryRow(version: version, graphVersion: version, metadata: metadata)
      let sessions = try ModelGraphs(
        retriever: SampleModel.graph(graphs.0), ranker: SampleModel.graph(graphs.1),
        runtime: Runtime.shared)
      return try ModelProbe.check(ModelBundle(row, graphs: sessions, embeddings: vectors))
    }
  }

  /// Versions come while the follower steps, restarts and tables take rows: what serves is what a fold of
  /// all rows gives, and any older version can be had again.
  @Test(arguments: 1...15)
  func servesWhatAFoldOfAllRowsGives(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try ModelWorld(seed: UInt64(seed))
    let model = try SampleModel()
    let metadata = try ModelMetadata(parsing: model.metadata.text)
    var oracle = Oracle()
    var follower = try world.follower()
    var base: Int64 = 0
    var withGraphs: Int64 = 0
    var served: [Int64: [String]] = [:]
    func look() throws {
      guard let bundle = follower.current else { return }
      let answers = try Self.answers(bundle, model)
      let expected = try #require(try oracle.bundle(bundle.version))
      #expect(try answers == Self.answers(expected, model))
      served[bundle.version] = answers
    }
    for version in Int64(1)...12 {
      let isFull = version == 1 || random.chance(0.2)
      if isFull { base = random.chance(0.6) ? version : 0 }
      for row in model.embeddings where isFull || random.chance(0.1) {
        let vector = row.vector.map { $0 + Float(random.int(-100...100)) / 100 }
        oracle.rows.append(
          EmbeddingRow(role: row.role, key: row.key, version: version, vector: vector))
      }
      let mine = oracle.rows.filter { $0.version == version }
      let cut = random.int(0...mine.count)
      try world.put(Array(mine[..<cut]))
      if random.chance(0.3) { world.flush() }
      if random.chance(0.3) { follower = try world.follower() }
      if random.chance(0.5) {
        try follower.step()
        try look()
      }
      try world.put(Array(mine[cut...]))
      var next = metadata
      next.embeddingsFrom = base
      let graphs = ("retriever", random.pick(["ranker", "ranker_of_batches"]))
      if version == 1 || random.chance(0.4) {
        try world.register(version, next.json.text, graphs: graphs)
        oracle.versions[version] = (next, graphs)
        withGraphs = version
      } else {
        try world.register(version, next.json.text, graphVersion: withGraphs)
        oracle.versions[version] = (next, oracle.versions[withGraphs]!.graphs)
      }
      if random.chance(0.3) { world.flush() }
      if random.chance(0.7) {
        try follower.step()
        #expect(follower.current?.version == version)
        try look()
      }
    }
    for (version, answers) in served {
      #expect(try Self.answers(try follower.bundle(version: version), model) == answers)
    }
  }
}
