// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl

/// AWS Signature Version 4 in the header `Authorization`.
///
/// 1. The canonical request: method, encoded path, encoded query in the order of its bytes, the signed
///    headers in the order of their names, and the SHA-256 of the body.
/// 2. The text to sign: date, scope (day, region, service) and the SHA-256 of 1.
/// 3. The key: HMACs of the secret over day, region, service and `aws4_request`.
///
/// Source: AWS, "Signature Version 4 signing process" and "Signature Calculations for the Authorization
/// Header" (Amazon S3 API Reference). The path is encoded once, as S3 wants it.
struct S3Signer {
  var credentials: S3Credentials
  var region: String
  var service = "s3"

  /// Adds `Host`, `X-Amz-Date`, `X-Amz-Content-SHA256`, the session token and the signature. All
  /// headers are signed, conditions and ranges included.
  ///
  /// - Parameters:
  ///   - path: encoded.
  ///   - query: names and values, not encoded.
  ///   - now: nanoseconds since 1970, by the server's clock.
  func sign(
    method: String, host: String, path: String, query: [(String, String)],
    headers: inout HTTPHeaders, bodyDigest: String, now: Int
  ) {
    let time = S3Time.basic(nanoseconds: now)
    headers["Host"] = host
    headers["X-Amz-Date"] = time
    headers["X-Amz-Content-SHA256"] = bodyDigest
    if let token = credentials.sessionToken { headers["X-Amz-Security-Token"] = token }

    let signed = headers.fields.map { (name: $0.name.lowercased(), value: trimmed($0.value)) }
      .sorted { $0.name < $1.name }
    let names = signed.map(\.name).joined(separator: ";")
    let canonical =
      "\(method)\n\(path)\n\(Self.canonicalQuery(query))\n"
      + signed.map { "\($0.name):\($0.value)\n" }.joined() + "\n\(names)\n\(bodyDigest)"
    let day = String(time.prefix(8))
    let scope = "\(day)/\(region)/\(service)/aws4_request"
    let text =
      "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n"
      + Hexadecimal.encode(SHA256.digest(of: Array(canonical.utf8)))
    var key = Array("AWS4\(credentials.secretKey)".utf8)
    for part in [day, region, service, "aws4_request", text] {
      key = HMACSHA256(key: key).code(of: Array(part.utf8))
    }
    headers["Authorization"] =
      "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(names), "
      + "Signature=\(Hexadecimal.encode(key))"
  }

  /// The query as it is signed and sent: names and values encoded, in the order of their bytes.
  static func canonicalQuery(_ query: [(String, String)]) -> String {
    query.map { (PercentEncoding.encode($0.0), PercentEncoding.encode($0.1)) }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
      .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  /// Without spaces around it, and with one space for several within.
  private func trimmed(_ value: String) -> String {
    value.utf8.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
      .joined(separator: " ")
  }
}

/// Texts of times that S3 reads and writes.
enum S3Time {
  /// `20261121T065202Z`
  static func basic(nanoseconds: Int) -> String {
    let seconds = CivilTime.floorDivide(nanoseconds, 1_000_000_000)
    let days = CivilTime.floorDivide(seconds, 86_400)
    let date = CivilTime.date(daysSinceEpoch: days)
    let second = seconds - days * 86_400
    func padded(_ value: Int, _ width: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return padded(date.year, 4) + padded(date.month, 2) + padded(date.day, 2) + "T"
      + padded(second / 3_600, 2) + padded(second / 60 % 60, 2) + padded(second % 60, 2) + "Z"
  }

  /// Nanoseconds of `Sat, 21 Nov 2026 06:52:02 GMT` (RFC 9110, section 5.6.7); `nil` when it is none.
  static func http(_ text: String) -> Int? {
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let words = text.split(separator: " ")
    guard words.count == 6, words[5] == "GMT", let day = Int(words[1]), let year = Int(words[3]),
      let month = months.firstIndex(of: String(words[2])),
      let second = timeOfDay(words[4])
    else { return nil }
    return nanoseconds(year, month + 1, day, second)
  }

  /// Nanoseconds of `2026-11-21T06:52:02.892Z`, cut to whole seconds, as the head of the same object
  /// tells them; `nil` when it is none.
  static func iso(_ text: String) -> Int? {
    guard text.hasSuffix("Z") else { return nil }
    let halves = text.dropLast().split(separator: "T", omittingEmptySubsequences: false)
    guard halves.count == 2 else { return nil }
    let date = halves[0].split(separator: "-", omittingEmptySubsequences: false)
    guard date.count == 3, let year = Int(date[0]), let month = Int(date[1]),
      let day = Int(date[2]), let second = timeOfDay(halves[1].prefix { $0 != "." })
    else { return nil }
    return nanoseconds(year, month, day, second)
  }

  private static func timeOfDay(_ text: Substring) -> Int? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 3, let hour = parts[0], let minute = parts[1], let second = parts[2],
      (0..<24).contains(hour), (0..<60).contains(minute), (0...60).contains(second)
    else { return nil }
    return hour * 3_600 + minute * 60 + second
  }

  private static func nanoseconds(_ year: Int, _ month: Int, _ day: Int, _ second: Int) -> Int? {
    guard (1970...2261).contains(year), (1...12).contains(month), (1...31).contains(day) else {
      return nil
    }
    let days = CivilTime.daysSinceEpoch(CivilTime.Date(year: year, month: month, day: day))
    return (days * 86_400 + second) * 1_000_000_000
  }
}
