// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What became of a row. The names are those of Iceberg's changelogs.
public enum ChangeType: String, CaseIterable, Hashable, Sendable {
  case insert = "INSERT"
  case delete = "DELETE"
  /// The row before an update; its new form comes as `updateAfter` with the same identifier columns
  /// and the same ordinal.
  case updateBefore = "UPDATE_BEFORE"
  case updateAfter = "UPDATE_AFTER"
}

/// The columns that a scan of changes adds to those of the table.
/// Source: the reference implementation's `MetadataColumns`.
public enum ChangeColumn: String, CaseIterable, Hashable, Sendable {
  /// What became of the row, a `ChangeType`.
  case type = "_change_type"
  /// The place of the change's snapshot among those of the scan, from 0. Snapshots that only rewrite
  /// files have none.
  case ordinal = "_change_ordinal"
  /// The snapshot that made the change.
  case snapshotID = "_commit_snapshot_id"

  /// The reserved field id.
  public var fieldID: Int32 {
    switch self {
    case .type: 2_147_483_543
    case .ordinal: 2_147_483_542
    case .snapshotID: 2_147_483_541
    }
  }

  var arrowField: Field {
    let type: DataType =
      switch self {
      case .type: .utf8
      case .ordinal: .int32
      case .snapshotID: .int64
      }
    return Field(rawValue, type, nullable: false, id: fieldID)
  }
}
