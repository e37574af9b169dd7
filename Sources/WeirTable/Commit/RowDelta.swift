// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// Deletes rows, and perhaps adds others in their place: updates, merges, deletes by a predicate.
///
/// `deleteRows(of:at:)` makes deletion vectors. A data file has at most one: what is deleted already is
/// merged in, also when somebody else deleted rows of the same file meanwhile. A file that loses its
/// last row is removed as a whole.
///
/// In the way are: the removal or rewrite of a file whose rows are deleted; the deletion of the very
/// same rows by others, when rows are added in their place (an update of both would double them); and,
/// with `readFilter` under `serializable` isolation, rows that others added and that would have been
/// seen.
public final class RowDelta: SnapshotProducer {
  /// What others may not do meanwhile.
  public var isolation = IsolationLevel.serializable
  /// Which rows the operation looked at and decided by; `nil` when rows that others add do not matter.
  public var readFilter: Predicate?
  private var rowDeletes: [String: RowDeletes] = [:]
  private var order: [String] = []
  private var vectors: WrittenVectors?

  /// Rows of one data file that are to be deleted.
  private struct RowDeletes {
    var dataFile: DataFile
    var positions: RoaringBitmap64
  }

  /// What is there already for one data file.
  private struct Existing: Equatable {
    var vector: DataFile?
    /// Position delete files of this data file alone.
    var ownFiles: [DataFile] = []
    /// Position delete files that may name it beside others.
    var sharedFiles: [DataFile] = []
  }

  /// Vectors written for one state of the table.
  private struct WrittenVectors {
    var existing: [String: Existing]
    var location: String?
    var changes: FileChanges
  }

  /// Adds a data file.
  @discardableResult
  public func add(_ file: DataFile) -> Self {
    changes.addedDataFiles.append(file)
    return self
  }

  /// Adds a delete file that the caller has written: equality deletes, position deletes in format
  /// version 2.
  @discardableResult
  public func add(deletes file: DataFile) -> Self {
    changes.addedDeleteFiles.append(file)
    return self
  }

  /// Removes a delete file.
  @discardableResult
  public func remove(deletes file: DataFile) -> Self {
    changes.removedDeleteFiles[DeleteFileKey(file)] = file
    return self
  }

  /// Removes a whole data file, with its deletes.
  @discardableResult
  public func remove(_ file: DataFile) -> Self {
    changes.removedDataFiles[file.path] = file
    return self
  }

  /// Deletes rows of a data file of the snapshot that the transaction began with, by their positions
  /// in the file from 0 on. Needs format version 3. Rows of a file that is added beside may be deleted,
  /// too: nobody ever sees them but who reads the file itself.
  @discardableResult
  public func deleteRows(of file: DataFile, at positions: RoaringBitmap64) -> Self {
    guard !positions.isEmpty else { return self }
    if rowDeletes[file.path] == nil {
      order.append(file.path)
      rowDeletes[file.path] = RowDeletes(dataFile: file, positions: positions)
    } else {
      rowDeletes[file.path]!.positions.formUnion(positions)
    }
    return self
  }

  override var operation: Snapshot.Operation {
    let deletes = !rowDeletes.isEmpty || changes.operation != .append
    return deletes ? (changes.addedDataFiles.isEmpty ? .delete : .overwrite) : .append
  }

  override func validate(_ scan: ConflictScan) throws(TableError) {
    var paths = Set(rowDeletes.keys)
    for file in changes.addedDeleteFiles {
      if let path = file.referencedDataFile { paths.insert(path) }
    }
    try scan.refuseRemovedFiles(paths)
    try scan.refuseDeletedRows(of: changes.removedDataFiles.compactMapValues { $0 })
    if isolation == .serializable, let readFilter {
      try scan.refuseAddedRows(try scan.bind(readFilter))
    }
  }

  override func resolved(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) -> FileChanges {
    try checkVersion(base)
    guard !rowDeletes.isEmpty else { return changes }
    let existing = try self.existing(base, parent, context)
    if let vectors, vectors.existing == existing { return vectors.changes }
    var changes = self.changes
    let added = Set(changes.addedDataFiles.map(\.path))
    let writer = PuffinWriter()
    var blobs: [(DataFile, PuffinBlob, Int)] = []
    for path in order {
      let delete = rowDeletes[path]!
      let before = existing[path] ?? Existing()
      let deleted = try positions(before, delete.dataFile, context)
      let merged = deleted.union(delete.positions)
      if merged.count < deleted.count + delete.positions.count,
        !changes.addedDataFiles.isEmpty
      {
        throw try scan.doublyDeleted(path)
      }
      guard merged.count > deleted.count else { continue }
      guard (merged.last ?? 0) < Int64(delete.dataFile.recordCount) else {
        throw TableError(
          .invalidArgument,
          "row \(merged.last ?? 0) cannot be deleted: the file has \(delete.dataFile.recordCount)",
          file: path)
      }
      if merged.count == delete.dataFile.recordCount, !added.contains(path) {
        changes.removedDataFiles[path] = delete.dataFile
        continue
      }
      for file in before.ownFiles { changes.removedDeleteFiles[DeleteFileKey(file)] = file }
      if let vector = before.vector {
        changes.removedDeleteFiles[DeleteFileKey(vector)] = vector
      }
      let blob = try writer.append(deletionVector: merged, of: path)
      blobs.append((delete.dataFile, blob, merged.count))
    }
    var location: String?
    if !blobs.isEmpty {
      location = try write(writer, blobs, base, context, &changes)
    }
    vectors = WrittenVectors(existing: existing, location: location, changes: changes)
    return changes
  }

