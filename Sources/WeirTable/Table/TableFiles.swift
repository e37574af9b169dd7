// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Reads and writes a table's manifests and manifest lists.
struct TableFiles {
  let table: String
  let stores: ObjectStores
  let environment: TableEnvironment
  private let cache: BoundedCache<[ManifestFile]>
  private let folder: String
  let manifestCodec: AvroCodec

  init(_ table: Table, _ metadata: TableMetadata) {
    self.init(
      table.identifier.description, table.stores, table.environment, table.manifestLists, metadata)
  }

  init(
    _ table: String, _ stores: ObjectStores, _ environment: TableEnvironment,
    _ cache: BoundedCache<[ManifestFile]>, _ metadata: TableMetadata
  ) {
    self.table = table
    self.stores = stores
    self.environment = environment
    self.cache = cache
    folder = MetadataLocation.folder(
      tableLocation: metadata.location, properties: metadata.properties)
    manifestCodec =
      switch metadata.properties["write.manifest.compression-codec"]?.lowercased() {
      case "uncompressed", "none": .null
      case "zstd": .zstandard
      default: .deflate
      }
  }

  /// A new name in the metadata folder.
  func newLocation(_ name: String) -> String { "\(folder)/\(name)" }

  func read(_ location: String) throws(TableError) -> Buffer {
    do {
      return try stores.get(location)
    } catch {
      throw TableError(error, "a file of the table cannot be read", table: table)
    }
  }

  func write(_ bytes: Buffer, to location: String) throws(TableError) {
    do {
      // Without a condition: names are new, and a repeated put must not mistake its own object.
      try stores.put(location, bytes)
    } catch {
      throw TableError(error, "a file of the table cannot be written", table: table)
    }
  }

  /// Removes files that no metadata names; what cannot be removed is left to orphan clean-up.
  func discard(_ locations: some Sequence<String>) {
    stores.delete(locations)
  }

  /// The manifests of a snapshot in the order of its list; v1 snapshots without a list have theirs
  /// made up from the files.
  func manifests(of snapshot: Snapshot?) throws(TableError) -> [ManifestFile] {
    guard let snapshot else { return [] }
    guard let location = snapshot.manifestList else {
      var manifests: [ManifestFile] = []
      for path in snapshot.manifests {
        do {
          manifests.append(
            try ManifestFile(
              reading: try read(path), path: path, snapshotID: snapshot.snapshotID))
        } catch {
          throw error.adding(table: table, file: path)
        }
      }
      return manifests
    }
    if let known = cache[location] { return known }
    let bytes = try read(location)
    let manifests: [ManifestFile]
    do {
      manifests = try ManifestListReader.read(bytes, name: location)
    } catch {
      throw error.adding(table: table, file: location)
    }
    remember(manifests, at: location)
    return manifests
  }

  func remember(_ manifests: [ManifestFile], at location: String) {
    cache.insert(manifests, location, byteCount: 64 + manifests.count * 400)
  }

  /// Opens a manifest; its spec decides how partition values are read.
  func reader(
    _ manifest: ManifestFile, _ metadata: TableMetadata
  ) throws(TableError) -> ManifestReader {
    guard let spec = metadata.spec(id: manifest.partitionSpecID) else {
      throw TableError(
        .damaged,
        "a manifest names the partition spec \(manifest.partitionSpecID), which the "
          + "table does not have",
        table: table, file: manifest.path)
    }
    do {
      return try ManifestReader(
        try read(manifest.path), of: manifest, spec: spec,
        partitionType: spec.partitionType(metadata.currentSchema))
    } catch {
      throw error.adding(table: table, file: manifest.path)
    }
  }
}
