// SPDX-License-Identifier: Apache-2.0

/// The final answer to a request that came with a key, kept so that the same request sent again gets
/// it instead of being done again.
public struct IdempotencyRecord: Sendable, Hashable {
  /// Bytes of the longest body that is kept.
  public static let bodyByteCountMax = 64 << 10

  /// The client's key.
  public var key: String
  /// Says what was asked (method, path, hash of the body), so that a key that comes back with another
  /// request is noticed.
  public var fingerprint: String
  /// The HTTP status.
  public var status: Int
  /// What the server needs to answer again.
  public var body: [UInt8]
  /// Milliseconds since 1970-01-01 UTC; forgotten from then on.
  public var expiresMilliseconds: Int64

  public init(
    key: String, fingerprint: String, status: Int, body: [UInt8], expiresMilliseconds: Int64
  ) {
    self.key = key
    self.fingerprint = fingerprint
    self.status = status
    self.body = body
    self.expiresMilliseconds = expiresMilliseconds
  }
}

/// What is known of a key when a request with it begins.
public enum IdempotencyReservation: Sendable, Hashable {
  /// The key is new and now reserved: do the work, then record or release it.
  case reserved
  /// Another request with this key is at work, or died less than its lease ago.
  case inProgress(fingerprint: String)
  /// It was answered.
  case done(IdempotencyRecord)
}

/// Keys of requests and their answers. Each call is atomic and linearizable; errors are those of
/// `CatalogBackend`. Times are milliseconds since 1970-01-01 UTC.
public protocol IdempotencyStore: Sendable {
  /// Reserves `key` until `leaseMilliseconds`, unless it has an answer or somebody else's reservation
  /// that is still valid at `now`. Also forgets some records that expired before `now`.
  func reserveIdempotencyKey(
    _ key: String, fingerprint: String, leaseMilliseconds: Int64, now: Int64
  ) throws(TableError) -> IdempotencyReservation

  /// Stores the answer in place of the reservation; an answer that is there is kept.
  func recordIdempotency(_ record: IdempotencyRecord) throws(TableError)

  /// Gives a reservation back (the request failed in a way that may be tried again); answers stay.
  func releaseIdempotencyKey(_ key: String) throws(TableError)
}
