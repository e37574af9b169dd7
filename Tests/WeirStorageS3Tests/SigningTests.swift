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

  @Test func digestsAreRight() {
    func hex(_ bytes: [UInt8]) -> String { Digest.hexadecimal(bytes) }
    #expect(hex(Digest.sha256([UInt8]())) == Self.emptyDigest)
    // FIPS 180-4's examples, and RFC 4231's cases 1, 2 and 6.
    #expect(
      hex(Digest.sha256(Array("abc".utf8)))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hex(Digest.hmacSHA256(key: Array(repeating: 0x0b, count: 20), Array("Hi There".utf8)))
        == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    #expect(
      hex(
        Digest.hmacSHA256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(
      hex(
        Digest.hmacSHA256(
          key: Array(repeating: 0xaa, count: 131),
          Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)))
        == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    #expect(hex(Digest.md5([])) == "d41d8cd98f00b204e9800998ecf8427e")
    // Of every length around a block, in two pieces, beside one.
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 * 7) }
    for count in 0..<300 {
      let whole = Buffer(Array(bytes[..<count]))
      let cut = count / 3
      let pieces = [
        whole.slice(offset: 0, count: cut), whole.slice(offset: cut, count: count - cut),
      ]
      #expect(Digest.sha256(pieces) == Digest.sha256(Array(bytes[..<count])))
      #expect(Digest.md5(pieces) == Digest.md5([whole]))
    }
    for (text, encoded) in [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"),
    ] {
      #expect(Digest.base64(Array(text.utf8)) == encoded)
    }
  }

  @Test func encodesAddresses() {
    let text = "a b+c%=ü/~*'(日"
    let encoded = PercentEncoding.encode(text, keeping: "/")
    #expect(encoded == "a%20b%2Bc%25%3D%C3%BC/~%2A%27%28%E6%97%A5")
    #expect(PercentEncoding.decode(encoded) == text)
    #expect(PercentEncoding.decode("a+b%2B", plusIsSpace: true) == "a b+")
    for wrong in ["%", "%1", "%gg", "%ff"] { #expect(PercentEncoding.decode(wrong) == nil) }
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
