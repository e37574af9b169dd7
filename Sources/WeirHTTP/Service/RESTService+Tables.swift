// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  func tableResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    switch (call.route, call.request.method) {
    case (.tables(let namespace), "GET"): return try listTables(namespace, call)
    case (.tables(let namespace), _): return try createTable(in: namespace, call)
    case (.table(let table), "GET"): return try loadTable(table, call)
    case (.table(let table), "HEAD"):
      try call.principal.require(.read, in: table.namespace)
      try requireTable(table)
      return RESTResponse(status: 204)
    case (.table(let table), "DELETE"): return try dropTable(table, call)
    case (.table(let table), _): return try commitTable(table, call)
    case (.registerTable(let namespace), _): return try registerTable(in: namespace, call)
    case (.renameTable, _): return try renameTable(call)
    case (.transaction, _): return try commitTransaction(call)
    case (.unregisterTable(let table), _):
      try call.principal.require(.write, in: table.namespace)
      throw RESTError(
        400, "UnsupportedOperationException",
        "this server does not unregister tables; DELETE without purgeRequested keeps their files")
    default: throw .noRoute(call.request.path)
    }
  }

  private func listTables(
    _ namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.read, in: namespace)
    return try list(
      try call.queryFields(), named: "identifiers", missing: .noNamespace(namespace)
    ) { page throws(TableError) in
      try catalog.listTables(in: namespace, page: page)
    } item: { table in
      .identifier(table)
    }
  }

  private func createTable(
    in namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: namespace)
    let body = try call.body()
    let name = try reading { () throws(JSONError) in try body.string("name") }
    let table = try RESTRoute.identifier(namespace, name)
    var (creation, isStaged) = try reading { () throws(JSONError) in
      let schema = try body.required("schema") { value throws(JSONError) in
        try TableSchema(json: value)
      }
      var creation = TableCreation(schema: schema)
      if let spec = try body.optional(
        "partition-spec", { value throws(JSONError) in try PartitionSpec(json: value) })
      {
        creation.partitionSpec = spec
      }
      if let order = try body.optional(
        "write-order", { value throws(JSONError) in try SortOrder(json: value) })
      {
        creation.sortOrder = order
      }
      creation.location = try body.optionalString("location")
      creation.properties = StringMap(try body.optionalTexts("properties") ?? [:])
      return (creation, try body.optionalBool("stage-create") ?? false)
    }
    let version = "format-version"
    if creation.properties[version] == nil {
      creation.properties[version] = "\(configuration.formatVersionDefault)"
    }
    try checkPlaces(of: creation, in: namespace, call)
    let loaded = try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
      try (isStaged ? catalog : call.catalog).createTable(table, creation, staged: isStaged)
    }
    return Self.response(loaded)
  }

  func loadTable(
    _ table: TableIdentifier, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.read, in: table.namespace)
    let mode: SnapshotsMode
    switch try call.queryFields()["snapshots"] {
    case nil, "all": mode = .all
    case "refs": mode = .references
    case let other?: throw .badRequest("snapshots is '\(other)'; it can be 'all' or 'refs'")
    }
    let known = call.request.headers["if-none-match"].flatMap { ETag.location(in: $0, mode: mode) }
    let loaded = try asking(missing: .noTable(table)) { () throws(TableError) in
      try catalog.loadTable(table, ifNot: known)
    }
    guard let loaded else {
      var response = RESTResponse(status: 304)
      if let known { response.setHeader("ETag", ETag.text(location: known, mode: mode)) }
      return response
    }
    return Self.response(loaded, mode: mode)
  }

  private func dropTable(
    _ table: TableIdentifier, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: table.namespace)
    let purge: Bool
    switch try call.queryFields()["purgeRequested"]?.lowercased() {
    case nil, "false": purge = false
    case "true": purge = true
    case let other?:
      throw .badRequest("purgeRequested is '\(other)'; it can be 'true' or 'false'")
    }
    try asking(missing: .noTable(table)) { () throws(TableError) in
      guard purge else { return try call.catalog.dropTable(table, purge: false) }
      // Manifests can name files anywhere; somebody else's are not to go with this table's.
      let places = ownPlaces(of: try catalog.loadTable(table))
      try catalog(for: call, places: places).dropTable(table, purge: true)
    }
    return RESTResponse(status: 204)
  }

  private func registerTable(
    in namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: namespace)
    let body = try call.body()
    let (name, location, overwrite) = try reading { () throws(JSONError) in
      (
        try body.string("name"), try body.string("metadata-location"),
        try body.optionalBool("overwrite") ?? false
      )
    }
    let table = try RESTRoute.identifier(namespace, name)
    try checkPlaces([location], in: namespace, call)
    // A namespace that is missing is told before a file that is.
    _ = try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
      try catalog.namespaceProperties(namespace)
    }
    do throws(TableError) {
      try checkPlaces(inMetadata: location, in: namespace, call)
      return Self.response(
        try call.catalog.registerTable(table, metadataLocation: location, overwrite: overwrite))
    } catch {
      switch error.code {
      case .notFound, .damaged, .unsupported: throw .badRequest("\(error)")
      default: throw Self.restError(error, missing: .noNamespace(namespace))
      }
    }
  }

  private func renameTable(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    let (source, target) = try call.renaming()
    try call.principal.require(.write, in: source.namespace)
    try call.principal.require(.write, in: target.namespace)
    do throws(TableError) {
      try call.catalog.renameTable(source, to: target)
    } catch {
      // The source or the new namespace can be what is missing.
      let exists = (try? catalog.tableExists(source)) ?? false
      throw Self.restError(
        error, missing: exists ? .noNamespace(target.namespace) : .noTable(source))
    }
    return RESTResponse(status: 204)
  }
}

