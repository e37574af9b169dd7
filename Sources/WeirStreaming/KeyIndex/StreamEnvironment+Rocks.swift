// SPDX-License-Identifier: Apache-2.0

extension StreamEnvironment {
  /// An index on disk, beside the shard's log; a damaged one is replaced by an empty one, which is then
  /// rebuilt.
  @Sendable
  public static func openRocksIndex(
    _ definition: StreamDefinition, _ shard: Int, _ environment: StreamEnvironment
  ) throws(StreamError) -> any KeyIndex {
    try RocksKeyIndex.open(
      folder: environment.shardFolder(definition.table, shard) + ".index")
  }
}
