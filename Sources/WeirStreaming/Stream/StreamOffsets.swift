// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirTable

/// Which rows of a stream's log a table holds, by shard: those below the offset.
///
/// A table says so in its property `weir.stream.offsets`, and each snapshot that a stream commits in
/// its summary under the same name, so that readers can start from any of them: `{"0":1204,"1":993}`.
public struct StreamOffsets: Hashable, Sendable {
  public static let property = Compaction.streamProperty

  /// Offsets of the next row, shard by shard.
  public var ends: [Int64]

  public init(_ ends: [Int64]) { self.ends = ends }

  /// - Throws: `damaged` for a text that is none, or names other shards than 0 to `shardCount` - 1.
  public init(parsing text: String?, shardCount: Int) throws(StreamError) {
    ends = Array(repeating: 0, count: shardCount)
    guard let text else { return }
    do throws(JSONError) {
      let object = try JSONValue(parsing: text).asObject()
      for (name, value) in object {
        guard let shard = Int(name), ends.indices.contains(shard), case .int(let end) = value,
          end >= 0
        else { throw JSONError(.invalidValue, "'\(name)' is no shard of \(shardCount)") }
        ends[shard] = end
      }
    } catch {
      throw StreamError(
        .damaged,
        "the property \(Self.property) of the table is not one of this stream: \(error.message)")
    }
  }

  public var text: String {
    let pairs = ends.enumerated().map { "\"\($0.offset)\":\($0.element)" }
    return "{" + pairs.joined(separator: ",") + "}"
  }

  /// Of the table as it is now.
  public init(_ metadata: TableMetadata, shardCount: Int) throws(StreamError) {
    try self.init(parsing: metadata.properties[Self.property], shardCount: shardCount)
  }

  /// Of a snapshot; `nil` for one that no stream has committed.
  public init?(_ snapshot: Snapshot, shardCount: Int) throws(StreamError) {
    guard let text = snapshot.summary?[Self.property] else { return nil }
    try self.init(parsing: text, shardCount: shardCount)
  }
}
