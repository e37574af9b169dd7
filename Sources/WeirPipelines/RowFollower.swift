// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Goes along the rows of a keyed stream as they are now: first all of them, then those that change.
///
/// A tail is opened, then the table is scanned with all acknowledged rows, then the tail is read: what
/// changed while the scan was opened comes twice, the later version last. Where a version in the log is not a
/// row yet (merge engines other than the last write by order) the row is looked up. One thread at a time.
final class RowFollower {
  /// Rows as they are now, each key at most once.
  struct Rows {
    /// With the follower's columns.
    var current: RecordBatch
    /// Keys of rows that are there no more.
    var gone: RecordBatch?
    /// When the last of them was known; microseconds. `.min` without rows.
    var knownAt: Int64
    /// Versions that were read for it.
    var readCount: Int
  }

  private let stream: any ServedStream
  /// Of the rows, the primary key's first.
  let schema: Schema
  private let keyCount: Int
  private let encoder: KeyEncoder
  private let batchRows: Int
  private let tail: any StreamTail
  private var scan: (any RecordBatchReader)?
  private var isScanned = false
  /// Whether a version in the log is the row.
  private let isWhole: Bool
  /// Whether all rows that there were at the start have been returned.
  private(set) var isAtEnd = false

  /// - Parameter columns: besides the primary key's.
  init(
    _ stream: any ServedStream, columns: [String], batchRows: Int
  ) throws(StreamError) {
    self.stream = stream
    self.batchRows = batchRows
    let definition = stream.definition
    schema = try Self.schema(definition, columns)
    keyCount = definition.primaryKey.count
    encoder = try KeyEncoder(schema, columns: Array(0..<keyCount))
    isWhole = definition.merge == .lastWrite(sequence: [])
    tail = try stream.tail(from: .latest)
  }

  /// The columns of the rows.
  static func schema(
    _ definition: StreamDefinition, _ columns: [String]
  ) throws(StreamError) -> Schema {
    var fields: [Field] = []
    for name in definition.primaryKey + columns where !fields.contains(where: { $0.name == name }) {
      guard let field = definition.columns[name] else {
        throw StreamError(.invalidArgument, "the followed table lacks the column", column: name)
      }
      fields.append(field)
    }
    return Schema(fields)
  }

  /// The offset behind what was read, by shard; `nil` while the table is read.
  var position: [Int: Int64]? { isScanned ? tail.position : nil }

  /// The next rows; `nil` when there are none yet.
  func next() throws(StreamError) -> Rows? {
    if !isScanned {
      if let rows = try nextOfScan() { return rows }
      isScanned = true
      scan = nil
    }
    var batches: [RecordBatch] = []
    var count = 0
    while count < batchRows, let batch = try tail.next(rowCountMax: batchRows - count) {
      batches.append(batch)
      count += batch.rowCount
    }
    guard let first = batches.first else {
      isAtEnd = true
      return nil
    }
    do throws(ColumnarError) {
      return try changed(batches.count == 1 ? first : RecordBatch.concatenate(batches))
    } catch { throw StreamError(error) }
  }

  private func nextOfScan() throws(StreamError) -> Rows? {
    let reader: any RecordBatchReader
    if let scan {
      reader = scan
    } else {
      let names = schema.fields.map(\.name) + [StreamColumns.knownAt]
      reader = try stream.scan(StreamScan(columns: names))
      scan = reader
    }
    do {
      while let batch = try reader.next() {
        guard batch.rowCount > 0 else { continue }
        return Rows(
          current: try picked(batch), gone: nil, knownAt: Self.knownAt(batch),
          readCount: batch.rowCount)
      }
      return nil
    } catch let error as ColumnarError {
      throw StreamError(error)
    } catch { throw (error as? StreamError) ?? StreamError(.table, "\(error)") }
  }

  /// The columns that are wanted, with the types that they have there.
  private func picked(_ batch: RecordBatch) throws(ColumnarError) -> RecordBatch {
    var fields: [Field] = []
    var columns: [ArrayData] = []
    for field in schema.fields {
      guard let place = batch.schema.index(of: field.name) else {
        throw ColumnarError(
          .invalidArgument, "the followed table lacks the column", column: field.name)
      }
      fields.append(batch.schema.fields[place])
      columns.append(batch.columns[place])
    }
    return try RecordBatch(schema: Schema(fields), columns: columns, rowCount: batch.rowCount)
  }

  private static func knownAt(_ batch: RecordBatch) -> Int64 {
    guard let column = batch[StreamColumns.knownAt] else { return .min }
    var latest = Int64.min
    for row in 0..<column.length {
      if case .int(let time) = column.scalar(at: row) { latest = max(latest, time) }
    }
    return latest
  }

  // MARK: Changes

  /// The rows that versions of the log stand for.
  private func changed(_ batch: RecordBatch) throws(ColumnarError) -> Rows {
    let wanted = try picked(batch)
    let keys: ArrayData
    do throws(StreamError) {
      keys = try encoder.encode(wanted)
    } catch { throw ColumnarError(.invalidArgument, error.message, column: error.column) }
    // The last version of each key.
    var places: [[UInt8]: Int] = [:]
    places.reserveCapacity(batch.rowCount)
    for row in 0..<batch.rowCount {
      if case .binary(let key) = keys.scalar(at: row) { places[key] = row }
    }
    let last = places.values.sorted()
    let knownAt = Self.knownAt(batch)
    guard isWhole else {
      return try lookedUp(try wanted.take(last), knownAt, batch.rowCount)
    }
    let operations = batch[StreamColumns.operation]
    let isDelete = last.map { operations?.scalar(at: $0) == .int(1) }
    let kept = zip(last, isDelete).filter { !$0.1 }.map(\.0)
    let gone = zip(last, isDelete).filter(\.1).map(\.0)
    return Rows(
      current: kept.count == batch.rowCount ? wanted : try wanted.take(kept),
      gone: gone.isEmpty ? nil : keyPart(try wanted.take(gone)), knownAt: knownAt,
      readCount: batch.rowCount)
  }

  private func keyPart(_ batch: RecordBatch) -> RecordBatch {
    RecordBatch(
      trusted: Schema(Array(schema.fields.prefix(keyCount))),
      columns: Array(batch.columns.prefix(keyCount)), rowCount: batch.rowCount)
  }

  private func lookedUp(
    _ rows: RecordBatch, _ knownAt: Int64, _ readCount: Int
  ) throws(ColumnarError) -> Rows {
    let keys = keyPart(rows)
    let answer: StreamLookup
    do throws(StreamError) {
      answer = try stream.lookup(keys: keys, columns: schema.fields.map(\.name))
    } catch { throw ColumnarError(.invalidArgument, error.message, column: error.column) }
    let gone = answer.found.indices.filter { !answer.found[$0] }
    return Rows(
      current: try picked(answer.rows), gone: gone.isEmpty ? nil : try keys.take(gone),
      knownAt: knownAt, readCount: readCount)
  }
}
