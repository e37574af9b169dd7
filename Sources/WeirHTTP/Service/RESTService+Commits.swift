// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

extension RESTService {
  /// The most tables that one transaction may change.
  private static let transactionTableCountMax = 1_000

  func commitTable(
    _ table: TableIdentifier, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.write, in: table.namespace)
    let body = try call.body()
    let commit = try reading { () throws(JSONError) in try Self.commit(body, of: table) }
    if body["identifier"] != nil {
      guard commit.identifier == table else {
        throw .badRequest("the body names the table \(commit.identifier), the path \(table)")
      }
    }
    try checkPlaces(of: [commit], call)
    guard let loaded = try make([commit], call).first else {
      throw RESTError(500, "InternalServerError", "the catalog gave no answer to a commit")
    }
    return Self.response(loaded)
  }

  func commitTransaction(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    let body = try call.body()
    let commits = try reading { () throws(JSONError) in
      try body.array("table-changes") { value throws(JSONError) in
        try Self.commit(try value.asObject(), of: nil)
      }
    }
    guard commits.count <= Self.transactionTableCountMax else {
      throw .badRequest(
        "a transaction changes at most \(Self.transactionTableCountMax) tables, not "
          + "\(commits.count)")
    }
    for commit in commits {
      _ = try RESTCall.checked(commit.identifier)
      try call.principal.require(.write, in: commit.identifier.namespace)
    }
    guard Set(commits.map(\.identifier)).count == commits.count else {
      throw .badRequest("a table stands in the transaction more than once")
    }
    try checkPlaces(of: commits, call)
    if !commits.isEmpty { _ = try make(commits, call) }
    return RESTResponse(status: 204)
  }

  private static func commit(
    _ body: JSONObject, of table: TableIdentifier?
  ) throws(JSONError) -> TableCommit {
    let named: TableIdentifier
    if let table, body["identifier"] == nil {
      named = table
    } else {
      named = try body.required("identifier") { value throws(JSONError) in
        try RESTCall.identifier(value)
      }
    }
    return TableCommit(
      named,
      requirements: try body.array("requirements") { value throws(JSONError) in
        try TableRequirement(json: value)
      },
      updates: try body.array("updates") { value throws(JSONError) in
        try TableUpdate(json: value)
      })
  }

  private func make(
    _ commits: [TableCommit], _ call: RESTCall
  ) throws(RESTError) -> [LoadedTable] {
    do throws(TableError) {
      return try call.catalog.commit(commits)
    } catch {
      switch error.code {
      case .alreadyExists: throw RESTError(409, "CommitFailedException", "\(error)")
      case .notFound:
        // A table, or something that an update means within a table that is there.
        for commit in commits {
          if (try? catalog.tableExists(commit.identifier)) == false {
            throw Self.restError(error, missing: .noTable(commit.identifier))
          }
        }
        throw .badRequest("\(error)")
      default:
        throw Self.restError(
          error, missing: .noTable(commits.first?.identifier ?? TableIdentifier(Namespace([]), "")))
      }
    }
  }
}

// Where tables may lie. Nothing may lie outside of what the server's stores are confined to. Clients
// that may not write everywhere keep to the folders of the namespace: else they could register, or
// drop with its files, what belongs to others.
extension RESTService {
  /// Properties that say where files of a table go.
  private static let placeProperties = [
    "write.metadata.path", "write.data.path", "write.folder-storage.path",
    "write.object-storage.path",
  ]

  func checkPlaces(
    of creation: TableCreation, in namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) {
    var places = Self.places(in: creation.properties)
    if let location = creation.location { places.append(location) }
    try checkPlaces(places, in: namespace, call)
  }

  func checkPlaces(of commits: [TableCommit], _ call: RESTCall) throws(RESTError) {
    for commit in commits {
      var places: [String] = []
      for update in commit.updates {
        switch update {
        case .setLocation(let location): places.append(location)
        case .setProperties(let properties): places += Self.places(in: properties)
        case .addSnapshot(let snapshot):
          if let list = snapshot.manifestList { places.append(list) }
        case .setStatistics(let file): places.append(file.path)
        case .setPartitionStatistics(let file): places.append(file.path)
        default: break
        }
      }
      try checkPlaces(places, in: commit.identifier.namespace, call)
    }
  }

  /// The catalog for a change by this client. For one that may not write everywhere it opens files in
  /// `places` only.
  func catalog(for call: RESTCall, places: [String]) throws(TableError) -> any Catalog {
    guard !call.principal.mayWriteEverywhere else { return call.catalog }
    guard let confined = try call.catalog.confined(to: places) else {
      throw TableError(.forbidden, "this catalog does this for those only who may write everywhere")
    }
    return confined
  }

  /// Where the files of a table lie, and those of its namespace.
  func ownPlaces(of loaded: LoadedTable) -> [String] {
    [folder(of: loaded.identifier.namespace), loaded.metadata.location]
      + Self.places(in: loaded.metadata.properties)
  }

  /// What a metadata file that is to be registered says about places is bound, too.
  func checkPlaces(
    inMetadata location: String, in namespace: Namespace, _ call: RESTCall
  ) throws(TableError) {
    guard !call.principal.mayWriteEverywhere else { return }
    let bytes: Buffer
    do throws(StorageError) {
      bytes = try stores.get(location)
    } catch {
      throw TableError(.notFound, "the metadata file cannot be read", cause: error.description)
    }
    let metadata = try TableMetadata(bytes: bytes, location: location)
    var places = [metadata.location] + metadata.metadataLog.map(\.location)
    places += Self.places(in: metadata.properties)
    places += metadata.snapshots.compactMap(\.manifestList)
    places += metadata.statistics.map(\.path) + metadata.partitionStatistics.map(\.path)
    do {
      try checkPlaces(places, in: namespace, call)
    } catch {
      throw TableError(.forbidden, error.message)
    }
  }

  static func places(in properties: StringMap) -> [String] {
    placeProperties.compactMap { properties[$0] }
  }

  /// The folder of a namespace's tables, where they go by themselves.
  func folder(of namespace: Namespace) -> String {
    (try? catalog.namespaceProperties(namespace)["location"])
      ?? MetadataLocation.namespaceLocation(
        warehouse: configuration.warehouseLocation, namespace)
  }

  /// The property `location` of a namespace says where its tables go, so it is bound as they are.
  func checkPlaces(
    of properties: [String: String], for namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) {
    guard let location = properties["location"] else { return }
    try checkPlaces([location], in: namespace, call)
  }

  func checkPlaces(
    _ places: [String], in namespace: Namespace, _ call: RESTCall
  ) throws(RESTError) {
    guard !places.isEmpty else { return }
    do throws(StorageError) {
      let own = call.principal.mayWriteEverywhere ? nil : try StorageLocation(folder(of: namespace))
      for place in places {
        let location = try stores.resolve(place).location
        if let own, !location.isWithin(own) {
          throw StorageError(
            .permissionDenied, operation: "resolve", path: place,
            "client '\(call.principal.id)' may use locations within \(own) only")
        }
      }
    } catch {
      let text = "\(error.path): \(error.message)"
      throw error.code == .permissionDenied ? .forbidden(text) : .badRequest(text)
    }
  }
}

extension Principal {
  /// Whether the grants allow to write in the whole catalog.
  var mayWriteEverywhere: Bool {
    grants.contains { $0.levels.isEmpty && $0.access >= .write }
  }
}
