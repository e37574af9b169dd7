// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The times and names that answers depend on, so that a test can say them.
public struct ServingClock: Sendable {
  /// Microseconds since 1970.
  public var now: @Sendable () -> Int64
  /// Nanoseconds of a clock that nobody sets.
  public var steady: @Sendable () -> Int64
  /// Different for each request.
  public var requestID: @Sendable () -> String

  /// Waits two milliseconds.
  public var pause: @Sendable () -> Void = { usleep(2_000) }

  public init(
    now: @escaping @Sendable () -> Int64, steady: @escaping @Sendable () -> Int64,
    requestID: @escaping @Sendable () -> String
  ) {
    self.now = now
    self.steady = steady
    self.requestID = requestID
  }

  /// Those of this machine. Names are 32 hexadecimal digits: milliseconds since 1970, then randomness.
  public static let system = ServingClock(
    now: { nanoseconds(CLOCK_REALTIME) / 1_000 }, steady: { nanoseconds(CLOCK_MONOTONIC) },
    requestID: {
      let time = UInt64(nanoseconds(CLOCK_REALTIME) / 1_000_000)
      var random = SystemRandomNumberGenerator()
      let (high, low): (UInt64, UInt64) = (random.next(), random.next())
      return hexadecimal(time << 16 | high >> 48) + hexadecimal(low)
    })

  private static func nanoseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}
