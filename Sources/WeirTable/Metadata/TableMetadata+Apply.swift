// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension TableMetadata {
  /// The metadata after `updates`, in order; all of them or none.
  ///
  /// - Parameters:
  ///   - now: milliseconds since 1970; `last-updated-ms` never goes back.
  ///   - previousLocation: where this metadata is stored: goes to the metadata log, which is cut to
  ///     `write.metadata.previous-versions-max` (100) entries. `nil`: the log stays.
  /// - Returns: an equal value when nothing changes (the comparison is cheap: storage is shared).
  /// - Throws: `invalidArgument` or `unsupported` for updates that cannot be, `retryableConflict`
  ///   when a snapshot was made for an older state.
  public func applying(
    _ updates: [TableUpdate], now: Int64, previousLocation: String? = nil
  ) throws(TableError) -> TableMetadata {
    var change = MetadataChange(self, now: now)
    for update in updates { try change.apply(update) }
    guard change.metadata != self else { return self }
    var result = try change.finish()
    if let previousLocation {
      result.metadataLog.append(
        MetadataLogEntry(
          timestampMilliseconds: lastUpdatedMilliseconds, location: previousLocation))
      let kept = max(1, result.properties.int("write.metadata.previous-versions-max") ?? 100)
      if result.metadataLog.count > kept {
        result.metadataLog.removeFirst(result.metadataLog.count - kept)
      }
    }
    return result
  }

  /// The metadata of a new table, made by updates alone (a create transaction).
  ///
  /// Must at least say the schema and the location. Without a spec or order the table is not
  /// partitioned, not sorted; without `upgrade-format-version` it has the default version.
  /// - Parameter uuid: used when no update assigns one.
  public static func creating(
    _ updates: [TableUpdate], uuid: String, now: Int64
  ) throws(TableError) -> TableMetadata {
    var version = formatVersionDefault
    for case .upgradeFormatVersion(let wanted) in updates {
      version = wanted
      break
    }
    guard formatVersions.contains(version) else { throw unsupportedVersion(version) }
    var change = MetadataChange(.empty(version, now: now), now: now, isNew: true)
    for update in updates { try change.apply(update) }
    if change.metadata.schemas.isEmpty {
      throw TableError(.invalidArgument, "a new table needs a schema: there is no add-schema")
    }
    if change.metadata.location.isEmpty {
      throw TableError(.invalidArgument, "a new table needs a location: there is no set-location")
    }
    if change.metadata.specs.isEmpty { try change.apply(.addPartitionSpec(.unpartitioned)) }
    if change.metadata.sortOrders.isEmpty { try change.apply(.addSortOrder(.unsorted)) }
    change.metadata.uuid = change.metadata.uuid ?? uuid
    return try change.finish()
  }

  private static func empty(_ version: Int, now: Int64) -> TableMetadata {
    TableMetadata(
      formatVersion: version, uuid: nil, location: "", lastSequenceNumber: 0,
      lastUpdatedMilliseconds: now, lastColumnID: 0, schemas: [], currentSchemaID: 0, specs: [],
      defaultSpecID: 0, lastPartitionID: PartitionSpec.lastFieldIDOfNone, sortOrders: [],
      defaultSortOrderID: 0, properties: StringMap(), currentSnapshotID: nil, snapshots: [],
      snapshotLog: [], metadataLog: [], references: [:], statistics: [], partitionStatistics: [],
      encryptionKeys: [], nextRowID: 0, extra: JSONObject())
  }

  static func unsupportedVersion(_ version: Int) -> TableError {
    TableError(
      .unsupported,
      "table format version \(version) is not supported: versions 1 to "
        + "\(formatVersions.upperBound) are")
  }
}

extension TableMetadata {
  /// The updates by which `creating` makes a new table like this description, with fresh field ids
  /// (and those of the spec and the sort order following them).
  ///
  /// The property `format-version`, when given, overrides `formatVersion` and is not kept; nor are
  /// the other names that stand for parts of the metadata.
  public static func creation(
    schema: TableSchema, spec: PartitionSpec = .unpartitioned, sortOrder: SortOrder = .unsorted,
    location: String, properties: StringMap = [:], formatVersion: Int = formatVersionDefault,
    uuid: String
  ) throws(TableError) -> [TableUpdate] {
    var version = formatVersion
    if let text = properties["format-version"] {
      guard let number = Int(text) else {
        throw TableError(.invalidArgument, "the property format-version is '\(text)', not a number")
      }
      version = number
    }
    if let id = schema.duplicateFieldID {
      throw TableError(.invalidArgument, "two fields have the id \(id)")
    }
    let (fresh, newIDs) = schema.assigningFreshIDs()
    func renewed(_ ids: [Int32], _ who: String) throws(TableError) -> [Int32] {
      var result: [Int32] = []
      for id in ids {
        guard let newID = newIDs[id] else {
          throw TableError(
            .invalidArgument, "\(who) comes from column \(id), which the schema does not have")
        }
        result.append(newID)
      }
      return result
    }
    var newSpec = spec
    for index in newSpec.fields.indices {
      newSpec.fields[index].sourceIDs = try renewed(
        newSpec.fields[index].sourceIDs, "partition field '\(newSpec.fields[index].name)'")
      newSpec.fields[index].fieldID = 0
    }
    var newOrder = sortOrder
    for index in newOrder.fields.indices {
      newOrder.fields[index].sourceIDs = try renewed(
        newOrder.fields[index].sourceIDs, "sort field \(index + 1)")
    }
    return [
      .assignUUID(uuid), .upgradeFormatVersion(version), .addSchema(fresh), .setCurrentSchema(-1),
      .addPartitionSpec(newSpec), .setDefaultSpec(-1), .addSortOrder(newOrder),
      .setDefaultSortOrder(-1), .setLocation(location),
      .setProperties(StringMap(properties.filter { !reservedProperties.contains($0.0) })),
    ]
  }

  /// The metadata of a new, empty table with fresh ids; see `creation`.
  public static func new(
    schema: TableSchema, spec: PartitionSpec = .unpartitioned, sortOrder: SortOrder = .unsorted,
    location: String, properties: StringMap = [:], formatVersion: Int = formatVersionDefault,
    uuid: String, now: Int64
  ) throws(TableError) -> TableMetadata {
    try creating(
      creation(
        schema: schema, spec: spec, sortOrder: sortOrder, location: location,
        properties: properties, formatVersion: formatVersion, uuid: uuid),
      uuid: uuid, now: now)
  }

  /// Names of properties that say what other parts of the metadata say; they are not stored.
  public static let reservedProperties: Set<String> = [
    "format-version", "uuid", "snapshot-count", "current-snapshot-summary", "current-snapshot-id",
    "current-snapshot-timestamp-ms", "current-schema", "default-partition-spec",
    "default-sort-order",
  ]
}
