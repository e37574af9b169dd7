// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles and Arguments.swift for what comes in; outputs are pointers that
// the caller vouches for (weir.h) and that are checked for NULL.
public import CWeir
public import CWeirKernels
internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

/// What a `weir_file *` refers to.
final class FileHandle {
  let reader: WeirFileReader
  let path: String

  init(path: String, options: WeirFileReadOptions) throws {
    self.path = path
    reader = try WeirFileReader(LocalFile.open(path), options: options)
  }
}

private func readOptions(_ options: [Option]) throws(CError) -> WeirFileReadOptions {
  var result = WeirFileReadOptions()
  for option in options {
    try option.forAllColumns()
    switch option.key {
    case "verify_checksums": result.verifiesChecksums = try option.boolean()
    case "memory_map": result.mapsMemory = try option.boolean()
    case "cache_bytes": result.cacheBytesMax = try option.integer(0...1 << 40)
    default: throw option.unknown(["cache_bytes", "memory_map", "verify_checksums"])
    }
  }
  return result
}

@c @implementation
public func weir_file_open(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ file: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  var name: String?
  return status(error, path: name) {
    let file = try Arguments.output(file, "file")
    let path = try Arguments.path(path)
    name = path
    let options = try readOptions(Arguments.options(options, optionCount))
    file.pointee = Handle.make(try FileHandle(path: path, options: options))
  }
}

@c @implementation
public func weir_file_row_count(_ file: OpaquePointer?) -> Int64 {
  Int64(Handle.get(file, FileHandle.self)?.reader.rowCount ?? -1)
}

@c @implementation
public func weir_file_column_count(_ file: OpaquePointer?) -> Int64 {
  Int64(Handle.get(file, FileHandle.self)?.reader.columnCount ?? -1)
}

@c @implementation
public func weir_file_schema(
  _ file: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = Handle.get(file, FileHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(file, FileHandle.self, "file")
    let schema = try Arguments.output(schema, "schema")
    let columns = try Arguments.columns(columns, columnCount)
    let chosen =
      try columns.map { try handle.reader.batches(columns: $0, rows: 0..<0).schema }
      ?? handle.reader.schema
    try CDataExport.export(chosen, to: schema)
  }
}

@c @implementation
public func weir_file_read(
  _ file: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ firstRow: Int64, _ rowCount: Int64, _ batchRows: Int64,
  _ batches: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  read(file, columns, columnCount, firstRow, rowCount, batchRows, batches, error, unique: false)
}

@c @implementation
public func weir_file_read_unique(
  _ file: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ firstRow: Int64, _ rowCount: Int64, _ batchRows: Int64,
  _ batches: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  read(file, columns, columnCount, firstRow, rowCount, batchRows, batches, error, unique: true)
}

private func read(
  _ file: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ firstRow: Int64, _ rowCount: Int64, _ batchRows: Int64,
  _ batches: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?,
  unique: Bool
) -> Int32 {
  let handle = Handle.get(file, FileHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(file, FileHandle.self, "file")
    let output = try Arguments.output(batches, "batches")
    let columns = try Arguments.columns(columns, columnCount)
    let rows = Int64(handle.reader.rowCount)
    guard firstRow >= 0 && firstRow <= rows, rowCount >= -1 && rowCount <= rows - firstRow else {
      throw CError.invalidArgument(
        "there are no \(rowCount) rows from row \(firstRow) on in a file of \(rows) rows")
    }
    let end = rowCount == -1 ? rows : firstRow + rowCount
    let batches = try handle.reader.batches(
      columns: columns, rows: Int(firstRow)..<Int(end),
      batchRows: try batchRowCount(batchRows), uniqueLists: unique)
    output.pointee = Handle.make(BatchesHandle(batches, path: handle.path))
  }
}

@c @implementation
public func weir_file_take(
  _ file: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ rows: UnsafePointer<Int64>?, _ rowCount: Int64,
  _ batch: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = Handle.get(file, FileHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(file, FileHandle.self, "file")
    let output = try Arguments.output(batch, "batch")
    let columns = try Arguments.columns(columns, columnCount)
    guard rowCount >= 0, rows != nil || rowCount == 0 else {
      throw CError.invalidArgument("rows is NULL, or their number \(rowCount) is negative")
    }
    let wanted = UnsafeBufferPointer(start: rows, count: Int(rowCount)).map { Int($0) }
    output.pointee = Handle.make(
      BatchHandle(try handle.reader.take(rows: wanted, columns: columns)))
  }
}

@c @implementation
public func weir_file_matches(
  _ file: OpaquePointer?, _ predicate: UnsafePointer<CChar>?,
  _ columns: UnsafePointer<UnsafePointer<CChar>?>?, _ columnCount: Int64, _ batchRows: Int64,
  _ batches: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = Handle.get(file, FileHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(file, FileHandle.self, "file")
    let output = try Arguments.output(batches, "batches")
    let predicate = try Predicate(parsing: Arguments.text(predicate, "predicate"))
    let columns = try Arguments.columns(columns, columnCount)
    let matches = try handle.reader.matches(
      predicate, columns: columns, batchRows: try batchRowCount(batchRows))
    output.pointee = Handle.make(BatchesHandle(matches, path: handle.path))
  }
}

/// 0 means the default.
private func batchRowCount(_ batchRows: Int64) throws(CError) -> Int {
  guard batchRows >= 0 && batchRows <= Int64(Int32.max) else {
    throw CError.invalidArgument(
      "batch_rows is \(batchRows); it must be from 1 to \(Int32.max), or 0 for the default")
  }
  return batchRows == 0 ? 16_384 : Int(batchRows)
}

@c @implementation
public func weir_file_close(_ file: UnsafeMutablePointer<OpaquePointer?>?) {
  _ = Handle.take(file, FileHandle.self)
}