  private func checkVersion(_ base: TableMetadata) throws(TableError) {
    if !rowDeletes.isEmpty && base.formatVersion < 3 {
      throw TableError(
        .unsupported,
        "deletion vectors need format version 3, the table has \(base.formatVersion); upgrade it, or "
          + "overwrite the files")
    }
    for file in changes.addedDeleteFiles {
      if base.formatVersion >= 3 && file.content == .positionDeletes && !file.isDeletionVector {
        throw TableError(
          .invalidArgument,
          "position deletes of format version 3 are deletion vectors; delete rows by their positions",
          file: file.path)
      }
    }
  }

  /// Stores the vectors as one file, and adds their entries.
  private func write(
    _ writer: PuffinWriter, _ blobs: [(DataFile, PuffinBlob, Int)], _ base: TableMetadata,
    _ context: CommitContext, _ changes: inout FileChanges
  ) throws(TableError) -> String {
    let folder = MetadataLocation.dataFolder(
      tableLocation: base.location, properties: base.properties)
    let location = "\(folder)/\(context.environment.uuid())-dv.puffin"
    let bytes = try writer.finish()
    wrote(location)
    try context.files.write(bytes, to: location)
    for (file, blob, count) in blobs {
      // Who does not know `referenced_data_file` (PyIceberg 0.12, Polars 2.1) takes the one file from
      // equal bounds, as for position delete files, and else reads the vectors of the partition. Empty
      // maps, not none: PyIceberg's `inspect.entries()` takes them as given.
      let bound = [MetadataColumn.deleteFilePathID: Array(file.path.utf8)]
      changes.addedDeleteFiles.append(
        DataFile(
          content: .positionDeletes, path: location, format: .puffin, specID: file.specID,
          partition: file.partition, recordCount: count, fileSizeInBytes: bytes.count,
          metrics: FileMetrics(
            columnSizes: [:], valueCounts: [:], nullValueCounts: [:], nanValueCounts: [:],
            lowerBounds: bound, upperBounds: bound),
          referencedDataFile: file.path, contentOffset: Int64(blob.offset),
          contentSizeInBytes: Int64(blob.length)))
    }
    return location
  }

  /// The deletes that are there for the files whose rows are deleted.
  private func existing(
    _ base: TableMetadata, _ parent: Snapshot?, _ context: CommitContext
  ) throws(TableError) -> [String: Existing] {
    var result: [String: Existing] = [:]
    let partitions = Dictionary(grouping: order) { PartitionKey(rowDeletes[$0]!.dataFile) }
    for manifest in try context.files.manifests(of: parent)
    where manifest.content == .deletes && manifest.hasLiveFiles {
      let reader = try context.files.reader(manifest, base)
      while try reader.advance() {
        guard reader.isLive, try reader.content() == .positionDeletes else { continue }
        let file = try reader.entry(withMetrics: false).dataFile
        if let path = file.referencedDataFile {
          guard rowDeletes[path] != nil else { continue }
          if file.isDeletionVector {
            result[path, default: Existing()].vector = file
          } else {
            result[path, default: Existing()].ownFiles.append(file)
          }
        } else {
          for path in partitions[PartitionKey(file)] ?? [] {
            result[path, default: Existing()].sharedFiles.append(file)
          }
        }
      }
    }
    return result
  }

  /// The rows that are deleted already.
  private func positions(
    _ existing: Existing, _ file: DataFile, _ context: CommitContext
  ) throws(TableError) -> RoaringBitmap64 {
    if let vector = existing.vector {
      let reader: any ObjectReader
      do {
        reader = try context.files.stores.open(vector.path)
      } catch {
        throw TableError(error, "a deletion vector cannot be read")
      }
      return try PuffinReader.deletionVector(reader, file: vector)
    }
    let files = existing.ownFiles + existing.sharedFiles
    guard !files.isEmpty else { return RoaringBitmap64() }
    // Where there is a vector, readers look at no position delete file: it must hold them all.
    let loader = DeleteLoader(
      stores: context.files.stores, nameMapping: nil, byteCountMax: 64 << 20)
    let rows = try loader.positions(files, of: file)
    return RoaringBitmap64((0..<Int64(file.recordCount)).filter { rows.contains(Int($0)) })
  }

  override var otherUsedFiles: Set<String> { vectors?.location.map { [$0] } ?? [] }

  /// Deleting what is deleted already makes no snapshot.
  override func isNothing(_ changes: FileChanges) -> Bool {
    !rowDeletes.isEmpty && changes.isEmpty
  }
}

extension Transaction {
  /// Deletes rows, and adds others.
  public func rowDelta() -> RowDelta { producer(RowDelta.self) }
}
