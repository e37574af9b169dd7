// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// The columns of a stream in their several forms, for one schema of its table.
struct StreamSchemas: Sendable {
  /// What producers send: the declared columns, then what they may add.
  let input: Schema
  /// What the table's files hold: the declared columns, then what Weir knows of each row.
  let stored: Schema
  /// What a tail gives.
  let tail: Schema
  /// How many columns are declared.
  let declaredCount: Int

  /// - Parameter declared: with the types of the table.
  init(declared: [Field], isKeyed: Bool) {
    declaredCount = declared.count
    let operation = isKeyed ? [StreamColumns.operationField] : []
    input = Schema(declared + operation + [StreamColumns.knownAtField])
    stored = Schema(
      declared + [
        StreamColumns.ingestTimeField, StreamColumns.knownAtField, StreamColumns.shardField,
        StreamColumns.offsetField,
      ])
    tail = Schema(stored.fields + operation)
  }

  /// The rows of an entry with what Weir knows of each: columns `stored`, and for `isTail` those of
  /// `tail`. Columns that the entry's batch lacks are null: it is older than they are.
  func rows(_ entry: LogEntry, shard: Int, isTail: Bool) throws(StreamError) -> RecordBatch {
    let count = entry.batch.rowCount
    var columns: [ArrayData] = []
    columns.reserveCapacity(tail.fields.count)
    for field in stored.fields.prefix(declaredCount) {
      if let column = entry.batch[field.name], column.type == field.type {
        columns.append(column)
      } else if let column = entry.batch[field.name] {
        columns.append(try Self.widened(column, field))
      } else {
        columns.append(Self.nulls(field, count))
      }
    }
    let ingest = PrimitiveBuilder<Int64>(StreamColumns.ingestTimeField.type)
    let shards = PrimitiveBuilder<Int32>(.int32)
    let offsets = PrimitiveBuilder<Int64>(.int64)
    for (row, offset) in entry.allOffsets.enumerated() {
      ingest.append(entry.ingestTimes?[row] ?? entry.ingestTime)
      shards.append(Int32(shard))
      offsets.append(offset)
    }
    let ingestTimes = ingest.finish()
    columns.append(ingestTimes)
    columns.append(Self.known(entry.batch[StreamColumns.knownAt], else: ingestTimes))
    columns.append(shards.finish())
    columns.append(offsets.finish())
    if isTail, tail.fields.count > stored.fields.count {
      columns.append(
        entry.batch[StreamColumns.operation] ?? Self.nulls(StreamColumns.operationField, count))
    }
    do throws(ColumnarError) {
      return try RecordBatch(
        schema: isTail ? tail : stored, columns: columns, rowCount: count)
    } catch { throw StreamError(error) }
  }

  private static func nulls(_ field: Field, _ count: Int) -> ArrayData {
    let builder = makeBuilder(for: field.type)
    for _ in 0..<count { builder.appendNull() }
    return builder.finish()
  }

  /// When the rows were known: what the producer says, the ingest time where it says nothing.
  private static func known(_ given: ArrayData?, else ingest: ArrayData) -> ArrayData {
    guard let given, given.nullCount < given.length else { return ingest }
    guard given.nullCount > 0 else { return given }
    let builder = PrimitiveBuilder<Int64>(StreamColumns.knownAtField.type)
    for row in 0..<given.length {
      let values = given.isValid(row) ? given : ingest
      if case .int(let value) = values.scalar(at: row) { builder.append(value) }
    }
    return builder.finish()
  }

  /// A column of a batch that was logged before its type was widened.
  private static func widened(_ column: ArrayData, _ field: Field) throws(StreamError) -> ArrayData
  {
    let builder = makeBuilder(for: field.type)
    do throws(ColumnarError) {
      for row in 0..<column.length { try builder.append(column.scalar(at: row)) }
    } catch {
      throw StreamError(
        .damaged, "a logged column of type \(column.type) does not fit \(field.type)",
        column: field.name)
    }
    return builder.finish()
  }
}
