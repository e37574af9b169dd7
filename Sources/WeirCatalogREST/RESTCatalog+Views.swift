// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
public import WeirTable

extension RESTCatalog {
  private static let viewsEndpoint = "/v1/{prefix}/namespaces/{namespace}/views"

  /// The text that `encoded` stands for, or itself when it stands for none.
  func decoded(_ encoded: String) -> String { PercentEncoding.decode(encoded) ?? encoded }

  public func listViews(
    in namespace: Namespace, page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier> {
    // A catalog without views has none.
    guard configuration.has("GET \(Self.viewsEndpoint)") else { return Page(items: [], next: nil) }
    return try list("views", namespace, page)
  }

  public func createView(
    _ identifier: TableIdentifier, _ creation: ViewCreation
  ) throws(TableError) -> LoadedView {
    try identifier.check()
    try check("POST \(Self.viewsEndpoint)", "create view \(identifier)")
    var version = creation.version
    version.schemaID = creation.schema.schemaID
    var body: JSONObject = [
      "name": .string(identifier.name), "schema": creation.schema.json(),
      "view-version": version.json(), "properties": creation.properties.json(),
    ]
    body.set("location", creation.location.map { .string($0) })
    return try view(
      identifier,
      RESTCall(
        method: "POST", path: path(identifier.namespace, "/views"), body: .object(body),
        kind: .change, subject: "create view \(identifier)"))
  }

  public func loadView(_ identifier: TableIdentifier) throws(TableError) -> LoadedView {
    try identifier.check()
    try check("GET \(Self.viewsEndpoint)/{view}", "view \(identifier)")
    return try view(
      identifier,
      RESTCall(
        method: "GET", path: path(identifier, "views"), kind: .read, subject: "view \(identifier)"))
  }

  private func view(
    _ identifier: TableIdentifier, _ call: RESTCall
  ) throws(TableError) -> LoadedView {
    do {
      return try read(call) { object throws(JSONError) in
        LoadedView(
          identifier: identifier,
          metadata: try object.required("metadata") { value throws(JSONError) in
            try ViewMetadata(json: value)
          }, metadataLocation: try object.string("metadata-location"),
          config: try Self.strings(object, "config"))
      }
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  public func viewExists(_ identifier: TableIdentifier) throws(TableError) -> Bool {
    try identifier.check()
    let isHead = configuration.has("HEAD \(Self.viewsEndpoint)/{view}")
    guard isHead || configuration.has("GET \(Self.viewsEndpoint)/{view}") else { return false }
    return try exists(
      RESTCall(
        method: isHead ? "HEAD" : "GET", path: path(identifier, "views"), kind: .read,
        subject: "view \(identifier)"))
  }

  public func commit(_ commit: ViewCommit) throws(TableError) -> LoadedView {
    try commit.identifier.check()
    try check("POST \(Self.viewsEndpoint)/{view}", "commit to view \(commit.identifier)")
    return try view(
      commit.identifier,
      RESTCall(
        method: "POST", path: path(commit.identifier, "views"),
        body: [
          "identifier": Self.json(commit.identifier),
          "requirements": .array(commit.requirements.map { $0.json() }),
          "updates": .array(commit.updates.map { $0.json() }),
        ], kind: .commit, subject: "commit to view \(commit.identifier)",
        onConflict: .retryableConflict))
  }

  public func registerView(
    _ identifier: TableIdentifier, metadataLocation: String
  ) throws(TableError) -> LoadedView {
    try identifier.check()
    try check(
      "POST /v1/{prefix}/namespaces/{namespace}/register-view", "register view \(identifier)")
    return try view(
      identifier,
      RESTCall(
        method: "POST", path: path(identifier.namespace, "/register-view"),
        body: ["name": .string(identifier.name), "metadata-location": .string(metadataLocation)],
        kind: .change, subject: "register view \(identifier)"))
  }

  public func renameView(
    _ identifier: TableIdentifier, to target: TableIdentifier
  ) throws(TableError) {
    try check("POST /v1/{prefix}/views/rename", "rename view \(identifier)")
    try rename("views", identifier, target)
  }

  public func dropView(_ identifier: TableIdentifier) throws(TableError) {
    try identifier.check()
    try check("DELETE \(Self.viewsEndpoint)/{view}", "drop view \(identifier)")
    _ = try send(
      RESTCall(
        method: "DELETE", path: path(identifier, "views"), kind: .change,
        subject: "drop view \(identifier)"))
  }
}
