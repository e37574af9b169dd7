// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  func viewResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    switch (call.route, call.request.method) {
    case (.views(let namespace), "GET"):
      try call.principal.require(.read, in: namespace)
      return try list(
        try call.queryFields(), named: "identifiers", missing: .noNamespace(namespace)
      ) { page throws(TableError) in
        try catalog.listViews(in: namespace, page: page)
      } item: { view in
        .identifier(view)
      }
    case (.views(let namespace), _): return try createView(in: namespace, call)
    case (.view(let view), "GET"):
      try call.principal.require(.read, in: view.namespace)
      return try loadView(view)
    case (.view(let view), "HEAD"):
      try call.principal.require(.read, in: view.namespace)
      let exists = try asking(missing: .noView(view)) { () throws(TableError) in
        try catalog.viewExists(view)
      }
      guard exists else { throw .noView(view) }
      return RESTResponse(status: 204)
    case (.view(let view), "DELETE"):
      try call.principal.require(.write, in: view.namespace)
      try asking(missing: .noView(view)) { () throws(TableError) in
        try call.catalog.dropView(view)
      }
      return RESTResponse(status: 204)
    case (.view(let view), _): return try replaceView(view, call)
    case (.renameView, _): return try renameView(call)
    case (.registerView(let namespace), _): return try registerView(in: namespace, call)
    default: throw .noRoute(call.request.path)
    }
  }

  private func createView(
    in namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: namespace)
    let body = try call.body()
    let (name, creation) = try reading { () throws(JSONError) in
      let creation = ViewCreation(
        schema: try body.required("schema") { value throws(JSONError) in
          try TableSchema(json: value)
        },
        version: try body.required("view-version") { value throws(JSONError) in
          try ViewVersion(json: value)
        },
        location: try body.optionalString("location"),
        properties: StringMap(try body.optionalTexts("properties") ?? [:]))
      return (try body.string("name"), creation)
    }
    let view = try RESTRoute.identifier(namespace, name)
    var places = Self.places(in: creation.properties)
    if let location = creation.location { places.append(location) }
    try checkPlaces(places, in: namespace, call)
    return Self.response(
      try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
        try call.catalog.createView(view, creation)
      })
  }

  func loadView(_ view: TableIdentifier) throws(RESTError) -> RESTResponse {
    Self.response(
      try asking(missing: .noView(view)) { () throws(TableError) in try catalog.loadView(view) })
  }

  private func replaceView(
    _ view: TableIdentifier, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: view.namespace)
    let body = try call.body()
    let commit = try reading { () throws(JSONError) in
      let named = try body.optional("identifier") { value throws(JSONError) in
        try RESTCall.identifier(value)
      }
      return ViewCommit(
        named ?? view,
        requirements: try body.optionalArray("requirements") { value throws(JSONError) in
          try ViewRequirement(json: value)
        } ?? [],
        updates: try body.array("updates") { value throws(JSONError) in
          try ViewUpdate(json: value)
        })
    }
    guard commit.identifier == view else {
      throw .badRequest("the body names the view \(commit.identifier), the path \(view)")
    }
    var places: [String] = []
    for update in commit.updates {
      switch update {
      case .setLocation(let location): places.append(location)
      case .setProperties(let properties): places += Self.places(in: properties)
      default: break
      }
    }
    try checkPlaces(places, in: view.namespace, call)
    do throws(TableError) {
      // A view that was registered can say that its files lie elsewhere.
      let places = [folder(of: view.namespace)]
      return Self.response(try catalog(for: call, places: places).commit(commit))
    } catch {
      switch error.code {
      case .alreadyExists: throw RESTError(409, "CommitFailedException", "\(error)")
      case .notFound where (try? catalog.viewExists(view)) == true: throw .badRequest("\(error)")
      default: throw Self.restError(error, missing: .noView(view))
      }
    }
  }

  private func renameView(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    let (source, target) = try call.renaming()
    try call.principal.require(.write, in: source.namespace)
    try call.principal.require(.write, in: target.namespace)
    do throws(TableError) {
      try call.catalog.renameView(source, to: target)
    } catch {
      // The source or the new namespace can be what is missing.
      let exists = (try? catalog.viewExists(source)) ?? false
      throw Self.restError(
        error, missing: exists ? .noNamespace(target.namespace) : .noView(source))
    }
    return RESTResponse(status: 204)
  }

  private func registerView(
    in namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: namespace)
    let body = try call.body()
    let (name, location) = try reading { () throws(JSONError) in
      (try body.string("name"), try body.string("metadata-location"))
    }
    let view = try RESTRoute.identifier(namespace, name)
    try checkPlaces([location], in: namespace, call)
    _ = try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
      try catalog.namespaceProperties(namespace)
    }
    do throws(TableError) {
      return Self.response(try call.catalog.registerView(view, metadataLocation: location))
    } catch {
      switch error.code {
      case .notFound, .damaged, .unsupported: throw .badRequest("\(error)")
      default: throw Self.restError(error, missing: .noNamespace(namespace))
      }
    }
  }

  /// A view as the specification's `LoadViewResult`.
  private static func response(_ loaded: LoadedView) -> RESTResponse {
    RESTResponse(
      json: JSONValue.object([
        "metadata-location": .string(loaded.metadataLocation),
        "metadata": loaded.metadata.json(),
        "config": .texts(loaded.config),
      ]).bytes)
  }
}
