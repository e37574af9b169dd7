// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Issues and recognises access tokens: `CLIENT.EXPIRY.CODE`, in hexadecimal, decimal seconds since
/// 1970 and hexadecimal, where the code is an HMAC-SHA-256 of what stands before it.
///
/// Nothing is stored, so servers with the same key accept each other's tokens.
struct AccessTokens: Sendable {
  /// Seconds for which a token is good.
  static let lifetimeSeconds = 3_600
  private static let clientByteCountMax = 256

  private let hmac: HMACSHA256

  init(key: [UInt8]) { hmac = HMACSHA256(key: key) }

  /// A token for `client` from `nowSeconds` on.
  func token(for client: String, nowSeconds: Int) -> String {
    let signed = "\(Hexadecimal.encode(client.utf8)).\(nowSeconds + Self.lifetimeSeconds)"
    return signed + "." + Hexadecimal.encode(hmac.code(of: Array(signed.utf8)))
  }

  /// What is known about a token.
  enum Verdict: Equatable {
    case client(String)
    case expired
    case invalid
  }

  func verdict(on token: String, nowSeconds: Int) -> Verdict {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, token.utf8.count <= 2 * Self.clientByteCountMax + 128,
      let code = Hexadecimal.decode(parts[2]),
      isEqualInConstantTime(code, hmac.code(of: Array("\(parts[0]).\(parts[1])".utf8))),
      let expiry = Int(parts[1]), let name = Hexadecimal.decode(parts[0]),
      let client = String(validating: name, as: UTF8.self)
    else { return .invalid }
    return expiry > nowSeconds ? .client(client) : .expired
  }
}
