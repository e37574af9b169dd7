// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirWorld
internal import _WeirTestSupport

/// One event, with what the tests ask about.
private struct Event: Hashable {
  var time: Int64
  var user: Int64
  var item: Int64
  var kind: String
  var value: Float?
  var request: Int64
  var position: Int?
  var propensity: Float?
}

private func settings(seed: UInt64 = 1) -> WorldSettings {
  var settings = WorldSettings()
  settings.seed = seed
  settings.userCount = 400
  settings.itemCount = 500
  settings.creatorCount = 30
  settings.sessionsPerDay = 120
  return settings
}

private func events(_ world: SyntheticWorld, count: Int, batchRows: Int) throws -> [Event] {
  let reader = SyntheticEvents(world, rowCount: count, batchRows: batchRows)
  var events: [Event] = []
  while let batch = try reader.nextBatch() {
    for row in 0..<batch.rowCount {
      func integer(_ column: Int) -> Int64? {
        if case .int(let value) = batch.columns[column].scalar(at: row) { value } else { nil }
      }
      func real(_ column: Int) -> Float? {
        if case .float32(let value) = batch.columns[column].scalar(at: row) { value } else { nil }
      }
      events.append(
        Event(
          time: integer(0)!, user: integer(1)!, item: integer(2)!,
          kind: batch.columns[3].scalar(at: row).text(as: batch.columns[3].type), value: real(4),
          request: integer(5)!, position: integer(6).map(Int.init), propensity: real(7)))
    }
  }
  return events
}

@Suite struct SyntheticWorldTests {
  private let world = SyntheticWorld(settings())

  @Test func equalSeedsGiveEqualRowsHoweverTheyAreCut() throws {
    let whole = try events(world, count: 5_000, batchRows: 5_000)
    #expect(whole.count == 5_000)
    #expect(try events(SyntheticWorld(settings()), count: 5_000, batchRows: 37) == whole)
    #expect(try events(world, count: 1_234, batchRows: 500) == Array(whole.prefix(1_234)))
    #expect(try events(SyntheticWorld(settings(seed: 2)), count: 5_000, batchRows: 5_000) != whole)
  }

  /// The bytes must never change: this pins them, across versions and machines.
  @Test func theSeedsRowsArePinned() throws {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for event in try events(world, count: 2_000, batchRows: 700) {
      for part in [
        UInt64(bitPattern: event.time), UInt64(event.user), UInt64(event.item),
        UInt64(event.value?.bitPattern ?? 1), UInt64(event.propensity?.bitPattern ?? 1),
      ] {
        hash = (hash ^ part) &* 0x100_0000_01b3
      }
    }
    #expect(hash == pinnedHash, "0x\(String(hash, radix: 16))")
  }

  @Test func tablesAreSound() throws {
    let items = world.itemBatch()
    let users = world.userBatch()
    #expect(items.rowCount == 500 && users.rowCount == 400)
    for batch in [items, users] {
      for column in batch.columns { try column.validate(full: true) }
    }
    let reader = SyntheticEvents(world, rowCount: 3_000, batchRows: 1_000)
    while let batch = try reader.nextBatch() {
      for (field, column) in zip(batch.schema.fields, batch.columns) {
        try column.validate(full: true)
        #expect(field.nullable || column.nullCount == 0, "\(field.name)")
      }
    }
  }

  @Test func peopleBehaveAsPeopleDo() throws {
    let all = try events(world, count: 60_000, batchRows: 10_000)
    let impressions = all.filter { $0.kind == "impression" }
    let clicks = all.filter { $0.kind == "click" }
    let watches = all.filter { $0.kind == "watch" }
    let likes = all.filter { $0.kind == "like" }
    let rate = Double(clicks.count) / Double(impressions.count)
    #expect((0.04...0.15).contains(rate), "\(rate)")
    #expect(abs(clicks.count - watches.count) <= 1)
    #expect(likes.count > clicks.count / 20 && likes.count < clicks.count / 2)
    #expect(watches.allSatisfy { $0.value! > 0 && $0.value! <= 180 })
    // Positions above are clicked more than positions below.
    func clickRate(at position: Int) -> Double {
      Double(clicks.count { $0.position == position })
        / Double(impressions.count { $0.position == position })
    }
    #expect(clickRate(at: 0) > 1.5 * clickRate(at: 7))
    // Taste: what is clicked fits better than what is shown, and likes fit better still.
    func affinity(_ events: [Event]) -> Double {
      events.reduce(0) { $0 + world.affinity(userID: $1.user, itemID: $1.item) }
        / Double(events.count)
    }
    #expect(affinity(clicks) > affinity(impressions) + 0.1)
    #expect(affinity(likes) > affinity(clicks) + 0.02)
    // Activity is skewed: the busiest tenth of users makes at least a quarter of the events.
    let perUser = Dictionary(grouping: all, by: \.user).values.map(\.count).sorted(by: >)
    #expect(perUser.prefix(40).reduce(0, +) > all.count / 4)
    // Nobody sees what is not published yet; visits stay near their time.
    #expect(zip(all, all.dropFirst()).allSatisfy { $1.time > $0.time - 3_600_000 })
  }

  /// Weighting by 1 / propensity makes the shown items look like a uniform choice: the mean weight of
  /// the first position is the number of candidates.
  @Test func propensitiesAreTrue() throws {
    let all = try events(world, count: 60_000, batchRows: 10_000)
    let first = all.filter { $0.kind == "impression" && $0.position == 0 }
    #expect(first.allSatisfy { $0.propensity! > 0 && $0.propensity! <= 1 })
    let mean = first.reduce(0) { $0 + 1 / Double($1.propensity!) } / Double(first.count)
    #expect((22...26).contains(mean), "\(mean)")
  }

  private let pinnedHash: UInt64 = 0xa6af_af20_10ec_a8c2
}

@Suite struct RandomTests {
  @Test func knownVectors() {
    // SplitMix64 with seed 1234567: the reference implementation's first values.
    var mixer = SplitMix64(seed: 1_234_567)
    #expect(mixer.next() == 6_457_827_717_110_365_317)
    #expect(mixer.next() == 3_203_168_211_198_807_973)
  }

  @Test func drawsAreUniformAndNormal() {
    var random = Xoshiro256(seed: 9)
    var counts = [Int](repeating: 0, count: 10)
    var sum = 0.0
    var squares = 0.0
    for _ in 0..<50_000 {
      counts[random.below(10)] += 1
      let value = random.normal()
      sum += value
      squares += value * value
    }
    #expect(counts.allSatisfy { (4_700...5_300).contains($0) })
    #expect(abs(sum / 50_000) < 0.02 && abs(squares / 50_000 - 1) < 0.03)
    let table = CumulativeTable([1, 0, 3])
    var draws = [0, 0, 0]
    for _ in 0..<10_000 { draws[table.draw(&random)] += 1 }
    #expect(draws[1] == 0 && (2_300...2_700).contains(draws[0]))
  }
}
