// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// Writes a data file as Parquet. Metrics are made of the statistics in its footer.
final class ParquetEncoder: DataFileEncoder {
  private let writer: ParquetWriter
  private let fields: [TableField]
  private let leaves: [WrittenLeaf]
  private let modes: MetricsModes
  private var nanCounts: [Int32: Int] = [:]

  init(
    _ sink: any ObjectWriter, fields: [TableField], properties: WriteProperties
  ) throws(TableError) {
    self.fields = fields
    modes = properties.metrics
    leaves = WrittenLeaf.leaves(fields)
    for leaf in leaves where !leaf.isRepeated && (leaf.type == .float || leaf.type == .double) {
      nanCounts[leaf.id] = 0
    }
    do throws(ParquetError) {
      writer = try ParquetWriter(
        sink, schema: Schema(fields.map(\.arrowField)), options: properties.parquet)
    } catch { throw TableError(error) }
  }

  var rowCount: Int { writer.rowCount }
  var bufferedByteCount: Int { writer.bufferedByteCount }
  var heldByteCount: Int { 0 }
  /// Columns become about a third of what they are in memory.
  var estimatedByteCount: Int { writer.writtenByteCount + writer.bufferedByteCount / 3 }

  func write(_ batch: RecordBatch) throws(TableError) {
    for (field, array) in zip(fields, batch.columns) where !nanCounts.isEmpty {
      NaNCounts.add(array, field, to: &nanCounts)
    }
    do throws(ParquetError) {
      try writer.write(batch)
    } catch { throw TableError(error) }
  }

  func flush() throws(TableError) {
    do throws(ParquetError) {
      try writer.endRowGroup()
    } catch { throw TableError(error) }
  }

  func close() throws(TableError) -> EncodedFile {
    let metadata: FileMetaData
    do throws(ParquetError) {
      metadata = try writer.close()
    } catch { throw TableError(error) }
    let offsets = metadata.rowGroups.compactMap { group in
      group.columns.first.map {
        Int64($0.metaData.dictionaryPageOffset ?? $0.metaData.dataPageOffset)
      }
    }
    return EncodedFile(
      rowCount: metadata.rowCount, byteCount: writer.writtenByteCount,
      metrics: try ParquetMetrics.make(
        metadata, leaves: leaves, modes: modes, nanCounts: nanCounts),
      splitOffsets: offsets.isEmpty ? nil : offsets)
  }
}
