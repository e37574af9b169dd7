// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: releases what the caller handed in, once; nothing else is done through a pointer here.
public import CWeir
public import CWeirKernels

// Until the writer is there.
private func unsupported(_ error: UnsafeMutablePointer<OpaquePointer?>?) -> Int32 {
  status(error) { throw CError(WEIR_UNSUPPORTED, "this version cannot write Parquet yet") }
}

@c @implementation
public func weir_parquet_writer_open(
  _ path: UnsafePointer<CChar>?, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ writer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  if let schema { schema.pointee.release?(schema) }
  return unsupported(error)
}

@c @implementation
public func weir_parquet_writer_write(
  _ writer: OpaquePointer?, _ array: UnsafeMutablePointer<ArrowArray>?,
  _ schema: UnsafeMutablePointer<ArrowSchema>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  if let array { array.pointee.release?(array) }
  if let schema { schema.pointee.release?(schema) }
  return unsupported(error)
}

@c @implementation
public func weir_parquet_writer_write_stream(
  _ writer: OpaquePointer?, _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  if let stream { stream.pointee.release?(stream) }
  return unsupported(error)
}

@c @implementation
public func weir_parquet_writer_row_count(_ writer: OpaquePointer?) -> Int64 { -1 }

@c @implementation
public func weir_parquet_writer_close(
  _ writer: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {}
}

@c @implementation
public func weir_parquet_writer_abort(_ writer: UnsafeMutablePointer<OpaquePointer?>?) {}
