// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// What went wrong in a simulation, for whoever looks for it.
public struct SimulationFailure: Error, CustomStringConvertible {
  var seed: UInt64
  var message: String
  var trace: [String]

  public var description: String {
    "seed \(seed): \(message)\n" + trace.suffix(40).joined(separator: "\n")
  }
}

/// Rows that producers send, and where the log has them.
enum SentRows {
  /// What the log has is not what was sent.
  struct Mismatch: Error, CustomStringConvertible {
    var description: String
  }

  /// Sends rows once.
  ///
  /// - Parameter step: does what the stream's process has to do.
  /// - Returns: `nil` when no answer came.
  static func send(
    _ rows: [LoggedRow], _ stamp: ProducerStamp, to stream: any ServedStream, step: () -> Void
  ) throws -> Result<StreamReceipt, StreamError>? {
    let result = Mutex<Result<StreamReceipt, StreamError>?>(nil)
    let batch = try SimulatedRows.batch(rows, stream.inputSchema)
    stream.append(StreamAppend(batches: [batch], producer: stamp)) { answer in
      result.withLock { $0 = answer }
    }
    for _ in 0..<4 where result.withLock({ $0 == nil }) { step() }
    return result.withLock { $0 }
  }

  /// The rows of a request with what the log added, by the tail of the log.
  ///
  /// - Parameter identity: a column that tells them apart.
  static func logged(
    _ sent: [LoggedRow], _ receipt: StreamReceipt, in stream: any ServedStream,
    identity: String = "value"
  ) throws -> [(shard: Int, offset: Int64, row: LoggedRow)] {
    guard receipt.offsets.values.reduce(0, { $0 + $1.count }) == sent.count else {
      throw Mismatch(description: "the receipt is not about \(sent.count) rows: \(receipt)")
    }
    let byIdentity = Dictionary(uniqueKeysWithValues: sent.map { ($0.values[identity], $0) })
    var seen: Set<Scalar> = []
    var result: [(shard: Int, offset: Int64, row: LoggedRow)] = []
    for (shard, offsets) in receipt.offsets.sorted(by: { $0.key < $1.key }) {
      let tail = try stream.tail(
        from: .offsets(
          Dictionary(
            uniqueKeysWithValues: stream.status().shards.map {
              ($0.shard, $0.shard == shard ? offsets.lowerBound : $0.logOffsets.upperBound)
            })))
      var next = offsets.lowerBound
      while next < offsets.upperBound, let batch = try tail.next(rowCountMax: 1_000) {
        for index in 0..<batch.rowCount where next < offsets.upperBound {
          let found = logged(batch, index)
          guard found.values[StreamColumns.offset] == .int(next),
            let value = found.values[identity], let row = byIdentity[value],
            seen.insert(value).inserted, let logged = asLogged(row, found)
          else { throw Mismatch(description: "the log has another row at \(shard)/\(next)") }
          result.append((shard, next, logged))
          next += 1
        }
      }
      guard next == offsets.upperBound else {
        throw Mismatch(description: "the log ends at \(shard)/\(next)")
      }
    }
    return result
  }

  /// A row of a tail.
  static func logged(_ batch: RecordBatch, _ index: Int) -> LoggedRow {
    var values: [String: Scalar] = [:]
    for (field, column) in zip(batch.schema.fields, batch.columns) {
      values[field.name] = column.scalar(at: index)
    }
    let operation = values.removeValue(forKey: StreamColumns.operation)
    return LoggedRow(values: values, isDelete: operation == .int(1))
  }

  /// The row that was sent, with what the log added; `nil` when it is not what is found.
  private static func asLogged(_ row: LoggedRow, _ found: LoggedRow) -> LoggedRow? {
    guard row.isDelete == found.isDelete else { return nil }
    var result = row
    for (name, value) in found.values {
      if StreamColumns.added.contains(where: { $0.name == name }) {
        if let sent = row.values[name], sent != value { return nil }
        result.values[name] = value
      } else if row.values[name] ?? .null != value {
        return nil
      }
    }
    return result
  }
}
