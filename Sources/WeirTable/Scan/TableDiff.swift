// SPDX-License-Identifier: Apache-2.0

/// What is different between two states of a table.
public struct TableDiff: Sendable {
  /// Files, their rows and bytes. Rows of delete files are those that they delete.
  public struct Files: Hashable, Sendable {
    public var count = 0
    public var rows = 0
    public var bytes = 0

    fileprivate mutating func add(_ other: Files) {
      count += other.count
      rows &+= other.rows
      bytes &+= other.bytes
    }
  }

  /// A column that is not as it was.
  public struct ColumnChange: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable { case added, dropped, changed }
    public var kind: Kind
    public var fieldID: Int32
    /// As it was; `nil` when it was added.
    public var old: String?
    /// As it is; `nil` when it was dropped.
    public var new: String?
  }

  public internal(set) var from: Snapshot?
  public internal(set) var to: Snapshot?
  /// The snapshots between, the oldest first, `to` included; empty when the one does not lead to the
  /// other, as after a rollback or between branches.
  public internal(set) var snapshots: [Snapshot] = []
  public internal(set) var columns: [ColumnChange] = []
  public internal(set) var addedDataFiles = Files()
  public internal(set) var removedDataFiles = Files()
  public internal(set) var addedDeleteFiles = Files()
  public internal(set) var removedDeleteFiles = Files()
  /// Of the delete files, those that delete rows by their values.
  public internal(set) var addedEqualityDeleteFiles = 0
  public internal(set) var removedEqualityDeleteFiles = 0

  /// Rows in files that were removed, and rows that deletes hide now and did not before; `nil` where
  /// equality deletes are among what changed: how many rows they delete only the data files tell.
  ///
  /// As the manifests count them: exact when deletes of a file go with it and no two name the same
  /// row, as deletion vectors do. `Table.countChanges` looks.
  public var deletedRows: Int? {
    guard addedEqualityDeleteFiles == 0, removedEqualityDeleteFiles == 0 else { return nil }
    return removedDataFiles.rows &+ addedDeleteFiles.rows &- removedDeleteFiles.rows
  }
}

extension Table {
  /// Compares two states of the table, whichever came first.
  ///
  /// Cost: reads the manifests that only one of them has; memory for the entries of those.
  /// - Parameter from: `nil` for the empty table.
  public func diff(
    from: SnapshotSelector?, to: SnapshotSelector = .current
  ) throws(TableError) -> TableDiff {
    let files = ManifestFiles(stores: stores, cache: environment.manifestCache)
    do {
      return try TableDiff(metadata, files, from: from, to: to)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }
}

extension TableDiff {
  /// The most entries that are compared: about 1 GB of memory.
  private static let entryCountMax = 4_000_000

  private struct Key: Hashable {
    var path: String
    /// Of a deletion vector in its Puffin file.
    var offset: Int64?
  }

  init(
    _ metadata: TableMetadata, _ files: ManifestFiles, from: SnapshotSelector?,
    to: SnapshotSelector
  ) throws(TableError) {
    let end = try metadata.resolve(to)
    self.to = end.snapshot
    if let from {
      let start = try metadata.resolve(from)
      self.from = start.snapshot
      columns = Self.columns(start.schema, end.schema)
    }
    if let range = try? SnapshotRange(metadata, after: from, to: to) { snapshots = range.snapshots }
    let old =
      try self.from.map { snapshot throws(TableError) in
        try files.manifests(of: snapshot)
      } ?? []
    let new =
      try self.to.map { snapshot throws(TableError) in
        try files.manifests(of: snapshot)
      } ?? []
    let oldPaths = Set(old.map(\.path))
    let newPaths = Set(new.map(\.path))
    let (onlyOld, onlyNew) = (
      old.filter { !newPaths.contains($0.path) }, new.filter { !oldPaths.contains($0.path) }
    )
    var before: Set<Key> = []
    try Self.forEachFile(onlyOld, metadata, files) { key, _, _ in before.insert(key) }
    var (added, removed) = (Side(), Side())
    try Self.forEachFile(onlyNew, metadata, files) { key, file, content in
      if before.remove(key) == nil { added.add(file, content) }
    }
    // What is left is gone; what it was, the old manifests say again.
    try Self.forEachFile(onlyOld, metadata, files) { key, file, content in
      if before.remove(key) != nil { removed.add(file, content) }
    }
    (addedDataFiles, addedDeleteFiles) = (added.data, added.deletes)
    (removedDataFiles, removedDeleteFiles) = (removed.data, removed.deletes)
    (addedEqualityDeleteFiles, removedEqualityDeleteFiles) = (
      added.equalityDeletes, removed.equalityDeletes
    )
  }

  private struct Side {
    var data = Files()
    var deletes = Files()
    var equalityDeletes = 0

    mutating func add(_ file: Files, _ content: DataFile.Content) {
      if content == .data { data.add(file) } else { deletes.add(file) }
      if content == .equalityDeletes { equalityDeletes += 1 }
    }
  }

  private static func forEachFile(
    _ manifests: [ManifestFile], _ metadata: TableMetadata, _ files: ManifestFiles,
    _ body: (Key, Files, DataFile.Content) -> Void
  ) throws(TableError) {
    var count = 0
    for manifest in manifests {
      let spec = try files.spec(of: manifest, in: metadata)
      let reader = try files.open(manifest, spec, metadata.currentSchema)
      while try reader.advance() {
        guard reader.isLive else { continue }
        count += 1
        guard count <= entryCountMax else {
          throw TableError(
            .limit, "the snapshots differ in more than \(entryCountMax) files; compare nearer ones")
        }
        let offset = manifest.content == .data ? nil : try reader.contentOffset()
        let file = Files(
          count: 1, rows: try reader.recordCount(), bytes: try reader.fileSizeInBytes())
        body(Key(path: try reader.path(), offset: offset), file, try reader.content())
      }
    }
  }

  private static func columns(_ old: TableSchema, _ new: TableSchema) -> [ColumnChange] {
    func text(_ schema: TableSchema, _ id: Int32) -> String? {
      guard let field = schema.field(id: id), let path = schema.path(ofFieldID: id) else {
        return nil
      }
      // Fields within are told of by themselves.
      let type =
        switch field.type {
        case .struct: "struct"
        case .list: "list"
        case .map: "map"
        default: field.type.description
        }
      return "\(path): \(type)" + (field.required ? " required" : "")
    }
    var changes: [ColumnChange] = []
    for id in old.allFieldIDs {
      let (before, after) = (text(old, id), text(new, id))
      if before != after {
        changes.append(
          ColumnChange(
            kind: after == nil ? .dropped : .changed, fieldID: id, old: before, new: after))
      }
    }
    for id in new.allFieldIDs where old.field(id: id) == nil {
      changes.append(ColumnChange(kind: .added, fieldID: id, old: nil, new: text(new, id)))
    }
    return changes
  }
}
