// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Applies updates one after the other to a copy of a table's metadata.
struct MetadataChange {
  var metadata: TableMetadata
  private let base: TableMetadata
  private let now: Int64
  /// Being created: the first schema, spec and order are simply taken.
  private let isNew: Bool
  private var lastAddedSchemaID: Int?
  private var lastAddedSpecID: Int?
  private var lastAddedSortOrderID: Int?
  private var addedSnapshotIDs: Set<Int64> = []
  /// Snapshots added here that were current for a moment only.
  private var supersededSnapshotIDs: Set<Int64> = []
  private var removedSnapshots = false

  init(_ metadata: TableMetadata, now: Int64, isNew: Bool = false) {
    self.metadata = metadata
    self.base = metadata
    self.now = now
    self.isNew = isNew
  }

  mutating func apply(_ update: TableUpdate) throws(TableError) {
    switch update {
    case .assignUUID(let uuid): try assign(uuid)
    case .upgradeFormatVersion(let version): try upgrade(version)
    case .addSchema(let schema, _): try add(schema)
    case .setCurrentSchema(let id): try setCurrentSchema(id)
    case .addPartitionSpec(let spec): try add(spec)
    case .setDefaultSpec(let id): try setDefaultSpec(id)
    case .addSortOrder(let order): try add(order)
    case .setDefaultSortOrder(let id): try setDefaultSortOrder(id)
    case .addSnapshot(let snapshot): try add(snapshot)
    case .setSnapshotReference(let name, let reference): try set(name, reference)
    case .removeSnapshots(let ids): remove(snapshots: Set(ids))
    case .removeSnapshotReference(let name): removeReference(name)
    case .setLocation(let location):
      if location.isEmpty { throw invalid("the location is empty") }
      metadata.location = location
    case .setProperties(let properties): metadata.properties.merge(properties)
    case .removeProperties(let names): for name in names { metadata.properties[name] = nil }
    case .setStatistics(let file):
      metadata.statistics.removeAll { $0.snapshotID == file.snapshotID }
      metadata.statistics.append(file)
    case .removeStatistics(let id): metadata.statistics.removeAll { $0.snapshotID == id }
    case .setPartitionStatistics(let file):
      metadata.partitionStatistics.removeAll { $0.snapshotID == file.snapshotID }
      metadata.partitionStatistics.append(file)
    case .removePartitionStatistics(let id):
      metadata.partitionStatistics.removeAll { $0.snapshotID == id }
    case .removePartitionSpecs(let ids): try remove(specs: Set(ids))
    case .removeSchemas(let ids): try remove(schemas: Set(ids))
    case .addEncryptionKey(let key):
      if !metadata.encryptionKeys.contains(where: { $0.keyID == key.keyID }) {
        metadata.encryptionKeys.append(key)
      }
    case .removeEncryptionKey(let id): metadata.encryptionKeys.removeAll { $0.keyID == id }
    }
  }

  /// Checks the whole and brings the log and the time up to date.
  consuming func finish() throws(TableError) -> TableMetadata {
    if metadata.formatVersion > 1 && metadata.uuid == nil {
      throw invalid(
        "format version \(metadata.formatVersion) needs a UUID: send assign-uuid as well")
    }
    guard let schema = metadata.schema(id: metadata.currentSchemaID) else {
      throw invalid("no current schema was set")
    }
    guard let spec = metadata.spec(id: metadata.defaultSpecID) else {
      throw invalid("no default partition spec was set")
    }
    // Adding a spec or an order checks more; what others wrote may have transforms unknown here.
    let newSchema = isNew || metadata.currentSchemaID != base.currentSchemaID
    if newSchema || metadata.defaultSpecID != base.defaultSpecID {
      try spec.validate(schema, allowsUnknown: true)
    }
    if newSchema || metadata.defaultSortOrderID != base.defaultSortOrderID {
      try metadata.defaultSortOrder.validate(schema, allowsUnknown: true)
    }
    updateSnapshotLog()
    let logged = metadata.snapshotLog.last?.timestampMilliseconds ?? Int64.min
    metadata.lastUpdatedMilliseconds = max(now, metadata.lastUpdatedMilliseconds, logged)
    return metadata
  }

