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
    struct Sum {
      var score: Double
      var best: Double
      /// Where `best` comes from.
      var seed: Int
      var place: Int
    }
    var (all, sums): ([EntityID], [Sum]) = ([], [])
    let itemCount = lists.reduce(0) { $0 + ($1?.items.count ?? 0) }
    all.reserveCapacity(itemCount)
    sums.reserveCapacity(itemCount)
    var places = [EntityID: Int](minimumCapacity: itemCount)
    var weight = 1.0
    for (seed, list) in lists.enumerated() where seed < seeds.count {
      defer { weight *= decay }
      guard let list else { continue }
      for (place, item) in list.items.enumerated() {
        let part = weight * list.scores[place]
        let found = places[item, default: sums.count]
        guard found == sums.count else {
          sums[found].score += part
          if part > sums[found].best {
            (sums[found].best, sums[found].seed, sums[found].place) = (part, seed, place)
          }
          continue
        }
        places[item] = found
        all.append(item)
        sums.append(Sum(score: part, best: part, seed: seed, place: place))
      }
    }
    for place in bestFirst(all, sums.map(\.score), count: count) {
      let sum = sums[place]
      items.append(all[place])
      scores.append(sum.score)
      origins.append(Origin(list: lists[sum.seed], place: sum.place, seed: seeds[sum.seed]))
    }
  }
}

/// Places of the items with the greatest scores, the greatest first, and the least item among equals.
private func bestFirst(_ items: [EntityID], _ scores: [Double], count: Int) -> [Int] {
  // Numbers alone are moved about.
  let sorted = scores.enumerated().sorted { left, right in
    left.element != right.element
      ? left.element > right.element : items[left.offset] < items[right.offset]
  }
  return sorted.prefix(count).map(\.offset)
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
    let itemCount = parts.reduce(0) { $0 + $1.items.count }
    var places = [EntityID: Int](minimumCapacity: itemCount)
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
    self = kept(bestFirst(items, scores, count: count))
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
