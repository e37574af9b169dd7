// SPDX-License-Identifier: Apache-2.0

public import WeirCurl
internal import WeirTable

/// Where a REST catalog is, who asks, and what the server says about it.
///
/// Properties have the names that all of Iceberg's clients use: `token`, or `credential`
/// (`id:secret`) with `oauth2-server-uri`, `scope`, `audience`, `resource`; `warehouse`; `prefix`;
/// `header.NAME` for a header of every request. Further ones go to the object stores (`s3.…`).
public struct RESTSettings: Sendable {
  /// `http(s)://host[:port][/path]`, without `/v1`.
  public var address: String
  public var properties: [String: String]
  public var retries = RetryPolicy()
  /// Tables whose metadata is kept, so that a table that did not change is not sent again.
  public var tableCacheCountMax = 64
  /// Bytes of the longest answer.
  public var answerBytesMax = 256 << 20

  public init(address: String, properties: [String: String] = [:]) {
    var address = address
    while address.hasSuffix("/") { address.removeLast() }
    self.address = address
    self.properties = properties
  }
}

/// What the server said in answer to `GET /v1/config`, merged with what the caller wants.
struct RESTConfiguration: Sendable {
  /// The server's defaults, below the caller's, below the server's overrides.
  var properties: [String: String]
  /// `GET /v1/{prefix}/namespaces` and the like; `nil` when the server gives no list.
  var endpoints: Set<String>?
  /// Whether the server knows `Idempotency-Key`.
  var takesIdempotencyKeys: Bool

  /// What a server without a list is taken to have (REST specification, `getConfig`).
  private static let assumed: Set<String> = [
    "GET /v1/{prefix}/namespaces", "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}", "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename", "POST /v1/{prefix}/transactions/commit",
  ]
  /// Older servers have views without saying so.
  private static let silent = "/views"

  func has(_ endpoint: String) -> Bool {
    guard let endpoints else {
      return Self.assumed.contains(endpoint) || endpoint.hasSuffix(Self.silent)
        || endpoint.contains("\(Self.silent)/") || endpoint.contains("register-view")
    }
    return endpoints.contains(endpoint)
  }
}
