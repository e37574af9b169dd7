// SPDX-License-Identifier: Apache-2.0

/// Goes through the entries of some manifests, one manifest in memory at a time.
struct EntryWalk {
  /// An entry at which its reader stands.
  struct Place {
    let reader: ManifestReader
    let spec: PartitionSpec
  }

  private let metadata: TableMetadata
  private let files: ManifestFiles
  private let schema: TableSchema
  private var manifests: ArraySlice<ManifestFile>
  private var current: Place?

  /// - Parameter schema: by which partition values and bounds are read.
  init(
    _ manifests: [ManifestFile], _ metadata: TableMetadata, _ files: ManifestFiles,
    _ schema: TableSchema
  ) {
    self.metadata = metadata
    self.files = files
    self.schema = schema
    self.manifests = manifests[...]
  }

  /// The next entry, whatever its status; `nil` after the last.
  mutating func next() throws(TableError) -> Place? {
    while true {
      if let current {
        if try current.reader.advance() { return current }
        self.current = nil
      }
      guard let manifest = manifests.popFirst() else { return nil }
      let spec = try files.spec(of: manifest, in: metadata)
      current = Place(reader: try files.open(manifest, spec, schema), spec: spec)
    }
  }
}
