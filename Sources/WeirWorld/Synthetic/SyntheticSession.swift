// SPDX-License-Identifier: Apache-2.0

/// One event of the synthetic world, before it goes into columns.
struct SyntheticEvent {
  enum Kind: Int, CaseIterable {
    case impression, click, watch, like
    var name: String { "\(self)" }
  }

  var time: Int64
  var user: Int
  var item: Int
  var kind: Kind
  /// Seconds, of a `watch`.
  var value: Float?
  var request: Int64
  /// From 0, of an `impression` or `click`.
  var position: Int?
  /// How likely the logging policy was to show this item here, given the candidates and what it
  /// showed above.
  var propensity: Float?
}

/// Makes all events of one visit. Any visit can be made alone, in any order.
///
/// In steps:
/// 1. The visit's number gives its time (more in the evening) and, by Zipf, its user.
/// 2. Each request gathers 24 candidates: fresh ones, popular ones, ones of the favourite topics.
/// 3. The logging policy knows tastes only with noise. It draws 8 of them without replacement, each
///    in proportion to its weight (Plackett-Luce); that share of the remaining weight is the
///    propensity.
/// 4. The user examines position p with probability 1 / (1 + 0.3 p), and clicks what is examined with
///    a probability that grows with affinity, quality and freshness.
/// 5. A click leads to a `watch` whose length grows with affinity, and that perhaps to a `like`.
struct SyntheticSession {
  static let slateSize = 8
  private static let candidateCount = 24
  private static let requestsMax = 12

  private let world: SyntheticWorld
  private var random: Xoshiro256
  private let user: Int
  private let number: Int
  private var clock: Int64
  private var events: [SyntheticEvent] = []

  /// All events of visit `number`, by time.
  static func events(_ world: SyntheticWorld, number: Int) -> [SyntheticEvent] {
    var session = SyntheticSession(world, number: number)
    session.run()
    // Equal times keep their order.
    return session.events.enumerated()
      .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
  }

  private init(_ world: SyntheticWorld, number: Int) {
    self.world = world
    self.number = number
    random = Xoshiro256(
      seed: world.settings.seed, stream: SyntheticWorld.Stream.sessions, index: UInt64(number))
    clock = SyntheticSession.startTime(world.settings, number: number, jitter: random.unit())
    user = world.usersByActivity[world.activity.draw(&random)]
  }

  /// Visits of a day lie in order, denser in the evening (in UTC, for everybody).
  private static func startTime(
    _ settings: WorldSettings, number: Int, jitter: Double
  ) -> Int64 {
    let (day, ofDay) = number.quotientAndRemainder(dividingBy: settings.sessionsPerDay)
    let share = (Double(ofDay) + jitter) / Double(settings.sessionsPerDay)
    var target = share * hourTotal
    var hour = 0
    while hour < 23 && target >= hourWeights[hour] {
      target -= hourWeights[hour]
      hour += 1
    }
    let withinHour = min(0.999_999, target / hourWeights[hour])
    return settings.startMilliseconds + Int64(day) * EventTime.millisecondsPerDay
      + Int64((Double(hour) + withinHour) * 3_600_000)
  }

  private static let hourWeights: [Double] = [
    3, 2, 1, 1, 1, 2, 4, 6, 7, 6, 6, 6, 8, 7, 6, 6, 7, 8, 10, 12, 13, 12, 9, 6,
  ]
  private static let hourTotal = hourWeights.reduce(0, +)

  private mutating func run() {
    for request in 0..<SyntheticSession.requestsMax {
      let clicks = serve(Int64(number) * 16 + Int64(request))
      guard random.chance(clicks > 0 ? 0.65 : 0.4) else { return }
      clock += 3_000 + Int64(random.below(20_000))
    }
  }

  /// Shows one slate; returns the number of clicks.
  private mutating func serve(_ request: Int64) -> Int {
    var candidates = gatherCandidates()
    var weights = candidates.map { policyWeight($0) }
    var scroll = clock
    var clicks = 0
    for position in 0..<min(SyntheticSession.slateSize, candidates.count) {
      let total = weights.reduce(0, +)
      var target = random.unit() * total
      var chosen = 0
      while chosen < weights.count - 1 && target >= weights[chosen] {
        target -= weights[chosen]
        chosen += 1
      }
      let item = candidates[chosen]
      var event = SyntheticEvent(
        time: scroll, user: user, item: item, kind: .impression, value: nil, request: request,
        position: position, propensity: Float(weights[chosen] / total))
      events.append(event)
      candidates.remove(at: chosen)
      weights.remove(at: chosen)
      if random.chance(clickProbability(item, position)) {
        clicks += 1
        event.kind = .click
        event.time += 400 + Int64(random.below(2_500))
        events.append(event)
        scroll = max(scroll, watch(item, from: event.time, request))
      }
      scroll += 300 + Int64(random.below(1_500))
    }
    clock = scroll
    return clicks
  }

  private func clickProbability(_ item: Int, _ position: Int) -> Double {
    let affinity = max(0, world.affinity(user: user, item: item))
    let relevance =
      0.02 + 0.34 * affinity * affinity + 0.05 * world.items[item].quality
      + 0.06 * world.freshness(item: item, at: clock)
    return relevance / (1 + 0.3 * Double(position))
  }

  /// The user watches; returns when it ends.
  private mutating func watch(_ item: Int, from start: Int64, _ request: Int64) -> Int64 {
    let affinity = max(0, world.affinity(user: user, item: item))
    let noise = 0.25 * (random.unit() + random.unit() - 1)
    let share = min(1, max(0.02, 0.12 + 0.65 * affinity + noise))
    let milliseconds = Int64(Double(world.items[item].durationSeconds * 1_000) * share)
    let end = start + milliseconds
    var event = SyntheticEvent(
      time: end, user: user, item: item, kind: .watch, value: Float(milliseconds) / 1_000,
      request: request, position: nil, propensity: nil)
    events.append(event)
    if random.chance(min(0.9, 0.02 + 0.5 * affinity * share)) {
      event.kind = .like
      event.value = nil
      event.time = end + Int64(random.below(1_500))
      events.append(event)
    }
    return end
  }

  /// What the logging policy believes: a noisy view of the truth, and freshness.
  private mutating func policyWeight(_ item: Int) -> Double {
    let noisy = world.affinity(user: user, item: item) + 0.3 * (2 * random.unit() - 1)
    let score =
      0.5 * noisy + 0.25 * world.items[item].quality
      + 0.25 * world.freshness(item: item, at: clock)
    let positive = 0.08 + max(0, score)
    return positive * positive
  }

  private mutating func gatherCandidates() -> [Int] {
    let published = max(1, world.publishedCount(at: clock))
    let favourites = world.users[user].favouriteTopics
    var result: [Int] = []
    result.reserveCapacity(SyntheticSession.candidateCount)
    // A bounded number of draws: in a small world some are doubles.
    for attempt in 0..<(4 * SyntheticSession.candidateCount) {
      if result.count == SyntheticSession.candidateCount { break }
      let item: Int
      switch attempt % 3 {
      case 0:
        let u = random.unit()
        item = published - 1 - Int(u * u * Double(min(published, 240)))
      case 1: item = world.itemsByQuality[world.popularity.draw(&random)]
      default:
        let topic = world.itemsByTopic[favourites[random.below(favourites.count)]]
        if topic.isEmpty { continue }
        item = topic[random.below(topic.count)]
      }
      if item >= 0 && item < published && !result.contains(item) { result.append(item) }
    }
    return result
  }
}
