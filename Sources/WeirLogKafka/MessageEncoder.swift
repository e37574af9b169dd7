// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Names of headers. Producers of their own kind may use those of stamps, too.
enum MessageHeaders {
  static let contentType = "content-type"
  static let arrowMediaType = "application/vnd.apache.arrow.stream"
  /// Microseconds since 1970.
  static let ingestTime = "weir-ingest-time"
  static let producer = "weir-producer"
  static let sequence = "weir-sequence"
  /// Which rows of the stamped batch the message holds: `FIRST/TOTAL`.
  static let rows = "weir-rows"
}

/// Makes messages of batches: each an Arrow IPC stream that can be read on its own.
struct MessageEncoder {
  let bytesMax: Int
  /// Rows of one message at most.
  static let rowCountMax = 65_536

  /// The rows from `first` on, in as many messages as their size needs.
  ///
  /// - Returns: the messages, and the rows of each.
  /// - Throws: `invalidArgument` for a row that is too large.
  func encode(
    _ append: LogAppend, from first: Int
  ) throws(StreamError) -> [(message: OutgoingMessage, rowCount: Int)] {
    var result: [(message: OutgoingMessage, rowCount: Int)] = []
    let total = append.batch.rowCount
    var start = first
    var step = Self.rowCountMax
    while start < total {
      let count = min(step, total - start)
      let payload = try payload(append.batch.slice(offset: start, length: count))
      guard payload.count <= bytesMax else {
        guard count > 1 else {
          throw StreamError(
            .invalidArgument,
            "a row takes \(payload.count) bytes, and a message of the topic \(bytesMax) at most; send "
              + "smaller values")
        }
        // So many rows as fit by their average, and at least half of them less.
        step = max(1, min(count / 2, count * bytesMax / payload.count))
        continue
      }
      var headers = [
        (MessageHeaders.contentType, MessageHeaders.arrowMediaType),
        (MessageHeaders.ingestTime, String(append.ingestTime)),
      ]
      if let stamp = append.producer {
        headers.append((MessageHeaders.producer, stamp.id))
        headers.append((MessageHeaders.sequence, String(stamp.sequence)))
        headers.append((MessageHeaders.rows, "\(start)/\(total)"))
      }
      result.append(
        (
          OutgoingMessage(
            payload: payload, headers: headers.map { (name: $0.0, value: $0.1) },
            timestamp: append.ingestTime / 1_000), count
        ))
      start += count
    }
    return result
  }

  private func payload(_ batch: RecordBatch) throws(StreamError) -> Buffer {
    let target = MutableBuffer()
    do {
      let writer = try ArrowStreamWriter(schema: batch.schema, into: target)
      try writer.write(batch)
      try writer.finish()
    } catch let error as ColumnarError {
      throw StreamError(error)
    } catch { throw StreamError(.invalidArgument, "\(error)") }
    return target.finish()
  }
}
