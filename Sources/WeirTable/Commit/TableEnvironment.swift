// SPDX-License-Identifier: Apache-2.0

public import WeirStorage

/// The clock, the randomness and the waiting of tables and catalogs: the system's, unless a test or a
/// simulation puts its own there.
public struct TableEnvironment: Sendable {
  /// Nanoseconds since 1970-01-01 UTC.
  public var now: @Sendable () -> Int
  public var random: @Sendable () -> UInt64
  /// Waits for so many nanoseconds.
  public var sleep: @Sendable (Int) -> Void
  /// Whether writers of one process wait for each other in a line (see `CommitTurns`). A simulation
  /// that runs threads one at a time must not, for the thread in front may not run meanwhile.
  public var takesTurns: Bool
  /// Manifests that were read, for all tables of this environment.
  public var manifestCache: ManifestCache

  public init(
    now: @escaping @Sendable () -> Int = SystemTime.now,
    random: @escaping @Sendable () -> UInt64 = {
      var generator = SystemRandomNumberGenerator()
      return generator.next()
    },
    sleep: @escaping @Sendable (Int) -> Void = SystemTime.sleep, takesTurns: Bool = true,
    manifestCache: ManifestCache = ManifestCache()
  ) {
    self.now = now
    self.random = random
    self.sleep = sleep
    self.takesTurns = takesTurns
    self.manifestCache = manifestCache
  }

  /// Milliseconds since 1970-01-01 UTC.
  public var nowMilliseconds: Int64 { Int64(now() / 1_000_000) }

  /// A random UUID (version 4) as text.
  public func uuid() -> String { UUIDText.random(random(), random()) }

  /// A positive random number that two writers will not both draw.
  public func snapshotID() -> Int64 { max(1, Int64(random() >> 1)) }
}
