// SPDX-License-Identifier: Apache-2.0

/// Writes batches of one schema as Arrow IPC messages, each on its own: with the schema's message
/// before it, every one of them is a whole Arrow stream.
///
/// A log keeps the schema once and the batches beside it. Dictionaries go with every batch that uses
/// them. Not thread-safe.
package final class ArrowBatchEncoding {
  package let schema: Schema
  /// The schema as one message.
  package let schemaMessage: Buffer
  private let writer: ArrowStreamWriter
  private let target: Target

  private final class Target {
    var buffer = MutableBuffer()
  }

  /// - Throws: `unsupported` for a schema that Arrow IPC cannot carry.
  package init(_ schema: Schema) throws(ColumnarError) {
    let target = Target()
    self.schema = schema
    self.target = target
    do {
      writer = try ArrowStreamWriter(schema: schema) { target.buffer.append($0) }
    } catch {
      throw Self.columnar(error)
    }
    schemaMessage = target.buffer.finish()
  }

  /// Appends the messages of `batch`, which must be of the schema's types, to `output`. Their number
  /// of bytes is a multiple of 64; where they start at one in memory or in a file, so do all buffers.
  package func encode(_ batch: RecordBatch, into output: MutableBuffer) throws(ColumnarError) {
    let own = target.buffer
    target.buffer = output
    defer { target.buffer = own }
    writer.forgetDictionaries()
    do {
      try writer.write(batch)
    } catch {
      throw Self.columnar(error)
    }
  }

  private static func columnar(_ error: any Error) -> ColumnarError {
    (error as? ColumnarError) ?? ColumnarError(.invalidArgument, "\(error)")
  }
}

/// Reads what `ArrowBatchEncoding` wrote. The bytes are not trusted. Not thread-safe.
package final class ArrowBatchDecoding {
  package var schema: Schema { context.schema }
  private let context: ArrowBatchContext
  private let options: ArrowReadOptions

  /// - Parameter schemaMessage: one schema message.
  package init(
    schemaMessage: Buffer, options: ArrowReadOptions = ArrowReadOptions()
  ) throws(ColumnarError) {
    self.options = options
    do {
      let messages = ArrowMessageReader(ArrowBufferSource(schemaMessage), options)
      guard let (message, _) = try messages.next(), case .schema(let table) = message.header else {
        throw ColumnarError(.invalidData, "these bytes are no Arrow schema")
      }
      context = try ArrowBatchContext(table, options)
    } catch {
      throw (error as? ColumnarError) ?? ColumnarError(.invalidData, "\(error)")
    }
  }

  /// The one batch in `payload`; its arrays share that memory.
  package func decode(_ payload: Buffer) throws(ColumnarError) -> RecordBatch {
    context.forgetDictionaries()
    let messages = ArrowMessageReader(ArrowBufferSource(payload), options)
    do {
      while let (message, body) = try messages.next() {
        switch message.header {
        case .batch(let table): return try context.batch(table, body: body)
        case .dictionary(let table): try context.addDictionary(table, body: body)
        case .schema: throw ColumnarError(.invalidData, "a schema where a batch is expected")
        }
      }
    } catch {
      throw (error as? ColumnarError) ?? ColumnarError(.invalidData, "\(error)")
    }
    throw ColumnarError(.invalidData, "these bytes hold no Arrow batch")
  }
}
