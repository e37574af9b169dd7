// SPDX-License-Identifier: Apache-2.0

/// A source of record batches of one schema, pulled one after the other.
///
/// One thread at a time may use a reader; it may move between threads in between. A reader that threw
/// is broken: it may be released, and nothing else.
public protocol RecordBatchReader: AnyObject {
  /// The schema of every batch.
  var schema: Schema { get }

  /// The next batch, or `nil` at the end and ever after.
  func next() throws -> RecordBatch?
}

/// Batches that are in memory already, as a reader.
public final class MemoryBatchReader: RecordBatchReader {
  public let schema: Schema
  private let batches: [RecordBatch]
  private var position = 0

  /// - Throws: `ColumnarError.invalidArgument` when a batch's columns have other types than `schema`.
  public init(schema: Schema, batches: [RecordBatch]) throws(ColumnarError) {
    for batch in batches where batch.schema.fields.map(\.type) != schema.fields.map(\.type) {
      throw ColumnarError(
        .invalidArgument, "a batch's column types differ from those of the stream's schema")
    }
    self.schema = schema
    self.batches = batches
  }

  public func next() throws(ColumnarError) -> RecordBatch? {
    guard position < batches.count else { return nil }
    defer { position += 1 }
    return batches[position]
  }
}
