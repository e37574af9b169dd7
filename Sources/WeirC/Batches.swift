// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles; outputs are pointers that the caller vouches for (weir.h) and
// that are checked for NULL.
internal import CWeir
public import CWeirKernels
internal import WeirColumnar

/// What a `weir_batches *` refers to.
final class BatchesHandle {
  let reader: any RecordBatchReader
  /// The file's path, for errors.
  let path: String
  private var failure: CError?

  init(_ reader: any RecordBatchReader, path: String) {
    self.reader = reader
    self.path = path
  }

  /// The next batch; after an error the same error again, for the reader is broken then.
  func next() throws -> RecordBatch? {
    if let failure { throw failure }
    do {
      return try reader.next()
    } catch {
      let error = CError(error, path: path)
      failure = error
      throw error
    }
  }
}

/// What a `weir_batch *` refers to.
final class BatchHandle {
  let batch: RecordBatch
  init(_ batch: RecordBatch) { self.batch = batch }
}

@c @implementation
public func weir_batches_schema(
  _ batches: OpaquePointer?, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let batches = try Handle.need(batches, BatchesHandle.self, "batches")
    try CDataExport.export(batches.reader.schema, to: Arguments.output(schema, "schema"))
  }
}

@c @implementation
public func weir_batches_next(
  _ batches: OpaquePointer?, _ batch: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let batches = try Handle.need(batches, BatchesHandle.self, "batches")
    let batch = try Arguments.output(batch, "batch")
    batch.pointee = try batches.next().map { Handle.make(BatchHandle($0)) }
  }
}

@c @implementation
public func weir_batches_export(
  _ batches: UnsafeMutablePointer<OpaquePointer?>?,
  _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let stream = try Arguments.output(stream, "stream")
    _ = try Handle.need(
      Arguments.output(batches, "batches").pointee, BatchesHandle.self, "batches")
    guard let taken = Handle.take(batches, BatchesHandle.self) else { return }
    CDataExport.export(taken.reader, to: stream)
  }
}

@c @implementation
public func weir_batches_close(_ batches: UnsafeMutablePointer<OpaquePointer?>?) {
  _ = Handle.take(batches, BatchesHandle.self)
}

@c @implementation
public func weir_batch_row_count(_ batch: OpaquePointer?) -> Int64 {
  Int64(Handle.get(batch, BatchHandle.self)?.batch.rowCount ?? -1)
}

@c @implementation
public func weir_batch_export(
  _ batch: OpaquePointer?, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ array: UnsafeMutablePointer<ArrowArray>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let batch = try Handle.need(batch, BatchHandle.self, "batch").batch
    if let schema { try CDataExport.export(batch.schema, to: schema) }
    if let array { CDataExport.export(batch, to: array) }
  }
}

@c @implementation
public func weir_batch_close(_ batch: UnsafeMutablePointer<OpaquePointer?>?) {
  _ = Handle.take(batch, BatchHandle.self)
}
