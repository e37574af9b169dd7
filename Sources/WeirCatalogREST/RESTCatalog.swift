// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirCurl
public import WeirStorage
public import WeirTable

/// A catalog behind Iceberg's REST protocol. Threads may share it.
///
/// Commits are the server's; this client only makes sure that a request is done once, and says
/// `unknownOutcome` when it cannot know. Tables that were loaded are kept with the server's etag, so that
/// loading one that did not change costs a small answer. Page sizes are wishes: a server without pages
/// gives everything in one.
public final class RESTCatalog: Catalog {
  /// Opens the files of tables. Gets the catalog's properties with those of the table above them, among
  /// which may be credentials for its files.
  public typealias StoresFactory =
    @Sendable (_ properties: [String: String]) throws(TableError) -> ObjectStores

  /// The most sets of stores that are kept, one for each set of properties.
  private static let storesCountMax = 64

  private struct Cached {
    var etag: String
    var table: LoadedTable
    var used: Int
  }

  private struct State {
    var tables: [TableIdentifier: Cached] = [:]
    var stores: [(properties: [String: String], stores: ObjectStores)] = []
    var turn = 0
  }

  public let name: String
  let client: RESTClient
  let configuration: RESTConfiguration
  private let makeStores: StoresFactory
  private let state = Mutex(State())

  /// Asks the server for its configuration.
  public init(
    settings: RESTSettings, transport: any HTTPTransport = HTTPClient(),
    clock: ClientClock = .system, stores: @escaping StoresFactory
  ) throws(TableError) {
    let client = RESTClient(settings: settings, transport: transport, clock: clock)
    self.client = client
    name = settings.properties["name"] ?? settings.address
    makeStores = stores
    configuration = try Self.ask(client)
  }

  private static func ask(_ client: RESTClient) throws(TableError) -> RESTConfiguration {
    let own = client.settings.properties
    let call = RESTCall(
      method: "GET", path: "/v1/config", query: own["warehouse"].map { [("warehouse", $0)] } ?? [],
      kind: .read, subject: "configuration")
    let initial = RESTConfiguration(properties: own, endpoints: nil, takesIdempotencyKeys: false)
    let object = try client.json(try client.send(call, initial), call)
    do {
      var properties = try Self.strings(object, "defaults")
      properties.merge(own) { _, new in new }
      properties.merge(try Self.strings(object, "overrides")) { _, new in new }
      let endpoints = try object.optionalArray("endpoints") { value throws(JSONError) in
        try value.asString()
      }
      return RESTConfiguration(
        properties: properties, endpoints: endpoints.map { Set($0) },
        takesIdempotencyKeys: try object.optionalString("idempotency-key-lifetime") != nil)
    } catch {
      throw client.incomprehensible(call, error)
    }
  }

  /// A map of strings; empty when it is missing or null.
  static func strings(_ object: JSONObject, _ name: String) throws(JSONError) -> [String: String] {
    guard let value = object[name], !value.isNull else { return [:] }
    let map: StringMap
    do { map = try StringMap(json: value) } catch { throw error.inside(name) }
    return Dictionary(map.map { ($0.0, $0.1) }) { _, new in new }
  }

  // Addresses

  /// `/v1/{prefix}` and the rest.
  func path(_ rest: String) -> String {
    let prefix = configuration.properties["prefix"].map {
      "/" + PercentEncoding.encode($0, keeping: "/%")
    }
    return "/v1\(prefix ?? "")\(rest)"
  }

  /// A namespace within a path: its levels with the server's separator between them.
  func encoded(_ namespace: Namespace) -> String {
    let separator = configuration.properties["namespace-separator"] ?? "%1F"
    return namespace.levels.map { PercentEncoding.encode($0) }
      .joined(separator: PercentEncoding.encode(separator, keeping: "%"))
  }

  func path(_ namespace: Namespace, _ rest: String = "") -> String {
    path("/namespaces/\(encoded(namespace))\(rest)")
  }

  func path(_ identifier: TableIdentifier, _ kind: String) -> String {
    path(identifier.namespace, "/\(kind)/\(PercentEncoding.encode(identifier.name))")
  }

  /// Throws `unsupported` when the server lists its endpoints and this one is not among them.
  func check(_ endpoint: String, _ subject: String) throws(TableError) {
    guard configuration.has(endpoint) else {
      throw TableError(.unsupported, "\(subject): the catalog \(name) cannot do it (\(endpoint))")
    }
  }

  func send(_ call: RESTCall) throws(TableError) -> HTTPResponse {
    try client.send(call, configuration)
  }

  func json(_ call: RESTCall) throws(TableError) -> JSONObject {
    try client.json(try send(call), call)
  }

  /// What `body` reads from the answer to `call`.
  func read<T>(
    _ call: RESTCall, _ body: (JSONObject) throws(JSONError) -> T
  ) throws(TableError) -> T {
    let object = try json(call)
    do {
      return try body(object)
    } catch {
      throw client.incomprehensible(call, error)
    }
  }

  // Tables that are kept

  func cached(_ identifier: TableIdentifier) -> (etag: String, table: LoadedTable)? {
    state.withLock { state in
      guard let found = state.tables[identifier] else { return nil }
      state.turn += 1
      state.tables[identifier]?.used = state.turn
      return (found.etag, found.table)
    }
  }

  /// Keeps the table when the server gave it an etag.
  func keep(_ table: LoadedTable, etag: String?) {
    let most = client.settings.tableCacheCountMax
    state.withLock { state in
      guard let etag, table.metadataLocation != nil, most > 0 else {
        state.tables[table.identifier] = nil
        return
      }
      state.turn += 1
      state.tables[table.identifier] = Cached(etag: etag, table: table, used: state.turn)
      while state.tables.count > most,
        let oldest = state.tables.min(by: { $0.value.used < $1.value.used })
      {
        state.tables[oldest.key] = nil
      }
    }
  }

  func forget(_ identifier: TableIdentifier) { state.withLock { $0.tables[identifier] = nil } }

  /// The stores for a table's files, the same ones for the same properties.
  func stores(_ config: [String: String]) throws(TableError) -> ObjectStores {
    let properties = configuration.properties.merging(config) { _, new in new }
    let known = state.withLock { state in
      state.stores.first { $0.properties == properties }?.stores
    }
    if let known { return known }
    let new = try makeStores(properties)
    state.withLock { state in
      if state.stores.count >= Self.storesCountMax { state.stores.removeFirst() }
      state.stores.append((properties, new))
    }
    return new
  }
}
