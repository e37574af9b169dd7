// SPDX-License-Identifier: Apache-2.0

/// Chooses a list from scored candidates: the best first, within caps, some places drawn.
///
/// 1. Candidates are ordered by score, the greater first, and by item among equals. 2. For each place
/// those are eligible that were not chosen and whose groups are not full. 3. With probability `explore`
/// the place goes to one of them, all equally likely; else to the first. The propensity of the one
/// chosen is the probability of that, given the places before.
///
/// It depends on its inputs and the request's name alone: a replay chooses the same.
struct Reranker {
  let rerank: SurfaceRerank
  /// How many items are wanted.
  let count: Int

  /// A place of the list.
  struct Choice: Hashable {
    /// Place among the candidates.
    var candidate: Int
    var propensity: Double
  }

  /// - Parameters:
  ///   - groups: for each cap the candidates' values of its feature; `nil` where there is none.
  func choose(
    _ items: [EntityID], scores: [Double], groups: [[String?]], requestID: String
  ) -> [Choice] {
    var rest = items.indices.sorted { left, right in
      scores[left] != scores[right] ? scores[left] > scores[right] : items[left] < items[right]
    }
    var draws = Draws(requestID)
    let numbers = groups.map(Self.numbered)
    var room = zip(numbers, rerank.caps).map { [Int](repeating: $1.count, count: $0.count) }
    var result: [Choice] = []
    // A full group stays full: what is not eligible once never is again.
    while result.count < count {
      if !room.isEmpty {
        rest.removeAll { candidate in
          room.indices.contains { cap in
            let group = numbers[cap].places[candidate]
            return group >= 0 && room[cap][group] <= 0
          }
        }
      }
      guard let first = rest.first else { break }
      let (unit, drawn) = (draws.unit(), draws.place(rest.count))
      let place = unit < rerank.explore ? drawn : 0
      let candidate = place == 0 ? first : rest[place]
      rest.remove(at: place)
      let share = rerank.explore / Double(rest.count + 1)
      result.append(
        Choice(candidate: candidate, propensity: place == 0 ? 1 - rerank.explore + share : share))
      for cap in room.indices {
        let group = numbers[cap].places[candidate]
        if group >= 0 { room[cap][group] -= 1 }
      }
    }
    return result
  }

  /// Each candidate's group as a number, -1 for none.
  private static func numbered(_ names: [String?]) -> (places: [Int], count: Int) {
    var numbers: [String: Int] = [:]
    let places = names.map { name in
      guard let name else { return -1 }
      if let number = numbers[name] { return number }
      numbers[name] = numbers.count
      return numbers.count - 1
    }
    return (places, numbers.count)
  }
}
