// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// A data file that is being written.
final class OpenDataFile {
  let path: String
  private let writer: ParquetWriter
  private let fields: [TableField]
  private let leaves: [WrittenLeaf]
  private var nanCounts: [Int32: Int] = [:]

  /// - Parameter fields: the columns of its batches.
  init(
    _ path: String, fields: [TableField], properties: WriteProperties, stores: ObjectStores
  ) throws(TableError) {
    self.path = path
    self.fields = fields
    leaves = WrittenLeaf.leaves(fields)
    for leaf in leaves where !leaf.isRepeated && (leaf.type == .float || leaf.type == .double) {
      nanCounts[leaf.id] = 0
    }
    let sink: any ObjectWriter
    do throws(StorageError) {
      sink = try stores.create(path)
    } catch { throw TableError(error, file: path) }
    do throws(ParquetError) {
      writer = try ParquetWriter(
        sink, schema: Schema(fields.map(\.arrowField)), options: properties.parquet)
    } catch { throw TableError(error).adding(file: path) }
  }

  var rowCount: Int { writer.rowCount }
  var bufferedByteCount: Int { writer.bufferedByteCount }
  /// Bytes that the file will have, roughly: columns become about a third of what they are in memory.
  var estimatedByteCount: Int { writer.writtenByteCount + writer.bufferedByteCount / 3 }

  func write(_ batch: RecordBatch) throws(TableError) {
    for (field, array) in zip(fields, batch.columns) where !nanCounts.isEmpty {
      NaNCounts.add(array, field, to: &nanCounts)
    }
    do throws(ParquetError) {
      try writer.write(batch)
    } catch { throw TableError(error).adding(file: path) }
  }

  /// Writes what is buffered, so that its memory is free.
  func flush() throws(TableError) {
    do throws(ParquetError) {
      try writer.endRowGroup()
    } catch { throw TableError(error).adding(file: path) }
  }

  /// Makes the file visible.
  func close(
    spec: PartitionSpec, partition: [Scalar], modes: MetricsModes, sortOrderID: Int?,
    content: DataFile.Content = .data, equalityIDs: [Int32]? = nil
  ) throws(TableError) -> DataFile {
    let metadata: FileMetaData
    do throws(ParquetError) {
      metadata = try writer.close()
    } catch { throw TableError(error).adding(file: path) }
    let offsets = metadata.rowGroups.compactMap { group in
      group.columns.first.map {
        Int64($0.metaData.dictionaryPageOffset ?? $0.metaData.dataPageOffset)
      }
    }
    return DataFile(
      content: content, path: path, format: .parquet, specID: spec.specID, partition: partition,
      recordCount: metadata.rowCount, fileSizeInBytes: writer.writtenByteCount,
      metrics: try DataFileMetrics.make(
        metadata, leaves: leaves, modes: modes, nanCounts: nanCounts),
      splitOffsets: offsets.isEmpty ? nil : offsets, equalityIDs: equalityIDs,
      sortOrderID: sortOrderID)
  }
}
