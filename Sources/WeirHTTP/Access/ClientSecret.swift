// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What a server keeps of a client's secret: enough to recognise it, not enough to say it.
///
/// The text form is `pbkdf2-sha256$ITERATIONS$SALT$DIGEST`, the last two in hexadecimal.
public struct ClientSecret: Sendable, Hashable, CustomStringConvertible {
  private static let scheme = "pbkdf2-sha256"
  /// Iterations for new secrets: about a tenth of a second.
  static let iterationCountDefault = 100_000
  /// The most iterations that a file may ask for: checking a secret must not take seconds.
  static let iterationCountMax = 2_000_000
  private static let saltByteCount = 16

  private var iterationCount: Int
  private var salt: [UInt8]
  private var digest: [UInt8]

  /// The form in which a new secret is kept.
  public init(of secret: String) {
    self.init(of: secret, iterationCount: Self.iterationCountDefault)
  }

  init(of secret: String, iterationCount: Int) {
    self.iterationCount = iterationCount
    salt = unpredictableBytes(count: Self.saltByteCount)
    digest = pbkdf2SHA256(
      password: Array(secret.utf8), salt: salt, iterationCount: iterationCount)
  }

  /// Reads the text form; `nil` when it is none or asks for an unreasonable number of iterations.
  public init?(_ text: String) {
    let parts = text.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == Self.scheme, let count = Int(parts[1]),
      (1...Self.iterationCountMax).contains(count), let salt = Hexadecimal.decode(parts[2]),
      let digest = Hexadecimal.decode(parts[3]), !salt.isEmpty,
      digest.count == SHA256.digestByteCount
    else { return nil }
    iterationCount = count
    self.salt = salt
    self.digest = digest
  }

  public var description: String {
    "\(Self.scheme)$\(iterationCount)$\(Hexadecimal.encode(salt))$\(Hexadecimal.encode(digest))"
  }

  /// Whether `secret` is the one. Takes as long as its iterations.
  func matches(_ secret: String) -> Bool {
    isEqualInConstantTime(
      digest,
      pbkdf2SHA256(password: Array(secret.utf8), salt: salt, iterationCount: iterationCount))
  }
}
