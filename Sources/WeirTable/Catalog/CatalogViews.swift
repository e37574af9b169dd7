// SPDX-License-Identifier: Apache-2.0

/// A view to be made.
public struct ViewCreation: Sendable {
  public var schema: TableSchema
  /// Its schema id is that of `schema`, whatever it says.
  public var version: ViewVersion
  /// Where its metadata goes; a new folder in the warehouse when `nil`.
  public var location: String?
  public var properties: StringMap

  public init(
    schema: TableSchema, version: ViewVersion, location: String? = nil, properties: StringMap = [:]
  ) {
    self.schema = schema
    self.version = version
    self.location = location
    self.properties = properties
  }
}

/// A view as a catalog gives it.
public struct LoadedView: Sendable {
  public var identifier: TableIdentifier
  public var metadata: ViewMetadata
  public var metadataLocation: String
  public var config: [String: String]

  public init(
    identifier: TableIdentifier, metadata: ViewMetadata, metadataLocation: String,
    config: [String: String] = [:]
  ) {
    self.identifier = identifier
    self.metadata = metadata
    self.metadataLocation = metadataLocation
    self.config = config
  }
}

/// Changes of one view, and what must be so for them to be made.
public struct ViewCommit: Sendable, Hashable {
  public var identifier: TableIdentifier
  public var requirements: [ViewRequirement]
  public var updates: [ViewUpdate]

  public init(
    _ identifier: TableIdentifier, requirements: [ViewRequirement], updates: [ViewUpdate]
  ) {
    self.identifier = identifier
    self.requirements = requirements
    self.updates = updates
  }
}

extension PointerCatalog {
  public func listViews(
    in namespace: Namespace, page: PageRequest
  ) throws(TableError) -> Page<TableIdentifier> {
    try listEntries(.view, in: namespace, page)
  }

  public func viewExists(_ identifier: TableIdentifier) throws(TableError) -> Bool {
    try identifier.check()
    return try backend.entry(identifier)?.kind == .view
  }

  public func createView(
    _ identifier: TableIdentifier, _ creation: ViewCreation
  ) throws(TableError) -> LoadedView {
    try identifier.check()
    guard let namespace = try backend.namespaceProperties(identifier.namespace) else {
      throw .noNamespace(identifier.namespace)
    }
    if let entry = try backend.entry(identifier) { throw .entryExists(entry) }
    let location =
      creation.location.map(MetadataLocation.trimmed) ?? defaultLocation(identifier, namespace)
    try checkLocation(location, identifier)
    do {
      let metadata = try ViewMetadata.creating(
        ViewMetadata.creation(
          schema: creation.schema, version: creation.version, location: location,
          properties: creation.properties),
        uuid: environment.uuid(), now: environment.nowMilliseconds)
      let file = newFile(for: metadata, after: nil)
      try files.write(metadata.bytes(), to: file, identifier.description)
      try insert(identifier, .view, file)
      return LoadedView(identifier: identifier, metadata: metadata, metadataLocation: file)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  public func registerView(
    _ identifier: TableIdentifier, metadataLocation: String
  ) throws(TableError) -> LoadedView {
    try identifier.check()
    let bytes = try files.read(metadataLocation, identifier.description)
    do throws(TableError) {
      let metadata = try ViewMetadata(bytes: bytes, location: metadataLocation)
      let entry = CatalogEntry(
        identifier: identifier, kind: .view, metadataLocation: metadataLocation)
      if case .refused(_, let refusal) = try apply([.insert(entry)], discarding: []) {
        throw TableError(refusal, .view)
      }
      return LoadedView(
        identifier: identifier, metadata: metadata, metadataLocation: metadataLocation)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }

  public func loadView(_ identifier: TableIdentifier) throws(TableError) -> LoadedView {
    try identifier.check()
    var lastLocation: String?
    while true {
      guard let entry = try backend.entry(identifier), entry.kind == .view else {
        throw .noEntry(identifier, .view, found: try backend.entry(identifier)?.kind)
      }
      let location = entry.metadataLocation
      do {
        let bytes = try files.read(location, identifier.description)
        return LoadedView(
          identifier: identifier, metadata: try ViewMetadata(bytes: bytes, location: location),
          metadataLocation: location)
      } catch {
        // A file that is gone was replaced by somebody who has moved the pointer on.
        if error.code == .notFound && location != lastLocation {
          lastLocation = location
          continue
        }
        var error = error.adding(table: identifier.description)
        // The view is there; that its file is not is another matter.
        if error.code == .notFound { error.code = .damaged }
        throw error
      }
    }
  }

  public func commit(_ commit: ViewCommit) throws(TableError) -> LoadedView {
    for attempt in 0..<options.attemptCountMax {
      let old = try loadView(commit.identifier)
      do {
        for requirement in commit.requirements { try requirement.check(old.metadata) }
        let metadata = try old.metadata.applying(
          commit.updates, now: environment.nowMilliseconds)
        if metadata == old.metadata { return old }
        if metadata.location != old.metadata.location {
          try checkLocation(metadata.location, commit.identifier)
        }
        let file = newFile(for: metadata, after: old.metadataLocation)
        try files.write(metadata.bytes(), to: file, commit.identifier.description)
        let swap = CatalogChange.swap(
          commit.identifier, .view, from: old.metadataLocation, to: file)
        switch try apply([swap], discarding: [file]) {
        case .applied:
          // Unlike a table's, a view's metadata names no earlier files: nobody reads the old one.
          files.discard([old.metadataLocation])
          return LoadedView(
            identifier: commit.identifier, metadata: metadata, metadataLocation: file)
        case .refused:
          files.discard([file])
          waitBeforeRetry(attempt)
        }
      } catch {
        throw error.adding(table: commit.identifier.description)
      }
    }
    throw .outrun(commit.identifier, options.attemptCountMax)
  }

  private func newFile(for metadata: ViewMetadata, after location: String?) -> String {
    let folder = MetadataLocation.folder(
      tableLocation: metadata.location, properties: metadata.properties)
    let name = MetadataLocation.fileName(
      version: location.map { MetadataLocation.version(of: $0) + 1 } ?? 0,
      uuid: environment.uuid(), isCompressed: false)
    return "\(folder)/\(name)"
  }

  public func renameView(
    _ identifier: TableIdentifier, to target: TableIdentifier
  ) throws(TableError) {
    try rename(identifier, to: target, .view)
  }

  public func dropView(_ identifier: TableIdentifier) throws(TableError) {
    try identifier.check()
    let change = CatalogChange.delete(identifier, .view, ifLocation: nil)
    if case .refused(_, let refusal) = try apply([change], discarding: []) {
      throw TableError(refusal, .view)
    }
  }
}
