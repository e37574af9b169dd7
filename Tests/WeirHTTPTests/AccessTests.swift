// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable

@testable internal import WeirHTTP

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
