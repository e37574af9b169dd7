// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension TableMetadata {
  /// Bytes of a metadata file that are accepted at most.
  public static let fileByteCountMax = 512 << 20

  /// Reads a metadata file (not compressed).
  ///
  /// - Parameter location: of the file, for messages.
  public init(bytes: Buffer, location: String) throws(TableError) {
    let limits = JSONParser.Limits(byteCountMax: Self.fileByteCountMax)
    do {
      self = try TableMetadata(json: try JSONParser(limits: limits).parse(bytes))
    } catch {
      throw TableError(metadata: error, file: location)
    }
  }

  /// Reads a metadata file (not compressed).
  public init(bytes: [UInt8], location: String) throws(TableError) {
    try self.init(bytes: Buffer(bytes), location: location)
  }
}

extension TableError {
  /// What is wrong with a metadata file.
  init(metadata error: JSONError, file: String? = nil) {
    let code: Code =
      switch error.code {
      case .limit: .limit
      case .unsupported: .unsupported
      default: .damaged
      }
    let what =
      error.code == .unsupported ? "" : "the metadata cannot be used: "
    self.init(code, what + error.description, file: file)
  }
}

extension TableMetadata: JSONConvertible {
  static let known: JSONObject.Known = [
    "format-version", "table-uuid", "location", "last-sequence-number", "last-updated-ms",
    "last-column-id", "schema", "schemas", "current-schema-id", "partition-spec",
    "partition-specs", "default-spec-id", "last-partition-id", "properties",
    "current-snapshot-id", "refs", "snapshots", "statistics", "partition-statistics",
    "snapshot-log", "metadata-log", "sort-orders", "default-sort-order-id", "next-row-id",
    "encryption-keys",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let version = try object.int("format-version")
    guard Self.formatVersions.contains(version) else {
      throw JSONError(
        .unsupported,
        "table format version \(version) is not supported: this version of Weir reads versions "
          + "1 to \(Self.formatVersions.upperBound)")
    }
    let (schemas, schemaID) = try Self.readSchemas(object, version)
    let (specs, specID) = try Self.readSpecs(object, version)
    let (orders, orderID) = try Self.readSortOrders(object, version)
    let lastPartitionID =
      version == 1
      ? try object.optionalInt32("last-partition-id")
        ?? specs.map(\.highestFieldID).max() ?? PartitionSpec.lastFieldIDOfNone
      : try object.int32("last-partition-id")
    let current = try object.optionalInt64("current-snapshot-id")
    let snapshots = try object.optionalArray("snapshots") { value throws(JSONError) in
      try Snapshot(json: value)
    }
    self.init(
      formatVersion: version,
      uuid: version == 1
        ? try object.optionalString("table-uuid") : try object.string("table-uuid"),
      location: try object.string("location"),
      lastSequenceNumber: version == 1 ? 0 : try object.int64("last-sequence-number"),
      lastUpdatedMilliseconds: try object.int64("last-updated-ms"),
      lastColumnID: try object.int32("last-column-id"),
      schemas: schemas, currentSchemaID: schemaID, specs: specs, defaultSpecID: specID,
      lastPartitionID: lastPartitionID, sortOrders: orders, defaultSortOrderID: orderID,
      properties: try object.optional("properties") { value throws(JSONError) in
        try StringMap(json: value)
      } ?? StringMap(),
      currentSnapshotID: current == -1 ? nil : current,
      snapshots: snapshots ?? [],
      snapshotLog: try object.optionalArray("snapshot-log") { value throws(JSONError) in
        try SnapshotLogEntry(json: value)
      } ?? [],
      metadataLog: try object.optionalArray("metadata-log") { value throws(JSONError) in
        try MetadataLogEntry(json: value)
      } ?? [],
      references: try Self.readReferences(object),
      statistics: try object.optionalArray("statistics") { value throws(JSONError) in
        try StatisticsFile(json: value)
      } ?? [],
      partitionStatistics: try object.optionalArray("partition-statistics") {
        value throws(JSONError) in try PartitionStatisticsFile(json: value)
      } ?? [],
      encryptionKeys: try object.optionalArray("encryption-keys") { value throws(JSONError) in
        try EncryptedKey(json: value)
      } ?? [],
      nextRowID: version >= 3 ? try object.int64("next-row-id") : 0,
      extra: object.members(besides: Self.known))
    if let current = currentSnapshotID, references[SnapshotReference.mainBranch] == nil,
      object["refs"] == nil || object["refs"] == .null
    {
      references[SnapshotReference.mainBranch] = SnapshotReference(
        snapshotID: current, kind: .branch)
    }
    try checkConsistency()
  }

  private static func readSchemas(
    _ object: JSONObject, _ version: Int
  ) throws(JSONError) -> ([TableSchema], Int) {
    let schemas = try object.optionalArray("schemas") { value throws(JSONError) in
      try TableSchema(json: value)
    }
    if version > 1 || (schemas != nil && object["current-schema-id"] != nil) {
      guard let schemas else {
        throw JSONError(.missing, "has no 'schemas', which version \(version) requires")
      }
      let id = try object.id("current-schema-id")
      guard schemas.contains(where: { $0.schemaID == id }) else {
        throw JSONError(.invalidValue, "the current schema \(id) is not among the schemas")
      }
      return (schemas, id)
    }
    let single = try object.optional("schema") { value throws(JSONError) in
      try TableSchema(json: value)
    }
    guard let single else {
      throw JSONError(.missing, "has neither 'schema' nor 'schemas' with 'current-schema-id'")
    }
    if let schemas, schemas.contains(where: { $0.schemaID == single.schemaID }) {
      return (schemas, single.schemaID)
    }
    return ((schemas ?? []) + [single], single.schemaID)
  }

