// SPDX-License-Identifier: Apache-2.0

internal import WeirStorage

/// Removes all files of a table that is no longer in its catalog.
struct TablePurge {
  private let stores: ObjectStores
  private let metadata: TableMetadata
  private let metadataLocation: String

  init(stores: ObjectStores, _ metadata: TableMetadata, metadataLocation: String) {
    self.stores = stores
    self.metadata = metadata
    self.metadataLocation = metadataLocation
  }

  func run(_ table: String) throws(TableError) {
    for location in metadata.metadataLog.map(\.location) + [metadataLocation] {
      try? stores.delete(location)
    }
  }
}
