// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Removes all files of a table that is no longer in its catalog: those that its metadata leads to,
/// wherever they are. What cannot be read or removed stays behind.
struct TablePurge {
  private let stores: ObjectStores
  private let metadata: TableMetadata
  private let metadataLocation: String

  init(stores: ObjectStores, _ metadata: TableMetadata, metadataLocation: String) {
    self.stores = stores
    self.metadata = metadata
    self.metadataLocation = metadataLocation
  }

  func run(_ table: String, _ environment: TableEnvironment) throws(TableError) {
    let files = TableFiles(table, stores, environment, ManifestCache(byteCountMax: 0), metadata)
    let reach = FileReach(files: files, metadata: metadata)
    let manifests = try reach.manifests(of: metadata.snapshots) { _ throws(TableError) in }
    // From the leaves to the root; metadata last.
    var seen: Set<String> = []
    for manifest in manifests.values {
      try? reach.forEachFile(of: manifest) { path in
        if seen.insert(path).inserted { files.discard([path]) }
        return true
      }
    }
    let columns = try FileReach.columnFiles(metadata, files) { _ throws(TableError) in }
    files.discard(columns.keys)
    files.discard(manifests.keys)
    files.discard(FileReach.statistics(metadata))
    files.discard(metadata.snapshots.compactMap(\.manifestList))
    files.discard(metadata.metadataLog.map(\.location))
    files.discard([metadataLocation])
  }
}
