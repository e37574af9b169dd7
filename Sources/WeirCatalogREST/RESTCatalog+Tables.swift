// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
public import WeirTable

extension RESTCatalog {
  /// Asks for credentials for the table's files, where the server gives some.
  private static let delegation = ("X-Iceberg-Access-Delegation", "vended-credentials")

  func list(
    _ kind: String, _ namespace: Namespace, _ page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier> {
    try namespace.check()
    let call = RESTCall(
      method: "GET", path: path(namespace, "/\(kind)"), query: try query(page), kind: .read,
      subject: "list \(kind) of \(namespace)")
    return try read(call) { object throws(JSONError) in
      let items = try object.array("identifiers") { value throws(JSONError) in
        let item = try value.asObject()
        return TableIdentifier(
          try item.required("namespace") { levels throws(JSONError) in try Self.levels(levels) },
          try item.string("name"))
      }
      return Page(items: items, next: try self.next(object))
    }
  }

  public func listTables(
    in namespace: Namespace, page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier> {
    try list("tables", namespace, page)
  }

  public func createTable(
    _ identifier: TableIdentifier, _ creation: TableCreation, staged: Bool
  ) throws(TableError) -> LoadedTable {
    try identifier.check()
    // Said in so many words: servers take an older version for clients that say nothing.
    var properties = creation.properties
    if properties["format-version"] == nil {
      properties["format-version"] = "\(TableMetadata.formatVersionDefault)"
    }
    var body: JSONObject = [
      "name": .string(identifier.name), "schema": creation.schema.json(),
      "partition-spec": creation.partitionSpec.json(), "write-order": creation.sortOrder.json(),
      "stage-create": .bool(staged), "properties": properties.json(),
    ]
    body.set("location", creation.location.map { .string($0) })
    let call = RESTCall(
      method: "POST", path: path(identifier.namespace, "/tables"), headers: [Self.delegation],
      body: .object(body), kind: .change, subject: "create table \(identifier)")
    return try table(identifier, call)
  }

  public func loadTable(
    _ identifier: TableIdentifier, ifNot etag: String?
  ) throws(TableError) -> LoadedTable? {
    try identifier.check()
    var call = RESTCall(
      method: "GET", path: path(identifier, "tables"), headers: [Self.delegation], kind: .read,
      subject: "table \(identifier)")
    let cached = cached(identifier)
    if let cached { call.headers.append(("If-None-Match", cached.etag)) }
    let response: HTTPResponse
    do {
      response = try send(call)
    } catch {
      if error.code == .notFound { forget(identifier) }
      throw error.adding(table: identifier.description)
    }
    if response.status == 304 {
      guard let cached else {
        throw TableError(
          .catalog, "the catalog \(name) said 'not modified' without being asked for it",
          table: identifier.description)
      }
      return cached.table.metadataLocation == etag ? nil : cached.table
    }
    let table = try table(identifier, response, call)
    return etag != nil && table.metadataLocation == etag ? nil : table
  }

  /// The table in the answer to `call`.
  private func table(
    _ identifier: TableIdentifier, _ call: RESTCall
  ) throws(TableError) -> LoadedTable {
    do {
      return try table(identifier, try send(call), call)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  private func table(
    _ identifier: TableIdentifier, _ response: HTTPResponse, _ call: RESTCall,
    config former: [String: String]? = nil
  ) throws(TableError) -> LoadedTable {
    let object = try client.json(response, call)
    let metadata: TableMetadata
    let location: String?
    var config: [String: String]
    do throws(JSONError) {
      metadata = try object.required("metadata") { value throws(JSONError) in
        try TableMetadata(json: value)
      }
      location = try object.optionalString("metadata-location")
      if let former { config = former } else { config = try Self.strings(object, "config") }
      config.merge(try Self.credentials(object, for: metadata.location)) { _, new in new }
    } catch {
      var failure = client.incomprehensible(call, error)
      failure.table = identifier.description
      throw failure
    }
    let loaded = LoadedTable(
      identifier: identifier, metadata: metadata, metadataLocation: location, config: config,
      stores: try stores(config))
    keep(loaded, etag: response.headers["ETag"])
    return loaded
  }

  /// Of the credentials in the answer, those of the longest prefix of `location`.
  private static func credentials(
    _ object: JSONObject, for location: String
  ) throws(JSONError) -> [String: String] {
    var best: (length: Int, config: [String: String])?
    for value in try object.optionalArray("storage-credentials") ?? [] {
      let item = try value.asObject()
      let prefix = try item.string("prefix")
      guard location.utf8.starts(with: prefix.utf8), prefix.utf8.count >= best?.length ?? 0 else {
        continue
      }
      best = (prefix.utf8.count, try strings(item, "config"))
    }
    return best?.config ?? [:]
  }

  public func tableExists(_ identifier: TableIdentifier) throws(TableError) -> Bool {
    try identifier.check()
    let endpoint = "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}"
    let isHead = configuration.has(endpoint)
    let call = RESTCall(
      method: isHead ? "HEAD" : "GET", path: path(identifier, "tables"), kind: .read,
      subject: "table \(identifier)")
    return try exists(call)
  }

  func exists(_ call: RESTCall) throws(TableError) -> Bool {
    do {
      _ = try send(call)
      return true
    } catch {
      if error.code == .notFound { return false }
      throw error
    }
  }

  public func registerTable(
    _ identifier: TableIdentifier, metadataLocation: String, overwrite: Bool
  ) throws(TableError) -> LoadedTable {
    try identifier.check()
    var body: JSONObject = [
      "name": .string(identifier.name), "metadata-location": .string(metadataLocation),
    ]
    if overwrite { body["overwrite"] = .bool(true) }
    let call = RESTCall(
      method: "POST", path: path(identifier.namespace, "/register"), headers: [Self.delegation],
      body: .object(body), kind: .change, subject: "register table \(identifier)")
    return try table(identifier, call)
  }

  func rename(
    _ kind: String, _ identifier: TableIdentifier, _ target: TableIdentifier
  ) throws(TableError) {
    try identifier.check()
    try target.check()
    let call = RESTCall(
      method: "POST", path: path("/\(kind)/rename"),
      body: ["source": Self.json(identifier), "destination": Self.json(target)], kind: .change,
      subject: "rename \(identifier) to \(target)")
    _ = try send(call)
    forget(identifier)
  }

  static func json(_ identifier: TableIdentifier) -> JSONValue {
    ["namespace": json(identifier.namespace), "name": .string(identifier.name)]
  }

  public func renameTable(
    _ identifier: TableIdentifier, to target: TableIdentifier
  ) throws(TableError) {
    try rename("tables", identifier, target)
  }

  public func dropTable(_ identifier: TableIdentifier, purge: Bool) throws(TableError) {
    try identifier.check()
    let call = RESTCall(
      method: "DELETE", path: path(identifier, "tables"),
      query: [("purgeRequested", purge ? "true" : "false")], kind: .change,
      subject: "drop table \(identifier)")
    _ = try send(call)
    forget(identifier)
  }

  public func commit(_ commits: [TableCommit]) throws(TableError) -> [LoadedTable] {
    guard !commits.isEmpty else {
      throw TableError(.invalidArgument, "the commit names no table")
    }
    for commit in commits { try commit.identifier.check() }
    do {
      if commits.count == 1 { return [try commitOne(commits[0])] }
      return try commitAll(commits)
    } catch {
      // An answer that was lost may have been of success: what a commit adds has names of its own.
      guard error.code == .unknownOutcome, let done = settled(commits) else { throw error }
      return done
    }
  }

  private func commitOne(_ commit: TableCommit) throws(TableError) -> LoadedTable {
    let identifier = commit.identifier
    let call = RESTCall(
      method: "POST", path: path(identifier, "tables"), body: Self.json(commit), kind: .commit,
      subject: "commit to \(identifier)",
      onConflict: commit.requirements.contains(.assertCreate)
        ? .alreadyExists : .retryableConflict)
    // The answer to a commit says nothing of access: what was known stays.
    let former = cached(identifier)?.table.config
    do {
      return try table(identifier, try send(call), call, config: former)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  private func commitAll(_ commits: [TableCommit]) throws(TableError) -> [LoadedTable] {
    let names = commits.map { $0.identifier.description }.joined(separator: ", ")
    let subject = "commit to \(names)"
    try check("POST /v1/{prefix}/transactions/commit", subject)
    let call = RESTCall(
      method: "POST", path: path("/transactions/commit"),
      body: ["table-changes": .array(commits.map(Self.json))], kind: .commit, subject: subject,
      onConflict: .retryableConflict)
    _ = try send(call)
    var loaded: [LoadedTable] = []
    for commit in commits { loaded.append(try loadTable(commit.identifier)) }
    return loaded
  }

  private static func json(_ commit: TableCommit) -> JSONValue {
    [
      "identifier": json(commit.identifier),
      "requirements": .array(commit.requirements.map { $0.json() }),
      "updates": .array(commit.updates.map { $0.json() }),
    ]
  }

  /// The tables, when all of them hold a snapshot that their commit adds; else `nil`.
  private func settled(_ commits: [TableCommit]) -> [LoadedTable]? {
    var result: [LoadedTable] = []
    for commit in commits {
      let added = commit.updates.compactMap { update in
        if case .addSnapshot(let snapshot) = update { snapshot.snapshotID } else { nil }
      }
      guard !added.isEmpty, let table = try? loadTable(commit.identifier),
        added.allSatisfy({ id in table.metadata.snapshots.contains { $0.snapshotID == id } })
      else { return nil }
      result.append(table)
    }
    return result
  }
}
