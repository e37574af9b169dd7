// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension TableDiff {
  /// For programs: `from`, `to`, `snapshots`, `columns`, `data_files`, `delete_files`, `deleted_rows`.
  ///
  /// - Parameter counts: of `Table.countChanges`, for the rows of each snapshot.
  public func json(_ counts: [ChangeCounts] = []) -> JSONValue {
    [
      "from": .optional(from?.snapshotID),
      "to": .optional(to?.snapshotID),
      "snapshots": .array(
        counts.map { counts in
          [
            "snapshot_id": .int(counts.snapshot.snapshotID),
            "timestamp_ms": .int(counts.snapshot.timestampMilliseconds),
            "operation": .optional(counts.snapshot.operation?.rawValue),
            "inserted_rows": .int(Int64(counts.insertedRows)),
            "deleted_rows": .int(Int64(counts.deletedRows)),
          ]
        }),
      "columns": .array(
        columns.map { change in
          [
            "kind": .string(change.kind.rawValue), "field_id": .int(Int64(change.fieldID)),
            "old": .optional(change.old), "new": .optional(change.new),
          ]
        }),
      "data_files": Self.json(addedDataFiles, removedDataFiles),
      "delete_files": Self.json(addedDeleteFiles, removedDeleteFiles),
      "deleted_rows": .optional(deletedRows.map { Int64($0) }),
    ]
  }

  private static func json(_ added: Files, _ removed: Files) -> JSONValue {
    ["added": added.json, "removed": removed.json]
  }
}

extension TableDiff.Files {
  fileprivate var json: JSONValue {
    ["count": .int(Int64(count)), "rows": .int(Int64(rows)), "bytes": .int(Int64(bytes))]
  }
}
