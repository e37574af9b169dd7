// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Lays out a group of batches as the bytes that one write puts at the end of a segment.
struct GroupEncoder {
  /// Schemas that are kept ready; more than that in one segment are written into it again.
  private static let schemaCountMax = 32

  private struct KnownSchema {
    var encoding: ArrowBatchEncoding
    /// Where the schema is in the current segment; `nil` when it is not there yet.
    var position: Int?
  }

  /// One group as bytes.
  struct Encoded {
    var bytes: Buffer
    /// For each entry with rows: its first offset, and its position.
    var entries: [(offset: Int64, position: Int)]
    var next: Int64
  }

  private var schemas: [KnownSchema] = []
  /// About what an entry takes besides its values.
  private static let entryBytes = 1 << 10

  /// Forgets where schemas are: the next group goes to a new segment, or the last one was not written.
  mutating func forgetPositions() {
    for index in schemas.indices { schemas[index].position = nil }
  }

  /// - Parameters:
  ///   - position: where in the file the group will be; all before it is durable.
  ///   - next: the first row's offset.
  mutating func encode(
    _ group: [LogAppend], at position: Int, next: Int64, salt: UInt64, batchBytesMax: Int
  ) throws(StreamError) -> Encoded {
    // A little more than the values, so that it grows once at most.
    let values = group.reduce(0) { $0 + $1.batch.columns.reduce(0) { $0 + $1.byteCount } }
    let buffer = MutableBuffer(capacity: values + group.count * Self.entryBytes)
    var result = Encoded(bytes: Buffer(), entries: [], next: next)
    do {
      for append in group {
        let schemaPosition = try schema(
          of: append.batch, into: buffer, at: position, next: result.next, salt)
        let start = buffer.count
        let head = EntryHeader(
          kind: .rows, rowCount: append.batch.rowCount, firstOffset: result.next,
          time: append.ingestTime, producer: append.producer, durable: position,
          schemaPosition: schemaPosition)
        let encoding = schemas[schemas.count - 1].encoding
        try EntryHeader.append(head, at: position + start, salt: salt, to: buffer) {
          (buffer) throws(StreamError) in
          let before = buffer.count
          do throws(ColumnarError) {
            try encoding.encode(append.batch, into: buffer)
          } catch {
            throw StreamError(error)
          }
          guard buffer.count - before <= batchBytesMax else {
            throw StreamError(
              .invalidArgument,
              "a batch of \(append.batch.rowCount) rows takes \(buffer.count - before) bytes, at most "
                + "\(batchBytesMax) are taken at once; send smaller batches")
          }
        }
        result.entries.append((result.next, position + start))
        result.next += Int64(append.batch.rowCount)
      }
    } catch {
      forgetPositions()
      throw error
    }
    result.bytes = buffer.finish()
    return result
  }

  /// Where the schema of `batch` is, or will be with this group; it is the last of `schemas` then.
  private mutating func schema(
    of batch: RecordBatch, into buffer: MutableBuffer, at position: Int, next: Int64,
    _ salt: UInt64
  ) throws(StreamError) -> Int {
    if let index = schemas.lastIndex(where: { $0.encoding.schema == batch.schema }) {
      if index != schemas.count - 1 { schemas.append(schemas.remove(at: index)) }
    } else {
      do throws(ColumnarError) {
        schemas.append(KnownSchema(encoding: try ArrowBatchEncoding(batch.schema), position: nil))
      } catch {
        throw StreamError(error)
      }
      if schemas.count > Self.schemaCountMax { schemas.removeFirst() }
    }
    let known = schemas[schemas.count - 1]
    if let place = known.position { return place }
    let place = position + buffer.count
    let head = EntryHeader(kind: .schema, firstOffset: next, durable: position)
    EntryHeader.append(head, at: place, salt: salt, to: buffer) { buffer in
      buffer.append(known.encoding.schemaMessage)
    }
    schemas[schemas.count - 1].position = place
    return place
  }
}
