// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles and Arguments.swift for what comes in; outputs are pointers that
// the caller vouches for (weir.h) and that are checked for NULL.
public import CWeir
public import CWeirKernels
internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// What a `weir_parquet_reader *` refers to.
final class ReaderHandle {
  let reader: ParquetReader
  let path: String

  init(path: String, options: ParquetReadOptions) throws {
    self.path = path
    reader = try ParquetReader(LocalFile.open(path), options: options)
  }
}

private func readOptions(_ options: [Option]) throws(CError) -> ParquetReadOptions {
  var result = ParquetReadOptions()
  for option in options {
    try option.forAllColumns()
    switch option.key {
    case "verify_checksums": result.verifiesChecksums = try option.boolean()
    case "validate_text": result.validatesText = try option.boolean()
    case "int96_unit":
      result.int96Unit = try option.choice([
        "s": .second, "ms": .millisecond, "us": .microsecond, "ns": .nanosecond,
      ])
    default: throw option.unknown(["verify_checksums", "validate_text", "int96_unit"])
    }
  }
  return result
}

@c @implementation
public func weir_parquet_reader_open(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ reader: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  var name: String?
  return status(error, path: name) {
    let reader = try Arguments.output(reader, "reader")
    let path = try Arguments.path(path)
    name = path
    let options = try readOptions(Arguments.options(options, optionCount))
    reader.pointee = Handle.make(try ReaderHandle(path: path, options: options))
  }
}

@c @implementation
public func weir_parquet_reader_row_count(_ reader: OpaquePointer?) -> Int64 {
  Int64(Handle.get(reader, ReaderHandle.self)?.reader.rowCount ?? -1)
}

@c @implementation
public func weir_parquet_reader_row_group_count(_ reader: OpaquePointer?) -> Int64 {
  Int64(Handle.get(reader, ReaderHandle.self)?.reader.metadata.rowGroups.count ?? -1)
}

@c @implementation
public func weir_parquet_reader_schema(
  _ reader: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = Handle.get(reader, ReaderHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(reader, ReaderHandle.self, "reader")
    let schema = try Arguments.output(schema, "schema")
    let columns = try Arguments.columns(columns, columnCount)
    let chosen =
      try columns.map { try handle.reader.batches(columns: $0, rowGroups: []).schema }
      ?? handle.reader.schema
    try CDataExport.export(chosen, to: schema)
  }
}

@c @implementation
public func weir_parquet_reader_metadata_json(
  _ reader: OpaquePointer?, _ json: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let reader = try Handle.need(reader, ReaderHandle.self, "reader").reader
    let json = try Arguments.output(json, "json")
    json.pointee = copyText(metadataJSON(reader))
  }
}

@c @implementation
public func weir_parquet_reader_read(
  _ reader: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ rowGroupNumbers: UnsafePointer<Int64>?, _ rowGroupCount: Int64,
  _ batchRows: Int64, _ batches: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = Handle.get(reader, ReaderHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(reader, ReaderHandle.self, "reader")
    let output = try Arguments.output(batches, "batches")
    let columns = try Arguments.columns(columns, columnCount)
    let rowGroups = try Arguments.rowGroups(
      rowGroupNumbers, rowGroupCount, limit: handle.reader.metadata.rowGroups.count)
    guard batchRows >= 0 && batchRows <= Int64(Int32.max) else {
      throw CError.invalidArgument(
        "batch_rows is \(batchRows); it must be from 1 to \(Int32.max), or 0 for the default")
    }
    let batches = try handle.reader.batches(
      columns: columns, rowGroups: rowGroups,
      batchRows: batchRows == 0 ? 65_536 : Int(batchRows))
    output.pointee = Handle.make(BatchesHandle(batches, path: handle.path))
  }
}

@c @implementation
public func weir_parquet_reader_close(_ reader: UnsafeMutablePointer<OpaquePointer?>?) {
  _ = Handle.take(reader, ReaderHandle.self)
}
