// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirCurl
@testable internal import WeirStorageS3

@Suite struct SigningTests {
  static let credentials = S3Credentials(
    accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
  static let emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  /// 2013-05-24T00:00:00Z
  static let now = 1_369_353_600 * 1_000_000_000

  /// The examples of "Signature Calculations for the Authorization Header" (Amazon S3 API Reference).
  @Test(arguments: [
    (
      "/test.txt", [], [("Range", "bytes=0-9")],
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    ),
    (
      "/", [("lifecycle", "")], [],
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    ),
    (
      "/", [("prefix", "J"), ("max-keys", "2")], [],
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    ),
  ])
  func signsAsPublished(
    path: String, query: [(String, String)], headers: [(String, String)], signature: String
  ) {
    var all = HTTPHeaders(headers)
    S3Signer(credentials: Self.credentials, region: "us-east-1").sign(
      method: "GET", host: "examplebucket.s3.amazonaws.com", path: path, query: query,
      headers: &all, bodyDigest: Self.emptyDigest, now: Self.now)
    #expect(all["x-amz-date"] == "20130524T000000Z")
    #expect(all["Authorization"]?.hasSuffix("Signature=\(signature)") == true)
  }

  @Test func signsSessionTokens() {
    var headers = HTTPHeaders()
    var credentials = Self.credentials
    credentials.sessionToken = "to+ken/="
    S3Signer(credentials: credentials, region: "us-east-1").sign(
      method: "GET", host: "h", path: "/", query: [], headers: &headers,
      bodyDigest: Self.emptyDigest, now: Self.now)
    #expect(headers["X-Amz-Security-Token"] == "to+ken/=")
    #expect(headers["Authorization"]?.contains("x-amz-security-token") == true)
    #expect("\(credentials)".contains("ken") == false)
  }

  @Test func readsTimes() {
    let second = 1_000_000_000
    #expect(S3Time.http("Fri, 24 May 2013 00:00:00 GMT") == Self.now)
    #expect(S3Time.iso("2013-05-24T00:00:00.123Z") == Self.now)
    #expect(S3Time.iso("2013-05-24T23:59:60Z") == Self.now + 86_400 * second)
    #expect(S3Time.basic(nanoseconds: Self.now + 3_661 * second) == "20130524T010101Z")
    for wrong in ["", "Fri, 24 May 2013 00:00:00", "Fri, 40 May 2013 00:00:00 GMT", "x"] {
      #expect(S3Time.http(wrong) == nil)
    }
    for wrong in ["", "2013-05-24", "2013-13-24T00:00:00Z", "9999999-01-01T00:00:00Z"] {
      #expect(S3Time.iso(wrong) == nil)
    }
  }
}
