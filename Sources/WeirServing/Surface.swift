// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirPipelines
internal import WeirRanker
public import WeirStreaming
internal import WeirTable

/// Makes lists for people. Threads may share it; calls block.
///
/// 1. The user's features are looked up. 2. Sources retrieve candidates, those that were seen are taken
/// out, the best by their places go on. 3. The items' features are looked up, and the filter asked. 4.
/// A model or the rule scores. 5. The rerank chooses. 6. What was served becomes a row of the log.
///
/// Each stage has a budget of time within which it may begin new work. What a stage does not give is left
/// out or stands back to something simpler, and the answer says so; only a request that makes no sense
/// is an error.
public final class Surface: Sendable {
  public let shape: SurfaceShape
  public var definition: SurfaceDefinition { shape.definition }
  public let events: (any ServedStream)?
  let logStream: (any ServedStream)?
  let lists: [RowCache<CandidateList>?]
  let features: FeatureReader
  private let writes: OwnWrites?
  /// For each source of the user's features, and of the item's.
  private let users: [RowCache<FeatureSourceRow>]
  private let items: [RowCache<FeatureSourceRow>]
  let clock: ServingClock
  let models: [TableIdentifier: ModelFollower]
  let onFailure: @Sendable (_ code: String, StreamError) -> Void

  init(
    _ shape: SurfaceShape, streams: any StreamService, lists: [RowCache<CandidateList>?],
    users: [RowCache<FeatureSourceRow>], items: [RowCache<FeatureSourceRow>],
    models: [TableIdentifier: ModelFollower], clock: ServingClock,
    onFailure: @escaping @Sendable (_ code: String, StreamError) -> Void
  ) throws(StreamError) {
    self.shape = shape
    self.lists = lists
    self.users = users
    self.items = items
    self.clock = clock
    self.models = models
    self.onFailure = onFailure
    features = try FeatureReader(shape.view, streams: streams)
    writes = shape.definition.events.flatMap { OwnWrites(shape.view.user, events: $0) }
    events = try shape.definition.events.map { table throws(StreamError) in
      try streams.stream(table)
    }
    logStream = try shape.definition.log.map { table throws(StreamError) in
      try streams.stream(table)
    }
  }

  /// The list for somebody.
  ///
  /// - Throws: `invalidArgument` for a request that makes no sense.
  public func recommend(_ request: RecommendRequest) throws(StreamError) -> Recommendation {
    let count = request.count ?? definition.rerank.count
    guard 1...SurfaceRerank.countMax ~= count else {
      throw StreamError(
        .invalidArgument, "'count' is \(count) and must be between 1 and \(SurfaceRerank.countMax)")
    }
    // A name that can be no key is a mistake, and not a user without events.
    _ = try EntityID.column([request.user], shape.view.user.key.type)
    let answer = Recommendation(
      requestID: clock.requestID(), surface: definition.name, user: request.user,
      time: clock.now())
    // All of a request is of one version.
    let bundles = models.compactMapValues(\.current)
    var run = Run(answer: answer, mark: clock.steady(), bundles: bundles)
    let user = hydrateUser(&run)
    let seen = seenItems(user).union(request.exclude)
    let (parts, candidates) = retrieve(user, seen, &run)
    let ranked = hydrate(candidates, user, &run)
    let scores = score(ranked, user, &run)
    choose(ranked, scores, parts, count, request, &run)
    if logStream != nil {
      let row = attempt("log_failed", &run) { run throws(StreamError) in
        try self.logRow(run.answer, user, ranked, scores)
      }
      run.answer.log = row ?? nil
      run.end("log", clock)
    }
    return run.answer
  }

  /// Notes what people did through this surface, so that their next lists know of it.
  ///
  /// - Parameters:
  ///   - batches: rows of `events` that are durable, as they were sent.
  ///   - receipt: where they are.
  public func note(_ batches: [RecordBatch], _ receipt: StreamReceipt) {
    writes?.note(batches, receipt)
  }

  /// An answer that is being made.
  struct Run {
    var answer: Recommendation
    /// When the stage began; nanoseconds.
    var mark: Int64
    /// The versions of the models.
    let bundles: [TableIdentifier: ModelBundle]

    mutating func fallBack(_ code: String) { answer.fallbacks.append(code) }

    mutating func end(_ stage: String, _ clock: ServingClock) {
      let now = clock.steady()
      answer.timing.append((stage, (now - mark) / 1_000))
      mark = now
    }

    /// Whether the stage has taken more than `milliseconds`.
    func isOver(_ milliseconds: Int64, _ clock: ServingClock) -> Bool {
      clock.steady() - mark > milliseconds * 1_000_000
    }
  }

