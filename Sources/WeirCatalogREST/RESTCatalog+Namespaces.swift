// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirTable

extension RESTCatalog {
  /// The query of a page.
  func query(_ page: PageRequest) throws(TableError) -> [(String, String)] {
    guard page.limit > 0 else {
      throw TableError(.invalidArgument, "the page size \(page.limit) is not positive")
    }
    return [
      ("pageToken", page.token ?? ""), ("pageSize", String(min(page.limit, PageRequest.limitMax))),
    ]
  }

  /// The token of the next page; an empty one ends the listing as a missing one does.
  func next(_ object: JSONObject) throws(JSONError) -> String? {
    guard let token = try object.optionalString("next-page-token"), !token.isEmpty else {
      return nil
    }
    return token
  }

  static func levels(_ value: JSONValue) throws(JSONError) -> Namespace {
    Namespace(try value.asArray { level throws(JSONError) in try level.asString() })
  }

  static func json(_ namespace: Namespace) -> JSONValue {
    .array(namespace.levels.map { .string($0) })
  }

  static func json(_ properties: [String: String]) -> JSONValue { StringMap(properties).json() }

  public func listNamespaces(
    in parent: Namespace?, page: PageRequest
  ) throws(TableError) -> Page<Namespace> {
    try parent?.check()
    var query = try query(page)
    if let parent {
      let separator = configuration.properties["namespace-separator"].map { text in
        decoded(text)
      }
      query.append(("parent", parent.levels.joined(separator: separator ?? "\u{1f}")))
    }
    let call = RESTCall(
      method: "GET", path: path("/namespaces"), query: query, kind: .read,
      subject: "list namespaces")
    return try read(call) { object throws(JSONError) in
      let items = try object.array("namespaces") { value throws(JSONError) in
        try Self.levels(value)
      }
      return Page(items: items, next: try self.next(object))
    }
  }

  public func createNamespace(
    _ namespace: Namespace, properties: [String: String]
  ) throws(TableError) {
    try namespace.check()
    let call = RESTCall(
      method: "POST", path: path("/namespaces"),
      body: ["namespace": Self.json(namespace), "properties": Self.json(properties)],
      kind: .change, subject: "create namespace \(namespace)")
    _ = try send(call)
  }

  public func namespaceProperties(
    _ namespace: Namespace
  ) throws(TableError) -> [String: String] {
    try namespace.check()
    let call = RESTCall(
      method: "GET", path: path(namespace), kind: .read, subject: "namespace \(namespace)")
    return try read(call) { object throws(JSONError) in try Self.strings(object, "properties") }
  }

  public func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges {
    try namespace.check()
    let call = RESTCall(
      method: "POST", path: path(namespace, "/properties"),
      body: [
        "removals": .array(removals.map { .string($0) }), "updates": Self.json(updates),
      ], kind: .change, subject: "properties of namespace \(namespace)")
    return try read(call) { object throws(JSONError) in
      func names(_ name: String) throws(JSONError) -> [String] {
        guard let value = object[name], !value.isNull else { return [] }
        return try value.asArray { item throws(JSONError) in try item.asString() }
      }
      return NamespacePropertyChanges(
        updated: try names("updated"), removed: try names("removed"), missing: try names("missing"))
    }
  }

  public func dropNamespace(_ namespace: Namespace) throws(TableError) {
    try namespace.check()
    let call = RESTCall(
      method: "DELETE", path: path(namespace), kind: .change,
      subject: "drop namespace \(namespace)", onConflict: .notEmpty)
    _ = try send(call)
  }
}
