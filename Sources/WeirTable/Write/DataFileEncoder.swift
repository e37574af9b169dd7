// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// What a data file's writer found out about it.
struct EncodedFile {
  var rowCount: Int
  var byteCount: Int
  var metrics: FileMetrics
  /// Where readers may divide it, when not everywhere.
  var splitOffsets: [Int64]?
}

/// Writes the rows of one data file in its format. The sink is aborted when an encoder is dropped
/// before `close()`, or after an error.
protocol DataFileEncoder: AnyObject {
  var rowCount: Int { get }
  /// Bytes in memory that `flush` frees.
  var bufferedByteCount: Int { get }
  /// Bytes in memory that stay until the file is closed.
  var heldByteCount: Int { get }
  /// Bytes that the file will have, roughly.
  var estimatedByteCount: Int { get }
  func write(_ batch: RecordBatch) throws(TableError)
  func flush() throws(TableError)
  func close() throws(TableError) -> EncodedFile
}

extension FileFormat {
  /// An encoder for files of these columns.
  func encoder(
    _ sink: any ObjectWriter, fields: [TableField], properties: WriteProperties
  ) throws(TableError) -> any DataFileEncoder {
    switch self {
    case .weir: try WeirEncoder(sink, fields: fields, properties: properties)
    default: try ParquetEncoder(sink, fields: fields, properties: properties)
    }
  }
}
