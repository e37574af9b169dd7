// SPDX-License-Identifier: Apache-2.0

/// Writes the Arrow IPC file format ("Feather V2"): a stream between magic bytes, with a footer that
/// says where the batches are. Not thread-safe.
public final class ArrowFileWriter {
  private let stream: ArrowStreamWriter

  public var schema: Schema { stream.schema }
  /// Bytes handed to the sink, or about to be.
  public var byteCount: Int { stream.byteCount }

  /// Writes the schema. The parameters and errors are those of `ArrowStreamWriter`.
  public init(
    schema: Schema, options: ArrowWriteOptions = ArrowWriteOptions(),
    sink: @escaping (Buffer) throws -> Void
  ) throws {
    stream = try ArrowStreamWriter(schema: schema, options: options, isFile: true, sink: sink)
  }

  /// Writes one batch. A file holds one dictionary for each column: when a batch has another one, it
  /// throws `unsupported`, unless the dictionary only grew and `deltaDictionaries` is set.
  public func write(_ batch: RecordBatch) throws { try stream.write(batch) }

  /// Writes the footer; without it the file cannot be read. Calling it again does nothing.
  public func finish() throws { try stream.finish() }
}
