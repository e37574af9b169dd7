// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Everything that a table's metadata file says (Iceberg v1 to v3). A value: changes make a new one.
///
/// What is read is consistent: the current schema, default spec and sort order and every reference's
/// snapshot exist. v1 is read into the same model; it is written as v1 until
/// `upgrade-format-version`.
public struct TableMetadata: Hashable, Sendable {
  /// Versions that are read.
  public static let formatVersions = 1...3
  /// The version of new tables.
  public static let formatVersionDefault = 3

  /// When a snapshot was made current.
  public struct SnapshotLogEntry: Hashable, Sendable {
    public var timestampMilliseconds: Int64
    public var snapshotID: Int64
    public var extra: JSONObject

    public init(
      timestampMilliseconds: Int64, snapshotID: Int64, extra: JSONObject = JSONObject()
    ) {
      self.timestampMilliseconds = timestampMilliseconds
      self.snapshotID = snapshotID
      self.extra = extra
    }
  }

  /// An earlier metadata file.
  public struct MetadataLogEntry: Hashable, Sendable {
    public var timestampMilliseconds: Int64
    public var location: String
    public var extra: JSONObject

    public init(
      timestampMilliseconds: Int64, location: String, extra: JSONObject = JSONObject()
    ) {
      self.timestampMilliseconds = timestampMilliseconds
      self.location = location
      self.extra = extra
    }
  }

  public var formatVersion: Int
  /// `nil` in old v1 metadata only.
  public var uuid: String?
  public var location: String
  /// 0 in v1.
  public var lastSequenceNumber: Int64
  public var lastUpdatedMilliseconds: Int64
  /// The highest field id ever given.
  public var lastColumnID: Int32
  public var schemas: [TableSchema]
  public var currentSchemaID: Int
  public var specs: [PartitionSpec]
  public var defaultSpecID: Int
  /// The highest partition field id ever given.
  public var lastPartitionID: Int32
  public var sortOrders: [SortOrder]
  public var defaultSortOrderID: Int
  public var properties: StringMap
  public var currentSnapshotID: Int64?
  /// In the order they were added.
  public var snapshots: [Snapshot]
  public var snapshotLog: [SnapshotLogEntry]
  public var metadataLog: [MetadataLogEntry]
  public var references: [String: SnapshotReference]
  public var statistics: [StatisticsFile]
  public var partitionStatistics: [PartitionStatisticsFile]
  public var encryptionKeys: [EncryptedKey]
  /// The first row id not given yet (v3; 0 before).
  public var nextRowID: Int64
  public var extra: JSONObject
}

extension TableMetadata {
  public func schema(id: Int) -> TableSchema? { schemas.first { $0.schemaID == id } }
  public func spec(id: Int) -> PartitionSpec? { specs.first { $0.specID == id } }
  public func sortOrder(id: Int) -> SortOrder? { sortOrders.first { $0.orderID == id } }

  /// Cost: linear, from the newest on.
  public func snapshot(id: Int64) -> Snapshot? { snapshots.last { $0.snapshotID == id } }

  /// The snapshot of a branch or tag.
  public func snapshot(reference name: String) -> Snapshot? {
    references[name].flatMap { snapshot(id: $0.snapshotID) }
  }

  public var currentSchema: TableSchema {
    guard let schema = schema(id: currentSchemaID) else {
      preconditionFailure("metadata has its current schema: checked when it was made")
    }
    return schema
  }

  public var defaultSpec: PartitionSpec {
    guard let spec = spec(id: defaultSpecID) else {
      preconditionFailure("metadata has its default partition spec: checked when it was made")
    }
    return spec
  }

  public var defaultSortOrder: SortOrder { sortOrder(id: defaultSortOrderID) ?? .unsorted }

  public var currentSnapshot: Snapshot? { currentSnapshotID.flatMap { snapshot(id: $0) } }

  /// The snapshot that was current at a time, by the snapshot log; `nil` before the first.
  public func snapshot(asOfMilliseconds time: Int64) -> Snapshot? {
    snapshotLog.last { $0.timestampMilliseconds <= time }.flatMap { snapshot(id: $0.snapshotID) }
  }

  /// The snapshot and those before it, the newest first, as far as they are still there. Ends at a
  /// snapshot that comes a second time (which only damaged metadata has).
  public func ancestors(of snapshotID: Int64) -> [Snapshot] {
    var byID: [Int64: Int] = [:]
    byID.reserveCapacity(snapshots.count)
    for (index, snapshot) in snapshots.enumerated() { byID[snapshot.snapshotID] = index }
    var result: [Snapshot] = []
    var next: Int64? = snapshotID
    while let id = next, let index = byID.removeValue(forKey: id) {
      result.append(snapshots[index])
      next = snapshots[index].parentID
    }
    return result
  }

  /// The schema that a snapshot was written with; the current one when it does not say.
  public func schema(of snapshot: Snapshot) -> TableSchema {
    snapshot.schemaID.flatMap { schema(id: $0) } ?? currentSchema
  }
}
