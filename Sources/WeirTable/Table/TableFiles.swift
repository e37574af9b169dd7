// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Reads and writes a table's manifests and manifest lists.
struct TableFiles {
  let table: String
  let stores: ObjectStores
  let environment: TableEnvironment
  private let manifestFiles: ManifestFiles
  private let folder: String
  let manifestCodec: AvroCodec

  init(_ table: Table, _ metadata: TableMetadata) {
    self.init(
      table.identifier.description, table.stores, table.environment,
      table.environment.manifestCache, metadata)
  }

  init(
    _ table: String, _ stores: ObjectStores, _ environment: TableEnvironment,
    _ cache: ManifestCache, _ metadata: TableMetadata
  ) {
    self.table = table
    self.stores = stores
    self.environment = environment
    manifestFiles = ManifestFiles(stores: stores, cache: cache)
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

  /// The manifests of a snapshot in the order of its list.
  func manifests(of snapshot: Snapshot?) throws(TableError) -> [ManifestFile] {
    guard let snapshot else { return [] }
    do {
      return try manifestFiles.manifests(of: snapshot)
    } catch {
      throw error.adding(table: table, file: snapshot.manifestList)
    }
  }

  /// The column files of a snapshot.
  func columnFiles(
    of snapshot: Snapshot?, in metadata: TableMetadata
  ) throws(TableError) -> ColumnFileList {
    do {
      return try manifestFiles.columnFiles(of: snapshot, in: metadata)
    } catch { throw error.adding(table: table) }
  }

  /// The column files that a file lists.
  func columnFiles(_ path: String) throws(TableError) -> ColumnFileList {
    do {
      return try manifestFiles.columnFiles(path)
    } catch { throw error.adding(table: table) }
  }

  func remember(_ manifests: [ManifestFile], at location: String) {
    manifestFiles.cache.insert(manifests, location, stores)
  }

  /// Opens a manifest; its spec decides how partition values are read.
  func reader(
    _ manifest: ManifestFile, _ metadata: TableMetadata
  ) throws(TableError) -> ManifestReader {
    do {
      let spec = try manifestFiles.spec(of: manifest, in: metadata)
      return try manifestFiles.open(manifest, spec, metadata.currentSchema)
    } catch {
      throw error.adding(table: table, file: manifest.path)
    }
  }
}
