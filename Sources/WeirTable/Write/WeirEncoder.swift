// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

/// Writes a data file in the Weir format. Metrics are made of the rows.
final class WeirEncoder: DataFileEncoder {
  private let writer: WeirFileWriter
  private let fields: [TableField]
  private var metrics: RowMetrics

  init(
    _ sink: any ObjectWriter, fields: [TableField], properties: WriteProperties
  ) throws(TableError) {
    self.fields = fields
    metrics = RowMetrics(fields, modes: properties.metrics)
    var options = properties.weir
    options.keyColumns = fields.filter { properties.keyFieldIDs.contains($0.id) }.map(\.name)
    let names = Dictionary(
      fields.map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
    options.layout = properties.layout.fieldIDs.compactMap { names[$0] }
    do throws(WeirFileError) {
      writer = try WeirFileWriter(
        sink, schema: Schema(fields.map(\.arrowField)), options: options)
    } catch { throw TableError(error) }
  }

  var rowCount: Int { writer.rowCount }
  var bufferedByteCount: Int { writer.pendingByteCount }
  var heldByteCount: Int { writer.heldByteCount }
  /// Columns become about a third of what they are in memory, and lists that others share less.
  var estimatedByteCount: Int {
    writer.writtenByteCount + writer.pendingByteCount / 3 + writer.heldByteCount / 2
  }

  func write(_ batch: RecordBatch) throws(TableError) {
    do throws(WeirFileError) {
      try writer.write(batch)
    } catch { throw TableError(error) }
    try metrics.add(batch)
  }

  func flush() throws(TableError) {
    do throws(WeirFileError) {
      try writer.flush()
    } catch { throw TableError(error) }
  }

  func close() throws(TableError) -> EncodedFile {
    let file: ObjectMetadata
    do throws(WeirFileError) {
      file = try writer.close()
    } catch { throw TableError(error) }
    return EncodedFile(
      rowCount: writer.rowCount, byteCount: file.size,
      metrics: try metrics.finish(columnSizes: columnSizes()))
  }

  /// Pages belong to a whole column: of a struct with several fields its own id says how large it
  /// is, of others that of the one field that holds values.
  private func columnSizes() -> [Int32: Int64] {
    var sizes: [Int32: Int64] = [:]
    for (field, count) in zip(fields, writer.columnStoredByteCounts) {
      let leaves = WrittenLeaf.leaves([field])
      sizes[leaves.count == 1 ? leaves[0].id : field.id] = Int64(count)
    }
    return sizes
  }
}