extension RESTCall {
  /// The two names of a request to rename.
  func renaming() throws(RESTError) -> (source: TableIdentifier, target: TableIdentifier) {
    let body = try body()
    let names = try reading { () throws(JSONError) in
      (
        try body.required("source") { value throws(JSONError) in try Self.identifier(value) },
        try body.required("destination") { value throws(JSONError) in try Self.identifier(value) }
      )
    }
    return (try Self.checked(names.0), try Self.checked(names.1))
  }

  /// A table's or view's name in a body, which is yet to be checked.
  static func identifier(_ value: JSONValue) throws(JSONError) -> TableIdentifier {
    let object = try value.asObject()
    return TableIdentifier(Namespace(try object.strings("namespace")), try object.string("name"))
  }

  static func checked(_ identifier: TableIdentifier) throws(RESTError) -> TableIdentifier {
    try RESTRoute.identifier(identifier.namespace, identifier.name)
  }
}

/// Which snapshots a client wants with a table.
enum SnapshotsMode: String {
  case all = "all"
  /// Those of branches and tags; the others when they are asked for.
  case references = "refs"
}

/// Entity tags of tables: what of the table, and the metadata file, whose name is never used twice.
enum ETag {
  static func text(location: String, mode: SnapshotsMode) -> String {
    "\"\(mode.rawValue)-\(Hexadecimal.encode(location.utf8))\""
  }

  /// The metadata file in one of the tags of an `If-None-Match` field, when it is for this mode.
  static func location(in field: String, mode: SnapshotsMode) -> String? {
    for part in field.split(separator: ",") {
      var tag = part.drop { $0 == " " || $0 == "\t" }
      while tag.last == " " || tag.last == "\t" { tag.removeLast() }
      if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
      guard tag.count > 2, tag.first == "\"", tag.last == "\"" else { continue }
      let parts = tag.dropFirst().dropLast().split(separator: "-", maxSplits: 1)
      guard parts.count == 2, parts[0] == mode.rawValue, let text = Hexadecimal.decode(parts[1]),
        let location = String(validating: text, as: UTF8.self)
      else { continue }
      return location
    }
    return nil
  }
}

extension RESTService {
  /// A table as the specification's `LoadTableResult`.
  static func response(_ loaded: LoadedTable, mode: SnapshotsMode = .all) -> RESTResponse {
    var metadata = loaded.metadata
    if mode == .references {
      var wanted = Set(metadata.references.values.map(\.snapshotID))
      if let current = metadata.currentSnapshotID { wanted.insert(current) }
      metadata.snapshots.removeAll { !wanted.contains($0.snapshotID) }
    }
    var body = JSONObject()
    body.set("metadata-location", loaded.metadataLocation.map { .string($0) })
    body["metadata"] = .object(withoutNulls(metadata.json()))
    body["config"] = .texts(loaded.config)
    var response = RESTResponse(json: JSONValue.object(body).bytes)
    if let location = loaded.metadataLocation {
      response.setHeader("ETag", ETag.text(location: location, mode: mode))
    }
    return response
  }

  /// Metadata files of version 3 say null where there is no snapshot; the specification of the REST
  /// catalog knows no null there.
  private static func withoutNulls(_ metadata: JSONValue) -> JSONObject {
    guard case .object(var object) = metadata else { return JSONObject() }
    if object["current-snapshot-id"]?.isNull == true { object["current-snapshot-id"] = nil }
    return object
  }
}
