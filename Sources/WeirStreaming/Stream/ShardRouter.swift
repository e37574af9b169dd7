// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Which shard rows go to: by a rule that depends on the rows and their producer alone, so that a
/// request that comes again goes the same ways.
struct ShardRouter: Sendable {
  private let shardCount: Int
  private let encoder: KeyEncoder?
  private let names: [String]
  private let primaryKey: [String]

  init(_ definition: StreamDefinition, _ schema: Schema) throws(StreamError) {
    shardCount = definition.shardCount
    primaryKey = definition.primaryKey
    names = definition.shardKey.isEmpty ? definition.primaryKey : definition.shardKey
    guard shardCount > 1, !names.isEmpty else {
      encoder = nil
      return
    }
    var columns: [Int] = []
    for name in names {
      guard let index = schema.index(of: name) else {
        throw StreamError(.invalidArgument, "the shard key is no declared column", column: name)
      }
      columns.append(index)
    }
    encoder = try KeyEncoder(schema, columns: columns, nulls: .first)
  }

  /// The batch's rows by shard, without shards that get none.
  ///
  /// - Parameter turn: which shard gets rows that no key assigns, when they have no producer.
  func routed(
    _ batch: RecordBatch, producer: ProducerStamp?, turn: Int
  ) throws(StreamError) -> [(shard: Int, batch: RecordBatch)] {
    guard shardCount > 1 else { return [(0, batch)] }
    guard let encoder else {
      let shard =
        producer.map { Int(Self.hash($0.id.utf8) % UInt64(shardCount)) } ?? turn % shardCount
      return [(shard, batch)]
    }
    let keys = try encoder.encode(batch)
    var rows: [[Int]] = Array(repeating: [], count: shardCount)
    for row in 0..<batch.rowCount {
      guard case .binary(let bytes) = keys.scalar(at: row) else { continue }
      rows[Int(Self.hash(bytes) % UInt64(shardCount))].append(row)
    }
    var result: [(shard: Int, batch: RecordBatch)] = []
    do throws(ColumnarError) {
      for (shard, rows) in rows.enumerated() where !rows.isEmpty {
        result.append(
          (shard, rows.count == batch.rowCount ? batch : try batch.take(rows)))
      }
    } catch { throw StreamError(error) }
    return result
  }

  /// Where rows in the stream's input columns belong by their keys; nothing where keys do not say.
  func places(of batch: RecordBatch) throws(StreamError) -> [(shard: Int, rows: [Int])] {
    guard shardCount > 1, let encoder else { return [] }
    let keys = try encoder.encode(batch)
    var rows: [[Int]] = Array(repeating: [], count: shardCount)
    for row in 0..<batch.rowCount {
      guard case .binary(let bytes) = keys.scalar(at: row) else { continue }
      rows[Int(Self.hash(bytes) % UInt64(shardCount))].append(row)
    }
    return rows.enumerated().compactMap { $0.element.isEmpty ? nil : ($0.offset, $0.element) }
  }

  /// Which keys are in which shard.
  ///
  /// - Parameter keys: the primary key's columns, in its order.
  func shards(ofKeys keys: RecordBatch) throws(StreamError) -> [(shard: Int, rows: [Int])] {
    if keys.rowCount == 0 { return [] }
    guard shardCount > 1, encoder != nil else { return [(0, Array(0..<keys.rowCount))] }
    var columns: [Int] = []
    for name in names {
      guard let index = primaryKey.firstIndex(of: name), index < keys.columns.count else {
        throw StreamError(
          .unsupported, "the shard key is not part of the primary key", column: name)
      }
      columns.append(index)
    }
    let encoder = try KeyEncoder(keys.schema, columns: columns, nulls: .first)
    let encoded = try encoder.encode(keys)
    var rows: [[Int]] = Array(repeating: [], count: shardCount)
    for row in 0..<keys.rowCount {
      guard case .binary(let bytes) = encoded.scalar(at: row) else { continue }
      rows[Int(Self.hash(bytes) % UInt64(shardCount))].append(row)
    }
    return rows.enumerated().compactMap { $0.element.isEmpty ? nil : ($0.offset, $0.element) }
  }

  /// FNV-1a, 64 bits, with a last mix (the finalizer of MurmurHash3). It must never change: it says
  /// where rows are.
  static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    hash = (hash ^ (hash >> 33)) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ (hash >> 33)) &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ (hash >> 33)
  }
}
