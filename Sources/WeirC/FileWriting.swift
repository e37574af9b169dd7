// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: as ParquetWriting.swift: the stream is released once, by its reader or here.
public import CWeir
public import CWeirKernels
internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

/// The settings of `weir_file_write`; docs/python.md lists them for people.
private struct FileOptions {
  var file = WeirFileWriteOptions()
  var overwrite = true

  init(_ options: [Option]) throws(CError) {
    let sizes = 1...Int(Int32.max)
    for option in options {
      switch option.key {
      case "metadata":
        guard let key = option.column else {
          throw .invalidArgument("option \"metadata\" needs a key (in the option's column)")
        }
        file.metadata.entries.append(Metadata.Entry(key: key, value: option.value))
        continue
      case "key_columns":
        guard let column = option.column else {
          throw .invalidArgument("option \"key_columns\" needs a column")
        }
        if try option.boolean() { file.keyColumns.append(column) }
        continue
      case "quantise":
        guard let column = option.column else {
          throw .invalidArgument("option \"quantise\" needs a column")
        }
        file.quantise[column] = try option.double(0...Double.greatestFiniteMagnitude)
        continue
      case "layout":
        guard let column = option.column else {
          throw .invalidArgument("option \"layout\" needs a column, each the next in the file")
        }
        if try option.boolean() { file.layout.append(column) }
        continue
      default: try option.forAllColumns()
      }
      switch option.key {
      case "overwrite": overwrite = try option.boolean()
      case "profile": file.profile = try option.choice(["fast": .fast, "compact": .compact])
      case "page_rows": file.pageRowsMax = try option.integer(sizes)
      case "page_bytes": file.pageBytesMax = try option.integer(sizes)
      case "buffer_bytes": file.bufferBytesMax = try option.integer(1...1 << 40)
      case "window_bytes": file.windowBytesMax = try option.integer(0...1 << 40)
      case "key_index_bytes": file.keyIndexBytesMax = try option.integer(0...1 << 40)
      case "statistics": file.statistics = try option.boolean()
      case "dictionary_bytes": file.dictionaryBytesMax = try option.integer(0...1 << 30)
      case "part_bytes": file.partBytesMin = try option.integer(0...1 << 30)
      case "share_dictionaries": file.sharesDictionaries = try option.boolean()
      default:
        throw option.unknown([
          "buffer_bytes", "dictionary_bytes", "key_columns", "key_index_bytes", "layout",
          "metadata", "overwrite", "page_bytes", "page_rows", "part_bytes", "profile", "quantise",
          "share_dictionaries", "statistics", "window_bytes",
        ])
      }
    }
  }
}

@c @implementation
public func weir_file_write(
  _ path: UnsafePointer<CChar>?, _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ rowCount: UnsafeMutablePointer<Int64>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { if let stream { stream.pointee.release?(stream) } }
  var name: String?
  return status(error, path: name) {
    let path = try Arguments.path(path)
    name = path
    var options = try FileOptions(Arguments.options(options, optionCount))
    options.file.fileName = path
    let reader = try CStreamReader(Arguments.output(stream, "stream"))
    let sink = try LocalFile.create(path, overwrite: options.overwrite)
    let writer = try WeirFileWriter(sink, schema: reader.schema, options: options.file)
    while let batch = try reader.next() { try writer.write(batch) }
    try writer.close()
    rowCount?.pointee = Int64(writer.rowCount)
  }
}

private func eraseOptions(
  _ options: [Option]
) throws(CError) -> (profile: WeirFileWriteOptions.Profile, overwrite: Bool) {
  var result = (profile: WeirFileWriteOptions.Profile.fast, overwrite: true)
  for option in options {
    try option.forAllColumns()
    switch option.key {
    case "profile": result.profile = try option.choice(["fast": .fast, "compact": .compact])
    case "overwrite": result.overwrite = try option.boolean()
    default: throw option.unknown(["overwrite", "profile"])
    }
  }
  return result
}

@c @implementation
public func weir_file_erase(
  _ file: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ rows: UnsafePointer<Int64>?, _ rowCount: Int64,
  _ predicate: UnsafePointer<CChar>?, _ path: UnsafePointer<CChar>?,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ erased: UnsafeMutablePointer<Int64>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  let handle = Handle.get(file, FileHandle.self)
  return status(error, path: handle?.path) {
    let handle = try Handle.need(file, FileHandle.self, "file")
    let path = try Arguments.path(path)
    let columns = try Arguments.columns(columns, columnCount)
    let options = try eraseOptions(Arguments.options(options, optionCount))
    guard rowCount >= 0, (rows == nil) != (predicate == nil), predicate == nil || rowCount == 0
    else {
      throw CError.invalidArgument(
        "give either rows or a predicate: the other one is NULL, and no number is negative")
    }
    let chosen =
      try predicate.map {
        try handle.reader.rows(where: try Predicate(parsing: Arguments.text($0, "predicate")))
      } ?? UnsafeBufferPointer(start: rows, count: Int(rowCount)).map { Int($0) }
    let sink = try LocalFile.create(path, overwrite: options.overwrite)
    let summary = try WeirFileEraser.erase(
      rows: chosen, columns: columns, of: handle.reader, to: sink, profile: options.profile)
    erased?.pointee = Int64(summary.rowCount)
  }
}
