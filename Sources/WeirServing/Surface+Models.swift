// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirRanker
internal import WeirStreaming
internal import WeirTable
internal import WeirVector

// What models do for a surface.
extension Surface {
  /// The items whose vectors are nearest to the user's.
  func retrieve(
    model source: SurfaceSource, _ user: FeatureRows?, _ seen: Set<EntityID>, _ run: inout Run
  ) throws(StreamError) -> SourceItems {
    guard case .model(let table) = source.kind, let bundle = run.bundles[table],
      bundle.hasRetriever
    else {
      run.fallBack("no_model:\(source.name)")
      return SourceItems()
    }
    let inputs = try ModelInputs(
      bundle.metadata, user: run.answer.user, features: user?.columns)
    let type = itemKeyType
    let hits: [VectorHit]
    do throws(RankerError) {
      let vector = try bundle.userVector(
        userDense: inputs.userDense, user: inputs.user, history: inputs.history)
      hits = try bundle.search(vector, count: source.count) { key in
        guard let item = EntityID(key, type) else { return false }
        return !seen.contains(item)
      }
    } catch { throw StreamError(error) }
    var result = SourceItems()
    for hit in hits {
      guard let item = EntityID(hit.key, type) else { continue }
      result.items.append(item)
      result.scores.append(Double(hit.score))
      result.origins.append(.init())
    }
    return result
  }

  /// What the model's predictions are worth for each candidate; the rule's scores where there are none.
  func score(_ ranked: Ranked, _ user: FeatureRows?, _ run: inout Run) -> [Double] {
    defer { run.end("score", clock) }
    guard let table = definition.score.model, !ranked.candidates.items.isEmpty else {
      return ranked.candidates.scores
    }
    guard let bundle = run.bundles[table], bundle.hasRanker else {
      run.fallBack("no_model")
      return ranked.candidates.scores
    }
    let result = attempt("score_failed", &run) { run throws(StreamError) in
      try self.scores(bundle, ranked, user, &run)
    }
    guard let scores = result ?? nil else { return ranked.candidates.scores }
    run.answer.modelVersion = bundle.version
    return scores
  }

  /// `nil` when the time does not go far enough: a list of two kinds of scores has no order.
  private func scores(
    _ bundle: ModelBundle, _ ranked: Ranked, _ user: FeatureRows?, _ run: inout Run
  ) throws(StreamError) -> [Double]? {
    let inputs = try ModelInputs(
      bundle.metadata, user: run.answer.user, features: user?.columns)
    let value = try ModelValue(definition.score, tasks: bundle.tasks)
    let items = ranked.candidates.items
    let dense = try inputs.itemDense(ranked.features.columns)
    let width = bundle.metadata.itemDense.count
    let partCount = max(Self.partCount, bundle.itemsPerRun)
    var result: [Double] = []
    while result.count < items.count {
      if run.isOver(definition.budget.score, clock) {
        run.fallBack("score_late")
        return nil
      }
      let part = result.count..<min(items.count, result.count + partCount)
      do throws(RankerError) {
        result += value.values(
          try bundle.scores(
            userDense: inputs.userDense, user: inputs.user, history: inputs.history,
            items: items[part].map(\.vectorKey),
            itemDense: Array(dense[part.lowerBound * width..<part.upperBound * width])))
      } catch { throw StreamError(error) }
    }
    return result
  }
}