  private static func readSpecs(
    _ object: JSONObject, _ version: Int
  ) throws(JSONError) -> ([PartitionSpec], Int) {
    let specs = try object.optionalArray("partition-specs") { value throws(JSONError) in
      var spec = try PartitionSpec(json: value)
      spec.fillFieldIDs()
      return spec
    }
    if version > 1 {
      guard let specs else {
        throw JSONError(.missing, "has no 'partition-specs', which version \(version) requires")
      }
      return (specs, try object.id("default-spec-id"))
    }
    if let specs, !specs.isEmpty {
      let highest = specs.map(\.specID).max() ?? 0
      return (specs, try object.optionalID("default-spec-id") ?? highest)
    }
    var single = PartitionSpec(
      specID: 0,
      fields: try object.array("partition-spec") { value throws(JSONError) in
        try PartitionField(json: value)
      })
    single.fillFieldIDs()
    return ([single], 0)
  }

  private static func readSortOrders(
    _ object: JSONObject, _ version: Int
  ) throws(JSONError) -> ([SortOrder], Int) {
    let orders = try object.optionalArray("sort-orders") { value throws(JSONError) in
      try SortOrder(json: value)
    }
    guard let orders else {
      guard version == 1 else {
        throw JSONError(.missing, "has no 'sort-orders', which version \(version) requires")
      }
      return ([.unsorted], 0)
    }
    return (orders, try object.id("default-sort-order-id"))
  }

  private static func readReferences(
    _ object: JSONObject
  ) throws(JSONError) -> [String: SnapshotReference] {
    guard let members = try object.optionalObject("refs") else { return [:] }
    var result: [String: SnapshotReference] = [:]
    for (name, value) in members {
      do {
        result[name] = try SnapshotReference(json: value)
      } catch {
        throw error.inside(name).inside("refs")
      }
    }
    return result
  }

  /// What the rest of Weir relies on.
  private func checkConsistency() throws(JSONError) {
    func invalid(_ message: String) -> JSONError { JSONError(.invalidValue, message) }
    if spec(id: defaultSpecID) == nil {
      throw invalid("the default partition spec \(defaultSpecID) is not among the specs")
    }
    if sortOrder(id: defaultSortOrderID) == nil && defaultSortOrderID != 0 {
      throw invalid("the default sort order \(defaultSortOrderID) is not among the sort orders")
    }
    if Set(schemas.map(\.schemaID)).count != schemas.count {
      throw invalid("two schemas have the same id")
    }
    if Set(specs.map(\.specID)).count != specs.count {
      throw invalid("two partition specs have the same id")
    }
    if let id = currentSchema.duplicateFieldID {
      throw invalid("two fields of the current schema have the id \(id)")
    }
    let ids = Set(snapshots.lazy.map(\.snapshotID))
    if ids.count != snapshots.count { throw invalid("two snapshots have the same id") }
    if let current = currentSnapshotID, !ids.contains(current) {
      throw invalid("the current snapshot \(current) is not among the snapshots")
    }
    for (name, reference) in references where !ids.contains(reference.snapshotID) {
      throw invalid(
        "reference '\(name)' names snapshot \(reference.snapshotID), which is not there")
    }
    if let main = references[SnapshotReference.mainBranch], main.snapshotID != currentSnapshotID {
      throw invalid(
        "branch main is at snapshot \(main.snapshotID), but the current snapshot is "
          + (currentSnapshotID.map { "\($0)" } ?? "none"))
    }
    if formatVersion > 1 {
      for snapshot in snapshots where snapshot.sequenceNumber > lastSequenceNumber {
        throw invalid(
          "snapshot \(snapshot.snapshotID) has sequence number \(snapshot.sequenceNumber), "
            + "the table's last is \(lastSequenceNumber)")
      }
    }
    if lastColumnID < 0 || nextRowID < 0 || lastSequenceNumber < 0 {
      throw invalid("last-column-id, next-row-id and last-sequence-number must not be negative")
    }
  }
}

extension TableMetadata.SnapshotLogEntry: JSONConvertible {
  private static let known: JSONObject.Known = ["timestamp-ms", "snapshot-id"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      timestampMilliseconds: try object.int64("timestamp-ms"),
      snapshotID: try object.int64("snapshot-id"), extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "timestamp-ms": .int(timestampMilliseconds), "snapshot-id": .int(snapshotID),
    ]
    object.merge(extra)
    return .object(object)
  }
}

extension TableMetadata.MetadataLogEntry: JSONConvertible {
  private static let known: JSONObject.Known = ["timestamp-ms", "metadata-file"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      timestampMilliseconds: try object.int64("timestamp-ms"),
      location: try object.string("metadata-file"), extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "timestamp-ms": .int(timestampMilliseconds), "metadata-file": .string(location),
    ]
    object.merge(extra)
    return .object(object)
  }
}

// Ids of schemas, specs, orders and versions: 32 bits, so that counting on never overflows.
extension JSONObject {
  func id(_ name: String) throws(JSONError) -> Int { Int(try int32(name)) }

  func optionalID(_ name: String) throws(JSONError) -> Int? {
    try optionalInt32(name).map { Int($0) }
  }
}
