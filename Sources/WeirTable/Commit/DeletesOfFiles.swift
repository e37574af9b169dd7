// SPDX-License-Identifier: Apache-2.0

internal import WeirStorage

/// The deletes that one state of a table has for some of its data files, but for equality deletes.
struct DeletesOfFiles: Equatable {
  /// What is there for one data file.
  struct Deletes: Equatable {
    var vector: DataFile?
    /// Position delete files of this data file alone.
    var ownFiles: [DataFile] = []
    /// Position delete files that may name it beside others.
    var sharedFiles: [DataFile] = []
  }

  private var byPath: [String: Deletes] = [:]
  /// All equality deletes of the table.
  private var equalityPaths: Set<String> = []

  /// - Parameter files: by their paths.
  init(
    of files: [String: DataFile], _ base: TableMetadata, _ parent: Snapshot?,
    _ context: CommitContext
  ) throws(TableError) {
    let partitions = Dictionary(grouping: files.keys.sorted()) { PartitionKey(files[$0]!) }
    for manifest in try context.files.manifests(of: parent)
    where manifest.content == .deletes && manifest.hasLiveFiles {
      let reader = try context.files.reader(manifest, base)
      while try reader.advance() {
        guard reader.isLive else { continue }
        guard try reader.content() == .positionDeletes else {
          equalityPaths.insert(try reader.path())
          continue
        }
        let file = try reader.entry(withMetrics: false).dataFile
        if let path = file.referencedDataFile {
          guard files[path] != nil else { continue }
          if file.isDeletionVector {
            byPath[path, default: Deletes()].vector = file
          } else {
            byPath[path, default: Deletes()].ownFiles.append(file)
          }
        } else {
          for path in partitions[PartitionKey(file)] ?? [] {
            byPath[path, default: Deletes()].sharedFiles.append(file)
          }
        }
      }
    }
  }

  subscript(path: String) -> Deletes { byPath[path] ?? Deletes() }

  /// Whether all that was deleted of a file when it was read still is.
  func hold(_ source: FileScanTask, _ context: CommitContext) throws(TableError) -> Bool {
    guard source.deletes.equalityDeletes.allSatisfy({ equalityPaths.contains($0.path) }) else {
      return false
    }
    let then = Deletes(
      vector: source.deletes.deletionVector, ownFiles: source.deletes.positionDeletes)
    if then == self[source.dataFile.path] { return true }
    let before = try Self.positions(then, source.dataFile, context)
    let now = try positions(of: source.dataFile, context)
    return before.union(now).count == now.count
  }

  /// The rows of a file that are deleted.
  func positions(
    of file: DataFile, _ context: CommitContext
  ) throws(TableError) -> RoaringBitmap64 {
    try Self.positions(self[file.path], file, context)
  }

  private static func positions(
    _ deletes: Deletes, _ file: DataFile, _ context: CommitContext
  ) throws(TableError) -> RoaringBitmap64 {
    if let vector = deletes.vector {
      let reader: any ObjectReader
      do {
        reader = try context.files.stores.open(vector.path)
      } catch {
        throw TableError(error, "a deletion vector cannot be read")
      }
      return try PuffinReader.deletionVector(reader, file: vector)
    }
    let files = deletes.ownFiles + deletes.sharedFiles
    guard !files.isEmpty else { return RoaringBitmap64() }
    // Where there is a vector, readers look at no position delete file: it must hold them all.
    let loader = DeleteLoader(
      stores: context.files.stores, nameMapping: nil, byteCountMax: 64 << 20)
    let rows = try loader.positions(files, of: file)
    return RoaringBitmap64((0..<Int64(file.recordCount)).filter { rows.contains(Int($0)) })
  }
}
