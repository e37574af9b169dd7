// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Manifest lists and manifests that were read, which never change, within a bound of bytes (lists of
/// column files, of the tables that have some, take up to a quarter of it beside); the least recently used
/// go first. All tables of a catalog share one; threads may, too.
///
/// A manifest is kept as it was stored when it is first read, and without its compression when it was
/// read to its end and there is room: uncompressed manifests push nothing out, so that a table too
/// large for them is still served from the stored ones.
public final class ManifestCache: Sendable {
  /// Of the bytes of manifests and the memory of lists together.
  public static let byteCountMaxDefault = 256 << 20

  /// What a cached file was read through: stores that are confined must not see what others may.
  private struct Lists: Sendable {
    let stores: ObjectStores
    let manifests: [ManifestFile]
  }
  private struct File: Sendable {
    let stores: ObjectStores
    let form: Form
  }
  private struct Columns: Sendable {
    let stores: ObjectStores
    let list: ColumnFileList
  }
  /// A manifest in one of its forms.
  enum Form: Sendable {
    case stored(Buffer)
    case decoded(DecodedManifest)
  }

  private let lists: BoundedCache<Lists>
  private let files: BoundedCache<File>
  private let columns: BoundedCache<Columns>

  public init(byteCountMax: Int = byteCountMaxDefault) {
    lists = BoundedCache(byteCountMax: byteCountMax / 4)
    files = BoundedCache(byteCountMax: byteCountMax / 4 * 3)
    columns = BoundedCache(byteCountMax: byteCountMax / 4)
  }

  func list(_ location: String, _ stores: ObjectStores) -> [ManifestFile]? {
    lists[location].flatMap { $0.stores === stores ? $0.manifests : nil }
  }

  func insert(_ manifests: [ManifestFile], _ location: String, _ stores: ObjectStores) {
    let byteCount = manifests.reduce(64) { $0 + 320 + $1.path.utf8.count * 2 }
    lists.insert(Lists(stores: stores, manifests: manifests), location, byteCount: byteCount)
  }

  func columnFiles(_ location: String, _ stores: ObjectStores) -> ColumnFileList? {
    columns[location].flatMap { $0.stores === stores ? $0.list : nil }
  }

  func insert(_ list: ColumnFileList, _ location: String, _ stores: ObjectStores) {
    columns.insert(Columns(stores: stores, list: list), location, byteCount: list.byteCount)
  }

  func file(_ location: String, _ stores: ObjectStores) -> Form? {
    files[location].flatMap { $0.stores === stores ? $0.form : nil }
  }

  func insert(_ bytes: Buffer, _ location: String, _ stores: ObjectStores) {
    files.insert(
      File(stores: stores, form: .stored(bytes)), location, byteCount: bytes.count + 256)
  }

  /// The most bytes of one decoded manifest that are kept.
  var decodedByteCountMax: Int { files.byteCountMax / 8 }

  /// Takes the place of the stored form, if there is room.
  func insert(_ manifest: DecodedManifest, _ location: String, _ stores: ObjectStores) {
    files.insertIfRoom(
      File(stores: stores, form: .decoded(manifest)), location, byteCount: manifest.byteCount + 512)
  }
}

/// Reads manifest lists and manifests: from the cache if they are there.
struct ManifestFiles {
  let stores: ObjectStores
  let cache: ManifestCache

  func read(_ location: String) throws(TableError) -> Buffer {
    if case .stored(let known) = cache.file(location, stores) { return known }
    do {
      let bytes = try stores.get(location)
      cache.insert(bytes, location, stores)
      return bytes
    } catch {
      throw TableError(error, "a file of the table's metadata cannot be read")
    }
  }

  /// The manifests of a snapshot in the order of its list; v1 snapshots without a list have theirs
  /// made up from the files.
  func manifests(of snapshot: Snapshot) throws(TableError) -> [ManifestFile] {
    guard let location = snapshot.manifestList else {
      var manifests: [ManifestFile] = []
      for path in snapshot.manifests {
        manifests.append(
          try ManifestFile(reading: try read(path), path: path, snapshotID: snapshot.snapshotID))
      }
      return manifests
    }
    if let known = cache.list(location, stores) { return known }
    let bytes: Buffer
    do {
      bytes = try stores.get(location)
    } catch {
      throw TableError(error, "a file of the table's metadata cannot be read")
    }
    let manifests = try ManifestListReader.read(bytes, name: location)
    cache.insert(manifests, location, stores)
    return manifests
  }

  func spec(
    of manifest: ManifestFile, in metadata: TableMetadata
  ) throws(TableError) -> PartitionSpec {
    guard let spec = metadata.spec(id: manifest.partitionSpecID) else {
      throw TableError(
        .damaged,
        "the manifest names the partition spec \(manifest.partitionSpecID), which the table does "
          + "not have", file: manifest.path)
    }
    return spec
  }

  func open(
    _ manifest: ManifestFile, _ spec: PartitionSpec, _ schema: TableSchema
  ) throws(TableError) -> ManifestReader {
    let content: ManifestContent
    if case .decoded(let known) = cache.file(manifest.path, stores) {
      content = ManifestContent(known)
    } else {
      let file = try AvroFileReader(try read(manifest.path), name: manifest.path)
      content = try ManifestContent(file, keptByteCountMax: cache.decodedByteCountMax) {
        [cache, stores] in cache.insert($0, manifest.path, stores)
      }
    }
    return try ManifestReader(
      content, of: manifest, spec: spec, partitionType: spec.partitionType(schema))
  }
}
