// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

// Which list of column files a snapshot has.
//
// Weir's snapshots name theirs in their summaries, whether it is new or that of the snapshot before.
// Snapshots of other engines name none: the list of their nearest ancestor that names one counts. Where
// that ancestor has expired, the table's property tells: it has the list that `main` got last and the
// sequence number from which on it counts. A table without the property never had column files.
extension ColumnFileList {
  /// In the summary of a snapshot: the file of its list, or `none`. In the properties of a table: the
  /// sequence number of the snapshot that brought the last list, a space, and the file, or `none`.
  package static let property = "weir.column-files"
  static let none = "none"

  /// The property of a table.
  struct Pointer {
    var sequenceNumber: Int64
    /// `nil` without column files.
    var path: String?

    init?(_ properties: StringMap) {
      guard let text = properties[property] else { return nil }
      let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
      guard parts.count == 2, let number = Int64(parts[0]) else { return nil }
      sequenceNumber = number
      path = parts[1] == ColumnFileList.none ? nil : parts[1]
    }

    init(sequenceNumber: Int64, path: String?) {
      self.sequenceNumber = sequenceNumber
      self.path = path
    }

    var text: String { "\(sequenceNumber) \(path ?? ColumnFileList.none)" }
  }

  /// Refuses a filter by which whole files are chosen where it is about columns of the list: their
  /// metrics do not tell whether all rows match.
  func refuse(_ filter: BoundPredicate, _ schema: TableSchema) throws(TableError) {
    if isEmpty { return }
    let ids = fieldIDs
    for id in filter.columns.compactMap(\.field.id) {
      var top = id
      while let parent = schema.parentID(ofFieldID: top) { top = parent }
      guard ids.contains(top) else { continue }
      throw TableError(
        .unsupported,
        "the column was backfilled, and which files match as a whole is not known; compact the table "
          + "first (all of it), or delete the rows", column: schema.path(ofFieldID: id))
    }
  }

  /// A file with the list.
  func file(snapshotID: Int64) throws(TableError) -> Buffer {
    let writer = PuffinWriter()
    let blob = PuffinBlob(
      type: Self.blobType, fields: [MetadataColumn.position.fieldID], snapshotID: snapshotID,
      sequenceNumber: -1)
    try writer.append(blob, encoded(), codec: .zstd)
    return try writer.finish()
  }

  /// - Throws: `notFound` for a list that is gone, `damaged` for one that is none.
  init(reading path: String, _ stores: ObjectStores) throws(TableError) {
    let opened: any ObjectReader
    do {
      opened = try stores.open(path)
    } catch {
      throw TableError(
        error.code == .notFound ? .notFound : .storage,
        "the list of the table's column files cannot be read; who has removed it (another engine's "
          + "removal of orphans?) has removed the values of columns that were backfilled: roll the table "
          + "back, or remove the property \(Self.property) and backfill them again",
        file: path, cause: error.message)
    }
    do throws(TableError) {
      let reader = try PuffinReader(opened)
      guard let blob = reader.blobs.first(where: { $0.type == Self.blobType }) else {
        throw TableError(.damaged, "the file has no list of column files")
      }
      self = try ColumnFileList(decoding: try reader.read(blob))
    } catch { throw error.adding(file: path) }
  }
}

extension TableMetadata {
  /// The file of a snapshot's list of column files; `nil` where it has none.
  package func columnFileListPath(of snapshot: Snapshot?) -> String? {
    guard let snapshot, let pointer = ColumnFileList.Pointer(properties) else { return nil }
    if let path = snapshot.columnFileListPath { return path.isNone ? nil : path }
    for ancestor in ancestors(of: snapshot.snapshotID) {
      if let path = ancestor.columnFileListPath { return path.isNone ? nil : path }
      if ancestor.parentID == nil { return nil }
    }
    return pointer.sequenceNumber <= snapshot.sequenceNumber ? pointer.path : nil
  }

  /// The files of all lists of some snapshots.
  func columnFileListPaths(of snapshots: [Snapshot]) -> Set<String> {
    guard properties[ColumnFileList.property] != nil else { return [] }
    return Set(snapshots.compactMap { columnFileListPath(of: $0) })
  }

  /// Keeps the property right when snapshots go: that of the current one's list counts for whoever comes
  /// behind.
  func columnFilePointerUpdates() -> [TableUpdate] {
    guard let pointer = ColumnFileList.Pointer(properties), let current = currentSnapshot else {
      return []
    }
    let path = columnFileListPath(of: current)
    guard pointer.path != path || pointer.sequenceNumber > current.sequenceNumber else { return [] }
    let right = ColumnFileList.Pointer(sequenceNumber: current.sequenceNumber, path: path)
    return [.setProperties([ColumnFileList.property: right.text])]
  }
}

extension Snapshot {
  /// What its summary says.
  var columnFileListPath: String? { summary?[ColumnFileList.property] }
}

extension String {
  fileprivate var isNone: Bool { self == ColumnFileList.none }
}

extension ManifestFiles {
  /// The column files of a snapshot; empty for tables without.
  func columnFiles(
    of snapshot: Snapshot?, in metadata: TableMetadata
  ) throws(TableError) -> ColumnFileList {
    guard let path = metadata.columnFileListPath(of: snapshot) else { return ColumnFileList() }
    return try columnFiles(path)
  }

  func columnFiles(_ path: String) throws(TableError) -> ColumnFileList {
    if let known = cache.columnFiles(path, stores) { return known }
    let list = try ColumnFileList(reading: path, stores)
    cache.insert(list, path, stores)
    return list
  }
}
