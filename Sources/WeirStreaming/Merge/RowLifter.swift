// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Rows of a log entry in the form of files.
struct LiftedRows: Sendable {
  /// When the rows came to this process; microseconds since 1970.
  var arrivalTime: Int64
  /// In the layout's file schema.
  var batch: RecordBatch
  /// `binary`; empty ones for a table without primary key.
  var keys: ArrayData
  var versions: ArrayData?
  /// Whether a row deletes; empty when none does.
  var deletes: [Bool]

  /// What the rows take in memory, about.
  var byteCount: Int { batch.columns.reduce(keys.byteCount) { $0 + $1.byteCount } }
}

/// Makes stored rows of what producers sent. One thread at a time.
struct RowLifter {
  let layout: StreamLayout
  private var conformer: RowConformer
  private let shard: Int

  init(_ layout: StreamLayout, shard: Int) {
    self.layout = layout
    self.shard = shard
    conformer = RowConformer(layout.inputFields)
  }

  /// - Throws: `invalidArgument` with the column's name: a value that does not fit, a null key.
  mutating func lift(_ entry: LogEntry) throws(StreamError) -> LiftedRows {
    let count = entry.batch.rowCount
    let offsetCount = entry.rowOffsets?.count ?? entry.offsets.count
    guard offsetCount == count else {
      throw StreamError(
        .damaged, "a log entry has \(offsetCount) offsets for \(count) rows", shard: shard)
    }
    let deletes = try Self.deletes(entry.batch)
    guard layout.definition.isKeyed || deletes.isEmpty else {
      throw StreamError(
        .invalidArgument, "a table without primary key takes no deletes",
        column: StreamColumns.operation)
    }
    var fields: [Field] = []
    var columns: [ArrayData] = []
    for (field, column) in zip(entry.batch.schema.fields, entry.batch.columns)
    where !StreamColumns.reserved.contains(field.name) {
      fields.append(field)
      columns.append(column)
    }
    fields += StreamColumns.added
    let ingestTimes = Self.times(
      entry.ingestTimes ?? [Int64](repeating: entry.ingestTime, count: count))
    columns.append(ingestTimes)
    columns.append(try Self.knownAt(entry, ingestTimes))
    let shards = [Int32](repeating: Int32(truncatingIfNeeded: shard), count: count)
    columns.append(ArrayData(type: .int32, length: count, buffers: [Buffer(shards)]))
    columns.append(
      ArrayData(type: .int64, length: count, buffers: [Buffer(entry.allOffsets)]))
    let raw = RecordBatch(trusted: Schema(fields), columns: columns, rowCount: count)
    var batch: RecordBatch
    do throws(TableError) {
      batch = try conformer.conformed(raw)
    } catch { throw StreamError(.invalidArgument, error.message, column: error.column) }
    if !layout.lifts.isEmpty { batch = try lifted(batch) }
    return LiftedRows(
      arrivalTime: entry.arrivalTime ?? entry.ingestTime, batch: batch,
      keys: try layout.keyEncoder.encode(batch),
      versions: try layout.merger.versions(batch, deletes: deletes), deletes: deletes)
  }

  /// The batch with aggregated values in the form of states.
  private func lifted(_ input: RecordBatch) throws(StreamError) -> RecordBatch {
    var columns: [ArrayData] = []
    for (place, field) in layout.fileSchema.fields.enumerated() {
      columns.append(
        try layout.lifts[place].lifted(input.columns[place], input.columns, as: field.type))
    }
    return RecordBatch(trusted: layout.fileSchema, columns: columns, rowCount: input.rowCount)
  }

  private static func times(_ times: [Int64]) -> ArrayData {
    ArrayData(type: StreamColumns.timeType, length: times.count, buffers: [Buffer(times)])
  }

  /// What producers sent, the ingest time where they sent nothing.
  private static func knownAt(
    _ entry: LogEntry, _ ingestTimes: ArrayData
  ) throws(StreamError) -> ArrayData {
    guard let sent = entry.batch[StreamColumns.knownAt], sent.nullCount < sent.length else {
      return ingestTimes
    }
    guard case .timestamp(let unit, .some) = sent.type else {
      throw StreamError(
        .invalidArgument, "the column has type \(sent.type), not \(StreamColumns.timeType)",
        column: StreamColumns.knownAt)
    }
    var values: [Int64] = []
    for row in 0..<sent.length {
      guard case .int(let time) = sent.scalar(at: row) else {
        values.append(entry.ingestTimes?[row] ?? entry.ingestTime)
        continue
      }
      let micros =
        unit == .nanosecond
        ? (time / 1_000, false)
        : time.multipliedReportingOverflow(by: 1_000_000 / unit.perSecond)
      guard !micros.1 else {
        throw StreamError(
          .invalidArgument, "the time \(time) \(unit.rawValue) does not fit microseconds",
          column: StreamColumns.knownAt)
      }
      values.append(micros.0)
    }
    return ArrayData(
      type: StreamColumns.timeType, length: values.count, buffers: [Buffer(values)])
  }

  private static func deletes(_ batch: RecordBatch) throws(StreamError) -> [Bool] {
    guard let column = batch[StreamColumns.operation], column.nullCount < column.length else {
      return []
    }
    var result = [Bool](repeating: false, count: column.length)
    var any = false
    for row in 0..<column.length {
      let value = column.scalar(at: row)
      switch value {
      case .null, .int(0), .uint(0), .string("upsert"): continue
      case .int(1), .uint(1), .string("delete"):
        result[row] = true
        any = true
      default:
        throw StreamError(
          .invalidArgument,
          "the operation \(value.text(as: column.type)) is unknown; send \"upsert\" or \"delete\", "
            + "or 0 or 1", column: StreamColumns.operation)
      }
    }
    return any ? result : []
  }
}
