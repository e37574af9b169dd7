// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// What one source gave: items, the best first, each once.
struct SourceItems: Sendable {
  var items: [EntityID] = []
  var scores: [Double] = []
  /// Where each item's greatest part comes from.
  var origins: [Origin] = []

  struct Origin: Sendable {
    var list: CandidateList?
    var place = 0
    /// The item whose list it is in, where it is in one of an item.
    var seed: EntityID?
  }

  init() {}

  /// One list as it is.
  init(_ list: CandidateList, count: Int) {
    for place in list.items.indices.prefix(count) {
      items.append(list.items[place])
      scores.append(list.scores[place])
      origins.append(Origin(list: list, place: place))
    }
  }

  /// The lists of seeds: an item's score is the sum of its scores in them, each weighed by `decay` to
  /// the power of the seed's place. Parts are added in the order of the seeds.
  init(seeds: [EntityID], lists: [CandidateList?], decay: Double, count: Int) {
    var places: [EntityID: Int] = [:]
    var best: [Double] = []
    var weight = 1.0
    for (seed, list) in zip(seeds, lists) {
      defer { weight *= decay }
      guard let list else { continue }
      for place in list.items.indices {
        let part = weight * list.scores[place]
        let item = list.items[place]
        if let found = places[item] {
          scores[found] += part
          if part > best[found] {
            best[found] = part
            origins[found] = Origin(list: list, place: place, seed: seed)
          }
        } else {
          places[item] = items.count
          items.append(item)
          scores.append(part)
          best.append(part)
          origins.append(Origin(list: list, place: place, seed: seed))
        }
      }
    }
    let order = items.indices.sorted { left, right in
      scores[left] != scores[right] ? scores[left] > scores[right] : items[left] < items[right]
    }.prefix(count)
    let all = self
    items = order.map { all.items[$0] }
    scores = order.map { all.scores[$0] }
    origins = order.map { all.origins[$0] }
  }
}

/// Candidates of all sources.
struct Candidates: Sendable {
  /// Each once, the best by the rule first.
  var items: [EntityID] = []
  /// By the rule: the sum over the sources of `weight / (60 + place)`, places from 1. (Reciprocal rank
  /// fusion: G. Cormack, C. Clarke, S. Büttcher, SIGIR 2009.)
  var scores: [Double] = []
  /// The source in whose list an item counts most.
  var sources: [Int] = []

  static let rankOffset = 60.0

  init() {}

  /// - Parameters:
  ///   - seen: items that are left out.
  ///   - count: how many there are at most.
  init(_ parts: [SourceItems], weights: [Double], without seen: Set<EntityID>, count: Int) {
    var places: [EntityID: Int] = [:]
    var best: [Double] = []
    for (source, part) in parts.enumerated() {
      for (place, item) in part.items.enumerated() {
        let score = weights[source] / (Self.rankOffset + Double(place + 1))
        if let found = places[item] {
          scores[found] += score
          if score > best[found] {
            best[found] = score
            sources[found] = source
          }
        } else if !seen.contains(item) {
          places[item] = items.count
          items.append(item)
          scores.append(score)
          best.append(score)
          sources.append(source)
        }
      }
    }
    let order = items.indices.sorted { left, right in
      scores[left] != scores[right] ? scores[left] > scores[right] : items[left] < items[right]
    }.prefix(count)
    let all = self
    items = order.map { all.items[$0] }
    scores = order.map { all.scores[$0] }
    sources = order.map { all.sources[$0] }
  }

  /// Only some of them, in order.
  func kept(_ places: [Int]) -> Candidates {
    var result = Candidates()
    result.items = places.map { items[$0] }
    result.scores = places.map { scores[$0] }
    result.sources = places.map { sources[$0] }
    return result
  }
}
