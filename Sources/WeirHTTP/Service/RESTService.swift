// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

/// Answers requests of the Iceberg REST catalog API from a catalog. It knows nothing of connections,
/// and its calls block; threads may share it.
final class RESTService: Sendable {
  let catalog: any Catalog
  /// What locations that clients name may lie in.
  let stores: ObjectStores
  let access: AccessPolicy
  let configuration: CatalogServerConfiguration
  let reports: ReportLog
  let plans = ScanPlans()
  let manifests = ManifestCache()
  /// Secrets that are being checked.
  let secretCheckCount = Atomic<Int>(0)
  private let nowSeconds: @Sendable () -> Int

  init(
    catalog: any Catalog, stores: ObjectStores, access: AccessPolicy,
    configuration: CatalogServerConfiguration,
    nowSeconds: @escaping @Sendable () -> Int = { Int(Date().timeIntervalSince1970) }
  ) {
    self.catalog = catalog
    self.stores = stores
    self.access = access
    self.configuration = configuration
    self.nowSeconds = nowSeconds
    reports = ReportLog(byteCountMax: configuration.reportByteCountMax)
  }

  /// The answer to a request; every failure is one, too.
  func answer(_ request: RESTRequest) -> RESTAnswer {
    var client = "-"
    var route: RESTRoute?
    do throws(RESTError) {
      let found = try RESTRoute(path: request.path, prefix: configuration.warehouseName)
      route = found
      guard found.methods.contains(request.method) else {
        throw .methodNotAllowed(request.method, allowed: found.methods)
      }
      if found == .health { return RESTAnswer(client: client, response: health()) }
      if found == .tokens { return RESTAnswer(client: client, response: token(request)) }
      let principal = try access.principal(
        authorization: request.headers["authorization"], nowSeconds: nowSeconds())
      client = principal.id
      let call = RESTCall(
        request: request, route: found, principal: principal, catalog: catalog)
      return RESTAnswer(client: client, response: try perform(call))
    } catch {
      return RESTAnswer(
        client: client, response: response(to: error, bare: route?.hasBareErrors ?? false))
    }
  }

  /// Does what a request of somebody known asks for.
  private func perform(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    guard let key = try call.idempotencyKey() else { return try resourceResponse(call) }
    return try onlyOnce(call, key: key) { call throws(RESTError) in try resourceResponse(call) }
  }

  private func resourceResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    switch call.route {
    case .health, .tokens: throw .noRoute(call.request.path)
    case .config: try config(call)
    case .namespaces, .namespace, .namespaceProperties: try namespaceResponse(call)
    case .tables, .registerTable, .table, .unregisterTable, .renameTable, .transaction:
      try tableResponse(call)
    case .views, .registerView, .view, .renameView: try viewResponse(call)
    case .credentials, .sign, .metrics, .functions, .function: try otherResponse(call)
    case .plans, .plan, .scanTasks: try planResponse(call)
    }
  }

  /// Now, in seconds since 1970.
  var now: Int { nowSeconds() }
}

/// A request whose sender and resource are known.
struct RESTCall {
  var request: RESTRequest
  var route: RESTRoute
  var principal: Principal
  /// For changes: with an idempotency key, the catalog that records it with the change.
  var catalog: any Catalog

  /// The most values in the JSON of a body: one with 100,000 columns has as many.
  private static let valueCountMax = 500_000

  /// The query's fields; the last of a name counts.
  func queryFields() throws(RESTError) -> [String: String] {
    guard let fields = formFields(request.query) else { throw .badText(in: request.query) }
    return Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
  }

  /// The body, which must be a JSON object.
  func body() throws(RESTError) -> JSONObject {
    do {
      let limits = JSONParser.Limits(
        depthMax: 128, byteCountMax: .max, valueCountMax: Self.valueCountMax)
      return try JSONParser(limits: limits).parse(request.body).asObject()
    } catch {
      throw .badRequest("the body of the request cannot be used: \(error)")
    }
  }
}

/// Runs `work`; what does not fit in a body is the client's mistake.
func reading<T>(_ work: () throws(JSONError) -> T) throws(RESTError) -> T {
  do { return try work() } catch {
    throw .badRequest("the body of the request cannot be used: \(error)")
  }
}
