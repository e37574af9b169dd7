// SPDX-License-Identifier: Apache-2.0

/// How long flushes take: what waits in memory becomes less at their ends only, and all at once.
struct FlushTimes: Sendable {
  typealias Instant = ContinuousClock.Instant

  private var began: Instant?
  /// Of those before; at once what a longer one took, and then less from flush to flush.
  private var expected: Duration?

  mutating func begin(_ now: Instant) { began = now }

  /// - Parameter isWhole: whether the table took the rows.
  mutating func end(_ now: Instant, isWhole: Bool) {
    defer { began = nil }
    guard isWhole, let began else { return }
    let taken = began.duration(to: now)
    expected = max(taken, ((expected ?? taken) + taken) / 2)
  }

  /// For how long the memory has to last that is left: until the flush under way is expected to end; half
  /// as long as it was expected to take from the middle on, for it may take longer. `nil` between flushes.
  func rest(_ now: Instant) -> Duration? {
    guard let began, let expected else { return nil }
    return max(expected - began.duration(to: now), expected / 2)
  }
}

/// Spreads the rows of a shard that come while a flush runs over the time that it takes. Who appends more
/// than the table takes waits a little each time then, instead of being turned away for seconds when memory
/// is full; the processors are the flush's meanwhile. (Writes that are slowed before they are stopped are
/// known from RocksDB's write controller.)
struct AppendPace: Sendable {
  typealias Instant = ContinuousClock.Instant

  private var next: Instant?
  /// Of one group of rows.
  static let waitMax = Duration.seconds(1)
  /// Where less than this share of the memory is left nobody is slowed any more: when it is full rows are
  /// turned away, and who sent them knows that they have to wait.
  private static let roomShareMin = 128

  /// How long the next rows have to wait; `nil` when they may come.
  func wait(_ now: Instant) -> Duration? {
    guard let next, next > now else { return nil }
    return now.duration(to: next)
  }

  /// Notes rows that came.
  ///
  /// - Parameters:
  ///   - byteCount: what they take in memory.
  ///   - memory: what all rows that the table does not hold take, these included.
  ///   - memoryMax: from where on rows are turned away.
  mutating func took(
    _ byteCount: Int, memory: Int, memoryMax: Int, flush: FlushTimes, _ now: Instant
  ) {
    next = nil
    let room = memoryMax - memory
    guard byteCount > 0, room > memoryMax / Self.roomShareMin, let rest = flush.rest(now) else {
      return
    }
    next = now.advanced(by: min(rest * (Double(byteCount) / Double(room)), Self.waitMax))
  }
}
