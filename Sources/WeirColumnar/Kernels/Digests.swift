// SPDX-License-Identifier: Apache-2.0
// Safe: C reads the bytes of arrays and buffers during its call and keeps no pointer; it writes a digest
// into an array of its size.

internal import CWeirKernels

/// SHA-256 (FIPS 180-4) of bytes that come in pieces.
package struct SHA256: Sendable {
  /// Bytes of a digest.
  package static let digestByteCount = 32

  private var state = weir_sha256()

  package init() { weir_sha256_begin(&state) }

  /// Adds bytes behind those before.
  package mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { weir_sha256_add(&state, $0.baseAddress, $0.count) }
  }

  package mutating func update(_ buffer: Buffer) {
    buffer.withUnsafeBytes { weir_sha256_add(&state, $0.baseAddress, $0.count) }
  }

  /// The digest of all bytes added.
  package consuming func finish() -> [UInt8] {
    var result = [UInt8](repeating: 0, count: Self.digestByteCount)
    weir_sha256_end(&state, &result)
    return result
  }

  package static func digest(of bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  /// Of the pieces, one behind the other.
  package static func digest(of pieces: [Buffer]) -> [UInt8] {
    var hash = SHA256()
    for piece in pieces { hash.update(piece) }
    return hash.finish()
  }
}

/// HMAC-SHA-256 (RFC 2104) with one key, for many messages.
package struct HMACSHA256: Sendable {
  private let inner: SHA256
  private let outer: SHA256

  package init(key: [UInt8]) {
    var block = key.count > 64 ? SHA256.digest(of: key) : key
    block.append(contentsOf: repeatElement(0, count: 64 - block.count))
    var inner = SHA256()
    inner.update(block.map { $0 ^ 0x36 })
    var outer = SHA256()
    outer.update(block.map { $0 ^ 0x5c })
    self.inner = inner
    self.outer = outer
  }

  /// The code that authenticates `message`.
  package func code(of message: [UInt8]) -> [UInt8] {
    var inner = inner
    inner.update(message)
    var outer = outer
    outer.update(inner.finish())
    return outer.finish()
  }
}

/// PBKDF2 (RFC 8018) with HMAC-SHA-256 and one block of output, 32 bytes.
///
/// The cost is linear in `iterationCount`, which must be positive.
package func pbkdf2SHA256(
  password: [UInt8], salt: [UInt8], iterationCount: Int
) -> [UInt8] {
  let hmac = HMACSHA256(key: password)
  var round = hmac.code(of: salt + [0, 0, 0, 1])
  var result = round
  for _ in 1..<max(iterationCount, 1) {
    round = hmac.code(of: round)
    for index in result.indices { result[index] ^= round[index] }
  }
  return result
}

/// MD5 (RFC 1321): a check against damage, not against an attacker.
package enum MD5 {
  /// Of the pieces, one behind the other.
  package static func digest(of pieces: [Buffer]) -> [UInt8] {
    var state = weir_md5()
    weir_md5_begin(&state)
    for piece in pieces {
      piece.withUnsafeBytes { weir_md5_add(&state, $0.baseAddress, $0.count) }
    }
    var result = [UInt8](repeating: 0, count: 16)
    weir_md5_end(&state, &result)
    return result
  }
}
