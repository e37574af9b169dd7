// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

extension RESTService {
  /// What this server implements, as the specification writes it.
  static let endpoints = [
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan/{plan-id}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/tasks",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
    "GET /v1/{prefix}/namespaces/{namespace}/views",
    "POST /v1/{prefix}/namespaces/{namespace}/views",
    "GET /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/views/{view}",
    "POST /v1/{prefix}/views/rename",
    "POST /v1/{prefix}/namespaces/{namespace}/register-view",
  ]

  func health() -> RESTResponse {
    RESTResponse(json: JSONValue.object(["status": "ok"]).bytes)
  }

  /// `GET /v1/config`.
  func config(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    if let warehouse = try call.queryFields()["warehouse"], !isOurs(warehouse: warehouse) {
      throw RESTError(
        404, "NoSuchWarehouseException",
        "this server has no warehouse '\(warehouse)'; it serves '\(configuration.warehouseName)'")
    }
    var body: JSONObject = [
      "defaults": .object([:]),
      "overrides": .object(["prefix": .string(configuration.warehouseName)]),
      "endpoints": .array(Self.endpoints.map { .string($0) }),
    ]
    if catalog.idempotency != nil {
      let minutes = configuration.idempotencySeconds / 60
      body["idempotency-key-lifetime"] = .string("PT\(minutes)M")
    }
    return RESTResponse(json: JSONValue.object(body).bytes)
  }

  /// Clients name a warehouse by its name or its location, or not at all.
  private func isOurs(warehouse: String) -> Bool {
    func bare(_ location: String) -> Substring {
      var location = location[...]
      if location.hasPrefix("file://") { location = location.dropFirst("file://".count) }
      while location.count > 1 && location.last == "/" { location = location.dropLast() }
      return location
    }
    return warehouse.isEmpty || warehouse == configuration.warehouseName
      || bare(warehouse) == bare(configuration.warehouseLocation)
  }

  /// `POST /v1/oauth/tokens`: client credentials (RFC 6749, section 4.4). Its errors have a form of
  /// their own.
  func token(_ request: RESTRequest) -> RESTResponse {
    func refused(_ status: Int, _ error: String, _ words: String) -> RESTResponse {
      var response = RESTResponse(
        status: status,
        json: JSONValue.object(["error": .string(error), "error_description": .string(words)])
          .bytes)
      response.setHeader("Cache-Control", "no-store")
      if status == 401 { response.setHeader("WWW-Authenticate", "Basic realm=\"weir\"") }
      return response
    }
    guard let text = String(validating: request.body, as: UTF8.self),
      let pairs = formFields(text)
    else { return refused(400, "invalid_request", "the body is not an HTML form in UTF-8") }
    let fields = Dictionary(pairs.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    switch fields["grant_type"] {
    case "client_credentials": break
    case nil: return refused(400, "invalid_request", "the field grant_type is missing")
    case let type?:
      return refused(
        400, "unsupported_grant_type", "grant_type '\(type)' is not offered, client_credentials is")
    }
    var id = fields["client_id"]
    var secret = fields["client_secret"]
    if let field = request.headers["authorization"],
      let encoded = AccessPolicy.credentials(field, scheme: "basic"),
      let pair = Base64.decode(encoded).flatMap({ String(validating: $0, as: UTF8.self) }),
      let colon = pair.firstIndex(of: ":")
    {
      id = percentDecoded(pair[..<colon])
      secret = percentDecoded(pair[pair.index(after: colon)...])
    }
    guard let id, let secret else {
      return refused(401, "invalid_client", "client_id or client_secret is missing")
    }
    // A check costs a tenth of a second of a thread; whoever tries secrets gets few of the threads.
    defer { secretCheckCount.subtract(1, ordering: .relaxed) }
    let checkCount = secretCheckCount.add(1, ordering: .relaxed).newValue
    guard checkCount <= max(1, configuration.workerCount / 4) else {
      var response = refused(503, "invalid_request", "too many secrets are being checked")
      response.setHeader("Retry-After", "1")
      return response
    }
    guard id.utf8.count <= 256 && secret.utf8.count <= 1_024,
      let token = access.token(clientID: id, secret: secret, nowSeconds: now)
    else { return refused(401, "invalid_client", "the server does not know this id and secret") }
    var response = RESTResponse(
      json: JSONValue.object([
        "access_token": .string(token), "token_type": "bearer",
        "expires_in": .int(Int64(AccessTokens.lifetimeSeconds)),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
      ]).bytes)
    response.setHeader("Cache-Control", "no-store")
    return response
  }
}
