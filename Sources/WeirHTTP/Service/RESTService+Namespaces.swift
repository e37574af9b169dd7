// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  func namespaceResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    switch (call.route, call.request.method) {
    case (.namespaces, "GET"): return try listNamespaces(call)
    case (.namespaces, _): return try createNamespace(call)
    case (.namespace(let namespace), "GET"): return try loadNamespace(namespace, call)
    case (.namespace(let namespace), "HEAD"):
      _ = try loadNamespace(namespace, call)
      return RESTResponse(status: 204)
    case (.namespace(let namespace), _):
      try call.principal.require(.admin, in: namespace)
      try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
        try catalog.dropNamespace(namespace)
      }
      return RESTResponse(status: 204)
    case (.namespaceProperties(let namespace), _): return try updateProperties(namespace, call)
    default: throw .noRoute(call.request.path)
    }
  }

  private func listNamespaces(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    let fields = try call.queryFields()
    var parent: Namespace?
    if let text = fields["parent"], !text.isEmpty {
      let namespace = try RESTRoute.namespace(decoded: text)
      guard call.principal.maySee(namespace) else {
        throw .forbidden("client '\(call.principal.id)' may see nothing in namespace \(namespace)")
      }
      parent = namespace
    }
    let missing = RESTError.noNamespace(parent ?? Namespace([""]))
    return try list(fields, named: "namespaces", missing: missing) {
      (page) throws(TableError) in
      try catalog.listNamespaces(in: parent, page: page)
    } item: { namespace in
      guard call.principal.maySee(namespace) else { return nil }
      return .array(namespace.levels.map { .string($0) })
    }
  }

  private func createNamespace(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    let body = try call.body()
    let (levels, properties) = try reading {
      () throws(JSONError) in
      (try body.strings("namespace"), try body.optionalTexts("properties") ?? [:])
    }
    let namespace = try RESTRoute.namespace(levels: levels)
    try call.principal.require(.admin, in: namespace)
    try checkProperties(properties)
    try checkPlaces(of: properties, for: namespace, call)
    // The specification knows no status 404 here.
    let missing = RESTError.badRequest(
      "there is no namespace to hold \(namespace); create it first")
    try asking(missing: missing) { () throws(TableError) in
      try catalog.createNamespace(namespace, properties: properties)
    }
    return Self.namespaceResponse(namespace, properties)
  }

  private func loadNamespace(
    _ namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.read, in: namespace)
    let properties = try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
      try catalog.namespaceProperties(namespace)
    }
    return Self.namespaceResponse(namespace, properties)
  }

  private static func namespaceResponse(
    _ namespace: Namespace, _ properties: [String: String]
  ) -> RESTResponse {
    RESTResponse(
      json: JSONValue.object([
        "namespace": .array(namespace.levels.map { .string($0) }),
        "properties": .texts(properties),
      ]).bytes)
  }

  private func updateProperties(
    _ namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.admin, in: namespace)
    let body = try call.body()
    let (removals, updates) = try reading { () throws(JSONError) in
      (try body.optionalStrings("removals") ?? [], try body.optionalTexts("updates") ?? [:])
    }
    try checkProperties(updates)
    try checkPlaces(of: updates, for: namespace, call)
    let removed = Set(removals)
    guard removed.count == removals.count else {
      throw RESTError(
        422, "UnprocessableEntityException", "a key stands in 'removals' more than once")
    }
    if let both = removals.first(where: { updates[$0] != nil }) {
      throw RESTError(
        422, "UnprocessableEntityException",
        "the key '\(both)' is in 'removals' and in 'updates'; which one holds is not known")
    }
    let changes = try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
      try catalog.updateNamespaceProperties(namespace, removals: removals, updates: updates)
    }
    return RESTResponse(
      json: JSONValue.object([
        "updated": .array(changes.updated.map { .string($0) }),
        "removed": .array(changes.removed.map { .string($0) }),
        "missing": .array(changes.missing.map { .string($0) }),
      ]).bytes)
  }

  /// The most bytes of the keys and values of a namespace's properties in one request.
  private static let propertyByteCountMax = 1 << 20

  private func checkProperties(_ properties: [String: String]) throws(RESTError) {
    let byteCount = properties.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    guard byteCount <= Self.propertyByteCountMax else {
      throw .badRequest(
        "the properties have \(byteCount) bytes; the most is \(Self.propertyByteCountMax)")
    }
  }
}
