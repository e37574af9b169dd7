// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Deletion vectors of one commit, all in one Puffin file.
struct VectorsFile {
  private let writer = PuffinWriter()
  private var vectors: [(file: DataFile, blob: PuffinBlob, count: Int)] = []

  var isEmpty: Bool { vectors.isEmpty }

  mutating func add(_ positions: RoaringBitmap64, of file: DataFile) throws(TableError) {
    let blob = try writer.append(deletionVector: positions, of: file.path)
    vectors.append((file, blob, positions.count))
  }

  /// Stores the file.
  ///
  /// - Parameter location: a new name in the table's data folder.
  /// - Returns: the vectors' entries for a manifest.
  func write(to location: String, _ files: TableFiles) throws(TableError) -> [DataFile] {
    let bytes = try writer.finish()
    try files.write(bytes, to: location)
    return vectors.map { vector in
      // Who does not know `referenced_data_file` (PyIceberg 0.12, Polars 2.1) takes the one file from
      // equal bounds, as for position delete files, and else reads the vectors of the partition. Empty
      // maps, not none: PyIceberg's `inspect.entries()` takes them as given.
      let bound = [MetadataColumn.deleteFilePathID: Array(vector.file.path.utf8)]
      return DataFile(
        content: .positionDeletes, path: location, format: .puffin, specID: vector.file.specID,
        partition: vector.file.partition, recordCount: vector.count,
        fileSizeInBytes: bytes.count,
        metrics: FileMetrics(
          columnSizes: [:], valueCounts: [:], nullValueCounts: [:], nanValueCounts: [:],
          lowerBounds: bound, upperBounds: bound),
        referencedDataFile: vector.file.path, contentOffset: Int64(vector.blob.offset),
        contentSizeInBytes: Int64(vector.blob.length))
    }
  }

  /// A new name for such a file.
  static func newLocation(_ base: TableMetadata, _ environment: TableEnvironment) -> String {
    let folder = MetadataLocation.dataFolder(
      tableLocation: base.location, properties: base.properties)
    let name = Defect.reusedFileName.isPlanted ? "the" : environment.uuid()
    return "\(folder)/\(name)-dv.puffin"
  }
}