  private func invalid(_ message: String) -> TableError { TableError(.invalidArgument, message) }

  // MARK: What the table is

  private mutating func assign(_ uuid: String) throws(TableError) {
    guard UUIDText.bytes(uuid) != nil else { throw invalid("'\(uuid)' is no UUID") }
    if let present = metadata.uuid, present.lowercased() != uuid.lowercased() {
      throw TableError(
        .conflict,
        "the table has the UUID \(present), it cannot get \(uuid): "
          + "a UUID stays as long as the table")
    }
    if metadata.uuid == nil { metadata.uuid = uuid.lowercased() }
  }

  private mutating func upgrade(_ version: Int) throws(TableError) {
    guard TableMetadata.formatVersions.contains(version) else {
      throw TableMetadata.unsupportedVersion(version)
    }
    guard version >= metadata.formatVersion else {
      throw invalid(
        "a table of format version \(metadata.formatVersion) cannot go back to \(version)")
    }
    metadata.formatVersion = version
  }

  private mutating func add(_ schema: TableSchema) throws(TableError) {
    try schema.validate(formatVersion: metadata.formatVersion)
    metadata.lastColumnID = max(metadata.lastColumnID, schema.highestFieldID)
    if let same = metadata.schemas.first(where: { $0.hasSameColumns(as: schema) }) {
      lastAddedSchemaID = same.schemaID
      return
    }
    let id = try Self.nextID(metadata.schemas.map(\.schemaID))
    metadata.schemas.append(schema.with(schemaID: id))
    lastAddedSchemaID = id
    if isNew && metadata.schemas.count == 1 { metadata.currentSchemaID = id }
  }

  static func nextID(_ ids: [Int]) throws(TableError) -> Int {
    let highest = ids.max() ?? -1
    guard highest < Int(Int32.max) else {
      throw TableError(.limit, "no id is left: \(highest) is taken, and ids have 32 bits")
    }
    return highest + 1
  }

  /// The id meant, where -1 means the last added.
  private func resolve(_ id: Int, _ lastAdded: Int?, _ what: String) throws(TableError) -> Int {
    if id != -1 { return id }
    guard let lastAdded else {
      throw invalid("-1 means the \(what) that was added before, but none was")
    }
    return lastAdded
  }

  private mutating func setCurrentSchema(_ wanted: Int) throws(TableError) {
    let id = try resolve(wanted, lastAddedSchemaID, "schema")
    guard metadata.schema(id: id) != nil else { throw invalid("there is no schema \(id)") }
    metadata.currentSchemaID = id
  }

  private mutating func add(_ spec: PartitionSpec) throws(TableError) {
    guard let schema = metadata.schema(id: metadata.currentSchemaID) else {
      throw invalid("a partition spec cannot be added before a schema")
    }
    try spec.validate(schema)
    if let same = metadata.specs.first(where: { $0.isCompatible(with: spec) }) {
      lastAddedSpecID = same.specID
      return
    }
    var new = spec
    new.specID = try Self.nextID(metadata.specs.map(\.specID))
    try giveFieldIDs(&new)
    metadata.lastPartitionID = max(metadata.lastPartitionID, new.highestFieldID)
    metadata.specs.append(new)
    lastAddedSpecID = new.specID
    if isNew && metadata.specs.count == 1 { metadata.defaultSpecID = new.specID }
  }

