// SPDX-License-Identifier: Apache-2.0

/// The size and the seed of a synthetic world. Equal values give equal worlds, on every machine.
package struct WorldSettings: Hashable, Sendable {
  package var seed: UInt64 = 1
  package var userCount = 10_000
  package var itemCount = 3_000
  package var creatorCount = 240
  /// Visits of all users together. One visit makes about 19 events.
  package var sessionsPerDay = 1_000
  /// When the first day begins, in milliseconds since 1970: 2026-01-01.
  package var startMilliseconds: Int64 = 1_767_225_600_000
  /// Days before the start in which the first items were published.
  package var historyDays = 120
  /// Days after the start in which the other items are published.
  package var publishingDays = 60

  package init() {}
}

/// A small world of people and short videos: who likes what, and what there is to see.
///
/// It stands in for real events where there are none, and it knows the truth that real events hide:
/// tastes, propensities, position bias. In steps:
///
/// 1. Each topic is a random direction in a space of 8 dimensions. An item lies near its topic's
///    direction; it has a creator, a quality, a length and a time of publication.
/// 2. A user's taste is a mixture of three favourite topics and some noise. How often users come is
///    Zipf distributed.
/// 3. `SyntheticEvents` lets users come, shows them slates and lets them react.
///
/// Only IEEE arithmetic that every machine rounds alike is used: no logarithms, no exponentials.
package final class SyntheticWorld: Sendable {
  package static let dimensions = 8
  package static let topics = [
    "jazz", "cooking", "chess", "hiking", "astronomy", "gardening", "cycling", "robotics",
    "history", "poetry", "football", "photography", "travel", "painting", "science", "comedy",
    "fashion", "gaming", "yoga", "woodwork", "birds", "trains", "coffee", "dance",
  ]
  package static let countries = [
    "DE", "US", "FR", "BR", "IN", "JP", "GB", "ES", "IT", "PL", "NL", "KE", "MX", "ZA",
  ]
  package static let devices = ["phone", "tablet", "desktop", "tv"]

  struct Item: Sendable {
    var topic: Int
    var creator: Int
    var createdMilliseconds: Int64
    var durationSeconds: Int
    /// 0 ... 1
    var quality: Double
  }

  struct User: Sendable {
    var country: Int
    var device: Int
    var signupMilliseconds: Int64
    var favouriteTopics: [Int]
  }

  package let settings: WorldSettings
  /// By time of publication.
  let items: [Item]
  let users: [User]
  /// `dimensions` numbers per item, of length 1.
  let itemVectors: [Double]
  let userVectors: [Double]
  /// Items of each topic, ascending.
  let itemsByTopic: [[Int]]
  /// Items by falling quality.
  let itemsByQuality: [Int]
  let popularity: CumulativeTable
  let activity: CumulativeTable
  /// The user at each rank of activity.
  let usersByActivity: [Int]

  /// - Precondition: all counts are at least 1, and there are at least 100 items.
  package init(_ settings: WorldSettings = WorldSettings()) {
    precondition(
      settings.userCount >= 1 && settings.itemCount >= 100 && settings.creatorCount >= 1
        && settings.sessionsPerDay >= 1, "a world needs users, creators, visits and 100 items")
    self.settings = settings
    let topicVectors = SyntheticWorld.makeTopics(settings)
    (items, itemVectors) = SyntheticWorld.makeItems(settings, topicVectors)
    (users, userVectors) = SyntheticWorld.makeUsers(settings, topicVectors)
    var byTopic = [[Int]](repeating: [], count: SyntheticWorld.topics.count)
    for (index, item) in items.enumerated() { byTopic[item.topic].append(index) }
    itemsByTopic = byTopic
    let items = items
    itemsByQuality = items.indices.sorted {
      (items[$0].quality, $1) > (items[$1].quality, $0)
    }
    popularity = .zipf(count: items.count, shift: 12)
    activity = .zipf(count: settings.userCount, shift: 20)
    var random = Xoshiro256(seed: settings.seed, stream: Stream.ranks, index: 0)
    var ranks = Array(0..<settings.userCount)
    // Fisher-Yates, written out: the standard library may change its own.
    for last in stride(from: ranks.count - 1, to: 0, by: -1) {
      ranks.swapAt(last, random.below(last + 1))
    }
    usersByActivity = ranks
  }

  /// What the seed's random streams are used for.
  enum Stream {
    static let topics: UInt64 = 1
    static let items: UInt64 = 2
    static let users: UInt64 = 3
    static let ranks: UInt64 = 4
    static let sessions: UInt64 = 5
  }

  private static func makeTopics(_ settings: WorldSettings) -> [[Double]] {
    var random = Xoshiro256(seed: settings.seed, stream: Stream.topics, index: 0)
    return topics.map { _ in unitVector((0..<dimensions).map { _ in random.normal() }) }
  }

  private static func makeItems(
    _ settings: WorldSettings, _ topicVectors: [[Double]]
  ) -> ([Item], [Double]) {
    let day = EventTime.millisecondsPerDay
    // 70 of 100 items are there at the start; the times come out sorted.
    let early = settings.itemCount * 7 / 10
    var vectors: [Double] = []
    let items = (0..<settings.itemCount).map { index in
      var random = Xoshiro256(seed: settings.seed, stream: Stream.items, index: UInt64(index))
      let isEarly = index < early
      let rank = isEarly ? index : index - early
      let ranks = isEarly ? early : max(1, settings.itemCount - early)
      let days = isEarly ? settings.historyDays : settings.publishingDays
      let position = (Double(rank) + random.unit()) / Double(ranks)
      let offset = Int64(position * Double(Int64(days) * day)) - (isEarly ? Int64(days) * day : 0)
      let topic = random.below(topics.count)
      vectors += unitVector(topicVectors[topic].map { $0 + 0.22 * random.normal() })
      let length = random.unit()
      return Item(
        topic: topic,
        // A creator stays with two topics.
        creator: (topic + topics.count / 2 * random.below(2) + topics.count * random.below(64))
          % settings.creatorCount,
        createdMilliseconds: settings.startMilliseconds + offset,
        durationSeconds: 8 + Int(172 * length * length),
        quality: (random.unit() + random.unit()) / 2)
    }
    return (items, vectors)
  }

  private static func makeUsers(
    _ settings: WorldSettings, _ topicVectors: [[Double]]
  ) -> ([User], [Double]) {
    let countryTable = CumulativeTable.zipf(count: countries.count, shift: 3)
    let deviceTable = CumulativeTable([62, 8, 22, 8])
    let history = Int64(settings.historyDays) * EventTime.millisecondsPerDay
    var vectors: [Double] = []
    let users = (0..<settings.userCount).map { index in
      var random = Xoshiro256(seed: settings.seed, stream: Stream.users, index: UInt64(index))
      var favourites: [Int] = []
      while favourites.count < 3 {
        let topic = random.below(topics.count)
        if !favourites.contains(topic) { favourites.append(topic) }
      }
      let weights = [1.0, 0.7, 0.4]
      vectors += unitVector(
        (0..<dimensions).map { dimension in
          zip(favourites, weights).reduce(0.12 * random.normal()) {
            $0 + $1.1 * topicVectors[$1.0][dimension]
          }
        })
      return User(
        country: countryTable.draw(&random), device: deviceTable.draw(&random),
        signupMilliseconds: settings.startMilliseconds - Int64(random.unit() * Double(history)),
        favouriteTopics: favourites)
    }
    return (users, vectors)
  }

  private static func unitVector(_ vector: [Double]) -> [Double] {
    let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return length > 0 ? vector.map { $0 / length } : vector
  }

  /// How well an item fits a user's taste, -1 ... 1.
  func affinity(user: Int, item: Int) -> Double {
    var sum = 0.0
    let dimensions = SyntheticWorld.dimensions
    for index in 0..<dimensions {
      sum += userVectors[user * dimensions + index] * itemVectors[item * dimensions + index]
    }
    return sum
  }

  /// The affinity of a user and an item by the ids that the events show.
  package func affinity(userID: Int64, itemID: Int64) -> Double {
    affinity(user: Int(userID) - 1, item: Int(itemID) - 1)
  }

  /// 1 for an item just published, a half after three days, towards 0 later.
  func freshness(item: Int, at time: Int64) -> Double {
    let age = Double(max(0, time - items[item].createdMilliseconds))
    return 1 / (1 + age / Double(3 * EventTime.millisecondsPerDay))
  }

  /// How many items were published by then; they are the first ones.
  func publishedCount(at time: Int64) -> Int {
    var low = 0
    var high = items.count
    while low < high {
      let middle = (low + high) / 2
      if items[middle].createdMilliseconds <= time { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
