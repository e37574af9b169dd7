// SPDX-License-Identifier: Apache-2.0

package import WeirStorage

// Row maps lie in Puffin files among a table's statistics.
extension RowMap {
  /// The maps of the rewrite that made a snapshot; none for one that was made otherwise, or whose
  /// statistics were replaced since.
  package static func all(
    of snapshotID: Int64, in metadata: TableMetadata, _ stores: ObjectStores
  ) throws(TableError) -> [RowMap] {
    guard
      let file = metadata.statistics.first(where: { $0.snapshotID == snapshotID }),
      file.blobs.contains(where: { $0.type == blobType })
    else { return [] }
    let opened: any ObjectReader
    do {
      opened = try stores.open(file.path)
    } catch { throw TableError(error, "the row map of a compaction cannot be read") }
    let reader = try PuffinReader(opened)
    var maps: [RowMap] = []
    for blob in reader.blobs where blob.type == blobType {
      do throws(TableError) {
        maps.append(try RowMap(decoding: try reader.read(blob)))
      } catch { throw error.adding(file: file.path) }
    }
    return maps
  }

  /// Adds maps to a Puffin file.
  ///
  /// - Returns: how table metadata is to tell of them.
  static func append(
    _ maps: [RowMap], to writer: PuffinWriter, snapshotID: Int64, sequenceNumber: Int64
  ) throws(TableError) -> [StatisticsBlob] {
    var blobs: [StatisticsBlob] = []
    for map in maps {
      let blob = PuffinBlob(
        type: blobType, fields: [MetadataColumn.position.fieldID], snapshotID: snapshotID,
        sequenceNumber: sequenceNumber)
      try writer.append(blob, map.encoded(), codec: .zstd)
      blobs.append(
        StatisticsBlob(
          type: blobType, snapshotID: snapshotID, sequenceNumber: sequenceNumber,
          fieldIDs: blob.fields))
    }
    return blobs
  }
}