  /// Fields keep the ids that their likes have in other specs; an id never means two things.
  private func giveFieldIDs(_ spec: inout PartitionSpec) throws(TableError) {
    let present = metadata.specs.flatMap(\.fields)
    var used = Set(spec.fields.map(\.fieldID))
    var next = max(metadata.lastPartitionID, spec.highestFieldID) &+ 1
    for index in spec.fields.indices {
      let field = spec.fields[index]
      if field.fieldID == 0 {
        let like = present.last {
          $0.sourceIDs == field.sourceIDs && $0.transform == field.transform
            && !used.contains($0.fieldID)
        }
        spec.fields[index].fieldID = like?.fieldID ?? next
        if like == nil { next &+= 1 }
        used.insert(spec.fields[index].fieldID)
        continue
      }
      let clash = present.first {
        $0.fieldID == field.fieldID && $0.transform != .void && field.transform != .void
          && ($0.sourceIDs != field.sourceIDs || $0.transform != field.transform)
      }
      if let clash, metadata.formatVersion > 1 {
        throw invalid(
          "partition field '\(field.name)' has the id \(field.fieldID), which belongs to "
            + "'\(clash.name)' (\(clash.transform) of column \(clash.sourceID))")
      }
    }
    for field in spec.fields where field.fieldID <= 0 {
      throw invalid("partition field '\(field.name)' has the id \(field.fieldID), or none is left")
    }
    if metadata.formatVersion == 1 {
      for (index, field) in spec.fields.enumerated()
      where field.fieldID != PartitionSpec.lastFieldIDOfNone + 1 + Int32(index) {
        throw invalid(
          "partition field '\(field.name)' has the id \(field.fieldID); format version 1 needs ids "
            + "from 1000 on without gaps: keep dropped fields as void, or upgrade the table")
      }
    }
  }

  private mutating func setDefaultSpec(_ wanted: Int) throws(TableError) {
    let id = try resolve(wanted, lastAddedSpecID, "partition spec")
    guard metadata.spec(id: id) != nil else { throw invalid("there is no partition spec \(id)") }
    metadata.defaultSpecID = id
  }

  private mutating func add(_ order: SortOrder) throws(TableError) {
    guard let schema = metadata.schema(id: metadata.currentSchemaID) else {
      throw invalid("a sort order cannot be added before a schema")
    }
    try order.validate(schema)
    if let same = metadata.sortOrders.first(where: { $0.fields == order.fields }) {
      lastAddedSortOrderID = same.orderID
      return
    }
    var new = order
    new.orderID = order.isUnsorted ? 0 : try Self.nextID([0] + metadata.sortOrders.map(\.orderID))
    metadata.sortOrders.append(new)
    lastAddedSortOrderID = new.orderID
    if isNew && metadata.sortOrders.count == 1 { metadata.defaultSortOrderID = new.orderID }
  }

  private mutating func setDefaultSortOrder(_ wanted: Int) throws(TableError) {
    let id = try resolve(wanted, lastAddedSortOrderID, "sort order")
    guard metadata.sortOrder(id: id) != nil || id == 0 else {
      throw invalid("there is no sort order \(id)")
    }
    metadata.defaultSortOrderID = id
  }

  private mutating func remove(specs ids: Set<Int>) throws(TableError) {
    if ids.contains(metadata.defaultSpecID) {
      throw invalid("the default partition spec \(metadata.defaultSpecID) cannot be removed")
    }
    metadata.specs.removeAll { ids.contains($0.specID) }
  }

  private mutating func remove(schemas ids: Set<Int>) throws(TableError) {
    if ids.contains(metadata.currentSchemaID) {
      throw invalid("the current schema \(metadata.currentSchemaID) cannot be removed")
    }
    metadata.schemas.removeAll { ids.contains($0.schemaID) }
  }

  // MARK: Snapshots

  private mutating func add(_ snapshot: Snapshot) throws(TableError) {
    let id = snapshot.snapshotID
    if metadata.schemas.isEmpty { throw invalid("a snapshot cannot be added before a schema") }
    if metadata.snapshot(id: id) != nil { throw invalid("there is a snapshot \(id) already") }
    if metadata.formatVersion > 1 {
      guard snapshot.manifestList != nil else {
        throw invalid("snapshot \(id) has no manifest list")
      }
      if snapshot.parentID != nil && snapshot.sequenceNumber <= metadata.lastSequenceNumber {
        throw TableError(
          .retryableConflict,
          "snapshot \(id) has sequence number \(snapshot.sequenceNumber), but "
            + "\(metadata.lastSequenceNumber) was given already: somebody else committed; make the "
            + "snapshot again for the table's present state")
      }
      metadata.lastSequenceNumber = max(metadata.lastSequenceNumber, snapshot.sequenceNumber)
    }
    if metadata.formatVersion >= 3 { try takeRowIDs(snapshot) }
    metadata.snapshots.append(snapshot)
    addedSnapshotIDs.insert(id)
  }

