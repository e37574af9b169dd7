// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// One change of a table's metadata (REST catalog, `TableUpdate`).
///
/// Where an id is -1 it means the schema, spec or sort order that an update before it added.
public enum TableUpdate: Hashable, Sendable {
  case assignUUID(String)
  case upgradeFormatVersion(Int)
  /// `lastColumnID` is deprecated and not used: it is computed.
  case addSchema(TableSchema, lastColumnID: Int32? = nil)
  case setCurrentSchema(Int)
  case addPartitionSpec(PartitionSpec)
  case setDefaultSpec(Int)
  case addSortOrder(SortOrder)
  case setDefaultSortOrder(Int)
  case addSnapshot(Snapshot)
  case setSnapshotReference(String, SnapshotReference)
  case removeSnapshots([Int64])
  case removeSnapshotReference(String)
  case setLocation(String)
  case setProperties(StringMap)
  case removeProperties([String])
  /// Replaces what there was for the snapshot.
  case setStatistics(StatisticsFile)
  case removeStatistics(snapshotID: Int64)
  /// Replaces what there was for the snapshot.
  case setPartitionStatistics(PartitionStatisticsFile)
  case removePartitionStatistics(snapshotID: Int64)
  case removePartitionSpecs([Int])
  case removeSchemas([Int])
  case addEncryptionKey(EncryptedKey)
  case removeEncryptionKey(String)

  /// The name in JSON.
  public var action: String {
    switch self {
    case .assignUUID: "assign-uuid"
    case .upgradeFormatVersion: "upgrade-format-version"
    case .addSchema: "add-schema"
    case .setCurrentSchema: "set-current-schema"
    case .addPartitionSpec: "add-spec"
    case .setDefaultSpec: "set-default-spec"
    case .addSortOrder: "add-sort-order"
    case .setDefaultSortOrder: "set-default-sort-order"
    case .addSnapshot: "add-snapshot"
    case .setSnapshotReference: "set-snapshot-ref"
    case .removeSnapshots: "remove-snapshots"
    case .removeSnapshotReference: "remove-snapshot-ref"
    case .setLocation: "set-location"
    case .setProperties: "set-properties"
    case .removeProperties: "remove-properties"
    case .setStatistics: "set-statistics"
    case .removeStatistics: "remove-statistics"
    case .setPartitionStatistics: "set-partition-statistics"
    case .removePartitionStatistics: "remove-partition-statistics"
    case .removePartitionSpecs: "remove-partition-specs"
    case .removeSchemas: "remove-schemas"
    case .addEncryptionKey: "add-encryption-key"
    case .removeEncryptionKey: "remove-encryption-key"
    }
  }
}

