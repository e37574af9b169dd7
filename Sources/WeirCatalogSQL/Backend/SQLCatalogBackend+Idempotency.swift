// SPDX-License-Identifier: Apache-2.0

public import WeirTable

extension SQLCatalogBackend {
  /// Expired records that one reservation forgets, at most: more than it adds.
  private static let forgottenCountMax: Int64 = 16

  public func reserveIdempotencyKey(
    _ key: String, fingerprint: String, leaseMilliseconds: Int64, now: Int64
  ) throws(TableError) -> IdempotencyReservation {
    try checkKey(key)
    let name = SQLValue.text(catalogName)
    return try database.transaction { session throws(SQLFailure) in
      _ = try session.execute(
        self.statements.forgetIdempotency, [name, .int(now), .int(Self.forgottenCountMax)])
      let reserved = try session.execute(
        self.statements.reserveIdempotency,
        [name, .text(key), .text(fingerprint), .int(leaseMilliseconds), .int(now)])
      if reserved.changedCount == 1 { return .reserved }
      let rows = try session.execute(self.statements.idempotency, [name, .text(key)])
      guard !rows.isEmpty, let found = rows.text(0, 0), let expires = rows.int(0, 3) else {
        // It was released in between.
        throw SQLFailure(
          .again, TableError(.retryableConflict, "the key was released just now; try again"))
      }
      guard let status = rows.int(0, 1) else { return .inProgress(fingerprint: found) }
      guard let body = rows.blob(0, 2), let status = Int(exactly: status) else {
        throw SQLFailure(TableError(.damaged, "the answer kept for a key is damaged"))
      }
      return .done(
        IdempotencyRecord(
          key: key, fingerprint: found, status: status, body: body, expiresMilliseconds: expires))
    }
  }

  public func recordIdempotency(_ record: IdempotencyRecord) throws(TableError) {
    _ = try database.write(statements.recordIdempotency, try parameters(record))
  }

  public func releaseIdempotencyKey(_ key: String) throws(TableError) {
    try checkKey(key)
    _ = try database.write(statements.releaseIdempotency, [.text(catalogName), .text(key)])
  }

  func parameters(_ record: IdempotencyRecord) throws(TableError) -> [SQLValue] {
    try checkKey(record.key)
    guard record.body.count <= IdempotencyRecord.bodyByteCountMax else {
      throw TableError(
        .limit,
        "the answer to keep is \(record.body.count) bytes; up to "
          + "\(IdempotencyRecord.bodyByteCountMax) are kept")
    }
    return [
      .text(catalogName), .text(record.key), .text(record.fingerprint), .int(Int64(record.status)),
      .blob(record.body), .int(record.expiresMilliseconds),
    ]
  }

  private func checkKey(_ key: String) throws(TableError) {
    guard key.utf8.count <= NameCoding.idempotencyKeyByteCountMax else {
      throw TableError(
        .limit,
        "an idempotency key is \(key.utf8.count) bytes; up to "
          + "\(NameCoding.idempotencyKeyByteCountMax) are kept")
    }
  }
}
