// SPDX-License-Identifier: Apache-2.0

/// Reads the Arrow IPC stream format, batch by batch.
///
/// The source is not trusted: damaged or hostile bytes throw `ColumnarError` with the column and the
/// position. Memory in use is one message (and what it decompresses to) and the dictionaries. Arrays
/// share the message's memory where it is not compressed.
public final class ArrowStreamReader: RecordBatchReader {
  public var schema: Schema { context.schema }
  private let messages: ArrowMessageReader
  private let context: ArrowBatchContext
  private var failed = false

  /// Reads the schema.
  public init(
    _ source: any ArrowByteSource, options: ArrowReadOptions = ArrowReadOptions()
  ) throws {
    messages = ArrowMessageReader(source, options)
    guard let (message, _) = try messages.next() else {
      throw ColumnarError(.invalidData, "the Arrow stream has no schema: it is empty")
    }
    guard case .schema(let table) = message.header else {
      throw ColumnarError(.invalidData, "the Arrow stream does not start with a schema")
    }
    context = try ArrowBatchContext(table, options)
  }

  /// Reads a stream that is in memory.
  public convenience init(
    _ bytes: Buffer, options: ArrowReadOptions = ArrowReadOptions()
  ) throws {
    try self.init(ArrowBufferSource(bytes), options: options)
  }

  public func next() throws -> RecordBatch? {
    guard !failed else {
      throw ColumnarError(.invalidArgument, "the Arrow stream failed before; it cannot go on")
    }
    do {
      while let (message, body) = try messages.next() {
        switch message.header {
        case .batch(let table): return try context.batch(table, body: body)
        case .dictionary(let table): try context.addDictionary(table, body: body)
        case .schema:
          throw ColumnarError(
            .invalidData, "a second schema in one Arrow stream", position: messages.position)
        }
      }
      return nil
    } catch {
      failed = true
      throw error
    }
  }
}