extension TableUpdate: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let action = try object.string("action")
    if let update = try Self.readDefinition(action, object) {
      self = update
    } else if let update = try Self.readSnapshot(action, object) {
      self = update
    } else {
      throw JSONError(.unsupported, "no table update '\(action)' is known").inside("action")
    }
  }

  /// Updates of what the table is.
  private static func readDefinition(
    _ action: String, _ object: JSONObject
  ) throws(JSONError) -> TableUpdate? {
    switch action {
    case "assign-uuid": return .assignUUID(try object.string("uuid"))
    case "upgrade-format-version": return .upgradeFormatVersion(try object.int("format-version"))
    case "add-schema":
      return .addSchema(
        try object.required("schema") { value throws(JSONError) in try TableSchema(json: value) },
        lastColumnID: try object.optionalInt32("last-column-id"))
    case "set-current-schema": return .setCurrentSchema(try object.id("schema-id"))
    case "add-spec":
      return .addPartitionSpec(
        try object.required("spec") { value throws(JSONError) in try PartitionSpec(json: value) })
    case "set-default-spec": return .setDefaultSpec(try object.id("spec-id"))
    case "add-sort-order":
      return .addSortOrder(
        try object.required("sort-order") { value throws(JSONError) in try SortOrder(json: value) })
    case "set-default-sort-order": return .setDefaultSortOrder(try object.id("sort-order-id"))
    case "set-location": return .setLocation(try object.string("location"))
    case "set-properties":
      // The first name was "updated" in old clients.
      let name = object["updates"] == nil && object["updated"] != nil ? "updated" : "updates"
      return .setProperties(
        try object.required(name) { value throws(JSONError) in try StringMap(json: value) })
    case "remove-properties":
      let name = object["removals"] == nil && object["removed"] != nil ? "removed" : "removals"
      return .removeProperties(
        try object.array(name) { value throws(JSONError) in try value.asString() })
    case "remove-partition-specs":
      return .removePartitionSpecs(
        try object.array("spec-ids") { value throws(JSONError) in Int(try value.asInt32()) })
    case "remove-schemas":
      return .removeSchemas(
        try object.array("schema-ids") { value throws(JSONError) in Int(try value.asInt32()) })
    case "add-encryption-key":
      return .addEncryptionKey(
        try object.required("encryption-key") { value throws(JSONError) in
          try EncryptedKey(json: value)
        })
    case "remove-encryption-key": return .removeEncryptionKey(try object.string("key-id"))
    default: return nil
    }
  }

  /// Updates of what the table holds.
  private static func readSnapshot(
    _ action: String, _ object: JSONObject
  ) throws(JSONError) -> TableUpdate? {
    switch action {
    case "add-snapshot":
      return .addSnapshot(
        try object.required("snapshot") { value throws(JSONError) in try Snapshot(json: value) })
    case "set-snapshot-ref":
      return .setSnapshotReference(
        try object.string("ref-name"),
        try SnapshotReference(
          json: .object(object), besides: SnapshotReference.knownInUpdate))
    case "remove-snapshots":
      return .removeSnapshots(
        try object.array("snapshot-ids") { value throws(JSONError) in try value.asInt64() })
    case "remove-snapshot-ref": return .removeSnapshotReference(try object.string("ref-name"))
    case "set-statistics":
      return .setStatistics(
        try object.required("statistics") { value throws(JSONError) in
          try StatisticsFile(json: value)
        })
    case "remove-statistics": return .removeStatistics(snapshotID: try object.int64("snapshot-id"))
    case "set-partition-statistics":
      return .setPartitionStatistics(
        try object.required("partition-statistics") { value throws(JSONError) in
          try PartitionStatisticsFile(json: value)
        })
    case "remove-partition-statistics":
      return .removePartitionStatistics(snapshotID: try object.int64("snapshot-id"))
    default: return nil
    }
  }

  public func json() -> JSONValue {
    var object: JSONObject = ["action": .string(action)]
    switch self {
    case .assignUUID(let uuid): object["uuid"] = .string(uuid)
    case .upgradeFormatVersion(let version): object["format-version"] = .int(Int64(version))
    case .addSchema(let schema, let lastColumnID):
      object["schema"] = schema.json()
      object.set("last-column-id", lastColumnID.map { .int(Int64($0)) })
    case .setCurrentSchema(let id): object["schema-id"] = .int(Int64(id))
    case .addPartitionSpec(let spec): object["spec"] = spec.json()
    case .setDefaultSpec(let id): object["spec-id"] = .int(Int64(id))
    case .addSortOrder(let order): object["sort-order"] = order.json()
    case .setDefaultSortOrder(let id): object["sort-order-id"] = .int(Int64(id))
    case .addSnapshot(let snapshot): object["snapshot"] = snapshot.json()
    case .setSnapshotReference(let name, let reference):
      object["ref-name"] = .string(name)
      if case .object(let members) = reference.json() { object.merge(members) }
    case .removeSnapshots(let ids): object["snapshot-ids"] = .array(ids.map { .int($0) })
    case .removeSnapshotReference(let name): object["ref-name"] = .string(name)
    case .setLocation(let location): object["location"] = .string(location)
    case .setProperties(let properties): object["updates"] = properties.json()
    case .removeProperties(let names): object["removals"] = .array(names.map { .string($0) })
    case .setStatistics(let file):
      object["snapshot-id"] = .int(file.snapshotID)
      object["statistics"] = file.json()
    case .removeStatistics(let id), .removePartitionStatistics(let id):
      object["snapshot-id"] = .int(id)
    case .setPartitionStatistics(let file): object["partition-statistics"] = file.json()
    case .removePartitionSpecs(let ids): object["spec-ids"] = .array(ids.map { .int(Int64($0)) })
    case .removeSchemas(let ids): object["schema-ids"] = .array(ids.map { .int(Int64($0)) })
    case .addEncryptionKey(let key): object["encryption-key"] = key.json()
    case .removeEncryptionKey(let id): object["key-id"] = .string(id)
    }
    return .object(object)
  }
}
