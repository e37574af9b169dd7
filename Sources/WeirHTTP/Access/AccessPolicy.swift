// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// Who may use a server, and for what.
///
/// Requests carry a bearer token: a fixed one, or one that a client got for its id and secret. The
/// clients stand in a JSON file:
///
/// ```json
/// {
///   "signing-key": "at least 32 characters, the same on all servers of one catalog; may lack",
///   "clients": [
///     { "id": "trainer",
///       "secret": "pbkdf2-sha256$100000$…",
///       "grants": [ { "namespace": ["events"], "access": "read" },
///                   { "namespace": ["features", "user"], "access": "write" } ] }
///   ]
/// }
/// ```
///
/// A grant covers its namespace and all below it; `"namespace": []` is the whole catalog. Without a
/// signing key a server makes one up when it starts, and tokens end with it.
public struct AccessPolicy: Sendable {
  private struct Client: Sendable {
    var secret: ClientSecret
    var grants: [Grant]
  }

  private var isOpen = false
  /// The digest of the fixed token.
  private var tokenDigest: [UInt8]?
  private var clients: [String: Client] = [:]
  private var tokens: AccessTokens?
  /// Stands in for a client that does not exist, so that the answer takes as long.
  private var nobody: ClientSecret?

  /// The most clients in one file.
  public static let clientCountMax = 10_000
  private static let signingKeyByteCountMin = 32

  /// Everybody may do everything; for servers that nobody else can reach.
  public static let open: AccessPolicy = {
    var policy = AccessPolicy()
    policy.isOpen = true
    return policy
  }()

  private init() {}

  /// Whoever has `token` may do everything, and the clients of `clientsFile` what their grants say.
  ///
  /// - Throws: `AccessPolicyError` that says what is wrong with the file.
  public init(token: String?, clientsFile: [UInt8]?) throws(AccessPolicyError) {
    tokenDigest = token.map { SHA256.digest(of: Array($0.utf8)) }
    guard let clientsFile else { return }
    do {
      try read(JSONParser(limits: .init(byteCountMax: 16 << 20)).parse(clientsFile).asObject())
    } catch let error as JSONError {
      throw AccessPolicyError("\(error)")
    } catch let error as AccessPolicyError {
      throw error
    } catch {
      throw AccessPolicyError("\(error)")
    }
  }

  private mutating func read(_ file: JSONObject) throws {
    var key = unpredictableBytes(count: 32)
    if let text = try file.optionalString("signing-key") {
      key = Array(text.utf8)
      guard key.count >= Self.signingKeyByteCountMin else {
        throw AccessPolicyError(
          "'signing-key' has \(key.count) bytes and needs \(Self.signingKeyByteCountMin)")
      }
    }
    tokens = AccessTokens(key: key)
    let list = try file.array("clients")
    guard list.count <= Self.clientCountMax else {
      throw AccessPolicyError("\(list.count) clients; the most is \(Self.clientCountMax)")
    }
    for entry in list {
      let entry = try entry.asObject()
      let id = try entry.string("id")
      guard !id.isEmpty && id.utf8.count <= 256 && clients[id] == nil else {
        throw AccessPolicyError("client id '\(id)' is empty, too long or stands there twice")
      }
      guard let secret = ClientSecret(try entry.string("secret")) else {
        throw AccessPolicyError(
          "the secret of client '\(id)' is not of the form pbkdf2-sha256$ITERATIONS$SALT$DIGEST; "
            + "'weir catalog secret' makes one")
      }
      nobody = nobody ?? secret
      var grants: [Grant] = []
      for grant in try entry.array("grants") {
        let grant = try grant.asObject()
        let name = try grant.string("access")
        guard let access = AccessLevel(name: name) else {
          throw AccessPolicyError(
            "client '\(id)' has access '\(name)'; it can be read, write or admin")
        }
        let levels = try grant.array("namespace") { level throws(JSONError) in
          try level.asString()
        }
        grants.append(Grant(levels: levels, access: access))
      }
      clients[id] = Client(secret: secret, grants: grants)
    }
  }

  /// Whether requests need a token.
  public var isRestricted: Bool { !isOpen }

  /// Who sent a request with this `Authorization` field.
  func principal(authorization: String?, nowSeconds: Int) throws(RESTError) -> Principal {
    if isOpen { return .unrestricted(id: "anybody") }
    guard let authorization else {
      throw .unauthorized("no token; send 'Authorization: Bearer TOKEN'")
    }
    guard let token = Self.credentials(authorization, scheme: "bearer") else {
      throw .unauthorized("the Authorization field is not of the form 'Bearer TOKEN'")
    }
    if let tokenDigest, isEqualInConstantTime(tokenDigest, SHA256.digest(of: Array(token.utf8))) {
      return .unrestricted(id: "token")
    }
    switch tokens?.verdict(on: token, nowSeconds: nowSeconds) ?? .invalid {
    case .expired: throw .unauthorized("the token has expired; get a new one")
    case .invalid: throw .unauthorized("this server does not know the token")
    case .client(let id):
      guard let client = clients[id] else {
        throw .unauthorized("the client of this token is not a client of this server any more")
      }
      return Principal(id: id, grants: client.grants)
    }
  }

  /// A token for a client that knows its secret, or `nil`. Takes about a tenth of a second.
  func token(clientID: String, secret: String, nowSeconds: Int) -> String? {
    guard let tokens else { return nil }
    guard let client = clients[clientID] else {
      _ = nobody?.matches(secret)
      return nil
    }
    guard client.secret.matches(secret) else { return nil }
    return tokens.token(for: clientID, nowSeconds: nowSeconds)
  }

  /// What stands behind the name of an authorization scheme.
  static func credentials(_ field: String, scheme: String) -> String? {
    let parts = field.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == scheme else { return nil }
    let rest = parts[1].drop { $0 == " " }
    return rest.isEmpty ? nil : String(rest)
  }
}

/// A file of clients that cannot be used.
public struct AccessPolicyError: Error, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}
