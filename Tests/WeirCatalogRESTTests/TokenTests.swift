// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirCurl
internal import WeirStorage
internal import WeirTable

@testable internal import WeirCatalogREST

@Suite struct TokenTests {
  let clock = CannedClock()

  func connect(
    _ answers: [CannedServer.Answer], _ properties: [String: String]
  ) throws -> (RESTCatalog, CannedServer) {
    let server = CannedServer(answers)
    let catalog = try RESTCatalog(
      settings: RESTSettings(address: "http://h", properties: properties), transport: server,
      clock: clock.clock
    ) { _ throws(TableError) in
      try memoryStores()
    }
    return (catalog, server)
  }

  static func token(_ text: String, _ seconds: Int?) -> CannedServer.Answer {
    let expires = seconds.map { #","expires_in":\#($0)"# } ?? ""
    return CannedServer.json(#"{"access_token":"\#(text)","token_type":"bearer"\#(expires)}"#)
  }
  static let empty = CannedServer.json(#"{"namespaces":[]}"#)

  func list(_ catalog: RESTCatalog) throws {
    _ = try catalog.listNamespaces(in: nil, page: .first)
  }

  @Test func sendsAGivenToken() throws {
    let (catalog, server) = try connect(
      [CannedServer.plainConfig, Self.empty, CannedServer.fault(401)], ["token": "tok"])
    try list(catalog)
    #expect(server.requests.map { $0.headers["Authorization"] } == ["Bearer tok", "Bearer tok"])
    #expect(errorCode { try list(catalog) } == .forbidden)
  }

  @Test func getsTokensForCredentials() throws {
    let (catalog, server) = try connect(
      [
        CannedServer.fault(503), CannedServer.lost, Self.token("one", 100),
        CannedServer.plainConfig,
        Self.empty, Self.token("two", 1_000), Self.empty,
        // The server forgot it before its time.
        CannedServer.fault(401), Self.token("three", nil), Self.empty, Self.empty,
      ],
      [
        "credential": "id&1:se=cret:x", "scope": "PRINCIPAL_ROLE:ALL", "audience": "a",
        "oauth2-server-uri": "http://h/oauth/tokens",
      ])
    let body = server.requests[0].body![0].array(of: UInt8.self)
    #expect(
      String(decoding: body, as: UTF8.self)
        == "grant_type=client_credentials&scope=PRINCIPAL_ROLE%3AALL&audience=a&client_id=id%261"
        + "&client_secret=se%3Dcret%3Ax")
    #expect(server.lines[..<3].allSatisfy { $0 == "POST /oauth/tokens" })
    #expect(server.requests[3].headers["Authorization"] == "Bearer one")
    clock.advance(seconds: 80)
    try list(catalog)
    // In the last tenth of its life.
    clock.advance(seconds: 12)
    try list(catalog)
    try list(catalog)
    try list(catalog)
    #expect(
      server.requests.compactMap { $0.headers["Authorization"] } == [
        "Bearer one", "Bearer one", "Bearer two", "Bearer two", "Bearer three", "Bearer three",
      ])
  }

  @Test func refusalsShowNoSecret() throws {
    for answer in [
      CannedServer.json(#"{"error":"invalid_client"}"#, status: 401),
      CannedServer.json("<html>", status: 500), CannedServer.json("{}"),
      CannedServer.json(#"{"access_token":"a\nb"}"#),
    ] {
      let error = #expect(throws: TableError.self) {
        try connect([answer], ["credential": "id:topsecret"])
      }
      #expect(error.map { "\($0)" }?.contains("topsecret") == false)
    }
    #expect(
      errorCode {
        try connect(
          [CannedServer.json(#"{"error":"invalid_client"}"#, status: 401)],
          ["credential": "id:topsecret"])
      } == .forbidden)
  }
}
