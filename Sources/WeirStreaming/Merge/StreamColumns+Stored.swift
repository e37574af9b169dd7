// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

// What files hold of these columns.
extension StreamColumns {
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
