// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirTable

@testable internal import WeirHTTP

@Suite struct SHA256Tests {
  /// The examples of FIPS 180-4 and RFC 6234, and lengths around the ends of blocks (by Python's
  /// hashlib).
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 64),
      "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"
    ),
    (
      String(repeating: "a", count: 119),
      "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"
    ),
  ])
  func digest(text: String, wanted: String) {
    #expect(hexText(SHA256.digest(of: Array(text.utf8))) == wanted)
  }

  /// RFC 4231, test cases 1, 2 and 6.
  @Test func codes() {
    let first = HMACSHA256(key: Array(repeating: 0x0b, count: 20)).code(of: "Hi There".utf8)
    #expect(
      hexText(first) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    let second = HMACSHA256(key: Array("Jefe".utf8)).code(of: "what do ya want for nothing?".utf8)
    #expect(
      hexText(second) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let sixth = HMACSHA256(key: Array(repeating: 0xaa, count: 131)).code(
      of: "Test Using Larger Than Block-Size Key - Hash Key First".utf8)
    #expect(
      hexText(sixth) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
  }

  /// RFC 7914, section 11 (the first 32 bytes).
  @Test func derivedKeys() {
    let key = pbkdf2SHA256(
      password: Array("passwd".utf8), salt: Array("salt".utf8), iterationCount: 1)
    #expect(hexText(key) == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
    // hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 7)
    let other = pbkdf2SHA256(
      password: Array("password".utf8), salt: Array("salt".utf8), iterationCount: 7)
    #expect(hexText(other) == "9bd065cf13b6ad747afca1d34095b20a4a365cc52f9225ab23f62e4348d9b343")
  }
}

@Suite struct ByteTextTests {
  @Test func base64() {
    #expect(bytes(base64: "Zm9vYmFy") == Array("foobar".utf8))
    #expect(bytes(base64: "Zm9vYg==") == Array("foob".utf8))
    #expect(bytes(base64: "Zm9vYg") == Array("foob".utf8))
    #expect(bytes(base64: "Zm=9") == nil)
    #expect(bytes(base64: "Zm 9") == nil)
    #expect(bytes(base64: "") == [])
  }

  @Test func hexadecimal() {
    #expect(bytes(hex: "00fFa5") == [0, 255, 165])
    #expect(bytes(hex: "0") == nil)
    #expect(bytes(hex: "0g") == nil)
    #expect(hexText([0, 255, 165]) == "00ffa5")
  }
}

@Suite struct AccessPolicyTests {
  static let secret = ClientSecret(of: "correct horse", iterationCount: 3)

  static func policy(_ clients: String) throws -> AccessPolicy {
    try AccessPolicy(
      token: "a fixed token, long enough",
      clientsFile: Array(
        """
        { "signing-key": "0123456789abcdef0123456789abcdef", "clients": [\(clients)] }
        """.utf8))
  }

  static let trainer = """
    { "id": "trainer", "secret": "\(secret)",
      "grants": [ { "namespace": ["events"], "access": "read" },
                  { "namespace": ["features", "user"], "access": "write" } ] }
    """

  @Test func secrets() throws {
    let read = try #require(ClientSecret("\(Self.secret)"))
    #expect(read.matches("correct horse"))
    #expect(!read.matches("correct horsf"))
    #expect(!read.matches(""))
    #expect(ClientSecret("pbkdf2-sha256$0$00$00") == nil)
    #expect(
      ClientSecret("pbkdf2-sha256$99999999999$00$" + String(repeating: "0", count: 64)) == nil)
    #expect(ClientSecret("md5$1$00$" + String(repeating: "0", count: 64)) == nil)
    #expect(ClientSecret("") == nil)
  }

  @Test func tokensOfClients() throws {
    let policy = try Self.policy(Self.trainer)
    #expect(policy.token(clientID: "trainer", secret: "wrong", nowSeconds: 0) == nil)
    #expect(policy.token(clientID: "nobody", secret: "correct horse", nowSeconds: 0) == nil)
    let token = try #require(
      policy.token(clientID: "trainer", secret: "correct horse", nowSeconds: 100))
    let found = try policy.principal(authorization: "bearer \(token)", nowSeconds: 200)
    #expect(found.id == "trainer")
    // Another server with the same key.
    let other = try Self.policy(Self.trainer)
    #expect(
      try other.principal(authorization: "Bearer \(token)", nowSeconds: 200).id == "trainer")
    for bad in [
      nil, "", "Bearer", "Bearer ", "Basic \(token)", "Bearer \(token)0", "Bearer x.y.z",
      "Bearer " + token.replacing("3700", with: "9700"),
    ] {
      #expect(throws: RESTError.self) {
        try policy.principal(authorization: bad, nowSeconds: 200)
      }
    }
    // It has expired, or the client has gone.
    #expect(throws: RESTError.self) {
      try policy.principal(authorization: "Bearer \(token)", nowSeconds: 3_700)
    }
    #expect(throws: RESTError.self) {
      try Self.policy("").principal(authorization: "Bearer \(token)", nowSeconds: 200)
    }
  }

  @Test func theFixedToken() throws {
    let policy = try Self.policy("")
    let found = try policy.principal(
      authorization: "Bearer a fixed token, long enough", nowSeconds: 0)
    #expect(found.may(.admin, in: Namespace(["x"])))
  }

  @Test func grants() throws {
    let policy = try Self.policy(Self.trainer)
    let token = try #require(
      policy.token(clientID: "trainer", secret: "correct horse", nowSeconds: 0))
    let trainer = try policy.principal(authorization: "Bearer \(token)", nowSeconds: 0)
    #expect(trainer.may(.read, in: Namespace(["events"])))
    #expect(trainer.may(.read, in: Namespace(["events", "web"])))
    #expect(!trainer.may(.write, in: Namespace(["events"])))
    #expect(!trainer.may(.read, in: Namespace(["event"])))
    #expect(!trainer.may(.read, in: Namespace(["features"])))
    #expect(trainer.may(.write, in: Namespace(["features", "user"])))
    #expect(!trainer.may(.admin, in: Namespace(["features", "user", "x"])))
    #expect(trainer.maySee(Namespace(["features"])))
    #expect(!trainer.maySee(Namespace(["features", "item"])))
    #expect(!trainer.maySee(Namespace(["secret"])))
  }

  @Test(arguments: [
    "", "{", "[]", "{}", #"{"clients": {}}"#, #"{"clients": [1]}"#,
    #"{"clients": [{"id": "", "secret": "x", "grants": []}]}"#,
    #"{"clients": [{"id": "a", "secret": "plain", "grants": []}]}"#,
    #"{"clients": [], "signing-key": "short"}"#,
  ])
  func badFiles(text: String) {
    #expect(throws: AccessPolicyError.self) {
      try AccessPolicy(token: nil, clientsFile: Array(text.utf8))
    }
  }

  @Test func badGrants() {
    for grant in [
      #"{"namespace": "events", "access": "read"}"#, #"{"namespace": ["events"], "access": "all"}"#,
      #"{"access": "read"}"#,
    ] {
      #expect(throws: AccessPolicyError.self) {
        try Self.policy(#"{"id": "a", "secret": "\#(Self.secret)", "grants": [\#(grant)]}"#)
      }
    }
    #expect(throws: AccessPolicyError.self) { try Self.policy(Self.trainer + "," + Self.trainer) }
  }
}
