// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// A data file that is being written.
final class OpenDataFile {
  let path: String
  private let format: FileFormat
  private let encoder: any DataFileEncoder

  /// - Parameters:
  ///   - fields: the columns of its batches.
  ///   - properties: their format is the file's.
  init(
    _ path: String, fields: [TableField], properties: WriteProperties, stores: ObjectStores
  ) throws(TableError) {
    self.path = path
    format = properties.format
    let sink: any ObjectWriter
    do throws(StorageError) {
      sink = try stores.create(path)
    } catch { throw TableError(error, file: path) }
    do throws(TableError) {
      encoder = try properties.format.encoder(sink, fields: fields, properties: properties)
    } catch { throw error.adding(file: path) }
  }

  var rowCount: Int { encoder.rowCount }
  var bufferedByteCount: Int { encoder.bufferedByteCount }
  var heldByteCount: Int { encoder.heldByteCount }
  /// Bytes that the file will have, roughly.
  var estimatedByteCount: Int { encoder.estimatedByteCount }

  func write(_ batch: RecordBatch) throws(TableError) {
    do throws(TableError) {
      try encoder.write(batch)
    } catch { throw error.adding(file: path) }
  }

  /// Writes what is buffered, so that its memory is free.
  func flush() throws(TableError) {
    do throws(TableError) {
      try encoder.flush()
    } catch { throw error.adding(file: path) }
  }

  /// Makes the file visible.
  func close(
    spec: PartitionSpec, partition: [Scalar], sortOrderID: Int?,
    content: DataFile.Content = .data, equalityIDs: [Int32]? = nil
  ) throws(TableError) -> DataFile {
    let file: EncodedFile
    do throws(TableError) {
      file = try encoder.close()
    } catch { throw error.adding(file: path) }
    return DataFile(
      content: content, path: path, format: format, specID: spec.specID, partition: partition,
      recordCount: file.rowCount, fileSizeInBytes: file.byteCount, metrics: file.metrics,
      splitOffsets: file.splitOffsets, equalityIDs: equalityIDs, sortOrderID: sortOrderID)
  }
}
