// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import WeirStreaming

@Suite struct AppendPaceTests {
  private static let memoryMax = 256 << 20

  /// A shard whose rows come as fast as they are taken, or at a rate, while flushes take what is there when
  /// they begin.
  private struct Shard {
    var now = ContinuousClock.now
    var memory = 0
    var flush = FlushTimes()
    var pace = AppendPace()
    var longestWait = Duration.zero
    var turnedAway = 0
    var taken = 0

    /// Runs one flush.
    ///
    /// - Parameters:
    ///   - bytesPerSecond: of rows that come, in groups of a millisecond; those that wait come together.
    mutating func flush(_ time: Duration, bytesPerSecond: Double, groupBytesMax: Int = 8 << 20) {
      flush.begin(now)
      let (end, frozen) = (now.advanced(by: time), memory)
      run(until: end, bytesPerSecond, groupBytesMax)
      memory -= frozen
      flush.end(now, isWhole: true)
    }

    mutating func run(
      until end: ContinuousClock.Instant, _ bytesPerSecond: Double, _ groupBytesMax: Int = 8 << 20
    ) {
      var waiting = 0.0
      while now < end {
        let step = pace.wait(now) ?? .milliseconds(1)
        longestWait = max(longestWait, step)
        now = now.advanced(by: step)
        waiting = min(Double(groupBytesMax), waiting + bytesPerSecond * (step / .seconds(1)))
        guard memory <= AppendPaceTests.memoryMax else {
          turnedAway += 1
          waiting = 0
          continue
        }
        let group = Int(waiting)
        waiting = 0
        memory += group
        taken += group
        pace.took(group, memory: memory, memoryMax: AppendPaceTests.memoryMax, flush: flush, now)
      }
    }
  }

  @Test func nobodyIsTurnedAwayByFlushesOfAnyLength() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20 {
      var shard = Shard()
      shard.flush(.seconds(2), bytesPerSecond: 1e6)
      for _ in 0..<20 {
        // Rows come several times as fast as flushes take them, which take up to 1.8 times as long as before.
        let time = Duration.milliseconds(Int64.random(in: 1_000...1_800, using: &random))
        shard.flush(time, bytesPerSecond: 500e6)
        #expect(shard.memory <= Self.memoryMax)
      }
      #expect(shard.turnedAway == 0)
      #expect(shard.longestWait <= AppendPace.waitMax)
      // What is taken is most of what there is room for.
      #expect(shard.taken > 20 * Self.memoryMax / 3)
    }
  }

  @Test func whoSendsLessThanFitsHardlyWaits() {
    var shard = Shard()
    for _ in 0..<10 { shard.flush(.seconds(3), bytesPerSecond: 4e6) }
    #expect(shard.longestWait <= .milliseconds(1))
    #expect(shard.taken > 115_000_000)
  }

  @Test func nobodyWaitsBetweenFlushesNorBeforeTheFirst() {
    var shard = Shard()
    shard.run(until: shard.now.advanced(by: .milliseconds(200)), 500e6)
    #expect(shard.longestWait <= .milliseconds(1) && shard.taken > 90_000_000)
    shard.flush(.seconds(5), bytesPerSecond: 1e6)
    shard.longestWait = .zero
    shard.run(until: shard.now.advanced(by: .milliseconds(100)), 500e6)
    #expect(shard.longestWait <= .milliseconds(1))
  }

  @Test func aFlushThatDoesNotEndLetsMemoryFillUp() {
    var shard = Shard()
    shard.flush(.seconds(1), bytesPerSecond: 100e6)
    shard.flush.begin(shard.now)
    shard.run(until: shard.now.advanced(by: .seconds(60)), 100e6)
    #expect(shard.memory > Self.memoryMax && shard.turnedAway > 1_000)
    #expect(shard.longestWait <= AppendPace.waitMax)
  }

  @Test func aFailedFlushSaysNothingOfTheNext() {
    let now = ContinuousClock.now
    var times = FlushTimes()
    times.begin(now)
    #expect(times.rest(now) == nil)
    times.end(now.advanced(by: .seconds(30)), isWhole: false)
    times.begin(now)
    #expect(times.rest(now) == nil)
    times.end(now.advanced(by: .seconds(4)), isWhole: true)
    #expect(times.rest(now) == nil)
    times.begin(now)
    #expect(times.rest(now.advanced(by: .seconds(1))) == .seconds(3))
    #expect(times.rest(now.advanced(by: .seconds(9))) == .seconds(2))
    times.end(now.advanced(by: .seconds(2)), isWhole: true)
    times.begin(now)
    #expect(times.rest(now) == .seconds(3))
  }
}