  /// What is ranked.
  struct Ranked {
    var candidates: Candidates
    var features: FeatureRows
  }

  /// Does what may fail; a failure is told, and noted in the answer.
  func attempt<T>(
    _ code: String, _ run: inout Run, _ body: (inout Run) throws(StreamError) -> T
  ) -> T? {
    do throws(StreamError) { return try body(&run) } catch {
      run.fallBack(code)
      onFailure("\(definition.name).\(code)", error)
      return nil
    }
  }

  // MARK: Stages

  private func hydrateUser(_ run: inout Run) -> FeatureRows? {
    let (user, time, side) = (run.answer.user, run.answer.time, shape.view.user)
    let rows = attempt("user_failed", &run) { run throws(StreamError) in
      var rows = try side.features(of: Self.rows([user], self.users), count: 1, at: time)
      guard let writes = self.writes else { return rows }
      var isFirst = true
      while let offsets = rows.offsets.first, !writes.isIn(user, offsets) {
        guard !run.isOver(self.definition.budget.fresh, self.clock) else {
          run.fallBack("user_behind")
          break
        }
        if !isFirst { self.clock.pause() }
        isFirst = false
        for cache in self.users { cache.refresh() }
        rows = try side.features(of: Self.rows([user], self.users), count: 1, at: time)
      }
      writes.forget(user)
      return rows
    }
    if let rows, rows.isKnown.first != true { run.fallBack("user_unknown") }
    run.answer.userFeatures = rows?.columns
    run.end("user", clock)
    return rows
  }

  private func seenItems(_ user: FeatureRows?) -> Set<EntityID> {
    var result: Set<EntityID> = []
    for name in definition.seen { result.formUnion(Self.items(user, name)) }
    return result
  }

  /// A list among the user's features.
  private static func items(_ user: FeatureRows?, _ name: String) -> [EntityID] {
    guard let column = user?.columns[name], column.isValid(0) else { return [] }
    return EntityID.list(column.children[0], column.itemRange(0))
  }

  private func retrieve(
    _ user: FeatureRows?, _ seen: Set<EntityID>, _ run: inout Run
  ) -> ([SourceItems], Candidates) {
    var parts: [SourceItems] = []
    for (source, cache) in zip(definition.sources, lists) {
      guard !run.isOver(definition.budget.retrieve, clock) else {
        run.fallBack("source_skipped:\(source.name)")
        parts.append(SourceItems())
        continue
      }
      let part = attempt("source_failed:\(source.name)", &run) { run throws(StreamError) in
        guard let cache else { return try self.retrieve(model: source, user, seen, &run) }
        return try Self.retrieve(source, cache, user)
      }
      parts.append(part ?? SourceItems())
    }
    let candidates = Candidates(
      parts, weights: definition.sources.map(\.weight), without: seen,
      count: definition.score.count)
    if candidates.items.isEmpty { run.fallBack("no_candidates") }
    run.end("retrieve", clock)
    return (parts, candidates)
  }

  private static func retrieve(
    _ source: SurfaceSource, _ cache: RowCache<CandidateList>, _ user: FeatureRows?
  ) throws(StreamError) -> SourceItems {
    guard let name = source.seeds else {
      var segment = EntityID.text("")
      if let feature = source.segment {
        guard let column = user?.columns[feature], let value = EntityID(column.scalar(at: 0))
        else { return SourceItems() }
        segment = value
      }
      guard let list = try cache.values(of: [segment])[0] else { return SourceItems() }
      return SourceItems(list, count: source.count)
    }
    var seeds: [EntityID] = []
    var known: Set<EntityID> = []
    for seed in items(user, name) where known.insert(seed).inserted {
      seeds.append(seed)
      if seeds.count == source.seedCount { break }
    }
    guard !seeds.isEmpty else { return SourceItems() }
    return SourceItems(
      seeds: seeds, lists: try cache.values(of: seeds), decay: source.decay, count: source.count)
  }

