// SPDX-License-Identifier: Apache-2.0

/// Where a server of streams listens, and what requests may cost.
public struct StreamServerConfiguration: Sendable {
  /// What it has in common with the server of a catalog.
  public var limits: CatalogServerConfiguration

  /// The most bytes of a request's body after decompression.
  public var bodyByteCountMax = 256 << 20
  /// The most bytes of one record.
  public var recordByteCountMax = 1 << 20
  /// The most records of a request.
  public var recordCountMax = 1_000_000
  /// The most bytes of bodies of all requests that are worked on; more are refused with 429.
  public var waitingByteCountMax = 512 << 20
  /// The most tails and scans at a time.
  public var readerCountMax = 256
  /// The most keys of a lookup.
  public var keyCountMax = 100_000
  /// The most records that an answer says the reasons of; all are in the dead-letter table.
  public var shownFailureCountMax = 100
  /// Seconds after which a tail without rows sends something, so that a lost client is noticed.
  public var keepAliveSeconds = 15

  public init(limits: CatalogServerConfiguration) { self.limits = limits }
}
