// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
package import WeirStorage

extension Snapshot {
  /// Whether it only brought rows to other files, or left some of them away there: a compaction, an
  /// erasure.
  var movesRows: Bool { summary?[RowMap.property] != nil }
}

// Row maps of one commit lie in a Puffin file that the snapshot's summary names.
extension RowMap {
  /// In the summary of a snapshot: the file of its row maps.
  package static let property = "weir.row-map"

  /// The maps of the rewrite that made a snapshot; none for one that was made otherwise, or whose file
  /// somebody removed as an orphan.
  package static func all(
    of snapshot: Snapshot, _ stores: ObjectStores
  ) throws(TableError) -> [RowMap] {
    guard let path = snapshot.summary?[property] else { return [] }
    let opened: any ObjectReader
    do {
      opened = try stores.open(path)
    } catch {
      if error.code == .notFound { return [] }
      throw TableError(error, "the row map of a compaction cannot be read")
    }
    let reader = try PuffinReader(opened)
    var maps: [RowMap] = []
    for blob in reader.blobs where blob.type == blobType {
      do throws(TableError) {
        maps.append(try RowMap(decoding: try reader.read(blob)))
      } catch { throw error.adding(file: path) }
    }
    return maps
  }

  /// A file of maps.
  static func file(_ maps: [RowMap], snapshotID: Int64) throws(TableError) -> Buffer {
    let writer = PuffinWriter()
    for map in maps {
      let blob = PuffinBlob(
        type: blobType, fields: [MetadataColumn.position.fieldID], snapshotID: snapshotID,
        sequenceNumber: -1)
      try writer.append(blob, map.encoded(), codec: .zstd)
    }
    return try writer.finish()
  }
}
