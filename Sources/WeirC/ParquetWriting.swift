// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles and Arguments.swift for what comes in. Arrow structs are moved or
// released exactly once: `CDataImport` takes them over, and `discard` releases those that no import saw.
public import CWeir
public import CWeirKernels
internal import Glibc
internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// What a `weir_parquet_writer *` refers to.
final class WriterHandle {
  let path: String
  let schema: Schema
  private let sink: any ObjectWriter
  private let writer: ParquetWriter
  private let process = getpid()
  private(set) var rowCount = 0
  private var failure: CError?

  init(path: String, schema: Schema, options: WriteOptions) throws {
    self.path = path
    self.schema = schema
    var parquet = options.parquet
    parquet.fileName = path
    sink = try LocalFile.create(path, overwrite: options.overwrite)
    do {
      writer = try ParquetWriter(sink, schema: schema, options: parquet)
    } catch {
      sink.abort()
      throw error
    }
  }

  /// Whether this is a child forked from the process that opened the writer: the file is not its.
  var isForked: Bool { getpid() != process }

  func write(_ batch: RecordBatch) throws {
    try check()
    do {
      try requireColumns(of: batch.schema)
      try writer.write(
        RecordBatch(schema: schema, columns: batch.columns, rowCount: batch.rowCount))
      rowCount += batch.rowCount
    } catch let error as CError {
      throw error  // Nothing was written; the writer goes on.
    } catch {
      failure = CError(error, path: path)
      throw failure!
    }
  }

  func close() throws {
    do {
      try check()
      _ = try writer.close()
    } catch {
      if !isForked { sink.abort() }
      throw error
    }
  }

  func abort() { sink.abort() }

  private func check() throws(CError) {
    guard !isForked else {
      throw .invalidArgument("the writer belongs to the process that this one was forked from")
    }
    if let failure { throw failure }
  }

  /// Same names, same types, same order.
  private func requireColumns(of other: Schema) throws(CError) {
    let wanted = schema.fields.map(\.name)
    let given = other.fields.map(\.name)
    guard wanted == given else {
      throw .invalidArgument("the writer's columns are \(wanted), the batch's \(given)")
    }
    for (field, other) in zip(schema.fields, other.fields) where field.type != other.type {
      var error = CError.invalidArgument(
        "column \(field.name) is \(field.type) in the writer's schema and \(other.type) in the batch"
      )
      error.column = field.name
      throw error
    }
  }
}

/// Releases what was handed in but never imported; released structs stay as they are.
private func discard(_ schema: UnsafeMutablePointer<ArrowSchema>?) {
  if let schema { schema.pointee.release?(schema) }
}

private func discard(_ array: UnsafeMutablePointer<ArrowArray>?) {
  if let array { array.pointee.release?(array) }
}

private func discard(_ stream: UnsafeMutablePointer<ArrowArrayStream>?) {
  if let stream { stream.pointee.release?(stream) }
}

@c @implementation
public func weir_parquet_writer_open(
  _ path: UnsafePointer<CChar>?, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ writer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { discard(schema) }
  var name: String?
  return status(error, path: name) {
    let writer = try Arguments.output(writer, "writer")
    let path = try Arguments.path(path)
    name = path
    let schema = try CDataImport.schema(from: Arguments.output(schema, "schema"))
    let options = try WriteOptions(Arguments.options(options, optionCount))
    writer.pointee = Handle.make(
      try WriterHandle(path: path, schema: schema, options: options))
  }
}

@c @implementation
public func weir_parquet_writer_write(
  _ writer: OpaquePointer?, _ array: UnsafeMutablePointer<ArrowArray>?,
  _ schema: UnsafeMutablePointer<ArrowSchema>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer {
    discard(array)
    discard(schema)
  }
  let handle = Handle.get(writer, WriterHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(writer, WriterHandle.self, "writer")
    let array = try Arguments.output(array, "array")
    if let schema {
      try handle.write(CDataImport.batch(from: array, schema: schema))
    } else {
      var own = ArrowSchema()
      defer { discard(&own) }
      try CDataExport.export(handle.schema, to: &own)
      try handle.write(CDataImport.batch(from: array, schema: &own))
    }
  }
}

@c @implementation
public func weir_parquet_writer_write_stream(
  _ writer: OpaquePointer?, _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { discard(stream) }
  let handle = Handle.get(writer, WriterHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(writer, WriterHandle.self, "writer")
    let reader = try CStreamReader(Arguments.output(stream, "stream"))
    while let batch = try reader.next() { try handle.write(batch) }
  }
}

@c @implementation
public func weir_parquet_writer_row_count(_ writer: OpaquePointer?) -> Int64 {
  Int64(Handle.get(writer, WriterHandle.self)?.rowCount ?? -1)
}

@c @implementation
public func weir_parquet_writer_close(
  _ writer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = endWriter(writer)
  return status(error, path: handle?.path) { try handle?.close() }
}

@c @implementation
public func weir_parquet_writer_abort(_ writer: UnsafeMutablePointer<OpaquePointer?>?) {
  let handle = endWriter(writer)
  if handle?.isForked == false { handle?.abort() }
}

/// Ends the caller's handle. In a forked child the writer is kept instead of freed: freeing it would
/// remove the temporary file that the parent is still writing.
private func endWriter(_ writer: UnsafeMutablePointer<OpaquePointer?>?) -> WriterHandle? {
  guard let handle = Handle.take(writer, WriterHandle.self) else { return nil }
  if handle.isForked { _ = Handle.make(handle) }
  return handle
}
