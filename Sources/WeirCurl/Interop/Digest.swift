// SPDX-License-Identifier: Apache-2.0
// Safe: C reads the bytes of arrays and buffers during its call and keeps no pointer.

internal import CWeirKernels
public import WeirColumnar

/// Digests and message authentication codes, for signing requests.
public enum Digest {
  /// SHA-256 of the pieces, one behind the other.
  public static func sha256(_ pieces: [Buffer]) -> [UInt8] {
    var state = weir_sha256()
    weir_sha256_begin(&state)
    for piece in pieces {
      piece.withUnsafeBytes { weir_sha256_add(&state, $0.baseAddress, $0.count) }
    }
    return end(&state)
  }

  public static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var state = weir_sha256()
    weir_sha256_begin(&state)
    bytes.withUnsafeBytes { weir_sha256_add(&state, $0.baseAddress, $0.count) }
    return end(&state)
  }

  /// HMAC-SHA-256 (RFC 2104).
  public static func hmacSHA256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var padded = key.count > 64 ? sha256(key) : key
    padded += Array(repeating: 0, count: 64 - padded.count)
    let inner = sha256(padded.map { $0 ^ 0x36 } + message)
    return sha256(padded.map { $0 ^ 0x5c } + inner)
  }

  /// MD5 of the pieces, one behind the other: a check against damage, not against an attacker.
  public static func md5(_ pieces: [Buffer]) -> [UInt8] {
    var state = weir_md5()
    weir_md5_begin(&state)
    for piece in pieces {
      piece.withUnsafeBytes { weir_md5_add(&state, $0.baseAddress, $0.count) }
    }
    var result = [UInt8](repeating: 0, count: 16)
    weir_md5_end(&state, &result)
    return result
  }

  /// Lower-case hexadecimal digits.
  public static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Base64 with padding (RFC 4648, section 4).
  public static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let word = group.enumerated().reduce(0) { $0 | Int($1.element) << (16 - 8 * $1.offset) }
      for place in 0..<4 {
        text.append(
          place <= group.count ? alphabet[word >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func end(_ state: inout weir_sha256) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 32)
    weir_sha256_end(&state, &result)
    return result
  }
}
