// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The metadata tables that need no file but the metadata's.
enum SnapshotRows {
  static let snapshots = Schema([
    Field("committed_at", InspectColumns.time, nullable: false),
    Field("snapshot_id", .int64, nullable: false),
    Field("parent_id", .int64),
    Field("operation", .utf8),
    Field("manifest_list", .utf8),
    Field("summary", InspectColumns.map(.utf8, .utf8)),
  ])

  static func snapshots(_ metadata: TableMetadata) -> [[Scalar]] {
    metadata.snapshots.map { snapshot in
      let summary = snapshot.summary?.filter { $0.0 != "operation" }
      return [
        .int(snapshot.timestampMilliseconds), .int(snapshot.snapshotID),
        Scalar(snapshot.parentID), Scalar(snapshot.summary?["operation"]),
        Scalar(snapshot.manifestList),
        summary.map { .map($0.map { Scalar.Entry(.string($0.0), .string($0.1)) }) } ?? .null,
      ]
    }
  }

  static let history = Schema([
    Field("made_current_at", InspectColumns.time, nullable: false),
    Field("snapshot_id", .int64, nullable: false),
    Field("parent_id", .int64),
    Field("is_current_ancestor", .bool, nullable: false),
  ])

  static func history(_ metadata: TableMetadata) -> [[Scalar]] {
    let ancestors = Set(
      metadata.currentSnapshotID.map { metadata.ancestors(of: $0).map(\.snapshotID) } ?? [])
    let parents = Dictionary(
      metadata.snapshots.map { ($0.snapshotID, $0.parentID) }, uniquingKeysWith: { $1 })
    return metadata.snapshotLog.map { entry in
      [
        .int(entry.timestampMilliseconds), .int(entry.snapshotID),
        Scalar(parents[entry.snapshotID] ?? nil), .bool(ancestors.contains(entry.snapshotID)),
      ]
    }
  }

  static let references = Schema([
    Field("name", .utf8, nullable: false),
    Field("type", .utf8, nullable: false),
    Field("snapshot_id", .int64, nullable: false),
    Field("max_reference_age_in_ms", .int64),
    Field("min_snapshots_to_keep", .int32),
    Field("max_snapshot_age_in_ms", .int64),
  ])

  static func references(_ metadata: TableMetadata) -> [[Scalar]] {
    metadata.references.sorted { $0.key < $1.key }.map { name, reference in
      [
        .string(name), .string(reference.kind.rawValue.uppercased()), .int(reference.snapshotID),
        Scalar(reference.maxReferenceAgeMilliseconds), Scalar(reference.minSnapshotsToKeep),
        Scalar(reference.maxSnapshotAgeMilliseconds),
      ]
    }
  }

  static let metadataLog = Schema([
    Field("timestamp", InspectColumns.time, nullable: false),
    Field("file", .utf8, nullable: false),
    Field("latest_snapshot_id", .int64),
    Field("latest_schema_id", .int32),
    Field("latest_sequence_number", .int64),
  ])

  static func metadataLog(_ metadata: TableMetadata, _ location: String?) -> [[Scalar]] {
    var entries = metadata.metadataLog.map { ($0.timestampMilliseconds, $0.location) }
    if let location { entries.append((metadata.lastUpdatedMilliseconds, location)) }
    return entries.map { time, location in
      let snapshot = metadata.snapshot(asOfMilliseconds: time)
      return [
        .int(time), .string(location), Scalar(snapshot?.snapshotID), Scalar(snapshot?.schemaID),
        Scalar(snapshot?.sequenceNumber),
      ]
    }
  }
}
