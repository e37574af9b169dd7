// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirStorage

/// Reads and writes metadata files. What was read or written is kept in memory up to a bound: a
/// metadata file never changes, for its name is never used twice.
final class MetadataFiles: Sendable {
  /// How much memory parsed metadata takes, as a multiple of its JSON. An estimate.
  private static let memoryPerFileByte = 6

  let stores: ObjectStores
  private let tables: BoundedCache<TableMetadata>

  init(stores: ObjectStores, cacheByteCountMax: Int) {
    self.stores = stores
    tables = BoundedCache(byteCountMax: cacheByteCountMax)
  }

  func table(_ location: String, _ identifier: String) throws(TableError) -> TableMetadata {
    if let known = tables[location] { return known }
    let bytes = try read(location, identifier)
    let metadata: TableMetadata
    do {
      metadata = try TableMetadata(bytes: bytes, location: location)
    } catch {
      throw error.adding(table: identifier, file: location)
    }
    tables.insert(metadata, location, byteCount: bytes.count * Self.memoryPerFileByte)
    return metadata
  }

  func write(
    _ metadata: TableMetadata, to location: String, _ identifier: String
  ) throws(TableError) {
    let bytes = metadata.bytes()
    try write(bytes, to: location, identifier)
    tables.insert(metadata, location, byteCount: bytes.count * Self.memoryPerFileByte)
  }

  /// The file's bytes, decompressed.
  func read(_ location: String, _ identifier: String) throws(TableError) -> Buffer {
    let bytes: Buffer
    do {
      bytes = try stores.get(location)
    } catch {
      throw TableError(error, "its metadata file cannot be read", table: identifier)
    }
    guard MetadataGzip.isCompressed(bytes) else { return bytes }
    let plain: Buffer?
    do {
      plain = try MetadataGzip.decompress(bytes, byteCountMax: TableMetadata.fileByteCountMax)
    } catch {
      throw TableError(
        .damaged, "its metadata file is damaged; point the catalog to an earlier one with register",
        table: identifier, file: location, cause: error.description)
    }
    guard let plain else {
      throw TableError(
        .limit,
        "its metadata file holds more than \(TableMetadata.fileByteCountMax) bytes of JSON; expire "
          + "snapshots with another tool first",
        table: identifier, file: location)
    }
    return plain
  }

  /// The name tells whether the file is compressed.
  func write(_ bytes: [UInt8], to location: String, _ identifier: String) throws(TableError) {
    var buffer = Buffer(bytes)
    if location.hasSuffix(".gz.metadata.json") {
      do {
        buffer = try MetadataGzip.compress(bytes)
      } catch {
        throw TableError(
          .catalog, "its metadata cannot be compressed", table: identifier, file: location,
          cause: error.description)
      }
    }
    do {
      // Without a condition: the name is new, and a put that is repeated after a lost answer must
      // not take its own object for somebody else's.
      try stores.put(location, buffer)
    } catch {
      throw TableError(error, "its metadata file cannot be written", table: identifier)
    }
  }

  /// Removes files that nothing points to any more, or never did. What cannot be removed stays for
  /// the clean-up of orphans.
  func discard(_ locations: [String]) {
    for location in locations { tables.remove(location) }
    stores.delete(locations)
  }
}