  /// Looks up the features of the candidates, the best ones first, as far as the time goes.
  private func hydrate(
    _ candidates: Candidates, _ user: FeatureRows?, _ run: inout Run
  ) -> Ranked {
    let time = run.answer.time
    let side = shape.view.item
    var parts: [FeatureRows] = []
    var count = 0
    while count < candidates.items.count {
      if count > 0, run.isOver(definition.budget.hydrate, clock) {
        run.fallBack("hydrate_cut:\(count)/\(candidates.items.count)")
        break
      }
      let end = min(candidates.items.count, count + Self.partCount)
      let items = Array(candidates.items[count..<end])
      let part = attempt("hydrate_failed", &run) { _ throws(StreamError) in
        try side.features(of: Self.rows(items, self.items), count: items.count, at: time)
      }
      guard let part else { break }
      parts.append(part)
      count = end
    }
    var ranked = Ranked(
      candidates: candidates.kept(Array(0..<count)), features: Self.joined(parts, side))
    if let filter = shape.filter {
      let kept = attempt("filter_failed", &run) { _ throws(StreamError) in
        try self.filtered(ranked, user, filter)
      }
      // What a filter keeps out must not come through where it cannot be asked.
      ranked = kept ?? Ranked(candidates: Candidates(), features: Self.joined([], side))
    }
    run.answer.itemFeatures = ranked.features.columns
    run.end("hydrate", clock)
    return ranked
  }

  /// What the tables hold of users or items.
  private static func rows(
    _ ids: [EntityID], _ caches: [RowCache<FeatureSourceRow>]
  ) throws(StreamError) -> [FeatureInput] {
    try caches.map { cache throws(StreamError) in .decoded(try cache.values(of: ids)) }
  }

  /// Items that are worked on between two looks at the clock.
  static let partCount = 64

  private static func joined(_ parts: [FeatureRows], _ side: FeatureSide) -> FeatureRows {
    if parts.count == 1 { return parts[0] }
    let schema = Schema(side.columns)
    let columns =
      (try? RecordBatch.concatenate(parts.map(\.columns)))
      ?? RecordBatch(
        trusted: schema, columns: schema.fields.map { makeBuilder(for: $0.type).finish() },
        rowCount: 0)
    return FeatureRows(
      columns: columns, offsets: parts.flatMap(\.offsets), isKnown: parts.flatMap(\.isKnown))
  }

  private func filtered(
    _ ranked: Ranked, _ user: FeatureRows?, _ filter: BoundPredicate
  ) throws(StreamError) -> Ranked {
    let count = ranked.candidates.items.count
    guard count > 0 else { return ranked }
    do throws(ColumnarError) {
      var columns: [ArrayData] = []
      for field in shape.filterSchema.fields {
        if let column = ranked.features.columns[field.name] {
          columns.append(column)
          continue
        }
        guard let column = user?.columns[field.name] else {
          let builder = makeBuilder(for: field.type)
          for _ in 0..<count { builder.appendNull() }
          columns.append(builder.finish())
          continue
        }
        columns.append(try column.take([Int](repeating: 0, count: count)))
      }
      let rows = try RecordBatch(schema: shape.filterSchema, columns: columns, rowCount: count)
      let kept = try filter.selection(rows).rows
      return Ranked(
        candidates: ranked.candidates.kept(kept),
        features: FeatureRows(
          columns: try ranked.features.columns.take(kept),
          offsets: kept.map { ranked.features.offsets[$0] },
          isKnown: kept.map { ranked.features.isKnown[$0] }))
    } catch { throw StreamError(error) }
  }

  private func choose(
    _ ranked: Ranked, _ scores: [Double], _ parts: [SourceItems], _ count: Int,
    _ request: RecommendRequest, _ run: inout Run
  ) {
    let choices = Reranker(rerank: definition.rerank, count: count).choose(
      ranked.candidates.items, scores: scores, groups: groups(ranked.features.columns),
      requestID: run.answer.requestID)
    run.answer.items = choices.map { choice in
      let source = ranked.candidates.sources[choice.candidate]
      var item = Recommendation.Item(
        item: ranked.candidates.items[choice.candidate], score: scores[choice.candidate],
        source: definition.sources[source].name, propensity: choice.propensity,
        row: choice.candidate)
      if request.explain { explain(&item, parts, source) }
      return item
    }
    run.end("rerank", clock)
  }

  /// For each cap the value of its feature, as text.
  func groups(_ features: RecordBatch) -> [[String?]] {
    definition.rerank.caps.map { cap in
      guard let column = features[cap.feature] else {
        return [String?](repeating: nil, count: features.rowCount)
      }
      return (0..<features.rowCount).map { row in
        column.isValid(row) ? column.scalar(at: row).text(as: column.type) : nil
      }
    }
  }

  private func explain(_ item: inout Recommendation.Item, _ parts: [SourceItems], _ best: Int) {
    for (number, part) in parts.enumerated() {
      guard let place = part.items.firstIndex(of: item.item) else { continue }
      item.places.append((definition.sources[number].name, place + 1, part.scores[place]))
      guard number == best else { continue }
      let origin = part.origins[place]
      let said = origin.list?.reason(origin.place)
      item.reason = origin.seed.map { "\(said ?? "in the list") of \($0)" } ?? said
    }
  }
}
