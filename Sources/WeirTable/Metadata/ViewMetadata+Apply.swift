// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension ViewMetadata {
  /// The metadata after `updates`, in order; all of them or none.
  ///
  /// Old versions are trimmed to `version.history.num-entries` (10).
  /// - Parameter now: milliseconds since 1970.
  public func applying(_ updates: [ViewUpdate], now: Int64) throws(TableError) -> ViewMetadata {
    var change = ViewChange(self, now: now, previous: currentVersion)
    for update in updates { try change.apply(update) }
    return change.metadata == self ? self : try change.finish()
  }

  /// The metadata of a new view, made by updates alone.
  ///
  /// - Parameter uuid: used when no update assigns one.
  public static func creating(
    _ updates: [ViewUpdate], uuid: String, now: Int64
  ) throws(TableError) -> ViewMetadata {
    let empty = ViewMetadata(
      uuid: "", formatVersion: 1, location: "", schemas: [], currentVersionID: -1, versions: [],
      versionLog: [], properties: StringMap(), extra: JSONObject())
    var change = ViewChange(empty, now: now, previous: nil)
    for update in updates { try change.apply(update) }
    if change.metadata.uuid.isEmpty { change.metadata.uuid = uuid }
    return try change.finish()
  }

  /// The updates by which `creating` makes a view.
  public static func creation(
    schema: TableSchema, version: ViewVersion, location: String, properties: StringMap = [:]
  ) -> [ViewUpdate] {
    var version = version
    version.schemaID = -1
    return [
      .setLocation(location), .setProperties(properties), .addSchema(schema), .addVersion(version),
      .setCurrentVersion(-1),
    ]
  }
}

/// Applies updates one after the other to a copy of a view's metadata.
private struct ViewChange {
  var metadata: ViewMetadata
  private let now: Int64
  private let previous: ViewVersion?
  private var lastAddedSchemaID: Int?
  private var lastAddedVersionID: Int?
  private var addedVersionIDs: Set<Int> = []

  init(_ metadata: ViewMetadata, now: Int64, previous: ViewVersion?) {
    self.metadata = metadata
    self.now = now
    self.previous = previous
  }

  private func invalid(_ message: String) -> TableError { TableError(.invalidArgument, message) }

  mutating func apply(_ update: ViewUpdate) throws(TableError) {
    switch update {
    case .assignUUID(let uuid):
      guard UUIDText.bytes(uuid) != nil else { throw invalid("'\(uuid)' is no UUID") }
      if !metadata.uuid.isEmpty && metadata.uuid.lowercased() != uuid.lowercased() {
        throw TableError(
          .conflict, "the view has the UUID \(metadata.uuid), it cannot get \(uuid)")
      }
      if metadata.uuid.isEmpty { metadata.uuid = uuid.lowercased() }
    case .upgradeFormatVersion(let version):
      guard version == 1 else {
        throw TableError(.unsupported, "view format version \(version) is not supported: 1 is")
      }
    case .addSchema(let schema): try add(schema)
    case .setLocation(let location):
      if location.isEmpty { throw invalid("the location is empty") }
      metadata.location = location
    case .setProperties(let properties): metadata.properties.merge(properties)
    case .removeProperties(let names): for name in names { metadata.properties[name] = nil }
    case .addVersion(let version): try add(version)
    case .setCurrentVersion(let id): try setCurrentVersion(id)
    }
  }

  private mutating func add(_ schema: TableSchema) throws(TableError) {
    try schema.validate(formatVersion: TableMetadata.formatVersions.upperBound)
    if let same = metadata.schemas.first(where: { $0.hasSameColumns(as: schema) }) {
      lastAddedSchemaID = same.schemaID
      return
    }
    let id = try MetadataChange.nextID(metadata.schemas.map(\.schemaID))
    metadata.schemas.append(schema.with(schemaID: id))
    lastAddedSchemaID = id
  }

  private mutating func add(_ version: ViewVersion) throws(TableError) {
    var new = version
    if new.schemaID == -1 {
      guard let lastAddedSchemaID else {
        throw invalid("schema -1 means the schema that was added before, but none was")
      }
      new.schemaID = lastAddedSchemaID
    }
    guard metadata.schema(id: new.schemaID) != nil else {
      throw invalid("the view version's schema \(new.schemaID) is not there")
    }
    if new.representations.isEmpty { throw invalid("the view version has no representation") }
    if Set(new.dialects).count != new.dialects.count {
      throw invalid("the view version has two statements for one SQL dialect")
    }
    if let same = metadata.versions.first(where: { $0.isSame(as: new) }) {
      lastAddedVersionID = same.versionID
      return
    }
    let ids = metadata.versions.map(\.versionID)
    if let highest = ids.max(), new.versionID <= highest {
      new.versionID = try MetadataChange.nextID(ids)
    }
    metadata.versions.append(new)
    lastAddedVersionID = new.versionID
    addedVersionIDs.insert(new.versionID)
  }

  private mutating func setCurrentVersion(_ wanted: Int) throws(TableError) {
    var id = wanted
    if id == -1 {
      guard let lastAddedVersionID else {
        throw invalid("-1 means the version that was added before, but none was")
      }
      id = lastAddedVersionID
    }
    guard let version = metadata.version(id: id) else { throw invalid("there is no version \(id)") }
    if metadata.currentVersionID == id { return }
    metadata.currentVersionID = id
    let time = addedVersionIDs.contains(id) ? version.timestampMilliseconds : now
    metadata.versionLog.append(
      ViewMetadata.LogEntry(timestampMilliseconds: time, versionID: id))
  }

  consuming func finish() throws(TableError) -> ViewMetadata {
    guard let current = metadata.version(id: metadata.currentVersionID) else {
      throw invalid("no current version was set")
    }
    if metadata.location.isEmpty { throw invalid("a new view needs a location") }
    let mayDrop = metadata.properties.bool("replace.drop-dialect.allowed") ?? false
    if let previous, !mayDrop {
      let lost = Set(previous.dialects).subtracting(current.dialects)
      if !lost.isEmpty {
        throw invalid(
          "the view would lose its statement for \(lost.sorted().joined(separator: ", ")); "
            + "set replace.drop-dialect.allowed to true if that is meant")
      }
    }
    let wanted = metadata.properties.int("version.history.num-entries") ?? 10
    if wanted <= 0 { throw invalid("version.history.num-entries must be positive") }
    trim(to: max(wanted, addedVersionIDs.union([current.versionID]).count))
    return metadata
  }

  /// Keeps the current and the newest versions, and the log from the last missing one on.
  private mutating func trim(to count: Int) {
    guard metadata.versions.count > count else { return }
    let others = metadata.versions.map(\.versionID).filter { $0 != metadata.currentVersionID }
    let kept = Set(others.sorted(by: >).prefix(count - 1) + [metadata.currentVersionID])
    metadata.versions.removeAll { !kept.contains($0.versionID) }
    if let gap = metadata.versionLog.lastIndex(where: { !kept.contains($0.versionID) }) {
      metadata.versionLog.removeFirst(gap + 1)
    }
  }
}
