// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Time and chance, as clients see them; tests give their own.
public struct ClientClock: Sendable {
  /// Nanoseconds since 1970-01-01 UTC.
  public var now: @Sendable () -> Int
  /// Blocks for so many nanoseconds.
  public var sleep: @Sendable (Int) -> Void
  /// Any 64 bits, every value as likely.
  public var random: @Sendable () -> UInt64

  public init(
    now: @escaping @Sendable () -> Int, sleep: @escaping @Sendable (Int) -> Void,
    random: @escaping @Sendable () -> UInt64
  ) {
    self.now = now
    self.sleep = sleep
    self.random = random
  }

  /// The machine's.
  public static let system = ClientClock(
    now: {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return time.tv_sec * 1_000_000_000 + time.tv_nsec
    },
    sleep: { nanoseconds in
      var wanted = timespec(
        tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
      var left = timespec()
      while nanosleep(&wanted, &left) != 0 && errno == EINTR { wanted = left }
    },
    random: { UInt64.random(in: .min ... .max) })
}

/// How often and when a request is sent again.
///
/// The pause before attempt n + 1 is drawn from 0 up to `pauseMilliseconds * 2^n` ("full jitter"), so
/// that clients that failed together do not come back together.
public struct RetryPolicy: Sendable, Hashable {
  /// Requests in all; 1 for no retry.
  public var attemptsMax = 6
  public var pauseMilliseconds = 50
  public var pauseMillisecondsMax = 5_000

  public init() {}

  /// Nanoseconds to wait behind attempt `attempt`, the first of which is 1. `asked` is what the server
  /// asked for in `Retry-After`, in seconds; it counts up to a minute.
  public func pause(after attempt: Int, asked: String?, random: UInt64) -> Int {
    let most = min(
      pauseMillisecondsMax, pauseMilliseconds << min(max(attempt - 1, 0), 20))
    let drawn = Int(random % UInt64(max(most, 1) * 1_000_000))
    guard let asked, let seconds = Int(asked), seconds > 0 else { return drawn }
    return min(seconds, 60) * 1_000_000_000 + drawn
  }
}
