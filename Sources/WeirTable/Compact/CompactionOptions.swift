// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Which files a compaction brings together, and how much it does at once.
public struct CompactionOptions: Hashable, Sendable {
  /// Only partitions and files that may hold such rows.
  public var filter = Predicate.always(true)
  /// Files of a group (partition, shard) that are not full come together when there are so many.
  public var runsTrigger = 5
  /// A file of this share of the table's target size is full; it is left alone.
  public var fullShare = 0.75
  /// A file is rewritten for its deletes when this share of its rows is deleted.
  public var deletedShare = 0.2
  /// A file that has so many columns in files of their own is rewritten with them.
  public var columnFilesTrigger = 8
  /// Runs are merged down to the oldest when the newer ones hold so many times the bytes of the oldest.
  public var spaceAmplificationMax = 2.0
  /// All files that are not full come together, however few they are; a file alone when it has deletes or
  /// columns in files of their own.
  public var isFull = false
  /// Files of another format than the table's `write.format.default` are rewritten, full ones too.
  public var convertsFormat = false
  /// Rows are sorted by these columns. The table's sort order, when `nil`; as they came, when it has
  /// none.
  public var sortColumns: [String]?
  /// Files of one value of this column are a group of their own: the shards of a stream, for which
  /// `Compaction` sets it.
  public var shardColumn: String?
  /// Exactly these files come together, those of each partition (and shard), however few they are: groups
  /// of a plan that was made elsewhere. Files that are no longer the table's are left out.
  public var paths: Set<String>?
  /// Files of which all rows are deleted stay: a stream keeps its tombstones in such files, `Compaction`
  /// sees to it.
  public var keepsDeletedFiles = false
  /// Bytes of files that one group has at most.
  public var groupBytesMax = 4 << 30
  /// Rows that one group has at most: for each, 12 bytes are in memory.
  public var groupRowsMax = 16 << 20
  /// Bytes of rows that are sorted in memory at once, where rows are sorted; those of a larger group are
  /// written to files in between, and merged. Memory is twice that.
  public var sortBytesMax = 1 << 30
  /// Bytes of files that are read by one run at most; the rest is left for the next.
  public var bytesMax = Int.max
  /// Files that are looked at by one run at most, so that planning has a bound.
  public var candidatesMax = 1 << 16

  public init() {}
}

/// What a compaction did.
public struct CompactionResult: Hashable, Sendable {
  public var groupCount = 0
  public var sourceCount = 0
  public var outputCount = 0
  public var rowCount = 0
  /// Bytes of the files that were replaced, and of those in their place.
  public var readByteCount = 0
  public var writtenByteCount = 0
  /// Rows that were deleted in the outputs, because others had deleted them while the files were
  /// rewritten.
  public var followedDeleteCount = 0
  /// Groups whose work was given up: files written, and not used.
  public var abandonedGroupCount = 0

  public init() {}

  /// As commands and libraries answer it.
  public var json: JSONValue {
    [
      "groups": .int(Int64(groupCount)), "files": .int(Int64(sourceCount)),
      "new_files": .int(Int64(outputCount)), "rows": .int(Int64(rowCount)),
      "bytes": .int(Int64(readByteCount)), "new_bytes": .int(Int64(writtenByteCount)),
      "rows_deleted_meanwhile": .int(Int64(followedDeleteCount)),
    ]
  }

  public static func += (a: inout CompactionResult, b: CompactionResult) {
    a.groupCount += b.groupCount
    a.sourceCount += b.sourceCount
    a.outputCount += b.outputCount
    a.rowCount += b.rowCount
    a.readByteCount += b.readByteCount
    a.writtenByteCount += b.writtenByteCount
    a.followedDeleteCount += b.followedDeleteCount
    a.abandonedGroupCount += b.abandonedGroupCount
  }
}