  private mutating func takeRowIDs(_ snapshot: Snapshot) throws(TableError) {
    let id = snapshot.snapshotID
    guard let first = snapshot.firstRowID, let count = snapshot.addedRows else {
      throw invalid("snapshot \(id) needs first-row-id and added-rows in format version 3")
    }
    guard first >= metadata.nextRowID else {
      throw TableError(
        .retryableConflict,
        "snapshot \(id) begins with row id \(first), but rows up to "
          + "\(metadata.nextRowID - 1) were given already: somebody else committed; make the "
          + "snapshot again for the table's present state")
    }
    let (next, overflow) = first.addingReportingOverflow(count)
    guard count >= 0, !overflow else { throw invalid("snapshot \(id) adds \(count) rows") }
    metadata.nextRowID = next
  }

  private mutating func set(
    _ name: String, _ reference: SnapshotReference
  ) throws(TableError) {
    if metadata.references[name] == reference { return }
    if name.isEmpty { throw invalid("a reference needs a name") }
    guard let snapshot = metadata.snapshot(id: reference.snapshotID) else {
      throw invalid("reference '\(name)' cannot be set: no snapshot \(reference.snapshotID)")
    }
    let isMain = name == SnapshotReference.mainBranch
    if isMain && reference.kind == .tag { throw invalid("'\(name)' must be a branch, not a tag") }
    let moved = metadata.references[name]?.snapshotID != reference.snapshotID
    metadata.references[name] = reference
    guard isMain && moved else { return }
    if let previous = metadata.currentSnapshotID, addedSnapshotIDs.contains(previous) {
      supersededSnapshotIDs.insert(previous)
    }
    supersededSnapshotIDs.remove(snapshot.snapshotID)
    metadata.currentSnapshotID = snapshot.snapshotID
    // Going back to an older snapshot happens now. The log's times never go back, whatever a
    // client's clock says: readers search it by time.
    let time = addedSnapshotIDs.contains(snapshot.snapshotID) ? snapshot.timestampMilliseconds : now
    let last = metadata.snapshotLog.last?.timestampMilliseconds ?? Int64.min
    metadata.snapshotLog.append(
      TableMetadata.SnapshotLogEntry(
        timestampMilliseconds: max(time, last), snapshotID: snapshot.snapshotID))
  }

  private mutating func removeReference(_ name: String) {
    metadata.references[name] = nil
    if name == SnapshotReference.mainBranch { metadata.currentSnapshotID = nil }
  }

  /// References to removed snapshots go with them, as do their statistics.
  private mutating func remove(snapshots ids: Set<Int64>) {
    let before = metadata.snapshots.count
    metadata.snapshots.removeAll { ids.contains($0.snapshotID) }
    if metadata.snapshots.count == before { return }
    removedSnapshots = true
    metadata.statistics.removeAll { ids.contains($0.snapshotID) }
    metadata.partitionStatistics.removeAll { ids.contains($0.snapshotID) }
    for (name, reference) in metadata.references where ids.contains(reference.snapshotID) {
      removeReference(name)
    }
  }

  /// Takes out snapshots that were current only between two updates, and everything before a
  /// snapshot that is gone: with a gap, the log would say that the one before was current longer.
  private mutating func updateSnapshotLog() {
    guard removedSnapshots || !supersededSnapshotIDs.isEmpty else { return }
    let present = Set(metadata.snapshots.lazy.map(\.snapshotID))
    var kept: [TableMetadata.SnapshotLogEntry] = []
    for entry in metadata.snapshotLog {
      if !present.contains(entry.snapshotID) {
        if removedSnapshots { kept.removeAll() }
      } else if !supersededSnapshotIDs.contains(entry.snapshotID) {
        kept.append(entry)
      }
    }
    metadata.snapshotLog = kept
  }
}
