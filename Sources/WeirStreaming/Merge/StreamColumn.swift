// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Columns that streams have besides those that were declared.
public enum StreamColumn {
  /// In files: when the row came in.
  public static let ingestTime = "_ingest_time"
  /// In files, and sent if the producer likes: since when the row's values are known.
  public static let knownAt = "_known_at"
  /// In files: the shard of the log.
  public static let shard = "_shard"
  /// In files: the offset in the shard's log.
  public static let offset = "_offset"
  /// Sent: "upsert" or "delete", or 0 or 1. Never in files.
  public static let operation = "_op"
  /// In files of tables whose merge engine needs more than the columns themselves to go on merging.
  public static let mergeState = "_merge_state"

  /// Microseconds since 1970-01-01 UTC.
  public static let timeType = DataType.timestamp(.microsecond, timeZone: "UTC")

  /// What the log adds to every row in files, in order.
  public static let added: [Field] = [
    Field(ingestTime, timeType), Field(knownAt, timeType), Field(shard, .int32),
    Field(offset, .int64),
  ]

  /// Names that no declared column may have.
  public static let reserved: Set<String> = [
    ingestTime, knownAt, shard, offset, operation, mergeState,
  ]
}
